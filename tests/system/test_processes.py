"""The server's processes: what they have of each other, who started them, and who else uses their folder."""

import os
import pathlib
import signal
import socket
import struct
import subprocess

import pytest

import postern
from test_reload import edit, reload, workers

pytestmark = pytest.mark.any_loop("processes, whatever their loops")
FIRST_LOCK = 64  # in the file of quotas: behind its head


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
