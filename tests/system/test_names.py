"""Rules for clients' names, with reverse zones that a real DNS server has: clients from 127.0.0.0/8 whose names hold, lie, are
missing, get no answer or SERVFAIL; and crowds of clients while the DNS is a black hole.

POSTERN_CROWD makes the crowd larger than it is in every run: 10000 is what a release is held to.
"""

import json
import os
import re
import subprocess
import time

import pytest

import postern
from conversation import Conversation, context, message
from dns_server import Hole, Knot

CROWD = int(os.environ.get("POSTERN_CROWD", "1000"))

HERE = "bob@example.org"
AWAY = "carol@held.example"  # its route holds: for a client that has not signed in that is relaying

GOOD, LIAR, NAMELESS, BAD = "127.0.2.1", "127.0.2.2", "127.0.2.3", "127.0.2.5"
BROKEN = "127.0.3.1"  # SERVFAIL
SILENT = "127.0.4.1"  # no answer

ZONES = {
    "127.in-addr.arpa": [
        "1.2.0 PTR good.partner.test.",
        "2.2.0 PTR liar.partner.test.",
        "5.2.0 PTR mail.bad.test.",
    ],
    "3.0.127.in-addr.arpa": None,
    "test": [
        "ns A 127.0.0.1",
        "good.partner A 127.0.2.1",
        "liar.partner A 192.0.2.1",
        "mail.bad A 127.0.2.5",
    ],
}

RULES = """
    auth {{ plaintext = yes }}
    connect {{ {connect} }}
    relay {{ {relay} }}
    dns {{ reverse = {reverse}  servers = {{ "{dns}" }}  timeout = {timeout} }}
"""

DENY_BAD = 'deny = { ".bad.test" }'
ALLOW_PARTNER = 'allow = { ".partner.test" }'


@pytest.fixture(scope="module")
def knot(tmp_path_factory):
    made = Knot(tmp_path_factory.mktemp("dns") / "knot", ZONES)
    yield made
    made.stop()


@pytest.fixture
def hole(knot):
    """Answers as knot does, but for what concerns 127.0.4.0/24."""
    made = Hole(behind=knot, swallowed=[("4", "0", "127", "in-addr")])
    yield made
    made.stop()


@pytest.fixture
def make_named(make_server):
    def make(dns, connect="", relay="", reverse="auto", timeout="500ms", more="", **settings):
        rules = RULES.format(connect=connect, relay=relay, reverse=reverse, dns=dns.address, timeout=timeout)
        server = make_server(server=rules + more, **settings)
        server.add_user()
        return server.start()

    return make


def connect(server, address, tls=False):
    if tls:
        return Conversation(server.tls, context(server.ca), source=(address, 0))
    return Conversation(server.starttls, source=(address, 0))


def log_line(server, pattern):
    """The line comes when the worker is about to wait."""
    return postern.wait_until(lambda: re.search(pattern, server.log()), 10, f"the log has {pattern}")


def greeting(server, address, tls=False):
    with connect(server, address, tls) as client:
        return client.reply()


def greeted(server, address):
    client = connect(server, address)
    assert client.reply().code == 220
    client.expect("EHLO client.example", 250)
    return client


def relays(server, address):
    """What a client that does not sign in hears when it sends to somebody elsewhere."""
    with greeted(server, address) as client:
        reply = client.command(f"MAIL FROM:<{postern.USER}>")
        return client.command(f"RCPT TO:<{AWAY}>").code if reply.code == 250 else reply.code


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "tls"])
def test_a_name_can_be_denied(make_named, hole, tls):
    server = make_named(hole, connect=DENY_BAD)
    reply = greeting(server, BAD, tls)
    assert (reply.code, reply.status) == (554, "5.7.1")
    log_line(server, f"client={BAD} .* name=mail.bad.test .*\\.bad\\.test")
    for address in (GOOD, LIAR, NAMELESS, BROKEN, SILENT):
        assert greeting(server, address, tls).code == 220, address


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "tls"])
def test_who_is_denied_by_name_waits_in_the_tarpit(make_named, knot, tls):
    """Also where the name has to be found out first; what he says meanwhile is not heard."""
    server = make_named(knot, connect=DENY_BAD + "  tarpit = 2s")
    for _ in range(2):
        began = time.monotonic()
        with connect(server, BAD, tls) as client:
            client.send(b"EHLO client.example\r\nQUIT\r\n")
            assert client.reply().code == 554
            assert client.is_closed()
        assert time.monotonic() - began > 1.9
    assert greeting(server, GOOD, tls).code == 220


def test_a_name_can_be_wanted(make_named, hole):
    """Who has none, or a false one, is refused; who may have one that can't be found out now can come again."""
    server = make_named(hole, connect="default = deny  unknown_name = deny  " + ALLOW_PARTNER)
    assert greeting(server, GOOD).code == 220
    for address in (LIAR, NAMELESS, BAD):
        assert greeting(server, address).code == 554, address
    for address in (BROKEN, SILENT):
        assert 400 <= greeting(server, address).code < 500, address


def test_a_name_may_relay(make_named, hole):
    server = make_named(hole, relay=ALLOW_PARTNER)
    assert relays(server, GOOD) == 250
    for address in (LIAR, NAMELESS, BAD):
        assert relays(server, address) // 100 == 5, address


