"""Starting, ending and dying: what was acknowledged is delivered, whole and at most once an id, whatever is killed.

POSTERN_KILLS and POSTERN_KILL_CONNECTIONS make the killing longer and wider than it is in every run.
"""

import collections
import os
import random
import signal
import ssl
import threading
import time

import pytest

import conversation
import postern
from conversation import Conversation, message, signed_in

KILLS = int(os.environ.get("POSTERN_KILLS", "4"))
CONNECTIONS = int(os.environ.get("POSTERN_KILL_CONNECTIONS", "30"))
RECIPIENT = "load@example.org"


def test_end_waits_for_the_transaction(make_server):
    server = make_server()
    server.add_user()
    server.start()
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect(f"RCPT TO:<{RECIPIENT}>", 250)
        client.expect("DATA", 354)
        client.send("Subject: at the end\r\n\r\nfirst part\r\n")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert server.process.poll() is None
        with pytest.raises((ConnectionError, EOFError, OSError)):
            Conversation(server.starttls, timeout=5).reply()
        client.send("second part\r\n.\r\n")
        assert client.reply().code == 250
    assert server.process.wait(30) == 0
    server.process = None
    server.start()
    server.wait_for(RECIPIENT, "at the end")


def test_end_is_bounded(make_server):
    server = make_server(shutdown="1s")
    server.add_user()
    server.start()
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect(f"RCPT TO:<{RECIPIENT}>", 250)
        client.expect("DATA", 354)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert time.monotonic() - began < 15
        server.process = None


def test_dead_children_are_replaced(make_server):
    server = make_server(workers=2)
    server.add_user()
    server.start()
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
        postern.wait_until(lambda gone=pid: not postern.is_running(gone), 10, "the killed process is gone")
        postern.wait_until(lambda: len(server.children()) >= 3, 10, "it is replaced")

    def is_served():
        try:
            with signed_in(server) as client:
                return client.submit(message("after the deaths"), recipients=[RECIPIENT]).code == 250
        except (OSError, EOFError, AssertionError):
            return False

    postern.wait_until(is_served, 30, "clients are served again")
    server.wait_for(RECIPIENT, "after the deaths")


class Load:
    """Clients that hand in numbered messages all the time, and remember which were acknowledged."""

    def __init__(self, server, connections):
        self.server = server
        self.lock = threading.Lock()
        self.acknowledged = set()
        self.number = 0
        self.ending = threading.Event()
        self.tls = conversation.context(server.ca)
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def next_subject(self):
        with self.lock:
            self.number += 1
            return f"load {self.number}"

    def run(self):
        while not self.ending.is_set():
            try:
                with signed_in(self.server, self.tls) as client:
                    for _ in range(10):
                        self.hand_in(client)
                        if self.ending.is_set():
                            return
            except (OSError, EOFError, ssl.SSLError, AssertionError):
                time.sleep(0.05)

    def hand_in(self, client):
        subject = self.next_subject()
        size = random.choice((100, 1000, 5000, 300000))
        body = f"{subject}\r\n" + ("x" * 70 + "\r\n") * (size // 72)
        if client.submit(message(subject, body), recipients=[RECIPIENT]).code == 250:
            with self.lock:
                self.acknowledged.add((subject, len(body)))

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(60)


def check_all_is_there(server, load):
    """Every acknowledged message is in the Maildir, whole; no id is there twice."""
    new = server.maildir(RECIPIENT) / "new"

    def settled():
        before = len(list(new.glob("*")))
        time.sleep(1)
        return before == len(list(new.glob("*"))) and before >= len(load.acknowledged)

    postern.wait_until(settled, 120, "all messages are delivered")
    found = {}
    for each in server.messages(RECIPIENT):
        found[each.text["Subject"]] = each.bytes.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    for subject, size in load.acknowledged:
        assert subject in found, f"{subject} was acknowledged and is lost"
        body = found[subject]
        assert body.startswith(subject.encode() + b"\n"), f"{subject} is damaged"
        assert len(body) == size - body.count(b"\n"), f"{subject} is not whole"
    names = collections.Counter(path.name.split(":")[0] for path in server.files(RECIPIENT))
    assert not [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize("victim", ["child", "all"])
def test_nothing_acknowledged_is_lost(make_server, victim):
    server = make_server(workers=2, server="limits { errors = 1000 }")
    server.add_user()
    server.start()
    load = Load(server, CONNECTIONS)
    for _ in range(KILLS):
        before = len(load.acknowledged)
        postern.wait_until(lambda: len(load.acknowledged) > before + 5, 60, "messages are acknowledged")
        time.sleep(random.uniform(0.1, 1))
        if victim == "child":
            os.kill(random.choice(server.children()), signal.SIGKILL)
        else:
            server.kill_all()
            server.start()
    load.end()
    assert len(load.acknowledged) > KILLS * 5
    check_all_is_there(server, load)
