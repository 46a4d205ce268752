"""GSSAPI (RFC 4752): tickets of a real Kerberos realm, which Dovecot verifies with the service's key; and those that it must refuse."""

import concurrent.futures
import subprocess
import time

import pytest

import conversation
import dovecot
import kerberos
import postern

WORD = "Wonder1and"
DOVECOT = """
auth_verbose = yes
auth_gssapi_hostname = localhost
auth_krb5_keytab = {folder}/keytab
import_environment = TZ KRB5_CONFIG={folder}/krb5.conf KRB5RCACHENAME=file2:{folder}/replays
"""
AUTH = 'auth {{ mechanisms = {{ "GSSAPI", "GSS-SPNEGO" }} backend = "dovecot:{}" }}'

pytestmark = pytest.mark.any_loop("what test_dovecot shows on both loops carries it")


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    made = kerberos.Realm(tmp_path_factory.mktemp("realm"))
    for user in ("alice", "bob", "carol"):
        made.add(user, WORD)
    for service in ("smtp/localhost", "imap/localhost"):
        made.add(service)
    made.add("smtp/elsewhere.example", "a key that is not in the keytab")
    made.start()
    postern.wait_until(lambda: made.sign_in("alice", WORD), 10, "the realm gives tickets")
    assert made.sign_in("bob", WORD) and made.sign_in("carol", WORD)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def theirs(realm, tmp_path_factory):
    """Of bob Dovecot knows that he may not sign in, of carol nothing."""
    more = DOVECOT.format(folder=realm.folder)
    made = dovecot.Dovecot(tmp_path_factory.mktemp("dovecot"), "gssapi gss-spnego", more=more)
    with open(made.folder / "users", "a") as users:
        users.write("bob@example.org:{PLAIN}x::::::nologin\n")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def asks(theirs, tmp_path_factory, certificates):
    made = postern.Server(tmp_path_factory.mktemp("asks"), certificates, server=AUTH.format(theirs.socket)).start()
    postern.wait_until(lambda: "dovecot-ready" in made.log(), 20, "Dovecot is connected")
    yield made
    made.stop()


def sign_in(server, ticket, user=""):
    with conversation.Conversation(server.tls, conversation.context(server.ca)) as client:
        assert client.reply().code == 220
        client.expect("EHLO client.example", 250)
        return ticket.sign_in(client, user).code


def await_last(server, text):
    """In what the log says of the last sign-in."""

    def find():
        lines = [line for line in server.log().splitlines() if " sign-in" in line or " signed-in" in line]
        return lines and text in lines[-1]

    postern.wait_until(find, 10, f"the last sign-in has {text!r}")


def gsasl(server, realm, cache):
    return subprocess.run(
        ["gsasl", "--smtp", "--mechanism=GSSAPI", "--authentication-id=alice", "--service=smtp", "--hostname=localhost"]
        + ["--x509-ca-file", server.ca, "--verbose", "localhost", str(server.starttls)],
        input="", capture_output=True, text=True, timeout=60, env=realm.environment(cache),
    )  # fmt: skip


def curl(server, realm, cache, tmp_path):
    (tmp_path / "message").write_text(f"Subject: ticket\r\nFrom: <{postern.USER}>\r\n\r\nHi\r\n")
    return subprocess.run(
        ["curl", "-sS", "-4", "--cacert", server.ca, "--login-options", "AUTH=GSSAPI", "--user", ":"]
        + ["--url", f"smtps://localhost:{server.tls}", "--mail-from", postern.USER]
        + ["--mail-rcpt", "ticket@example.org", "--upload-file", str(tmp_path / "message")],
        capture_output=True, timeout=60, env=realm.environment(cache),
    )  # fmt: skip


def test_gsasl(asks, realm):
    done = gsasl(asks, realm, "alice")
    assert "235 2.7.0" in done.stdout, done.stdout + done.stderr
    await_last(asks, "login=alice@example.org mechanism=GSSAPI by=dovecot")
    assert "235" not in gsasl(asks, realm, "nobody").stdout


def test_curl(asks, realm, tmp_path):
    assert curl(asks, realm, "nobody", tmp_path).returncode != 0
    done = curl(asks, realm, "alice", tmp_path)
    assert done.returncode == 0, done.stderr
    asks.wait_for("ticket@example.org", "ticket")


@pytest.mark.parametrize("mechanism", ["GSSAPI", "GSS-SPNEGO"])
def test_right_tickets(asks, realm, mechanism):
    for user in ("", "alice@EXAMPLE.ORG"):
        assert sign_in(asks, kerberos.Ticket(realm, "alice", mechanism=mechanism), user) == 235
        await_last(asks, f"login=alice@example.org mechanism={mechanism}")


def test_for_another_service(asks, theirs, realm):
    for service, why in ("imap@localhost", "does not match server"), ("smtp@elsewhere.example", "not found in keytab"):
        assert sign_in(asks, kerberos.Ticket(realm, "alice", service)) == 535
        theirs.await_log(why)


def test_for_another_user(asks, realm):
    assert sign_in(asks, kerberos.Ticket(realm, "alice"), "bob@EXAMPLE.ORG") == 535
    await_last(asks, "login=bob@example.org")


def test_who_may(asks, realm):
    """A ticket is enough for Dovecot; who has one and may not sign in has to be known to it."""
    assert sign_in(asks, kerberos.Ticket(realm, "carol")) == 235
    assert sign_in(asks, kerberos.Ticket(realm, "bob")) == 535
    await_last(asks, "nologin")


def test_said_twice(asks, theirs, realm):
    ticket = kerberos.Ticket(realm, "alice")
    said = ticket.first
    assert sign_in(asks, ticket) == 235
    ticket = kerberos.Ticket(realm, "alice")
    ticket.first = said
    assert sign_in(asks, ticket) == 535
    theirs.await_log("Request is a replay")


def test_expired(asks, theirs, realm):
    assert realm.sign_in("alice", WORD, "-l", "2s", cache="brief")
    ticket, late = kerberos.Ticket(realm, "brief"), kerberos.Ticket(realm, "brief")
    assert sign_in(asks, ticket) == 235
    time.sleep(4)
    assert sign_in(asks, late) == 535
    theirs.await_log("Ticket expired")


def test_not_a_ticket(asks, realm):
    """All at once: Dovecot takes half a second for each that it refuses."""

    def say(change):
        ticket = kerberos.Ticket(realm, "alice")
        ticket.first = change(ticket.first)
        return sign_in(asks, ticket)

    changes = [lambda _: b"\0", lambda _: b"a" * 4000, lambda said: said[:-1], lambda said: said + b"\0"]
    changes += [lambda said, at=at: said[:at] + bytes([said[at] ^ 1]) + said[at + 1 :] for at in range(-1, -240, -8)]
    with concurrent.futures.ThreadPoolExecutor(len(changes)) as pool:
        assert set(pool.map(say, changes)) == {535}
    assert sign_in(asks, kerberos.Ticket(realm, "alice")) == 235


def test_the_realm_is_not_asked(asks, realm):
    """A ticket that a client has is verified without it; last, for there are none any more."""
    realm.stop()
    assert sign_in(asks, kerberos.Ticket(realm, "alice")) == 235
