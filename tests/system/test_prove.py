"""postern prove: finds what was planted in a configuration, shows it, and says nothing of the repaired one."""

import json

import pytest

import postern

pytestmark = pytest.mark.any_loop("it starts no server")

LISTEN = 'listen = { "127.0.0.1:2525 plain" } auth { plaintext = yes }'

CONFIG = """
data = "data"
server test {
    hostname = "mail.example.org"
    %s
}
delivery {
    route "example.org" { maildir = "mail/%%d/%%u" }
    route "*" { hold = yes }
}
"""


def prove(folder, body, *arguments):
    path = folder / "postern.conf"
    path.write_text(CONFIG % body)
    return postern.postern("prove", "-c", path, *arguments)


def report(folder, body):
    done = prove(folder, body, "--json")
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def with_rules(rules):
    return f"{LISTEN} {rules}"


OPEN = [
    ('relay { allow = { "0.0.0.0/0" } }', 'relay { allow = { "192.0.2.0/24" } }'),
    ('relay { allow = { "0.0.0.0/1", "128.0.0.0/1" } }', 'relay { allow = { "10.0.0.0/8" } }'),
    ('relay { allow = { "::/0" } }', 'relay { allow = { "2001:db8::/32" } }'),
    ('relay { allow = { ".com" } }', 'relay { allow = { ".corp.example.com" } }'),
    (
        'relay { allow = { "64.0.0.0/4" } deny = { "64.0.0.0/5" } }',
        'connect { default = deny allow = { "192.0.2.0/24" } } relay { allow = { "64.0.0.0/4", "192.0.2.7" } }',
    ),
]


@pytest.mark.parametrize("planted, repaired", OPEN)
def test_an_open_relay_is_found(tmp_path, planted, repaired):
    status, found = report(tmp_path, with_rules(planted))
    assert (status, found["open_relay"]) == (1, True)
    for hole in found["relay"]:
        assert hole["session"][-1] == "S: 250 2.1.5 Recipient OK"
        assert hole["line"] == 5
    status, found = report(tmp_path, with_rules(repaired))
    assert (status, found["open_relay"]) == (0, False)


CLEAR = [
    (
        'listen = { "0.0.0.0:2525 plain" } auth { plaintext = yes }',
        'listen = { "127.0.0.1:2525 plain" } auth { plaintext = yes }',
    ),
    (
        'listen = { "[::]:2587 starttls" } tls { certificate = c key = k } auth { plaintext = yes }',
        'listen = { "[::]:2587 starttls" } tls { certificate = c key = k }',
    ),
]


@pytest.mark.parametrize("planted, repaired", CLEAR)
def test_a_password_in_the_clear_is_found(tmp_path, planted, repaired):
    assert len(report(tmp_path, planted)[1]["clear"]) == 1
    assert report(tmp_path, repaired)[1]["clear"] == []


OUTSIDERS = 'relay { allow = "192.0.2.0/24" }'

CLEAR_MAIL = [
    # planted, its rule and that one's line, repaired
    (
        'listen = { "[::]:2587 starttls" } tls { require = no certificate = c key = k } ' + OUTSIDERS,
        "by tls { require = no }", 5,
        'listen = { "[::]:2587 starttls" } tls { require = yes certificate = c key = k } ' + OUTSIDERS,
    ),
    (
        'listen = { "0.0.0.0:2587 starttls" } tls { certificate = c key = k } auth { plaintext = yes }',
        "since auth { plaintext = yes } asks for no TLS", 5,
        'listen = { "0.0.0.0:2587 starttls" } tls { certificate = c key = k }',
    ),
    (
        'listen = { "0.0.0.0:2587 starttls", "0.0.0.0:2525 plain" } tls { certificate = c key = k } auth { mechanisms = { } } '
        + OUTSIDERS, "which has no TLS", 0,
        'listen = { "0.0.0.0:2587 starttls", "127.0.0.1:2525 plain" } tls { certificate = c key = k } auth { mechanisms = { } } '
        + OUTSIDERS,
    ),
]  # fmt: skip


@pytest.mark.parametrize("planted, rule, line, repaired", CLEAR_MAIL)
def test_mail_in_the_clear_is_found(tmp_path, planted, rule, line, repaired):
    (found,) = report(tmp_path, planted)[1]["clear_mail"]
    assert (found["rule"], found["rule_line"], found["line"]) == (rule, line, 5)
    assert found["classes"] > 0 and found["signed_in"] == ("plaintext" in planted)
    said = prove(tmp_path, planted).stdout
    assert "can mail cross the net in the clear? yes" in said
    session = said.partition("in the clear? yes\n    on ")[2].partition("is there")[0].rpartition("in the clear?")[2]
    assert "C: MAIL FROM:<>\n      S: 250 2.1.0 Sender OK\n" in session and "STARTTLS" not in session
    assert ("C: AUTH PLAIN" in session) == found["signed_in"]
    assert report(tmp_path, repaired)[1]["clear_mail"] == []


