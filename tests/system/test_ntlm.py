"""NTLM against our own users, by real clients: curl on both ports, impacket with and without MIC and channel binding; what
is weak, changed, replayed or bound elsewhere is refused."""

import subprocess

import pytest

import ntlm_client
import postern

AUTH = 'auth { mechanisms = { "PLAIN", "NTLM" } ntlm { %s } }'
NAME = "müller@example.org"
PORTS = ["starttls", "tls"]


@pytest.fixture(scope="module")
def server(tmp_path_factory, certificates):
    made = postern.Server(tmp_path_factory.mktemp("ntlm"), certificates, server=AUTH % "")
    for name, option in ((postern.USER, "--ntlm"), (NAME, "--ntlm"), ("plain@example.org", "--password-stdin")):
        done = made.run("user", "add", name, "--password-stdin", option, stdin=postern.PASSWORD + "\n")
        assert done.returncode == 0, done.stderr
    made.start()
    yield made
    made.stop()


def exchange(user=postern.USER, password=postern.PASSWORD, **settings):
    return ntlm_client.Exchange(user, password, **settings)


def curl(server, port, password, folder, *more):
    (folder / "message").write_bytes(b"Subject: x\r\n\r\nHi\r\n")
    url = f"smtp://localhost:{server.starttls}" if port == "starttls" else f"smtps://localhost:{server.tls}"
    command = ["curl", "-sS", "-4", "--ssl-reqd", "--cacert", server.ca, "--login-options", "AUTH=NTLM", "--url", url]
    command += ["--user", f"{postern.USER}:{password}", "--mail-from", postern.USER, "--mail-rcpt", "curl@example.org"]
    command += ["--upload-file", str(folder / "message"), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("more", [[], ["--sasl-ir"]])
@pytest.mark.parametrize("port", PORTS)
def test_curl(server, tmp_path, port, more):
    before = len(server.files("curl@example.org"))
    done = curl(server, port, postern.PASSWORD, tmp_path, *more)
    assert done.returncode == 0, done.stderr
    postern.wait_until(lambda: len(server.files("curl@example.org")) > before, 30, "it is delivered")
    done = curl(server, port, "wrong", tmp_path, *more)
    assert done.returncode == 67, done.stderr


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mic", [True, False])
@pytest.mark.parametrize("user, domain", [(postern.USER, ""), ("alice", "example.org"), (NAME, ""), (NAME, "CORP")])
def test_impacket(server, initial, mic, user, domain):
    code, reply = ntlm_client.sign_in(server, exchange(user, domain=domain, mic=mic), initial)
    assert code == 235, reply


def test_pairs_name_the_server(server):
    said = exchange()
    assert ntlm_client.sign_in(server, said)[0] == 235
    names = {1: "LOCALHOST", 2: "LOCALHOST", 3: "localhost", 4: "localhost"}
    for number, name in names.items():
        assert said.pairs[number][1].decode("utf-16le") == name
    assert said.pairs[7][0] == 8


def test_wrong_ones_get_one_answer(server):
    """Whoever guesses learns nothing; the log says what was wrong."""
    cases = [
        (exchange(password="wrong"), "wrong password"),
        (exchange(user="nobody@example.org"), "no such user"),
        (exchange(user="plain@example.org"), "no NTLM hash"),
        (exchange(version=1), "LM or NTLMv1"),
        (exchange(mic=True, tamper=80), "MIC does not match"),
        (exchange(binding=b"\x01" * 16), "channel binding does not match"),
    ]
    replies = set()
    for said, why in cases:
        replies.add(ntlm_client.sign_in(server, said))
        postern.wait_until(lambda: why in server.log(), 10, f"the log says {why}")
    assert len(replies) == 1
    assert replies.pop()[0] == 535


def test_binding_is_checked_where_it_is_said(server, certificates):
    binding = ntlm_client.end_point(certificates / "server.pem")
    for said, code in ((binding, 235), (bytes(16), 235), (ntlm_client.end_point(certificates / "ca.pem"), 535)):
        assert ntlm_client.sign_in(server, exchange(binding=said, mic=True))[0] == code


def test_an_answer_is_not_good_twice(server):
    said = exchange()
    with ntlm_client.connect(server) as first:
        assert first.auth_ntlm(said)[0] == 235
        answer = said.last
    with ntlm_client.connect(server) as second:
        assert second.docmd("AUTH", "NTLM " + ntlm_client.encode(said.first.getData()))[0] == 334
        assert second.docmd(ntlm_client.encode(answer))[0] == 535


@pytest.mark.parametrize(
    "line, code",
    [
        ("NTLM =", 501),
        ("NTLM " + ntlm_client.encode(b"NTLMSSP\0\1\0\0\0"), 501),
        ("NTLM " + ntlm_client.encode(b"NTLMSSP\0\3\0\0\0" + bytes(80)), 501),
        ("NTLM " + ntlm_client.encode(b"NTLMSSP\0\1\0\0\0" + bytes(4000)), 501),
        ("NTLM ****", 501),
    ],
)
def test_evil_first_messages(server, line, code):
    with ntlm_client.connect(server) as client:
        assert client.docmd("AUTH", line)[0] == code
        assert client.auth_ntlm(exchange())[0] == 235


def test_a_client_may_give_up(server):
    with ntlm_client.connect(server) as client:
        assert client.docmd("AUTH", "NTLM")[0] == 334
        assert client.docmd("*")[0] == 501
        assert client.docmd("AUTH", "NTLM " + ntlm_client.encode(exchange().first.getData()))[0] == 334
        assert client.docmd("*")[0] == 501
        assert client.auth_ntlm(exchange())[0] == 235


def test_required_binding(make_server, certificates):
    """Outside TLS it is not even offered."""
    server = make_server(server=(AUTH % 'channel_binding = "require" domain = "CORP"').replace("}", "} plaintext = yes", 1))
    done = server.run("user", "add", postern.USER, "--password-stdin", "--ntlm", stdin=postern.PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    server.start()
    with ntlm_client.connect(server, tls=False) as client:
        assert client.esmtp_features["auth"].split() == ["PLAIN"]
        assert client.docmd("AUTH", "NTLM")[0] == 538
    said = exchange(binding=ntlm_client.end_point(certificates / "server.pem"))
    assert ntlm_client.sign_in(server, said)[0] == 235
    assert said.pairs[2][1].decode("utf-16le") == "CORP"
    assert ntlm_client.sign_in(server, exchange())[0] == 535


def test_passwords_and_their_hashes(make_server):
    """A hash for NTLM is kept, renewed and given up as the administrator says; it never shows."""
    server = make_server(server=AUTH % "").start()

    def change(action, password, *options):
        done = server.run("user", action, postern.USER, "--password-stdin", *options, stdin=password + "\n")
        assert done.returncode == 0, done.stderr

    def works(password):
        return ntlm_client.sign_in(server, exchange(password=password))[0] == 235

    change("add", "first")
    assert not works("first")
    change("passwd", "second", "--ntlm")
    assert works("second")
    change("passwd", "third")
    assert works("third") and not works("second")
    assert "an NT hash is kept" in server.run("user", "show", postern.USER).stdout
    assert '"ntlm":true' in server.run("user", "show", "--json", postern.USER).stdout
    change("passwd", "fourth", "--no-ntlm")
    assert not works("fourth")
    assert (server.folder / "data" / "ntlm.key").stat().st_mode & 0o777 == 0o600