def test_only_who_needs_the_name_waits(make_named, hole):
    """One whose address decides, one who has signed in, one for whom it is a local recipient: all at once."""
    server = make_named(hole, connect='allow = { "127.0.4.8" }  ' + DENY_BAD, timeout="3s")
    began = time.monotonic()
    assert greeting(server, "127.0.4.8").code == 220
    assert time.monotonic() - began < 2.5
    assert greeting(server, SILENT).code == 220
    assert 2.9 < time.monotonic() - began < 20
    server = make_named(hole, relay=ALLOW_PARTNER, timeout="3s")
    began = time.monotonic()
    with greeted(server, "127.0.4.2") as client:
        client.sign_in()
        assert client.submit(message("no name needed"), recipients=[HERE, AWAY]).code == 250
    assert time.monotonic() - began < 2.5
    began = time.monotonic()
    assert relays(server, "127.0.4.3") // 100 in (4, 5)
    assert 2.9 < time.monotonic() - began < 20


def test_who_is_sent_away_anyway_does_not_wait(make_named, hole):
    server = make_named(hole, connect=DENY_BAD, timeout="3s", more="limits { connections = 1 }")
    held = greeted(server, GOOD)
    began = time.monotonic()
    assert greeting(server, "127.0.4.5").code == 421
    held.socket.close()
    assert server.run("server", "pause", "test").returncode == 0
    assert greeting(server, "127.0.4.6").code == 421
    assert time.monotonic() - began < 2


def test_the_question_runs_beside_tls(make_named, hole):
    """A client that takes its time for the handshake finds the answer there."""
    server = make_named(hole, connect=DENY_BAD, timeout="2s")
    plain = Conversation(server.tls, source=("127.0.4.4", 0))
    time.sleep(2.2)
    began = time.monotonic()
    plain.socket = context(server.ca).wrap_socket(plain.socket, server_hostname="localhost")
    assert plain.reply().code == 220
    assert time.monotonic() - began < 1.5


def test_nobody_is_asked_for_who_needs_no_name(make_named):
    empty = Hole()
    for reverse, rules in (("auto", ""), ("off", "")):
        server = make_named(empty, reverse=reverse, connect=rules)
        with greeted(server, GOOD) as client:
            client.sign_in()
            assert client.submit(message("nobody asks"), recipients=[HERE]).code == 250
        assert empty.questions == 0
    empty.stop()


def test_names_for_the_log(make_named, hole):
    server = make_named(hole, reverse="on", timeout="5s")
    began = time.monotonic()
    for address in (GOOD, LIAR, SILENT):
        with greeted(server, address) as client:
            client.sign_in()
    assert time.monotonic() - began < 4.5, "nobody waits for a name that decides nothing"
    with greeted(server, GOOD) as client:
        client.sign_in()
    log_line(server, f" signed-in .*client={GOOD} .*name=good.partner.test")
    assert "name=liar" not in server.log()


def test_clients_that_leave_while_their_name_is_sought(make_named, hole):
    server = make_named(hole, connect=DENY_BAD, relay=ALLOW_PARTNER, timeout="1s")
    for number in range(40):
        connect(server, f"127.0.4.{10 + number}").socket.close()
    assert greeting(server, GOOD).code == 220
    waiting = [connect(server, f"127.0.4.{60 + number}") for number in range(40)]
    for number, client in enumerate(waiting):
        client.send("EHLO client.example\r\n" * (number % 3))
    assert all(client.reply().code == 220 for client in waiting)
    for client in waiting:
        client.socket.close()


def test_a_server_ends_while_names_are_sought(make_named, hole):
    server = make_named(hole, connect=DENY_BAD, timeout="20s")
    waiting = [connect(server, f"127.0.4.{110 + number}") for number in range(20)]
    time.sleep(0.3)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 8, "they are not waited for"
    for client in waiting:
        client.socket.close()


# --- a crowd while the DNS is a black hole ---


def bench_command(server, *arguments):
    command = [postern.BUILD / "postern-bench", "session", "--to", f"127.0.0.1:{server.tls}", "--host", "localhost"]
    command += ["--ca", server.ca, "--user", postern.USER, "--password", postern.PASSWORD, "--rcpt", AWAY]
    return [*map(str, [*command, "--json", *arguments])]


def bench(server, *arguments):
    done = subprocess.run(bench_command(server, *arguments), capture_output=True, text=True, timeout=1200)
    return json.loads(done.stdout)


def test_a_crowd_while_the_dns_is_a_black_hole(make_named):
    """Sessions that don't need a name lose nothing, while others that do come all the time. The clients are 1000 addresses that
    a proxy speaks for; so are those whose names decide."""
    empty = Hole()
    server = make_named(
        empty,
        connect='allow = { "198.51.96.0/22" }  deny = { ".bad.test" }',
        timeout="1s",
        more='proxy_protocol = { "127.0.0.1" }',
    )
    calm = bench(server, "--proxy-for", "198.51.96.0/22", "--count", CROWD // 4, "--connections", 20)
    others = bench_command(server, "--proxy-for", "203.0.112.0/22", "--count", CROWD // 10, "--connections", 50)
    needy = subprocess.Popen(others, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    crowded = bench(server, "--proxy-for", "198.51.96.0/22", "--count", CROWD, "--connections", 20)
    waited = json.loads(needy.communicate(timeout=1200)[0])
    assert calm["failed"] == crowded["failed"] == waited["failed"] == 0, waited
    assert crowded["operations"] >= CROWD * 0.9 and empty.questions > 0
    total, before = crowded["latencies"]["total"], calm["latencies"]["total"]
    assert total["p99_us"] < max(900000, 2 * before["p99_us"]), f"nobody waits a second for the DNS: {total}, before {before}"
    assert waited["latencies"]["total"]["p50_us"] > 900000, "those whose names decide do"

    def clients():
        return set(re.findall(r" signed-in .*client=(198\S+)", server.log()))

    postern.wait_until(lambda: len(clients()) >= min(1000, CROWD), 10, "all addresses were there")
    empty.stop()