def test_nobody_sends_in_the_clear_where_nobody_may_send(tmp_path):
    nobody = 'listen = { "0.0.0.0:2587 starttls" } tls { require = no certificate = c key = k }'
    assert report(tmp_path, nobody)[1]["clear_mail"] == []


def test_a_way_to_relay_is_shown_inside_tls_where_that_is_needed(tmp_path):
    starttls = 'listen = { "0.0.0.0:2587 starttls" } tls { certificate = c key = k %s } ' + OUTSIDERS
    (hole,) = report(tmp_path, starttls % "")[1]["relay"]
    assert hole["session"][1:5] == [
        "C: EHLO client.example", "C: STARTTLS", "S: 220 2.0.0 Start TLS now", "C: EHLO client.example",
    ]  # fmt: skip
    (hole,) = report(tmp_path, starttls % "require = no")[1]["relay"]
    assert hole["session"][1:3] == ["C: EHLO client.example", "C: MAIL FROM:<>"]


UNREACHED = [
    (
        'connect { deny = { "10.0.0.0/8" } allow = { "10.0.0.0/9", "10.128.0.0/9" } }',
        'connect { deny = { "10.0.0.0/8" } allow = { "10.0.0.0/9" } }',
        'connect { deny = "10.0.0.0/8" }',
    ),
    (
        'connect { deny = { "192.0.2.0/24" } } relay { allow = { "192.0.2.7" } }',
        'connect { deny = { "192.0.2.0/28" } } relay { allow = { "192.0.2.77" } }',
        'relay { allow = "192.0.2.7" }',
    ),
    (
        'connect { deny = { ".bad.example" } } relay { allow = { "printer.bad.example" } }',
        'connect { deny = { ".bad.example" } } relay { allow = { "printer.good.example" } }',
        'relay { allow = "printer.bad.example" }',
    ),
    (
        'connect { default = deny allow = { ".corp.example" } } relay { allow = { ".printers.example" } }',
        'connect { default = deny allow = { ".corp.example" } } relay { allow = { ".printers.corp.example" } }',
        'relay { allow = ".printers.example" }',
    ),
]


@pytest.mark.parametrize("planted, repaired, rule", UNREACHED)
def test_a_rule_that_never_decides_is_found(tmp_path, planted, repaired, rule):
    assert [each["rule"] for each in report(tmp_path, with_rules(planted))[1]["unreached"]] == [rule]
    assert report(tmp_path, with_rules(repaired))[1]["unreached"] == []


def test_each_way_to_relay_is_shown_once(tmp_path):
    rules = """
        connect { deny = { "192.0.2.128/25" } default = deny allow = { ".corp.example", "192.0.2.0/24" } }
        relay { allow = { "192.0.2.0/24", "10.1.0.0/16", ".printers.corp.example" } deny = { "192.0.2.66" } }"""
    status, found = report(tmp_path, with_rules(rules))
    assert status == 0
    ways = {hole["rule"]: hole for hole in found["relay"]}
    assert len(ways) == len(found["relay"]) == 3
    network = ways['relay { allow = "192.0.2.0/24" }']
    assert (network["first"], network["last"], network["ranges"]) == ("192.0.2.0", "192.0.2.65", 2)
    # Only with a name by which it may connect.
    assert ways['relay { allow = "10.1.0.0/16" }']["name"] == "corp.example"
    assert ways['relay { allow = ".printers.corp.example" }']["name"] == "printers.corp.example"
    for hole in found["relay"]:
        assert hole["session"][0].startswith("S: 220") and hole["session"][-1].startswith("S: 250")


def test_nobody_relays_where_nothing_is_sent_on(tmp_path):
    path = tmp_path / "postern.conf"
    body = with_rules('relay { allow = { "0.0.0.0/0" } }')
    path.write_text((CONFIG % body).replace("{ hold = yes }", "{ maildir = all }"))
    done = postern.postern("prove", "-c", path)
    assert done.returncode == 0
    assert "no route leads away from here" in done.stdout


def test_an_open_relay_is_meant_or_not(tmp_path):
    not_meant = prove(tmp_path, with_rules("relay { default = allow }"))
    assert not_meant.returncode == 1 and "an open relay" in not_meant.stderr
    meant = prove(tmp_path, with_rules('relay { default = allow open_relay = "I mean it" }'))
    assert meant.returncode == 0 and "an open relay, as open_relay" in meant.stdout
    wrong = prove(tmp_path, with_rules("relay { default = allow } colour = blue"))
    assert wrong.returncode == 2


def test_text_shows_the_session(tmp_path):
    said = prove(tmp_path, with_rules('relay { allow = { "192.0.2.0/24" } }')).stdout
    assert "can somebody who has not signed in have mail sent on? yes" in said
    assert 'by relay { allow = "192.0.2.0/24" }' in said and "from 192.0.2.0 to 192.0.2.255" in said
    assert "C: RCPT TO:<somebody@elsewhere.example>\n      S: 250 2.1.5 Recipient OK" in said
    assert "can a password cross the net in the clear? no" in said
    assert "is there a rule that never decides? no" in said
