"""`guard { … }`: waiting, bans, who is exempt, and all of it over workers and a restart."""

import base64
import json
import re
import secrets
import time

import pytest

import conversation
import postern

QUICK = "exempt = { }  delay = 0"
ELSEWHERE = "127.0.9.1"


def make(make_server, guard=QUICK, workers=2, **settings):
    server = make_server(workers=workers, **settings)
    server.config.write_text(server.config.read_text() + f"guard {{ {guard} }}\n")
    server.add_user()
    server.add_user("bob@example.org", "bob's")
    return server.start()


def connect(server, source="127.0.0.1"):
    client = conversation.Conversation(server.tls, conversation.context(server.ca), source=(source, 0))
    assert client.reply().code == 220
    client.expect("EHLO client.example", 250)
    return client


def attempt(server, user=postern.USER, password=postern.PASSWORD, source="127.0.0.1"):
    """The reply to one try in a session of its own."""
    with connect(server, source) as client:
        return client.command("AUTH PLAIN " + conversation.plain(user, password))


def guess(server, count, user=postern.USER, source="127.0.0.1"):
    """Wrong passwords, all different."""
    for number in range(count):
        assert attempt(server, user, f"guess {number} {time.monotonic()}", source).code == 535


def is_banned(reply):
    return (reply.code, reply.status) == (421, "4.7.0") and re.search(r"try again later \(\S+\)$", reply.lines[-1])


def test_a_network_is_banned_from_a_login(make_server):
    server = make(make_server)
    guess(server, 10)
    with connect(server) as client:
        # Right or wrong, piled up or not: nothing is verified, and the session is over.
        client.send(f"AUTH PLAIN {conversation.plain(postern.USER, postern.PASSWORD)}\r\nNOOP\r\n")
        reply = client.reply()
        assert is_banned(reply)
        assert client.is_closed()
    assert is_banned(attempt(server, postern.USER.upper(), source="127.0.0.7"))
    assert attempt(server, "bob@example.org", "bob's").code == 235
    assert attempt(server, source=ELSEWHERE).code == 235
    server.await_log("banned", "10 failed sign-ins to this login within an hour")
    # Who asks why is told.
    shown = server.run("explain", re.search(r"\((\S+)\)", reply.lines[-1]).group(1))
    assert "sign-in: defer" in shown.stdout and "127.0.0.0/24 is banned until" in shown.stdout
    assert f"{postern.USER} was tried" in shown.stdout
    server.stop()
    server.start()
    assert is_banned(attempt(server))
    assert attempt(server, source=ELSEWHERE).code == 235


def test_a_network_is_banned_from_all_logins_and_who_has_signed_in_is_exempt(make_server):
    server = make(make_server, QUICK + ' per_network = "12/h"')
    assert attempt(server, source="127.0.0.5").code == 235
    for number in range(12):
        guess(server, 1, f"user{number}@example.org")
    assert is_banned(attempt(server))
    assert is_banned(attempt(server, "bob@example.org", "bob's"))
    assert attempt(server, source="127.0.0.5").code == 235
    assert attempt(server, "bob@example.org", "bob's", source=ELSEWHERE).code == 235
    server.stop()
    server.start()
    assert attempt(server, source="127.0.0.5").code == 235


def test_one_with_many_ipv6_networks_is_one(make_server):
    """Eight failures in a /56 are four times what a network may have."""
    server = make(make_server, QUICK + ' per_login = "2/h"', server='proxy_protocol = { "127.0.0.1" }')

    def from_network(number, password=postern.PASSWORD):
        with conversation.Conversation(server.starttls) as client:
            client.send(f"PROXY TCP6 2001:db8:0:{number:x}::1 2001:db8::25 40000 587\r\n")
            assert client.reply().code == 220
            client.expect("EHLO client.example", 250)
            client.start_tls(conversation.context(server.ca))
            client.expect("EHLO client.example", 250)
            return client.command("AUTH PLAIN " + conversation.plain(postern.USER, password))

    for number in range(8):
        assert from_network(number, f"guess {number}").code == 535
    assert is_banned(from_network(0xFF))
    assert from_network(0x100).code == 235
    (ban,) = bans(server)
    assert (ban["network"], ban["login"]) == ("2001:db8::/56", postern.USER)
    server.stop()
    server.start()
    assert is_banned(from_network(0xFE))
    assert server.run("ban", "remove", "2001:db8::/56", "--login", postern.USER).returncode == 0
    assert from_network(0xFF).code == 235


