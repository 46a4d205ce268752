"""XOAUTH2 and OAUTHBEARER (RFC 7628) with tokens that a real Dovecot verifies, and with those that it must refuse."""

import base64
import concurrent.futures
import json
import subprocess
import time

import pytest

import conversation
import dovecot
import oauth_token
import postern

MECHANISMS = ["XOAUTH2", "OAUTHBEARER"]
AUTH = 'auth {{ mechanisms = {{ "XOAUTH2", "OAUTHBEARER" }} backend = "dovecot:{}" }}'

pytestmark = pytest.mark.any_loop("what test_dovecot shows on both loops carries it")


@pytest.fixture(scope="module")
def asks(tmp_path_factory, certificates):
    theirs = dovecot.Dovecot(tmp_path_factory.mktemp("dovecot")).start()
    made = postern.Server(tmp_path_factory.mktemp("asks"), certificates, server=AUTH.format(theirs.socket)).start()
    postern.wait_until(lambda: "dovecot-ready" in made.log(), 20, "Dovecot is connected")
    yield made
    made.stop()
    theirs.stop()


def send(client, mechanism, token, user=postern.USER):
    start = f"n,a={user},\1" if mechanism == "OAUTHBEARER" else f"user={user}\1"
    return client.command(f"AUTH {mechanism} " + base64.b64encode(f"{start}auth=Bearer {token}\1\1".encode()).decode())


def sign_in(server, mechanism, token, user=postern.USER):
    """The last reply's code. A refusal comes in two steps: why, in JSON, and 535 when the client has read it."""
    with conversation.Conversation(server.tls, conversation.context(server.ca)) as client:
        assert client.reply().code == 220
        client.expect("EHLO client.example", 250)
        reply = send(client, mechanism, token, user)
        if reply.code != 334:
            return reply.code
        assert "status" in json.loads(base64.b64decode(reply.lines[0][4:]))
        reply = client.command("AQ==" if mechanism == "OAUTHBEARER" else "")
        assert reply.status == "5.7.8"
        return reply.code


RIGHT = {
    "ES256": lambda: oauth_token.make("ES256"),
    "HS256": lambda: oauth_token.make("HS256"),
    "one audience of several": lambda: oauth_token.make(aud=["calendar", oauth_token.AUDIENCE]),
    "one scope of several": lambda: oauth_token.make(scope=f"imap {oauth_token.SCOPE}"),
}

WRONG = {
    "expired": lambda: oauth_token.make(exp=int(time.time()) - 1),
    "never expires": lambda: oauth_token.make(exp=None),
    "not yet": lambda: oauth_token.make(nbf=int(time.time()) + 600),
    "from the future": lambda: oauth_token.make(iat=int(time.time()) + 600),
    "another issuer": lambda: oauth_token.make(iss="https://other.example"),
    "no issuer": lambda: oauth_token.make(iss=None),
    "another scope": lambda: oauth_token.make(scope="imap"),
    "no scope": lambda: oauth_token.make(scope=None),
    "nobody": lambda: oauth_token.make(sub=None),
    "another user": lambda: oauth_token.make(sub="bob@example.org"),
    "another ES256 key": lambda: oauth_token.make(key=oauth_token.OTHER_KEY),
    "another HS256 key": lambda: oauth_token.make("HS256", key=b"x"),
    "an unknown key": lambda: oauth_token.make(header={"kid": "2026"}),
    "the public key as a secret": lambda: oauth_token.make("HS256", key=oauth_token.public_pem()),
    "alg none": lambda: oauth_token.make("none"),
    "alg None": lambda: oauth_token.make("None"),
    "no signature": lambda: oauth_token.make().rpartition(".")[0] + ".",
    "changed after signing": lambda: oauth_token.change(oauth_token.make(sub="bob@example.org"), sub=postern.USER),
    "no token at all": lambda: "no-token-at-all",
}

FOR_OTHERS = {
    "another audience": lambda: oauth_token.make(aud="calendar"),
    "other audiences": lambda: oauth_token.make(aud=["calendar", oauth_token.AUDIENCE + "2"]),
    "no audience": lambda: oauth_token.make(aud=None),
}


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_right_tokens(asks, mechanism):
    tokens = {what: make() for what, make in RIGHT.items()}
    for what, token in tokens.items():
        assert sign_in(asks, mechanism, token) == 235, what
    asks.await_log(f"mechanism={mechanism} by=dovecot")
    assert not [what for what, token in tokens.items() if token.rpartition(".")[2] in asks.log()]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_wrong_tokens(asks, mechanism):
    """All at once: Dovecot takes half a second for each that it refuses."""
    wrong = WRONG | (FOR_OTHERS if dovecot.judges_audiences() else {})
    tokens = {what: make() for what, make in wrong.items()}
    with concurrent.futures.ThreadPoolExecutor(len(tokens) + 1) as pool:
        replies = {what: pool.submit(sign_in, asks, mechanism, token) for what, token in tokens.items()}
        replies["for another user"] = pool.submit(sign_in, asks, mechanism, oauth_token.make(), "bob@example.org")
    assert {what: reply.result() for what, reply in replies.items()} == dict.fromkeys(replies, 535)
    assert not [what for what, token in tokens.items() if token in asks.log()]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("good", [True, False])
def test_curl(asks, tmp_path, mechanism, good):
    recipient = f"{mechanism.lower()}@example.org"
    (tmp_path / "message").write_text(f"Subject: token\r\nFrom: <{postern.USER}>\r\n\r\nHi\r\n")
    done = subprocess.run(
        ["curl", "-sS", "-4", "--cacert", asks.ca, "--login-options", f"AUTH={mechanism}", "--user", f"{postern.USER}:"]
        + ["--oauth2-bearer", oauth_token.make(**({} if good else {"scope": "imap"}))]
        + ["--url", f"smtps://localhost:{asks.tls}", "--mail-from", postern.USER]
        + ["--mail-rcpt", recipient, "--upload-file", str(tmp_path / "message")],
        capture_output=True, timeout=60,
    )  # fmt: skip
    if good:
        assert done.returncode == 0, done.stderr
        asks.wait_for(recipient, "token")
    else:
        assert done.returncode == 67, done.stderr
