"""`lists = { "deny:FILE" }`: files of rules that count while the server runs, as soon as they change and only when they are right."""

import os
import signal
import socket
import time

import pytest

import conversation
import postern
from conversation import Conversation

TAKES_EFFECT = 15  # seconds, with sanitizers and other work on the machine


def connects(server, source):
    """Is a client from there greeted?"""
    with Conversation(server.starttls, source=(source, 0)) as client:
        code = client.reply().code
    assert code in (220, 554)
    return code == 220


def wait_for(server, source, wanted):
    postern.wait_until(lambda: connects(server, source) == wanted, TAKES_EFFECT, f"{source} is greeted: {wanted}")


def make(make_server, text, workers=2, more="", lists='"deny:blocked.txt"'):
    server = make_server(server=f"connect {{ {more} lists = {{ {lists} }} }}", workers=workers)
    (server.folder / "blocked.txt").write_text(text)
    return server


def write(server, text, name="blocked.txt"):
    """As careful people do: whole, and then in its place."""
    new = server.folder / (name + ".new")
    new.write_text(text)
    new.rename(server.folder / name)


def all_workers_say(server, source):
    """The kernel spreads connections over them: 20 reach each for sure enough."""
    return {connects(server, source) for _ in range(20)}


def check_all_workers(server, source, wanted):
    assert all_workers_say(server, source) == {wanted}


def wait_for_all_workers(server, source, wanted):
    """Made by a process of its own, a second after the change."""
    postern.wait_until(lambda: all_workers_say(server, source) == {wanted}, TAKES_EFFECT, f"{source}: {wanted}")


def test_a_list_counts_from_the_start_and_when_it_changes(make_server):
    server = make(make_server, "127.0.0.2 # one\r\n\r\n127.0.1.0/24\r\n").start()
    check_all_workers(server, "127.0.0.2", False)
    check_all_workers(server, "127.0.1.77", False)
    check_all_workers(server, "127.0.0.3", True)
    assert f"file={server.folder}/blocked.txt line=3" in server.log()
    write(server, "127.0.0.3\n")
    wait_for_all_workers(server, "127.0.0.3", False)
    check_all_workers(server, "127.0.0.2", True)
    # Written over, and again.
    for source, other in (("127.0.0.4", "127.0.0.3"), ("127.0.0.5", "127.0.0.4"), ("127.0.0.6", "127.0.0.5")):
        (server.folder / "blocked.txt").write_text(source + "\n")
        wait_for_all_workers(server, source, False)
        wait_for_all_workers(server, other, True)


def test_a_list_that_is_wrong_changes_nothing(make_server):
    server = make(make_server, "127.0.0.2\n").start()
    write(server, "127.0.0.3\n127.0.0.4/33\n*.bad.example\n")
    postern.wait_until(lambda: "stay in force" in server.log(), TAKES_EFFECT, "the wrong list is told")
    log = server.log()
    assert f"{server.folder}/blocked.txt:2: " in log and f"{server.folder}/blocked.txt:3: " in log
    assert "lists-refused" in log and log.count("list-wrong") == 2
    check_all_workers(server, "127.0.0.2", False)
    check_all_workers(server, "127.0.0.3", True)
    os.unlink(server.folder / "blocked.txt")
    postern.wait_until(lambda: server.log().count("lists-refused") == 2, TAKES_EFFECT, "the missing list is told")
    check_all_workers(server, "127.0.0.2", False)
    write(server, "127.0.0.3\n")
    wait_for(server, "127.0.0.3", False)
    assert server.log().count("lists-refused") == 2


def test_a_server_with_a_wrong_list_does_not_start(make_server):
    server = make(make_server, "127.0.0.2\n1.2.3\n")
    done = postern.postern("serve", "-c", server.config, cwd=server.folder)
    assert done.returncode == 2
    assert f"{server.folder}/blocked.txt:2: " in done.stderr