@pytest.mark.alone("it measures who waits and who doesn't")
def test_one_waits_before_the_reply(make_server):
    server = make(make_server, "exempt = { }  delay = 1500ms", workers=1)
    guess(server, 4)
    begun = time.monotonic()
    with connect(server) as client, connect(server, ELSEWHERE) as other:
        client.send("AUTH PLAIN " + conversation.plain(postern.USER, postern.PASSWORD) + "\r\nNOOP\r\n")
        other.sign_in()
        assert time.monotonic() - begun < 0.9  # nobody else waits
        assert client.reply().code == 235
        assert time.monotonic() - begun > 0.9
        assert client.reply().code == 250
    server.await_log("delayed_ms=1000")
    # It has succeeded, and is exempt.
    begun = time.monotonic()
    assert attempt(server).code == 235
    assert time.monotonic() - begun < 0.9


def test_one_who_waits_may_go_and_the_server_may_end(make_server):
    server = make(make_server, "exempt = { }  delay = 30s", workers=1)
    guess(server, 4)
    for number in range(5):
        guess(server, 1, f"other{number}")
    waiting = [connect(server) for _ in range(3)]
    for client in waiting:
        client.send("AUTH PLAIN " + conversation.plain(postern.USER, "wrong") + "\r\n")
    time.sleep(0.2)
    waiting[0].socket.close()
    server.stop()  # sooner than the delay would end, and cleanly
    for client in waiting[1:]:
        client.socket.close()


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def by_login(client, password):
    """As far as the server answers at once."""
    client.expect("AUTH LOGIN", 334)
    client.expect(encoded(postern.USER), 334)
    client.send(encoded(password) + "\r\n")


def by_scram(client, _):
    """The name alone is said, and what the server tells of it has to wait too."""
    client.send("AUTH SCRAM-SHA-256 " + encoded(f"n,,n={postern.USER},r={secrets.token_hex(9)}") + "\r\n")


def fail(client):
    """Hears the reply, which for SCRAM is a challenge that is answered wrong."""
    reply = client.reply()
    if reply.code == 334:
        nonce = base64.b64decode(reply.lines[0][4:]).decode().split(",")[0]
        reply = client.command(encoded(f"c=biws,{nonce},p={base64.b64encode(secrets.token_bytes(32)).decode()}"))
    assert reply.code == 535, reply


def sessions(server):
    return json.loads(server.run("server", "list", "--json").stdout)["sessions"]


each_exchange = pytest.mark.parametrize("begin", [by_login, by_scram], ids=["LOGIN", "SCRAM"])


@each_exchange
@pytest.mark.alone("it measures who waits and who doesn't")
def test_one_waits_in_an_exchange_too(make_server, begin):
    """The delay grows with the failures, and nobody else is held."""
    server = make(make_server, "exempt = { }  delay = 30s", workers=1)
    guess(server, 4)
    taken = []
    for number in range(2):
        with connect(server) as client, connect(server, ELSEWHERE) as other:
            begun = time.monotonic()
            begin(client, f"wrong {number}")
            other.sign_in()
            assert time.monotonic() - begun < 0.9
            fail(client)
            taken.append(time.monotonic() - begun)
        if number == 0:
            guess(server, 1)
    assert 0.9 < taken[0] < 1.9 < taken[1] < 3.9, taken


@each_exchange
def test_who_goes_while_he_waits_leaves_nothing_behind(make_server, begin):
    server = make(make_server, "exempt = { }  delay = 30s", workers=1)
    # All at once, so that none of them waits.
    failing = [connect(server) for _ in range(9)]
    for number, client in enumerate(failing):
        client.send(f"AUTH PLAIN {conversation.plain(postern.USER, f'wrong {number}')}\r\n")
    for client in failing:
        assert client.reply().code == 535
        client.socket.close()
    postern.wait_until(lambda: sessions(server) == 0, 5, "they are gone")
    waiting = [connect(server) for _ in range(20)]
    for number, client in enumerate(waiting):
        begin(client, f"wrong too {number}")
    begun = time.monotonic()
    assert sessions(server) == 20
    for client in waiting:
        client.socket.close()
    postern.wait_until(lambda: sessions(server) == 0, 5, "they are gone")
    assert time.monotonic() - begun < 8  # of 16 that they had to wait
    server.await_log("the client has gone", count=20)
    assert server.log().count("the client has gone") == 20


