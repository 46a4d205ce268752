"""Sign-ins that a real Dovecot verifies, with real clients; and Dovecot away, restarted, or without a mechanism. Tokens are
test_oauth's."""

import base64
import hashlib
import hmac
import subprocess

import pytest

import conversation
import dovecot
import postern

MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"]


def auth_of(place, mechanisms=MECHANISMS):
    names = ", ".join(f'"{name}"' for name in mechanisms)
    return f'auth {{ backend = "dovecot:{place}" mechanisms = {{ {names} }} }}'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = dovecot.Dovecot(tmp_path_factory.mktemp("dovecot")).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def asks(running, tmp_path_factory, certificates):
    """A server whose users Dovecot knows; it has none of its own."""
    made = postern.Server(tmp_path_factory.mktemp("asks"), certificates, server=auth_of(running.socket)).start()
    postern.wait_until(lambda: "dovecot-ready" in made.log(), 20, "Dovecot is connected")
    yield made
    made.stop()


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def session(server):
    made = conversation.Conversation(server.tls, conversation.context(server.ca))
    assert made.reply().code == 220
    return made


def plain(server, password=postern.PASSWORD):
    with session(server) as client:
        client.expect("EHLO client.example", 250)
        return client.command("AUTH PLAIN " + encode(f"\0{postern.USER}\0{password}")).code


def test_password(asks):
    assert plain(asks) == 235
    assert plain(asks, "wrong") == 535
    with session(asks) as client:
        offered = client.expect("EHLO client.example", 250).keywords
        assert set(MECHANISMS) == set(next(each for each in offered if each.startswith("AUTH")).split()[1:])
        client.expect("AUTH LOGIN", 334)
        client.expect(encode(postern.USER), 334)
        client.expect(encode(postern.PASSWORD), 235)
    asks.await_log("by=dovecot")


def test_the_login_is_its_own_sender(make_server, running):
    """Whom Dovecot knows need not be among our own users."""
    auth = f'auth {{ backend = "dovecot:{running.socket}" mechanisms = {{ "PLAIN" }} senders = own }}'
    server = make_server(server=auth).start()
    postern.wait_until(lambda: plain(server) == 235, 20, "Dovecot is asked")
    with session(server) as client:
        client.expect("EHLO client.example", 250)
        client.expect("AUTH PLAIN " + encode(f"\0{postern.USER}\0{postern.PASSWORD}"), 235)
        client.expect("MAIL FROM:<bob@example.org>", 550)
        client.expect(f"MAIL FROM:<{postern.USER.upper()}>", 250)


def told(theirs, rip):
    """What Dovecot was last asked for this address."""
    theirs.await_log(f"\trip={rip}\t")
    line = next(line for line in reversed(theirs.log().splitlines()) if f"\trip={rip}\t" in line)
    return dict(field.partition("=")[::2] for field in line.partition("AUTH\t")[2].split("\t"))


def test_what_dovecot_is_told(make_server, tmp_path):
    """Enough for its policies, and for finding the same session in both logs. Behind a proxy the client is who counts."""
    theirs = dovecot.Dovecot(tmp_path, "plain", more="auth_debug = yes").start()
    try:
        server = make_server(server=auth_of(theirs.socket, ["PLAIN"]) + ' proxy_protocol = { "127.0.0.5" }').start()
        postern.wait_until(lambda: plain(server) == 235, 20, "Dovecot is asked")
        fields = told(theirs, "127.0.0.1")
        assert (fields["lip"], fields["lport"]) == ("127.0.0.1", str(server.tls))
        assert fields["secured"] == "tls" and int(fields["rport"]) > 0
        server.await_log(f" signed-in worker=0 session={fields['session']} ")
        with conversation.Conversation(server.tls, source=("127.0.0.5", 0)) as client:
            client.send("PROXY TCP6 2001:db8:7::9 2001:db8::1 40000 465\r\n")
            client.socket = conversation.context(server.ca).wrap_socket(client.socket, server_hostname="localhost")
            assert client.reply().code == 220
            client.expect("EHLO client.example", 250)
            client.expect("AUTH PLAIN " + encode(f"\0{postern.USER}\0{postern.PASSWORD}"), 235)
        fields = told(theirs, "2001:db8:7::9")
        assert (fields["lip"], fields["lport"], fields["rport"]) == ("2001:db8::1", "465", "40000")
        server.stop()
    finally:
        theirs.stop()


def test_cram_md5(asks):
    with session(asks) as client:
        client.expect("EHLO client.example", 250)
        challenge = base64.b64decode(client.expect("AUTH CRAM-MD5", 334).lines[0][4:])
        digest = hmac.new(postern.PASSWORD.encode(), challenge, hashlib.md5).hexdigest()
        client.expect(encode(f"{postern.USER} {digest}"), 235)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_gsasl(asks, mechanism):
    done = subprocess.run(
        ["gsasl", "--smtp", f"--mechanism={mechanism}", f"--authentication-id={postern.USER}"]
        + [f"--password={postern.PASSWORD}", "--x509-ca-file", asks.ca, "--verbose", "--no-cb"]
        + ["localhost", str(asks.starttls)],
        input="", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "235 2.7.0" in done.stdout + done.stderr, done.stdout + done.stderr
    asks.await_log(f"mechanism={mechanism} ")


def test_away_and_back(make_server, tmp_path):
    """Absent at the start, there, gone in the middle of an exchange, and there again."""
    theirs = dovecot.Dovecot(tmp_path)
    server = make_server(server=auth_of(theirs.socket, ["PLAIN", "CRAM-MD5"])).start()
    postern.wait_until(lambda: "dovecot-away" in server.log(), 10, "the log tells of it")
    assert plain(server) == 454
    theirs.start()
    try:
        postern.wait_until(lambda: plain(server) == 235, 20, "Dovecot is asked again")
        with session(server) as client:
            client.expect("EHLO client.example", 250)
            client.expect("AUTH CRAM-MD5", 334)
            theirs.kill_auth()
            theirs.stop()
            client.expect(encode(f"{postern.USER} 00"), 454)
        theirs.start()
        postern.wait_until(lambda: plain(server) == 235, 20, "Dovecot is asked again")
    finally:
        theirs.stop()
    server.stop()
    assert server.log().count("dovecot-away") <= 3


def test_check(make_server, running):
    server = make_server(server=auth_of(running.socket, ["PLAIN", "GSSAPI"]))
    done = server.run("check")
    assert done.returncode == 0
    assert "does not have GSSAPI" in done.stdout and "(a warning)" in done.stdout
    server = make_server(server=auth_of(running.folder / "nobody", ["PLAIN"]))
    assert "No such file or directory; until it is there" in server.run("check").stdout
    server = make_server(server='auth { mechanisms = { "PLAIN", "XOAUTH2" } }')
    done = server.run("check")
    assert done.returncode == 2 and "our own users can't sign in with XOAUTH2" in done.stdout
