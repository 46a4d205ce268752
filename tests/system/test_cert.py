"""`postern cert`: from the wizard on a terminal to a certificate that a running server serves and curl and openssl accept; and what
`install` and `show` say of wrong ones."""

import json
import os
import pty
import re
import select
import stat
import subprocess
import time

import pytest

import postern

pytestmark = pytest.mark.any_loop("certificates are the same on both")


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cert(folder, *arguments, status=0):
    done = postern.postern("cert", *arguments, cwd=folder)
    assert done.returncode == status, done.stdout + done.stderr
    assert not postern.SANITIZERS.search(done.stderr), done.stderr
    return done.stdout + done.stderr


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


class Terminal:
    """A command on a terminal of its own; answers are typed when the question is there."""

    def __init__(self, folder, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execv(postern.POSTERN, [str(postern.POSTERN), *map(str, arguments)])
        self.said = ""
        self.seen = 0

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            got = os.read(self.fd, 4096)
        except OSError:
            return False
        self.said += got.decode()
        return bool(got)

    def expect(self, text):
        end = time.monotonic() + 30
        while text not in self.said[self.seen :]:
            assert time.monotonic() < end and self.read(end - time.monotonic()), f"not {text!r} in {self.said!r}"
        self.seen = self.said.index(text, self.seen) + len(text)

    def answer(self, question, text=""):
        self.expect(question)
        self.expect(": ")
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        while self.read(30):
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


CONFIG = """data = "data"
server mail {
    hostname = "localhost"
    listen = "127.0.0.1:2525 starttls"
    tls { certificate = "tls/cert.pem" key = "tls/key.pem"
          sni "mail.example.org" { certificate = "tls/sni.pem" key = "tls/sni.key" } }
}
delivery { route "*" { hold = yes } }
"""


@pytest.fixture
def site(tmp_path):
    """A configuration whose certificates are not there yet, and a private CA."""
    (tmp_path / "tls").mkdir()
    (tmp_path / "postern.conf").write_text(CONFIG)
    cert(tmp_path, "ca", "create", "--organisation", "Example", "ca")
    return tmp_path


def make_signed(site, name="localhost", *options):
    cert(site, "request", "--batch", "--name", name, "--key", f"{name}.key", "--out", f"{name}.csr")
    cert(site, "ca", "sign", "--ca", "ca", *options, f"{name}.csr")
    return f"{name}.key", f"{name}.pem"


# --- the wizard ---


def test_the_whole_way_on_a_terminal(make_server, tmp_path):
    """Asked, answered wrongly and rightly, signed by a CA, installed, served; curl and openssl are content."""
    server = make_server()
    text = server.config.read_text()
    text = re.sub(r"tls \{[^}]*\}", 'tls { certificate = "cert.pem" key = "key.pem" }', text)
    server.config.write_text(text)
    terminal = Terminal(tmp_path, "cert", "request", "-c", server.config)
    terminal.answer("Host names that clients use, blanks between [localhost]", "localhost 127.0.0.1 bücher.example")
    terminal.expect('"bücher.example" is neither a DNS name nor an address')
    terminal.answer("Host names", "localhost 127.0.0.1")
    terminal.answer("Common name [localhost]")
    terminal.answer("Organisation", "Beispiel & Söhne")
    terminal.answer("Unit")
    terminal.answer("City", "Köln")
    terminal.answer("State", "-")
    terminal.answer("Country", "Germany")
    terminal.expect("two capital letters")
    terminal.answer("Country", "de")
    terminal.answer("Key (p256, p384,", "dsa")
    terminal.expect('no key type "dsa"')
    terminal.answer("Key (p256, p384,", "ed25519")
    terminal.expect("many mail clients can't use it")
    terminal.answer("File for the key [localhost.key]", "my.key")
    terminal.answer("File for the request [localhost.csr]", "my.csr")
    terminal.answer("Make it? [yes]", "y")
    assert terminal.end() == 0
    assert "warning: no server block of" in terminal.said and "is called 127.0.0.1" in terminal.said
    assert mode(tmp_path / "my.key") == 0o600
    said = openssl(tmp_path, "req", "-in", "my.csr", "-verify", "-noout", "-text", "-nameopt", "utf8")
    assert "DNS:localhost, IP Address:127.0.0.1" in said and "O=Beispiel & Söhne" in said and "C=DE" in said
    assert "ST=" not in said

    terminal = Terminal(tmp_path, "cert", "request", "-c", server.config)
    for question in ("Host names", "Common", "Organisation", "Unit", "City", "State", "Country", "Key ("):
        terminal.answer(question)
    terminal.answer("File for the key")
    terminal.answer("File for the request")
    terminal.answer("Make it?", "no")
    assert terminal.end() == 1
    assert not (tmp_path / "localhost.key").exists()

    cert(tmp_path, "request", "--batch", "--name", "localhost", "--name", "127.0.0.1", "--out", "p256.csr")
    cert(tmp_path, "ca", "create", "ca")
    cert(tmp_path, "ca", "sign", "--ca", "ca", "p256.csr")
    cert(tmp_path, "install", "-c", server.config, "--key", "localhost.key", "p256.pem")
    server.add_user()
    server.start()
    for url in (f"smtp://localhost:{server.starttls}", f"smtps://127.0.0.1:{server.tls}"):
        command = ["curl", "-sS", "--ssl-reqd", "--cacert", tmp_path / "ca" / "ca.pem", "--url", url, "-X", "NOOP"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
    said = subprocess.run(
        ["openssl", "s_client", "-connect", f"localhost:{server.tls}", "-CAfile", tmp_path / "ca" / "ca.pem"]
        + ["-verify_hostname", "localhost", "-verify_return_error"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    ).stdout
    assert "Verification: OK" in said and "Verified peername: localhost" in said


def test_an_end_of_input_makes_nothing(tmp_path):
    terminal = Terminal(tmp_path, "cert", "self-sign")
    terminal.answer("Host names", "a.example")
    terminal.expect("Common name")
    os.write(terminal.fd, b"\x04")
    assert terminal.end() == 1
    assert list(tmp_path.iterdir()) == []


# --- requests and CAs ---


def test_keys_are_used_and_never_overwritten(site):
    cert(site, "request", "--name", "a.example", "--key-type", "rsa2048", "--country", "JP")
    key = (site / "a.example.key").read_bytes()
    said = cert(site, "request", "--name", "b.example", "--key", "a.example.key", "--out", "b.csr")
    assert "which was there" in said and (site / "a.example.key").read_bytes() == key
    cert(site, "self-sign", "--name", "a.example", "--out", "self.pem", "--key", "a.example.key", "--days", "30")
    before = (site / "self.pem").read_bytes()
    cert(site, "self-sign", "--name", "a.example", "--out", "self.pem", "--key", "a.example.key", status=64)
    assert (site / "self.pem").read_bytes() == before
    ca = (site / "ca" / "ca.key").read_bytes()
    assert "File exists" in cert(site, "ca", "create", "ca", status=1)
    assert (site / "ca" / "ca.key").read_bytes() == ca
    assert mode(site / "ca") == 0o700 and mode(site / "ca" / "ca.key") == 0o600


def test_openssl_can_be_the_ca(site, certificates):
    cert(site, "request", "-c", "postern.conf", "--name", "localhost", "--name", "mail.example.org")
    openssl(
        site, "x509", "-req", "-in", "localhost.csr", "-copy_extensions", "copy", "-CA", certificates / "ca.pem",
        "-CAkey", certificates / "ca.key", "-CAcreateserial", "-CAserial", "serial", "-out", "answer.pem", "-days", "90",
    )
    said = cert(site, "install", "-c", "postern.conf", "--key", "localhost.key", "answer.pem", status=1)
    assert "incomplete-chain" in said and "nothing is installed" in said
    root = certificates / "ca.pem"
    said = cert(site, "install", "-c", "postern.conf", "--key", "localhost.key", "--ca", root, "answer.pem")
    assert "tls/cert.pem" in said and "postern.conf:5" in said


def test_names_are_compared_with_the_configuration(site):
    said = cert(site, "request", "-c", "postern.conf", "--name", "mail.example.com", "--name", "localhost")
    assert "will not be for mail.example.org" in said
    assert "is called mail.example.com" in said
    said = cert(site, "request", "-c", "postern.conf", "--out", "other.csr")
    assert "warning" not in said
    assert "DNS:localhost, DNS:mail.example.org" in openssl(site, "req", "-in", "other.csr", "-noout", "-text")


def test_client_certificates(site):
    make_signed(site, "alice@example.org", "--client")
    said = openssl(site, "verify", "-CAfile", "ca/ca.pem", "-purpose", "sslclient", "alice@example.org.pem")
    assert "OK" in said
    said = openssl(site, "x509", "-in", "alice@example.org.pem", "-noout", "-ext", "subjectAltName")
    assert "email:alice@example.org" in said


def test_wrong_calls(site):
    cert(site, status=64)
    cert(site, "frob", status=64)
    cert(site, "request", "--batch", status=64)
    cert(site, "request", "--name", "a..b", status=64)
    cert(site, "request", "--name", "a", "--key-type", "rsa1024", status=64)
    cert(site, "request", "--name", "a", "--country", "Japan", status=64)
    cert(site, "self-sign", "--name", "a", "--days", "3000", status=64)
    cert(site, "ca", "sign", "a.csr", status=64)
    cert(site, "ca", "sign", "--ca", "ca", "a.csr", status=1)
    cert(site, "install", "-c", "postern.conf", "--server", "none", "a.pem", status=2)
    assert "no sni block" in cert(site, "install", "-c", "postern.conf", "--sni", "none", "a.pem", status=2)
    assert "none.conf" in cert(site, "show", "-c", "none.conf", status=2)


# --- install ---


def test_install_into_each_place(site):
    for name, options, files in (
        ("localhost", [], ("cert.pem", "key.pem")),
        ("mail.example.org", ["--sni", "mail.example.org"], ("sni.pem", "sni.key")),
    ):
        key, made = make_signed(site, name)
        cert(site, "install", "-c", "postern.conf", *options, "--key", key, "--ca", "ca/ca.pem", made)
        assert mode(site / "tls" / files[0]) == 0o644 and mode(site / "tls" / files[1]) == 0o600
    assert postern.postern("check", "-c", "postern.conf", cwd=site).returncode == 0
    said = cert(site, "show", "-c", "postern.conf", "--ca", "ca/ca.pem", "--json")
    report = [json.loads(line) for line in said.splitlines()]
    assert [each["sni"] for each in report] == [None, "mail.example.org"]
    assert [each["findings"] for each in report] == [[], []]
    assert report[0]["listeners"] == ["127.0.0.1:2525 starttls"] and report[0]["days_left"] >= 396


def test_a_renewal_keeps_what_it_can(site):
    key, made = make_signed(site)
    install = ("install", "-c", "postern.conf", "--ca", "ca/ca.pem")
    cert(site, *install, "--key", key, made)
    old = (site / "tls" / "key.pem").read_bytes()
    # The same key, and the CA's certificate was left out: it is known from the one in place.
    cert(site, "ca", "sign", "--ca", "ca", "--out", "again.pem", "localhost.csr")
    openssl(site, "x509", "-in", "again.pem", "-out", "alone.pem")
    said = cert(site, *install, "alone.pem")
    assert "issuers were missing and came from" in said
    assert (site / "tls" / "cert.pem").read_bytes() == (site / "again.pem").read_bytes()
    assert not (site / "tls" / "key.pem.old").exists()
    # Another key: the old one is kept.
    (site / "localhost.key").unlink()
    (site / "localhost.pem").unlink()
    key, made = make_signed(site)
    assert "Is there a new one? Say it with --key" in cert(site, *install, made, status=1)
    assert "key.pem.old" in cert(site, *install, "--key", key, made)
    assert (site / "tls" / "key.pem.old").read_bytes() == old
    assert mode(site / "tls" / "key.pem.old") == 0o600


def test_the_wrong_order_is_put_right(site):
    key, made = make_signed(site)
    right = (site / made).read_text()
    leaf, ca = right.split("-----END CERTIFICATE-----\n")[:2]
    (site / "turned.pem").write_text("".join(part + "-----END CERTIFICATE-----\n" for part in (ca, leaf)))
    assert "wrong-order" in cert(site, "show", "turned.pem", status=1)
    said = cert(site, "install", "-c", "postern.conf", "--key", key, "turned.pem")
    assert "wrong order" in said and (site / "tls" / "cert.pem").read_text() == right


def signed_by_openssl(site, request, *options):
    openssl(
        site, "x509", "-req", "-in", request, "-CA", "ca/ca.pem", "-CAkey", "ca/ca.key", "-CAcreateserial",
        "-out", "leaf.pem", *options,
    )
    join(site)


def join(site):
    (site / "bad.pem").write_text((site / "leaf.pem").read_text() + (site / "ca" / "ca.pem").read_text())


def wrong_name(site):
    cert(site, "ca", "sign", "--ca", "ca", "--name", "mail.example.com", "--out", "bad.pem", "localhost.csr")


def expired(site):
    (site / "index").write_text("")
    (site / "ca.cnf").write_text(
        "[ca]\ndefault_ca=a\n[a]\nnew_certs_dir=.\ndatabase=index\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
        "copy_extensions=copy\n[p]\ncommonName=optional\n"
    )
    openssl(
        site, "ca", "-batch", "-config", "ca.cnf", "-cert", "ca/ca.pem", "-keyfile", "ca/ca.key", "-in", "localhost.csr",
        "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext", "-out", "leaf.pem",
    )
    join(site)


def missing_intermediate(site):
    openssl(site, "x509", "-in", "localhost.pem", "-out", "bad.pem")


def no_names(site):
    signed_by_openssl(site, "localhost.csr")


def weak_key(site):
    openssl(
        site, "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "localhost.key", "-out", "weak.csr",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
    )
    signed_by_openssl(site, "weak.csr", "-copy_extensions", "copy")


def weak_signature(site):
    signed_by_openssl(site, "localhost.csr", "-sha1", "-copy_extensions", "copy")


def for_clients(site):
    cert(site, "ca", "sign", "--ca", "ca", "--client", "--out", "bad.pem", "localhost.csr")


WRONG = {
    "wrong-name": wrong_name,
    "expired": expired,
    "incomplete-chain": missing_intermediate,
    "no-names": no_names,
    "weak-key": weak_key,
    "weak-signature": weak_signature,
    "not-for-servers": for_clients,
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones_are_named(site, name):
    """By install, which changes nothing, and when they are in place all the same by show, in text and JSON."""
    make_signed(site)
    WRONG[name](site)
    said = cert(site, "install", "-c", "postern.conf", "--key", "localhost.key", "bad.pem", status=1)
    assert f"refused   {name}:" in said
    assert list((site / "tls").iterdir()) == []
    cert(site, "install", "-c", "postern.conf", "--force", "--key", "localhost.key", "bad.pem")
    text = re.sub(r"\s+sni .*? \}", "", CONFIG)
    (site / "one.conf").write_text(text)
    assert f"refused   {name}:" in cert(site, "show", "-c", "one.conf", status=1)
    report = json.loads(cert(site, "show", "-c", "one.conf", "--json", status=1))
    assert name in [each["name"] for each in report["findings"] if each["severity"] == "refused"]


def test_another_key_and_open_keys(site):
    key, made = make_signed(site)
    make_signed(site, "other")
    said = cert(site, "install", "-c", "postern.conf", "--key", "other.key", made, status=1)
    assert "was made for the key other.key" in said
    cert(site, "install", "-c", "postern.conf", "--key", key, made)
    (site / "tls" / "key.pem").write_bytes((site / "other.key").read_bytes())
    (site / "tls" / "key.pem").chmod(0o644)
    said = cert(site, "show", "-c", "postern.conf", status=1)
    assert "refused   key-mismatch:" in said and "warning   key-open:" in said
    assert "refused   unreadable:" in said, "the sni block's is not there"
