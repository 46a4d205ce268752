"""Who may connect, send and relay: what a client hears, what the log says, what reaches a Maildir.

Clients come from different addresses of 127.0.0.0/8, that being loopback all of it.
"""

import json
import re
import time

import pytest

import postern
from conversation import Conversation, context, message

HERE = "bob@example.org"
AWAY = "carol@held.example"  # its route holds: it is delivered nowhere here

RULES = """
    auth { plaintext = yes%s }
    connect { deny = { "127.0.0.64/28", ".bad.example" }
              allow = { "127.0.0.66" }
              %s }
    relay { allow = { "127.0.1.0/24" }
            deny = { "127.0.1.66" } }
"""


def rules(anonymous=False, connect=""):
    return RULES % (" anonymous = yes" if anonymous else "", connect)


@pytest.fixture
def ruled(make_server):
    def make(**settings):
        server = make_server(server=rules(**settings))
        server.add_user()
        return server.start()

    return make


def from_address(server, address, tls=None):
    port = server.tls if tls else server.starttls
    return Conversation(port, tls, source=(address, 0))


def greeted(server, address):
    conversation = from_address(server, address)
    assert conversation.reply().code == 220
    conversation.expect("EHLO client.example", 250)
    return conversation


def id_of(reply):
    return re.search(r"\(([0-9A-Z]{13})\)", reply.lines[-1]).group(1)


def log_line(server, refusal_id):
    return postern.wait_until(
        lambda: next((line for line in server.log().split("\n") if f"id={refusal_id}" in line), None), 10, "it is logged"
    )


def config_line(server, text):
    return 1 + next(i for i, line in enumerate(server.config.read_text().split("\n")) if text in line)


def test_a_denied_address_hears_so_at_the_greeting(ruled):
    server = ruled()
    with from_address(server, "127.0.0.65") as refused:
        reply = refused.reply()
        assert (reply.code, reply.status) == (554, "5.7.1")
        assert refused.is_closed()
    line = log_line(server, id_of(reply))
    assert "what=connection" in line and "127.0.0.64/28" in line
    assert f" line={config_line(server, 'connect')} " in line + " "
    with from_address(server, "127.0.0.66") as allowed:
        assert allowed.reply().code == 220
    with from_address(server, "127.0.0.80") as beside:
        assert beside.reply().code == 220


def test_a_denied_address_hears_so_inside_tls(ruled):
    server = ruled()
    with from_address(server, "127.0.0.65", context(server.ca)) as refused:
        assert refused.reply().code == 554
        assert refused.is_closed()


def test_a_refusal_waits_in_the_tarpit(ruled):
    server = ruled(connect="tarpit = 500ms")
    with from_address(server, "127.0.0.65") as refused:
        refused.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            refused.reply()
        refused.socket.settimeout(10)
        assert refused.reply().code == 554
    began = time.monotonic()
    with from_address(server, "127.0.0.65", context(server.ca)) as refused:
        assert refused.reply().code == 554
    assert time.monotonic() - began >= 0.5


def test_senders_sign_in_unless_a_rule_lets_them(ruled):
    server = ruled()
    with greeted(server, "127.0.0.1") as outsider:
        reply = outsider.expect(f"MAIL FROM:<{postern.USER}>", 530)
        assert reply.status == "5.7.0"
        assert "relay { default = deny }" in log_line(server, id_of(reply))
        outsider.sign_in()
        assert outsider.submit(message("signed in"), recipients=[HERE, AWAY]).code == 250
    with greeted(server, "127.0.1.66") as denied:
        reply = denied.expect(f"MAIL FROM:<{postern.USER}>", 530)
        assert "127.0.1.66" in log_line(server, id_of(reply))
    with greeted(server, "127.0.1.2") as printer:
        assert printer.submit(message("printed"), recipients=[HERE, AWAY]).code == 250
    server.wait_for(HERE, "printed")


def test_recipients_that_are_here_are_no_relay(ruled):
    server = ruled(anonymous=True)
    with greeted(server, "127.0.0.1") as outsider:
        outsider.expect("MAIL FROM:<someone@else.example>", 250)
        reply = outsider.expect(f"RCPT TO:<{AWAY}>", 550)
        assert reply.status == "5.7.1" and f"Unable to relay for <{AWAY}>" in reply.lines[0]
        assert "what=recipient" in log_line(server, id_of(reply))
        outsider.expect(f"RCPT TO:<{HERE}>", 250)
        outsider.expect("DATA", 354)
        outsider.send(message("from outside"))
        assert outsider.reply().code == 250
    server.wait_for(HERE, "from outside")