def test_this_machine_is_exempt_unless_said(make_server):
    server = make(make_server, "")
    guess(server, 12)
    assert attempt(server).code == 235


def test_the_guard_may_be_off(make_server):
    server = make(make_server, "enable = no " + QUICK)
    guess(server, 12)
    assert attempt(server).code == 235
    server.config.write_text(server.config.read_text().replace("enable = no", "enable = yes"))
    assert server.run("reload").returncode == 0
    guess(server, 10)
    assert is_banned(attempt(server))
    server.config.write_text(server.config.read_text().replace("enable = yes", "enable = no"))
    assert server.run("reload").returncode == 0
    assert attempt(server).code == 235


def test_the_same_wrong_password_again_is_no_guess(make_server):
    server = make(make_server)
    for _ in range(12):
        assert attempt(server, password="last year's").code == 535
    assert attempt(server).code == 235


def bans(server):
    shown = server.run("ban", "list", "--json")
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_bans_are_listed_made_and_removed(make_server):
    server = make(make_server)
    guess(server, 10)
    assert is_banned(attempt(server))
    (ban,) = bans(server)
    assert (ban["network"], ban["login"], ban["refused"]) == ("127.0.0.0/24", postern.USER, 1)
    assert ban["reason"] == "10 failed sign-ins to this login within an hour"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", ban["since"]) and ban["until"] > ban["since"]
    text = server.run("ban", "list").stdout
    assert f"from login {postern.USER}, by failures with a login: 10 failed sign-ins" in text

    done = server.run("ban", "remove", "127.0.0.0/24")
    assert done.returncode == 1 and "there is no such ban" in done.stderr
    assert server.run("ban", "remove", "127.0.0.0/24", "--login", postern.USER).returncode == 0
    assert bans(server) == []
    assert attempt(server).code == 235

    # By hand: wins over having signed in, and is known to all workers after a restart too.
    done = server.run("ban", "add", "127.0.0.0/25", "--for", "1h", "--reason", "a scan of ours")
    assert done.stdout == "127.0.0.0/25: banned\n"
    for _ in range(4):
        assert is_banned(attempt(server))
    assert attempt(server, source="127.0.0.129").code == 235
    server.stop()
    server.start()
    reply = attempt(server)
    assert is_banned(reply)
    shown = server.run("explain", re.search(r"\((\S+)\)", reply.lines[-1]).group(1)).stdout
    assert "by hand: a scan of ours" in shown
    (ban,) = bans(server)
    assert (ban["by"], ban["reason"], ban["login"], ban["refused"]) == ("hand", "a scan of ours", None, 5)
    assert server.run("ban", "remove", "--json", "127.0.0.0/25").returncode == 0
    assert attempt(server).code == 235
    assert server.run("ban", "add", "127.0.0.1", "--login", "bob@example.org").returncode == 0
    assert bans(server)[0]["until"] is None
    assert is_banned(attempt(server, "BOB@example.org", "bob's"))
    assert attempt(server).code == 235
    server.stop()
    done = server.run("ban", "list")
    assert done.returncode == 1 and "no server runs in" in done.stderr


def test_a_wrong_call_is_told(make_server):
    server = make_server()
    for arguments, said in (
        (("add", "192.0.2.0/33"), "192.0.2.0/33"),
        (("add", "192.0.2.0/24", "--for", "soon"), "not a time"),
        (("add", "192.0.2.0/24", "--reason", "x" * 200), "at most 111 bytes"),
    ):
        done = server.run("ban", *arguments)
        assert done.returncode == 64 and said in done.stderr, done.stderr


def test_many_bans_take_many_pages(make_server):
    server = make(make_server)
    for number in range(120):
        assert server.run("ban", "add", f"10.0.{number}.0/24").returncode == 0
    assert len({ban["network"] for ban in bans(server)}) == 120