def test_the_most_specific_rule_decides_whatever_file_it_is_in(make_server):
    lists = '"deny:blocked.txt", "allow:friends.txt"'
    server = make(make_server, "127.0.0.0/24\n127.0.2.0/24\n", more='allow = { "127.0.0.9" }', lists=lists)
    (server.folder / "friends.txt").write_text("127.0.0.8\n127.0.2.0/24\n")
    server.start()
    assert not connects(server, "127.0.0.7")
    assert connects(server, "127.0.0.8") and connects(server, "127.0.0.9")
    assert not connects(server, "127.0.2.1")  # of equal ones, deny
    write(server, "127.0.0.7\n", name="friends.txt")
    wait_for_all_workers(server, "127.0.0.8", False)
    assert connects(server, "127.0.0.7") and connects(server, "127.0.0.9")


def greeting(server, source):
    with Conversation(server.starttls, source=(source, 0)) as client:
        return client.reply().code


def test_a_list_may_bring_the_first_name(make_server):
    """From then on the client's name is asked for; here nobody answers that."""
    server = make(make_server, "127.0.0.2\n", more="unknown_name = deny")
    block = 'dns { servers = { "127.0.0.1:9" }  timeout = 100ms }\n    connect {'
    server.config.write_text(server.config.read_text().replace("connect {", block, 1))
    server.start()
    assert greeting(server, "127.0.0.3") == 220
    write(server, "127.0.0.2\n.bad.example\n")
    postern.wait_until(lambda: greeting(server, "127.0.0.3") == 421, TAKES_EFFECT, "the name is asked for")
    assert greeting(server, "127.0.0.2") == 554
    write(server, "127.0.0.2\n")
    postern.wait_until(lambda: greeting(server, "127.0.0.3") == 220, TAKES_EFFECT, "it is asked for no more")


def test_a_new_worker_has_the_new_list(make_server):
    server = make(make_server, "127.0.0.2\n").start()
    write(server, "127.0.0.3\n")
    wait_for_all_workers(server, "127.0.0.3", False)
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
    postern.wait_until(lambda: server.log().count(" died ") >= 3, 10, "all deaths are told")

    def serves():
        try:
            return connects(server, "127.0.0.2")
        except (OSError, AssertionError):
            return False

    postern.wait_until(serves, 20, "new workers serve")
    check_all_workers(server, "127.0.0.3", False)
    check_all_workers(server, "127.0.0.2", True)
    write(server, "127.0.0.2\n")
    wait_for(server, "127.0.0.2", False)


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "tls"])
def test_who_is_let_in_while_he_waits_is_served(make_server, tls):
    server = make(make_server, "127.0.0.2\n", workers=1, more="tarpit = 6s").start()
    port, secure = (server.tls, conversation.context(server.ca)) if tls else (server.starttls, None)
    with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as plain:
        write(server, "127.0.0.3\n")
        server.await_log("changed lists are in force")
        plain.settimeout(20)
        with secure.wrap_socket(plain, server_hostname="localhost") if secure else plain as client:
            assert client.recv(1000).startswith(b"220 ")
            client.sendall(b"NOOP\r\n")
            assert client.recv(1000).startswith(b"250 ")


@pytest.mark.alone("it measures latencies")
def test_sessions_go_on_while_a_large_list_is_made(make_server):
    """100,000 prefixes; every answer comes soon."""
    server = make(make_server, "127.0.0.2\n", workers=1).start()
    lines = [f"10.{i >> 8 & 255}.{i & 255}.{i >> 16}" for i in range(100000)]
    write(server, "\n".join([*lines, "127.0.0.3"]) + "\n")
    longest = 0
    with Conversation(server.starttls) as client:
        client.reply()
        end = time.monotonic() + 60
        while "changed lists are in force" not in server.log() and time.monotonic() < end:
            began = time.monotonic()
            client.expect("NOOP", 250)
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.005)
    wait_for(server, "127.0.0.3", False)
    assert longest < 0.5
