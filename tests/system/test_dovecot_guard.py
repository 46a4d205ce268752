"""The guard over mechanisms that a real Dovecot verifies: who was tried is known at the end only, where Dovecot names him, or never."""

import base64
import json

import pytest

import dovecot
import oauth_token
import postern
from test_dovecot import auth_of, encode, session

LIMITS = 'guard { exempt = { }  delay = 0  per_login = "3/h"  per_network = "6/h" }'

pytestmark = pytest.mark.any_loop("what test_dovecot shows on both loops carries it")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = dovecot.Dovecot(tmp_path_factory.mktemp("dovecot"), "plain cram-md5 xoauth2 oauthbearer").start()
    yield made
    made.stop()


@pytest.fixture
def server(make_server, running):
    server = make_server(server=auth_of(running.socket, ["PLAIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"]))
    server.config.write_text(server.config.read_text() + LIMITS)
    server.start()
    postern.wait_until(lambda: "dovecot-ready" in server.log(), 20, "Dovecot is connected")
    return server


def begin(server):
    client = session(server)
    client.expect("EHLO client.example", 250)
    return client


def by_password(server):
    with begin(server) as client:
        return client.command("AUTH PLAIN " + encode(f"\0{postern.USER}\0{postern.PASSWORD}")).code


def by_cram(server, number):
    with begin(server) as client:
        client.expect("AUTH CRAM-MD5", 334)
        return client.command(encode(f"{postern.USER} {number:032x}")).code


def bans(server):
    return [json.loads(line) for line in server.run("ban", "list", "--json").stdout.splitlines()]


def test_whom_dovecot_names_is_counted(server):
    assert [by_cram(server, number) for number in range(3)] == [535] * 3
    (ban,) = bans(server)
    assert (ban["network"], ban["login"]) == ("127.0.0.0/24", postern.USER)
    # Right or wrong, and by whatever mechanism.
    assert by_password(server) == 421
    assert by_cram(server, 4) == 421


def say_wrong_token(client, number):
    """The reply is why, in JSON."""
    token = oauth_token.make(scope="imap", sub=f"user{number}@example.org")
    if number % 2:
        return client.command("AUTH OAUTHBEARER " + encode(f"n,a=user{number}@example.org,\1auth=Bearer {token}\1\1"))
    return client.command("AUTH XOAUTH2 " + encode(f"user=user{number}@example.org\1auth=Bearer {token}\1\1"))


def goes(_):
    pass


def cancels(client):
    client.expect("*", 501)


def waits(client):
    client.expect(encode("\1"), 535)


@pytest.mark.parametrize("end", [goes, cancels, waits])
def test_without_a_name_the_network_is_counted(server, end):
    """Whoever has been told that his token is wrong need not hear it twice."""
    for number in range(6):
        assert bans(server) == []
        with begin(server) as client:
            reply = say_wrong_token(client, number)
            assert reply.code == 334 and b"status" in base64.b64decode(reply.lines[0][4:]), reply
            end(client)
    postern.wait_until(lambda: bans(server), 10, "there is a ban")
    (ban,) = bans(server)
    assert (ban["network"], ban["login"]) == ("127.0.0.0/24", None)
    assert by_password(server) == 421
