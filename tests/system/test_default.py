"""The embedded default: `postern serve` with no configuration, in an empty folder, and again."""

import re
import signal
import socket
import subprocess

import pytest

import conversation
import postern
from conversation import Conversation, message

pytestmark = pytest.mark.any_loop("it starts the server with no configuration")


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Default:
    """A server started with no configuration."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.out = open(self.folder / "out", "w+b")
        self.err = open(self.folder / "log", "w+b")
        self.process = subprocess.Popen(
            [str(postern.POSTERN), "serve"], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, cwd=self.folder
        )
        postern.wait_until(self.is_ready, postern.READY_SECONDS, "the server is ready")
        return self

    def is_ready(self):
        assert self.process.poll() is None, self.read(self.err)
        return " ready " in self.read(self.err)

    @staticmethod
    def read(file):
        file.seek(0)
        return file.read().decode()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        assert not postern.SANITIZERS.search(self.read(self.err))

    def password(self):
        found = re.search(r"^password +(\S+)", self.read(self.out), flags=re.M)
        return found.group(1) if found else None


def test_it_has_no_file_to_reload(tmp_path):
    with Default(tmp_path):
        done = postern.postern("reload", cwd=tmp_path)
        assert done.returncode == 1 and "the embedded default has no file" in done.stderr


def submit(folder, port, password, subject):
    tls = conversation.context(folder / "postern-data/tls/ca.pem")
    with Conversation(port, tls if port == 2465 else None) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        if port == 2587:
            client.start_tls(tls)
            client.expect("EHLO client.example", 250)
        client.sign_in("demo", password)
        assert client.submit(message(subject), recipients=["demo@localhost"]).code == 250


def test_first_and_second_start(tmp_path):
    if not (is_free(2587) and is_free(2465)):
        pytest.skip("ports 2587 and 2465 are taken by another program")
    with Default(tmp_path) as first:
        password = first.password()
        assert password
        submit(tmp_path, 2587, password, "over STARTTLS")
        submit(tmp_path, 2465, password, "over TLS")
        new = tmp_path / "postern-data/mail/localhost/demo/new"
        postern.wait_until(lambda: len(list(new.glob("*"))) == 2, 30, "both are delivered")
    certificate = (tmp_path / "postern-data/tls/localhost.pem").read_bytes()
    with Default(tmp_path) as second:
        assert second.password() is None
        submit(tmp_path, 2465, password, "on the second start")
        postern.wait_until(lambda: len(list(new.glob("*"))) == 3, 30, "it is delivered")
    assert (tmp_path / "postern-data/tls/localhost.pem").read_bytes() == certificate
    assert (tmp_path / "postern-data/tls/localhost.key").stat().st_mode & 0o077 == 0
