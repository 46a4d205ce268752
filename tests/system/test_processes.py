"""The server's processes: what they have of each other, who started them, and who else uses their folder."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess

import pytest

import postern
from conversation import Conversation
from test_reload import edit, reload, size, workers
from test_renewal import issue, wait_until_served

PROCESSES = pytest.mark.any_loop("processes, whatever their loops")
FIRST_LOCK = 64  # in the file of quotas: behind its head
DESCRIPTORS = 400  # of a process, at most


def descriptors(pid):
    return [os.readlink(each) for each in pathlib.Path(f"/proc/{pid}/fd").iterdir()]


def maps(pid):
    return pathlib.Path(f"/proc/{pid}/maps").read_text()


def hashers(server):
    return [pid for pid in server.children() if pid not in workers(server)]


def second_start(server):
    """A server on the same folder, with ports of its own: it ends, and what it says is the answer."""
    other = server.config.with_name("second.conf")
    text = server.config.read_text()
    for port, new in zip((server.starttls, server.tls), postern.free_ports(2), strict=True):
        text = text.replace(f":{port} ", f":{new} ")
    other.write_text(text)
    command = [str(postern.POSTERN), "serve", "-c", str(other)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=server.folder)
    assert done.returncode == 2, done
    return done.stderr


@PROCESSES
def test_a_second_server_touches_nothing_of_the_first(make_server):
    server = make_server(server="quota { messages_per_hour = 100 }").start()
    quotas = server.folder / "data" / "quotas"
    with open(quotas, "r+b", buffering=0) as file:
        os.pwrite(file.fileno(), struct.pack("=I", 1), FIRST_LOCK)  # worker 0 is just counting
        assert f"a server runs in {server.folder}/data already" in second_start(server)
        assert os.pread(file.fileno(), 4, FIRST_LOCK) == struct.pack("=I", 1)
        os.pwrite(file.fileno(), bytes(4), FIRST_LOCK)
    assert reload(server) == 2  # its control socket is still there


@PROCESSES
def test_a_server_that_is_too_busy_to_answer_is_there(make_server):
    server = make_server().start()
    os.kill(server.process.pid, signal.SIGSTOP)
    waiting = []
    try:
        with pytest.raises(BlockingIOError):
            for _ in range(1000):
                waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                waiting[-1].connect(str(server.folder / "data" / "control"))
        assert "a server runs in" in second_start(server)
    finally:
        for each in waiting:
            each.close()
        os.kill(server.process.pid, signal.SIGCONT)
    assert reload(server) == 2


@PROCESSES
def test_whoever_starts_it_may_ignore_the_death_of_children(make_server):
    server = make_server()
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        server.start()  # ignored signals stay so over exec
    finally:
        signal.signal(signal.SIGCHLD, before)
    (first,) = workers(server)
    os.kill(first, signal.SIGKILL)
    server.await_log(" died ")
    postern.wait_until(lambda: workers(server) not in ([], [first]), 10, "it is replaced")


@PROCESSES
def test_a_hasher_has_nothing_of_what_is_served(make_server):
    server = make_server(server="connect { per_address = 50 }").start()
    assert any("postern-clients" in each for pid in workers(server) for each in maps(pid).splitlines())
    for pid in hashers(server):
        assert "postern-clients" not in maps(pid)
        assert not [each for each in descriptors(pid) if "postern-clients" in each]


def with_a_list_being_made(make_server):
    """The server, and the process that reads the list, which is stopped."""
    server = make_server(server='connect { lists = { "deny:blocked.txt" } }')
    blocked = server.folder / "blocked.txt"
    blocked.write_text("127.0.0.2\n")
    server.start()
    before = set(server.all_children())
    blocked.write_text("".join(f"10.{i >> 8 & 255}.{i & 255}.{i >> 16}\n" for i in range(300000)))
    (maker,) = postern.wait_until(lambda: set(server.all_children()) - before, 10, "the list is being made")
    os.kill(maker, signal.SIGSTOP)
    return server, maker


@PROCESSES
def test_the_death_of_who_reads_a_list_is_told(make_server):
    server, maker = with_a_list_being_made(make_server)
    os.kill(maker, signal.SIGKILL)
    server.await_log("the process that read the lists has died: Killed", "the lists as they were before stay in force")
    blocked = server.folder / "blocked.txt"
    blocked.write_text("127.0.0.3\n")
    server.await_log("changed lists are in force")


@PROCESSES
def test_a_worker_keeps_no_list_that_is_being_made(make_server):
    server, maker = with_a_list_being_made(make_server)
    (first,) = workers(server)
    os.kill(first, signal.SIGKILL)
    postern.wait_until(lambda: workers(server) not in ([], [first]), 10, "the worker is replaced")
    (second,) = workers(server)
    assert not [each for each in descriptors(second) if "postern-lists" in each]
    os.kill(maker, signal.SIGCONT)
    server.await_log("changed lists are in force")


def test_a_worker_whose_descriptors_are_used_up_takes_changes_all_the_same(certificates, tmp_path, monkeypatch, make_server):
    files = tmp_path / "tls"
    files.mkdir()
    shutil.copy(certificates / "ca.pem", files)
    issue(certificates, files)
    limited = tmp_path / "postern"
    limited.write_text(f'#!/bin/sh\nulimit -n {DESCRIPTORS}\nexec {postern.POSTERN} "$@"\n')
    limited.chmod(0o700)
    with monkeypatch.context() as patch:
        patch.setattr(postern, "POSTERN", limited)
        server = make_server(files, server="limits { message_size = 1M }").start()
    (worker,) = workers(server)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Conversation(server.starttls)) for _ in range(DESCRIPTORS)]
        server.await_log("accept-failed")
        assert clients[0].reply().code == 220
        renewed = issue(certificates, files)
        server.await_log("new sessions get the certificates as they are now")
        edit(server, ("message_size = 1M", "message_size = 2M"))
        assert reload(server) == 2
        clients[0].expect("NOOP", 250)
    wait_until_served(server, renewed)
    assert size(server.starttls) == 2 * 1024 * 1024
    assert "change-failed" not in server.log()
    assert workers(server) == [worker]
