"""Silent and slow clients in crowds: ordinary ones notice nothing, and there is room again when they are gone."""

import itertools
import json
import resource
import select
import socket
import ssl
import subprocess
import threading
import time

import pytest

import conversation
import postern
from conversation import Conversation, message, signed_in

SILENT = 2000
SLOW = 500  # a byte a second each
ORDINARY = 50  # each hands in a message a second, in a connection of its own
MEASURE_SECONDS = 4

# So patient that nobody of the crowd is sent away while it lasts.
PATIENT = "limits { handshake = 1h  command = 1h  idle = 1h  sign_in = 1h  data_grace = 1h }"


def connect(port, number):
    """From several loopback addresses, as from several clients."""
    source = (f"127.0.0.{2 + number % 50}", 0)
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=source)


def client_hello(tls):
    """Its bytes, in a record of their own."""
    outgoing = ssl.MemoryBIO()
    handshake = tls.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        handshake.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Crowd:
    """Silent connections, and slow ones that a thread sends a byte a second on: commands in plain text, a handshake, the
    text of a message inside TLS."""

    def __init__(self, server):
        tls = conversation.context(server.ca)
        hello = client_hello(tls)
        self.sockets = [connect(port, each) for each in range(SILENT // 2) for port in (server.starttls, server.tls)]
        self.slow = []
        for number in range(SLOW):
            kind = number % 5
            if kind == 0:
                client = signed_in(server, tls)
                client.expect(f"MAIL FROM:<{postern.USER}>", 250)
                client.expect("RCPT TO:<slow@example.org>", 250)
                client.expect("DATA", 354)
                self.slow.append((client.socket, itertools.cycle(b"Slow.\r\n")))
            elif kind < 3:
                self.slow.append((connect(server.tls, number), iter(hello)))
            else:
                self.slow.append((connect(server.starttls, number), itertools.cycle(b"EHLO slow.example\r\nNOOP\r\n")))
        self.sockets += [each for each, _ in self.slow]
        self.bytes_sent = 0
        self.trouble = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.send_slowly)
        self.thread.start()

    def send_slowly(self):
        """A tenth of them each tenth of a second."""
        due = time.monotonic()
        for tenth in itertools.cycle(range(10)):
            for sender, text in self.slow[tenth::10]:
                try:
                    sender.send(bytes([next(text)]))
                    self.bytes_sent += 1
                except OSError as error:
                    self.trouble.append(error)
            due += 0.1
            if self.over.wait(max(0, due - time.monotonic())):
                return

    def count_open(self):
        """Those that the server has not closed."""
        count = 0
        for each in self.sockets:
            each.setblocking(False)
            try:
                count += each.recv(65536) != b""
            except (BlockingIOError, ssl.SSLWantReadError):
                count += 1
            except OSError:
                pass
        return count

    def leave(self):
        self.over.set()
        self.thread.join()
        for each in self.sockets:
            each.close()


def measure(server, recipient):
    """What the ordinary clients see, in milliseconds of a whole session: median, and the worst but one in a hundred."""
    command = [postern.BUILD / "postern-bench", "session", "--to", f"127.0.0.1:{server.tls}", "--host", "localhost"]
    command += ["--ca", server.ca, "--user", postern.USER, "--password", postern.PASSWORD, "--rcpt", recipient]
    command += ["--connections", ORDINARY, "--rate", ORDINARY, "--duration", f"{MEASURE_SECONDS}s", "--warm-up", 5]
    done = subprocess.run([*map(str, command), "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["failed"] == 0 and report["operations"] >= ORDINARY * (MEASURE_SECONDS - 1), done.stdout
    total = report["latencies"]["total"]
    return total["p50_us"] / 1000, total["p99_us"] / 1000


@pytest.mark.alone("it compares latencies")
def test_ordinary_clients_notice_nothing(make_server):
    """The same clients on the server without the crowd, with it, and without it again. Other work on the machine may
    spoil a measurement, but not three."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = make_server(server=PATIENT)
    server.add_user()
    server.start()
    seen = []
    for _ in range(3):
        before = measure(server, "before@held.example")
        crowd = Crowd(server)
        try:
            with_crowd = measure(server, "crowd@held.example")
            assert not crowd.trouble, crowd.trouble[:3]
            assert crowd.count_open() == SILENT + SLOW
            assert crowd.bytes_sent >= SLOW * (MEASURE_SECONDS - 1)
        finally:
            crowd.leave()
        after = measure(server, "after@held.example")
        seen.append((before, with_crowd, after))
        median, worst = (max(pair) for pair in zip(before, after))
        if with_crowd[0] < 1.2 * median + 0.5 and with_crowd[1] < 1.5 * worst + 5:
            break
    else:
        raise AssertionError(f"milliseconds, median and p99, before, with and after the crowd: {seen}")


def test_connections_are_limited(make_server):
    server = make_server(server="limits { connections = 5 }").start()
    crowd = [Conversation(server.starttls) for _ in range(5)]
    assert all(each.reply().code == 220 for each in crowd)
    try:
        with Conversation(server.starttls) as refused:
            assert refused.reply().code == 421
    except (EOFError, ConnectionError):
        pass
    for each in crowd:
        each.socket.close()

    def is_served():
        try:
            with Conversation(server.starttls) as client:
                return client.reply().code == 220
        except (EOFError, ConnectionError):
            return False

    postern.wait_until(is_served, 10, "there is room again")


def test_a_slow_message_is_cut_off(make_server):
    server = make_server(server="limits { data_rate = 1K  data_grace = 2s }")
    server.add_user()
    server.start()
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect("RCPT TO:<slow@example.org>", 250)
        client.expect("DATA", 354)
        end = time.monotonic() + 15
        while time.monotonic() < end and not select.select([client.socket], [], [], 0.2)[0]:
            client.send(b"x")
        assert client.reply().code == 421
        assert client.is_closed()
    assert server.files("slow@example.org") == []
