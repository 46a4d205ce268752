"""Sign-ins that wait for a hasher: who is banned meanwhile, or has gone, costs no hash. `postern server sign-ins` counts."""

import json
import socket

import pytest

import conversation
import postern
from test_guessing import Client


@pytest.fixture
def server(make_server):
    (port,) = postern.free_ports(1)
    server = make_server(
        more_listeners=f', "127.0.0.1:{port} plain"',
        shutdown="1s",
        server='auth { plaintext = yes } proxy_protocol = { "127.0.0.1" }',
    )
    server.config.write_text(server.config.read_text() + "guard { exempt = { }  delay = 0 }\n")
    server.add_user()
    server.start()
    server.plain = port
    return server


def counts(server):
    shown = server.run("server", "sign-ins", "--json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def guess(client, number):
    client.send(f"AUTH PLAIN {conversation.plain(postern.USER, f'guess {number}')}\r\n")


def begin_to_guess(server, addresses):
    clients = [Client(server.plain, address) for address in addresses]
    for number, client in enumerate(clients):
        guess(client, number)
    return clients


def test_who_is_banned_while_he_waits_is_not_hashed(server):
    clients = begin_to_guess(server, [f"10.1.1.{i + 1}" for i in range(60)])
    with Client(server.plain, "10.9.9.9") as other:
        assert other.command("AUTH PLAIN " + conversation.plain(postern.USER, postern.PASSWORD)).code == 235
    replies = [client.reply() for client in clients]
    wrong = [reply for reply in replies if reply.code == 535]
    banned = [reply for reply in replies if (reply.code, reply.status) == (421, "4.7.0")]
    assert len(wrong) == 10 and len(banned) == 50
    assert all(client.is_closed() for client, reply in zip(clients, replies) if reply.code == 421)
    seen = counts(server)
    # Ten that led to the ban, what was at the hasher by then, and the other one.
    assert 11 <= seen["hashed"] <= 13
    assert seen["hashed"] + seen["refused"] >= 50  # the ban may have come before the last ones had asked
    assert seen["refused"] > 20 and seen["waiting"] == seen["left"] == seen["turned_away"] == 0
    text = server.run("server", "sign-ins").stdout
    assert f"{seen['refused']}  refused while they waited" in text


def test_who_has_gone_is_not_hashed(server):
    clients = begin_to_guess(server, [f"10.1.{i}.1" for i in range(40)])
    tls = conversation.Conversation(server.starttls, timeout=60)
    tls.send("PROXY TCP4 10.2.2.2 192.0.2.1 40000 587\r\n")
    tls.reply()
    tls.expect("EHLO client.example", 250)
    tls.start_tls(conversation.context(server.ca))
    tls.expect("EHLO client.example", 250)
    guess(tls, 40)
    tls.socket.close()
    half = clients.pop()
    half.socket.shutdown(socket.SHUT_WR)
    for client in clients:
        client.socket.close()
    # Who can still read is told, sooner than his turn would come.
    assert half.reply().code == 454
    assert half.is_closed()
    postern.wait_until(lambda: counts(server)["waiting"] == 0, 20, "nobody waits")
    seen = counts(server)
    assert seen["left"] > 20
    assert seen["hashed"] + seen["left"] == 41
    assert seen["refused"] == seen["turned_away"] == 0
    server.await_log("the client has gone")


def test_a_customer_of_many_ipv6_networks_has_one_turn(server):
    """Fifty logins are tried from as many networks of a /48. Somebody else waits for what is with the hasher, and a turn."""
    clients = [Client(server.plain, f"2001:db8:77:{i:x}::1") for i in range(50)]
    for number, client in enumerate(clients):
        client.send(f"AUTH PLAIN {conversation.plain(f'user{number}@example.org', 'guess')}\r\n")
    with Client(server.plain, "2001:db8:78::1") as other:
        before = counts(server)["hashed"]
        assert other.command("AUTH PLAIN " + conversation.plain(postern.USER, postern.PASSWORD)).code == 235
    seen = counts(server)
    assert seen["hashed"] - before < 20 and seen["waiting"] > 10, seen
    for client in clients:
        client.socket.close()


@pytest.mark.any_loop("it counts what needs no hasher")
def test_remembered_passwords_are_counted(server):
    for _ in range(3):
        with Client(server.plain, "10.9.9.9") as client:
            assert client.command("AUTH PLAIN " + conversation.plain(postern.USER, postern.PASSWORD)).code == 235
    seen = counts(server)
    assert (seen["hashed"], seen["remembered"]) == (1, 2)
