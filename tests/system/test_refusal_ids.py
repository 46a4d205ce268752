"""Refusals by limits, quotas, ownership and a pause: each has an id in its reply and in the log, and `postern explain ID` tells which setting
it was, where that is written, and what was counted."""

import json
import re
import socket
import time

import pytest

import conversation
import postern
from conversation import Conversation, message, signed_in

pytestmark = pytest.mark.any_loop("who is refused and what is kept of it: test_connect has the waiting, a unit test the file")


def id_of(reply):
    return re.search(r" \(([0-9A-Z]+)\)$", reply.lines[-1]).group(1)


def line_of(server, word):
    lines = server.config.read_text().split("\n")
    return next(number for number, line in enumerate(lines, 1) if word in line)


def explained(server, refusal, setting):
    """What explain says, and that the log says the same; `setting` is how its line begins."""
    seen = postern.wait_until(lambda: try_to_explain(server, refusal), 5, "it can be explained")
    assert seen["line"] == line_of(server, setting) and seen["file"].endswith("postern.conf")
    server.await_log(f" id={refusal} ")
    told = next(line for line in server.log().splitlines() if f" id={refusal} " in line)
    assert f" line={seen['line']}" in told
    return seen


def try_to_explain(server, refusal):
    done = server.run("explain", "--json", refusal)
    return json.loads(done.stdout) if done.returncode == 0 else None


def greeting(server, source="127.0.0.2"):
    client = Conversation(server.starttls, source=(source, 0))
    return client, client.reply()


@pytest.mark.parametrize(
    "setting, reply, rule",
    [
        ("per_address = 2", "from your address", "connect { per_address = 2 }: 2 connections of this address are open"),
        ("per_network = 2", "from your network", "connect { per_network = 2 }: 2 connections of this network are open"),
        ("rate = 2/h", "connect too often", 'connect { rate = "2/3600s" }: so many had come, and one more came too soon'),
    ],
)
@pytest.mark.parametrize("tarpit", ["", "tarpit = 200ms"])
def test_limits_of_clients(make_server, setting, reply, rule, tarpit):
    server = make_server(server=f"connect {{ {tarpit}\n{setting} }}").start()
    clients = [greeting(server)[0] for _ in range(2)]
    client, refused = greeting(server)
    assert refused.code == 421 and reply in refused.lines[0]
    seen = explained(server, id_of(refused), setting)
    assert (seen["stage"], seen["verdict"], seen["rule"]) == ("connection", "defer", rule)
    assert (seen["address"], seen["reply"]) == ("127.0.0.2", refused.lines[0])
    # Behind implicit TLS nothing is said, but logged.
    with socket.create_connection(("127.0.0.1", server.tls), source_address=("127.0.0.2", 0)) as other:
        assert other.recv(1) == b""
    (last,) = postern.wait_until(
        lambda: [line for line in server.log().splitlines() if " refused " in line][1:], 5, "it is logged"
    )
    seen = explained(server, re.search(r" id=(\S+) ", last).group(1), setting)
    assert seen["rule"] == rule + "; closed without a word, before TLS"
    for each in (client, *clients):
        each.socket.close()


def test_the_limit_of_connections(make_server):
    server = make_server(server="limits {\n connections = 2 }").start()
    clients = [greeting(server)[0] for _ in range(2)]
    client, refused = greeting(server, "127.0.1.2")
    assert refused.code == 421 and "Too many connections, try again later (" in refused.lines[0]
    seen = explained(server, id_of(refused), " connections = 2")
    assert seen["rule"] == "limits { connections = 2 }: 2 sessions were open in the worker"
    for each in (client, *clients):
        each.socket.close()


def test_a_crowd_does_not_push_out_others(make_server):
    """All are told an id; some of a crowd find no record, and are told why."""
    server = make_server(server="auth { senders = own }\n connect { per_address = 1 }")
    server.add_user()
    server.start()
    first = Conversation(server.tls, conversation.context(server.ca), source=("127.0.0.9", 0))
    first.reply()
    first.expect("EHLO client.example", 250)
    first.sign_in()
    inside = id_of(first.command("MAIL FROM:<bob@example.org>"))
    ids = {id_of(greeting(server, "127.0.0.9")[1]) for _ in range(400)}
    assert len(ids) == 400
    assert try_to_explain(server, inside)
    kept = [each for each in sorted(ids)[:40] if try_to_explain(server, each)]
    assert kept
    done = server.run("explain", "0" * 13)
    assert done.returncode != 0 and "100 a second" in done.stderr
    first.socket.close()


def test_a_crowd_that_rules_refuse_does_not_push_out_others(make_server):
    server = make_server(server='connect { deny = { "127.0.0.8" } }').start()
    file = server.folder / "data" / "lanes" / "0" / "refusals"
    began = time.monotonic()
    for _ in range(1000):
        client, refused = greeting(server, "127.0.0.8")
        assert refused.code == 554 and id_of(refused)
        client.socket.close()
    most = 100 * (int(time.monotonic() - began) + 2)  # of each second that it took a part of
    server.stop()
    records = file.read_bytes()
    kept = sum(records[at : at + 8] != bytes(8) for at in range(0, len(records), 1024))
    assert 0 < kept <= most < 1000


