"""Signing in with a client certificate: who may, with which clients, and whose certificate counts for nothing."""

import smtplib
import ssl
import subprocess

import pytest

import conftest
import postern

NAME = "anna@example.org"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
CA_CONFIG = """
[ca]
default_ca = here
[here]
database = index
serial = serial
default_md = sha256
default_crl_days = 30
policy = any
[any]
commonName = supplied
"""


class Authority:
    """A CA of openssl's, with what it has signed and revoked."""

    def __init__(self, folder, name):
        self.folder = folder / name
        self.folder.mkdir()
        (self.folder / "ca.conf").write_text(CA_CONFIG)
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("01\n")
        self.openssl("req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", f"/CN={name}", "-days", "30")
        self.ca = self.folder / "ca.pem"

    def openssl(self, *arguments):
        conftest.openssl(self.folder, *arguments)

    def ca_command(self, *arguments):
        self.openssl("ca", "-config", "ca.conf", "-batch", "-notext", "-keyfile", "ca.key", "-cert", "ca.pem", *arguments)

    def make(self, name, names, *, start="20200101000000Z", end="20991231235959Z"):
        """Answers the paths of the certificate and its key."""
        self.openssl("req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / "names").write_text(f"subjectAltName = {names}\nextendedKeyUsage = clientAuth\n")
        dates = ["-startdate", start, "-enddate", end]
        self.ca_command("-in", f"{name}.csr", "-out", f"{name}.pem", "-outdir", ".", "-extfile", "names", *dates)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def list_revoked(self, *certificates):
        for certificate in certificates:
            self.ca_command("-revoke", str(certificate))
        self.ca_command("-gencrl", "-out", "crl.pem")
        return self.folder / "crl.pem"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "clients")


@pytest.fixture(scope="module")
def anna(authority):
    return authority.make("anna", f"email:{NAME}")


@pytest.fixture(scope="module")
def served(tmp_path_factory, certificates, authority, anna):
    """A server that takes the authority's certificates, with Anna among its users."""
    revoked = authority.make("revoked", f"email:{NAME}")
    crl = authority.list_revoked(revoked[0])
    server = make(tmp_path_factory.mktemp("served"), certificates, f'client_ca = "{authority.ca}" client_crl = "{crl}"')
    server.revoked = revoked
    server.add_user(NAME)
    server.start()
    yield server
    server.stop()


def make(folder, certificates, tls, **others):
    """`tls`: what the block of the template lacks."""
    server = postern.Server(folder, certificates, server='auth { mechanisms = { "EXTERNAL", "PLAIN" } }', **others)
    text = server.config.read_text()
    server.config.write_text(text.replace("tls { certificate", f"tls {{ {tls} certificate"))
    return server


def connect(server, pair=None, port="tls"):
    context = ssl.create_default_context(cafile=server.ca)
    if pair:
        context.load_cert_chain(*pair)
    if port == "tls":
        client = smtplib.SMTP_SSL("localhost", server.tls, context=context, timeout=20)
    else:
        client = smtplib.SMTP("localhost", server.starttls, timeout=20)
        client.starttls(context=context)
    client.ehlo()
    return client


def offered(client):
    return sorted(client.esmtp_features.get("auth", "").split())


def sign_in(client, response="="):
    return client.docmd("AUTH EXTERNAL", response)[0]


@pytest.mark.parametrize("port", ["starttls", "tls"])
def test_a_certificate_signs_in(served, anna, port):
    with connect(served, anna, port) as client:
        assert offered(client) == ["EXTERNAL", "PLAIN"]
        assert sign_in(client) == 235
        client.sendmail(NAME, [f"{port}@example.org"], f"Subject: by certificate {port}\r\n\r\nText\r\n")
    received = served.wait_for(f"{port}@example.org", f"by certificate {port}").received
    assert "with ESMTPSA" in received
    assert f"login={NAME} mechanism=EXTERNAL by=certificate" in served.log()


def test_a_user_needs_no_password_for_it(served, authority):
    name = "emil@example.org"
    done = served.run("user", "add", name, "--no-password")
    assert done.returncode == 0, done.stderr
    with connect(served, authority.make("emil", f"email:{name}")) as client:
        assert sign_in(client) == 235
    with connect(served) as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(name, postern.PASSWORD)


