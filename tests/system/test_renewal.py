"""Certificates that are renewed while the server runs: served at once, by all workers, and no session is the worse for it."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import pathlib
import time

import pytest

import conversation
import postern
from conftest import openssl
from conversation import Conversation

# From the change of the files on; with sanitizers and other work on the machine it may be longer.
SERVED_SECONDS = 10 if "asan" in str(postern.BUILD) else 2


def issue(certificates, folder, name="server", host="localhost", days=30):
    """A new key and a certificate for the host, signed by the test's CA, put in place as careful people do."""
    (folder / "names").write_text(f"subjectAltName = DNS:{host}, IP:127.0.0.1\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", *key, "-keyout", "new.key", "-out", "new.csr", "-subj", f"/CN={host}")
    openssl(
        folder, "x509", "-req", "-in", "new.csr", "-CA", certificates / "ca.pem", "-CAkey", certificates / "ca.key",
        "-CAcreateserial", "-CAserial", folder / "serial", "-out", "new.pem", "-days", str(days), "-extfile", "names",
    )
    (folder / "new.key").rename(folder / f"{name}.key")
    (folder / "new.pem").rename(folder / f"{name}.pem")
    return ssl.PEM_cert_to_DER_cert((folder / f"{name}.pem").read_text())


@pytest.fixture
def own_files(certificates, tmp_path):
    """A folder with server.pem and server.key of the test's own, and the CA's."""
    folder = tmp_path / "tls"
    folder.mkdir()
    shutil.copy(certificates / "ca.pem", folder)
    issue(certificates, folder)
    return folder


def served(server, host="localhost"):
    context = conversation.context(server.ca)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", server.tls), 10) as plain:
        with context.wrap_socket(plain, server_hostname=host) as tls:
            return tls.getpeercert(True)


def wait_until_served(server, certificate, host="localhost"):
    """By all workers: the kernel spreads connections over them."""
    began = time.monotonic()
    postern.wait_until(
        lambda: {served(server, host) for _ in range(12)} == {certificate}, SERVED_SECONDS + 10, "it is served"
    )
    return time.monotonic() - began


def test_a_renewed_certificate_is_served_by_all_workers(certificates, own_files, make_server):
    server = make_server(own_files, workers=2)
    server.add_user()
    server.start()
    with conversation.signed_in(server) as before:
        certificate = issue(certificates, own_files)
        assert wait_until_served(server, certificate) < SERVED_SECONDS + 1
        before.submit(conversation.message("begun on the old one"))
    server.wait_for(postern.USER, "begun on the old one")
    assert "new sessions get the certificates as they are now" in server.log()
    with Conversation(server.starttls) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        client.start_tls(conversation.context(server.ca))
        assert client.socket.getpeercert(True) == certificate


def test_what_would_not_do_is_told_and_not_served(certificates, own_files, make_server):
    server = make_server(own_files).start()
    before = served(server)
    key = (own_files / "server.key").read_text()
    renewed = issue(certificates, own_files)
    (own_files / "server.key").write_text(key)
    postern.wait_until(lambda: "certificates-refused" in server.log(), 15, "it is told")
    assert f"{own_files}/server" in server.log().split("certificates-refused")[1].splitlines()[0]
    assert served(server) == before != renewed
    time.sleep(1)
    assert server.log().count("certificates-refused") <= 2  # not again and again
    issue(certificates, own_files, days=-1)
    time.sleep(1)
    (own_files / "server.pem").unlink()
    time.sleep(1)
    assert served(server) == before
    wait_until_served(server, issue(certificates, own_files))


def test_a_worker_that_is_started_anew_has_the_renewed_one(certificates, own_files, make_server):
    server = make_server(own_files).start()
    renewed = issue(certificates, own_files)
    wait_until_served(server, renewed)
    for pid in server.children():
        if "postern-worker" in pathlib.Path(f"/proc/{pid}/comm").read_text():
            os.kill(pid, 9)
    postern.wait_until(lambda: "starting it again" in server.log(), 10, "the supervisor notices")

    def answers():
        try:
            return served(server)
        except OSError:
            return None

    assert postern.wait_until(answers, 15, "it serves again") == renewed


def test_certificates_of_further_names_are_renewed_too(certificates, own_files, make_server):
    issue(certificates, own_files, "other", "other.example")
    server = make_server(own_files)
    text = server.config.read_text()
    inside = f'sni "other.example" {{ certificate = "{own_files}/other.pem" key = "{own_files}/other.key" }}'
    server.config.write_text(text.replace("tls { ", f"tls {{ {inside} "))
    server.start()
    main = served(server)
    renewed = issue(certificates, own_files, "other", "other.example")
    wait_until_served(server, renewed, "other.example")
    assert served(server) == main


def test_no_session_fails_under_load(certificates, own_files, make_server):
    server = make_server(own_files, workers=2)
    server.add_user()
    server.start()
    command = [postern.BUILD / "postern-bench", "session", "--to", f"127.0.0.1:{server.tls}", "--host", "localhost"]
    command += ["--ca", server.ca, "--user", postern.USER, "--password", postern.PASSWORD, "--rcpt", "a@held.example"]
    command += ["--connections", "10", "--duration", os.environ.get("POSTERN_RENEWAL_LOAD", "4s"), "--json"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as load:
        while load.poll() is None:
            issue(certificates, own_files)
            time.sleep(1)
        report = json.loads(load.stdout.read())
    assert load.returncode == 0, report
    assert report["failures"] == [] and report["operations"] > 0, report
    assert server.log().count("new sessions get the certificates as they are now") >= 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_key_that_only_root_can_read(certificates, make_server):
    """The server's user can't: the keeper can."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "tls").mkdir(mode=0o700)
        shutil.copy(certificates / "ca.pem", folder / "tls")
        issue(certificates, folder / "tls")
        server = postern.Server(folder, folder / "tls")
        server.config.write_text('user = "nobody"\n' + server.config.read_text())
        try:
            server.start()
            (worker,) = [
                pid for pid in server.children() if "worker" in pathlib.Path(f"/proc/{pid}/comm").read_text()
            ]
            assert pathlib.Path(f"/proc/{worker}").stat().st_uid != 0 or "Uid:\t0" not in pathlib.Path(
                f"/proc/{worker}/status"
            ).read_text()
            wait_until_served(server, issue(certificates, folder / "tls"))
        finally:
            server.stop()