def test_a_paused_server(make_server):
    server = make_server().start()
    assert server.run("server", "pause", "test").returncode == 0
    client, refused = greeting(server)
    client.socket.close()
    assert refused.code == 421 and "takes no new sessions now, try again later (" in refused.lines[0]
    refusal = id_of(refused)
    seen = postern.wait_until(lambda: try_to_explain(server, refusal), 5, "it can be explained")
    assert (seen["stage"], seen["verdict"], seen["line"]) == ("connection", "defer", 0)
    assert seen["rule"] == "the server is paused, by hand: postern server resume test"
    assert (seen["address"], seen["reply"]) == ("127.0.0.2", refused.lines[0])
    with Conversation(server.tls, conversation.context(server.ca)) as inside:
        assert try_to_explain(server, id_of(inside.reply()))["tls_bits"] == 256
    server.await_log(f" id={refusal} ")
    # A crowd that comes back meanwhile leaves room in the log and for other refusals.
    for _ in range(60):
        greeting(server)[0].socket.close()
    assert server.log().count(" refused ") < 60


def test_a_recipient_that_can_be_no_mailbox(make_server):
    server = make_server()
    server.add_user()
    server.start()
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        refused = client.command('RCPT TO:<"../../etc"@example.org>')
        assert refused.code == 550 and refused.status == "5.1.1"
        seen = try_to_explain(server, id_of(refused))
        assert (seen["stage"], seen["reply"]) == ("recipient", refused.lines[0])
        assert seen["rule"] == "the recipient's local part can't be a mailbox"


def test_senders(make_server):
    server = make_server(server="auth {\n senders = own\n from_header = own }")
    server.add_user()
    server.start()
    with signed_in(server) as client:
        refused = client.command("MAIL FROM:<bob@example.org>")
        assert refused.code == 550
        seen = explained(server, id_of(refused), " senders = own")
        assert (seen["stage"], seen["login"], seen["sender"]) == ("sender", postern.USER, "bob@example.org")
        assert seen["signed_in"] and seen["reply"] == refused.lines[0] and "senders = own" in seen["rule"]
        refused = client.submit("From: <bob@example.org>\r\n\r\nHello.\r\n.\r\n")
        assert refused.code == 550
        seen = explained(server, id_of(refused), " from_header = own")
        assert (seen["stage"], seen["sender"]) == ("message", postern.USER)
        assert seen["rule"] == "auth { from_header = own }: the From field: not own: bob@example.org"
        # The envelope of a large one is not in memory any more; nor do odd bytes get to a terminal.
        refused = client.submit("From: \x1b[2J@example.org\r\n\r\n" + ("x" * 70 + "\r\n") * 30000 + ".\r\n")
        seen = explained(server, id_of(refused), " from_header = own")
        assert seen["sender"] == "" and "\x1b" not in json.dumps(seen)
        asked = server.run("explain", "--server", "test", "--address", "192.0.2.1", "--user", postern.USER)
        asked = server.run(
            *("explain", "--server", "test", "--address", "192.0.2.1", "--tls", "256"),
            *("--user", postern.USER, "--from", "bob@example.org"),
        )
        assert f"postern.conf:{line_of(server, ' senders = own')}" in asked.stdout, asked.stdout


def test_quotas(make_server):
    server = make_server(server="quota {\n messages_per_hour = 2\n recipients_per_day = 4 }")
    server.add_user()
    server.start()
    with signed_in(server) as client, signed_in(server) as second:
        assert client.submit(message("one"), recipients=["a@example.org", "b@example.org"]).code == 250
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect("RCPT TO:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.org>", 250)
        refused = client.command("RCPT TO:<c@example.org>")
        assert refused.code == 451
        seen = explained(server, id_of(refused), " recipients_per_day")
        assert seen["rule"] == "quota { recipients_per_day = 4 }: 2 recipients of this day are used, and the message needs 3"
        assert (seen["stage"], seen["recipient"], seen["sender"]) == ("recipient", "c@example.org", postern.USER)
        client.expect("RSET", 250)
        second.expect(f"MAIL FROM:<{postern.USER}>", 250)
        second.expect("RCPT TO:<a@example.org>", 250)
        assert client.submit(message("two"), recipients=["a@example.org"]).code == 250
        second.expect("DATA", 354)
        second.send(message("three").encode())
        refused = second.reply()
        assert refused.code == 451
        seen = explained(server, id_of(refused), " messages_per_hour")
        assert (seen["stage"], seen["sender"]) == ("message", postern.USER)
        assert seen["rule"] == "quota { messages_per_hour = 2 }: 2 messages of this hour are used"
        refused = client.command(f"MAIL FROM:<{postern.USER}>")
        assert explained(server, id_of(refused), " messages_per_hour")["stage"] == "sender"
    server.await_log("used=2 most=2")
    server.stop()
    assert server.log().count(" refused ") == 3