def test_the_response_may_come_later_and_name_oneself(served, anna):
    with connect(served, anna) as client:
        assert client.docmd("AUTH EXTERNAL")[0] == 334
        assert client.docmd("YW5uYUBleGFtcGxlLm9yZw==")[0] == 235


def test_nobody_is_somebody_else(served, anna):
    with connect(served, anna) as client:
        assert sign_in(client, "YmVydGFAZXhhbXBsZS5vcmc=") == 535
        assert sign_in(client) == 235
    assert "asks to be somebody else than the certificate says" in served.log()


def test_without_a_certificate_it_is_not_offered(served):
    with connect(served) as client:
        assert offered(client) == ["PLAIN"]
        assert sign_in(client) == 504
        client.login(NAME, postern.PASSWORD)


def test_certificates_that_do_not_count(served, authority, tmp_path):
    """Each may go on without a name, and the log says why it has none."""
    cases = [
        (Authority(tmp_path, "strangers").make("anna", f"email:{NAME}"), "unable to get local issuer certificate"),
        (authority.make("past", f"email:{NAME}", end="20200201000000Z"), "certificate has expired"),
        (authority.make("future", f"email:{NAME}", start="20980101000000Z"), "certificate is not yet valid"),
        (served.revoked, "certificate revoked"),
    ]
    for pair, why in cases:
        with connect(served, pair) as client:
            assert offered(client) == ["PLAIN"], why
            assert sign_in(client) == 504
            client.login(NAME, postern.PASSWORD)
        assert why in served.log()


def test_a_certificate_of_nobody(served, authority):
    with connect(served, authority.make("nobody", "email:nobody@example.org")) as client:
        assert sign_in(client) == 535
    assert "no user has the name in the certificate" in served.log()


def test_a_user_that_is_disabled_or_gone(served, authority):
    pair = authority.make("carla", "email:carla@example.org")
    served.add_user("carla@example.org")
    for change, status in (("disable", 535), ("enable", 235), ("remove", 535)):
        assert served.run("user", change, "carla@example.org").returncode == 0
        with connect(served, pair) as client:
            assert sign_in(client) == status


def test_curl(served, anna, tmp_path):
    (tmp_path / "message").write_bytes(b"Subject: curl\r\n\r\nText\r\n")
    done = subprocess.run(
        ["curl", "-sS", "-4", "--cacert", served.ca, "--cert", anna[0], "--key", anna[1], "--user", f"{NAME}:"]
        + ["--login-options", "AUTH=EXTERNAL", "--url", f"smtps://localhost:{served.tls}", "--mail-from", NAME]
        + ["--mail-rcpt", "curl@example.org", "--upload-file", str(tmp_path / "message")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    served.wait_for("curl@example.org", "curl")


def test_gsasl(served, anna):
    done = subprocess.run(
        ["gsasl", "--smtp", "--mechanism=EXTERNAL", f"--authorization-id={NAME}", "--x509-ca-file", served.ca]
        + ["--x509-cert-file", anna[0], "--x509-key-file", anna[1], "--verbose", "localhost", str(served.starttls)],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "235 2.7.0" in done.stdout + done.stderr, done.stdout + done.stderr


def test_postern_user_test_and_bench_go_on_without_one(served):
    """Who has no certificate is not kept out by the server's asking for one."""
    done = served.run("user", "test", NAME, "--password-stdin", stdin=postern.PASSWORD + "\n")
    assert "PLAIN" in done.stdout, done.stdout + done.stderr


def test_what_is_wrong_in_the_configuration(tmp_path, certificates, authority):
    def problems(tls):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        server = make(folder, certificates, tls)
        done = server.run("check")
        assert done.returncode != 0
        return done.stdout + done.stderr

    assert "EXTERNAL signs in with client certificates; say whose" in problems("")
    assert "postern.conf:10: CA certificates /none.pem: no such file" in problems('client_ca = "/none.pem"')
    ca = f'client_ca = "{authority.ca}"'
    assert "revocation list /none.pem: no such file" in problems(f'{ca} client_crl = "/none.pem"')
    assert "name them with client_ca" in problems('client_crl = "/none.pem"')