def test_a_list_is_read(make_server):
    server = make_server(server='connect { lists = { "deny:blocked.txt" } }')
    (server.folder / "blocked.txt").write_text("# bad ones\n127.0.0.9\n127.0.3.0/24\n")
    server.start()
    with from_address(server, "127.0.3.7") as refused:
        reply = refused.reply()
        assert reply.code == 554
    assert "blocked.txt line=3" in log_line(server, id_of(reply))


def test_a_name_that_nobody_can_tell_is_unknown(make_server):
    server = make_server(server='connect { deny = { ".bad.example" } unknown_name = deny allow = { "127.0.0.1" } }')
    server.start()
    with from_address(server, "127.0.0.1") as known:
        assert known.reply().code == 220
    with from_address(server, "127.0.0.2") as unknown:
        assert unknown.reply().code == 554


def explain(server, *arguments):
    done = server.run("explain", "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_a_refusal_is_explained_by_its_id(ruled):
    server = ruled(anonymous=True)
    with greeted(server, "127.0.1.66") as outsider:
        outsider.expect("MAIL FROM:<me@else.example>", 250)
        reply = outsider.expect(f"RCPT TO:<{AWAY}>", 550)
    refusal_id = id_of(reply)
    found = postern.wait_until(lambda: server.run("explain", refusal_id).returncode == 0, 10, "it is kept")
    assert found
    told = explain(server, refusal_id)
    assert told["rule"] == 'relay { deny = "127.0.1.66" }'
    assert told["line"] == config_line(server, "127.0.1.66")
    assert told["file"] == str(server.config)
    assert told["reply"] == reply.lines[0]
    assert told["sender"] == "me@else.example"
    assert (told["address"], told["recipient"], told["signed_in"]) == ("127.0.1.66", AWAY, False)
    assert refusal_id in server.run("explain", refusal_id.lower()).stdout
    unknown = server.run("explain", refusal_id[:-3] + "ZZZ")
    assert unknown.returncode == 1 and "too long ago" in unknown.stderr


def test_refusals_are_kept_over_a_restart_and_told_without_a_server(ruled):
    server = ruled()
    with from_address(server, "127.0.0.65") as refused:
        first = id_of(refused.reply())
    server.stop()
    assert explain(server, first)["stage"] == "connection"
    server.start()
    with from_address(server, "127.0.0.65") as refused:
        second = id_of(refused.reply())
    assert second > first
    postern.wait_until(lambda: server.run("explain", second).returncode == 0, 10, "it is kept")
    assert explain(server, first)["id"] == first


@pytest.mark.parametrize(
    "address, tls, user, to",
    [
        ("127.0.0.65", False, None, None),
        ("127.0.0.66", False, None, AWAY),
        ("127.0.1.2", True, None, AWAY),
        ("127.0.1.66", False, postern.USER, AWAY),
        ("127.0.1.66", True, None, HERE),
    ],
)
def test_what_is_explained_is_what_is_heard(ruled, address, tls, user, to):
    server = ruled()
    asked = ["--address", address, *([] if tls else ["--tls", "0"])]
    asked += [*(["--user", user] if user else []), *(["--to", to] if to else [])]
    replies = [stage["reply"] for stage in explain(server, *asked)["stages"]]
    heard = []
    with from_address(server, address, context(server.ca) if tls else None) as client:
        heard.append(client.reply())
        if heard[-1].code == 220:
            client.expect("EHLO client.example", 250)
            if user:
                client.sign_in()
            heard.append(client.command("MAIL FROM:<>"))
            if heard[-1].code == 250 and to:
                heard.append(client.command(f"RCPT TO:<{to}>"))
    assert [re.sub(r"\([0-9A-Z]{13}\)", "(ID)", reply.lines[-1]) for reply in heard] == replies


def test_a_sender_that_is_not_the_logins_is_explained(make_server):
    server = make_server(server="auth { senders = own }")
    server.add_user()
    asked = ["--address", "127.0.0.1", "--tls", "256", "--user", postern.USER, "--from"]
    own = explain(server, *asked, postern.USER)
    assert own["stages"][-1]["reply"].startswith("250")
    other = explain(server, *asked, "mallory@example.org")
    assert other["stages"][-1]["rule"] == "auth { senders = own }"
    server.start()
    with from_address(server, "127.0.0.1", context(server.ca)) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        client.sign_in()
        reply = client.command("MAIL FROM:<mallory@example.org>")
        assert reply.lines[0].replace(id_of(reply), "ID") == other["stages"][-1]["reply"]
