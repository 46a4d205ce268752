"""`postern policy test`: cases that hold and that don't, lines that can't be read; and what a case is judged as is what a
client of the real server hears."""

import json
import time

import pytest

import postern
from conversation import Conversation

pytestmark = pytest.mark.any_loop("a verdict is the same on both")

CONFIG = """data = "data"
server one {
    hostname = "mail.example.org"
    listen = { "127.0.0.1:2587 starttls" }
    tls { certificate = "c.pem" key = "k.pem" }
    connect { deny = { "203.0.113.0/24", ".bad.example" }
              allow = { "203.0.113.7" } }
    relay { allow = { "192.0.2.0/24", ".printers.example" }
            deny = { "192.0.2.66" } }
}
%s
delivery { route "example.org" { maildir = "mail/%%d/%%u" } route "foreign.example" { hold = yes } }
"""

SECOND = """server two {
    hostname = "two.example.org" listen = "127.0.0.1:2525 plain"
    auth { mechanisms = { } anonymous = yes }
}"""


class Folder:
    def __init__(self, path):
        self.path = path
        self.config("postern.conf", CONFIG % "")

    def config(self, name, text):
        (self.path / name).write_text(text)

    def test(self, text, *arguments, status=0):
        (self.path / "cases").write_text(text)
        done = postern.postern("policy", "test", "-c", "postern.conf", *arguments, "cases", cwd=self.path)
        assert done.returncode == status, done.stdout + done.stderr
        return done


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


HOLD = """
# TLS: it is there unless something else is said
192.0.2.1 name=unknown tls=0 from=a@b.example -> refuse 530 sender
192.0.2.1 name=unknown tls=128 from=a@b.example -> allow 250 sender
192.0.2.1 name=unknown tls=64 -> refuse 554 connection
203.0.113.9 tls=0 -> refuse 554 connection

# connections
203.0.113.9 -> refuse 554 connection
203.0.113.9 -> refuse
203.0.113.7 -> allow                   # an address goes before a name
203.0.113.7 name=mx.bad.example -> allow 220 connection
198.51.100.7 -> needs-name
198.51.100.7 name=mx.bad.example. -> refuse 554
198.51.100.7 name=unknown -> allow

# senders, recipients
198.51.100.7 name=unknown from=a@b.example -> refuse 530 sender
198.51.100.7 name=failed from=<> -> defer 451 sender
198.51.100.7 name=failed to=bob@example.org user=demo -> allow 250 recipient
192.0.2.1 to=carol@foreign.example name=unknown from=a@b.example -> allow
192.0.2.1 name=unknown to="a b"@foreign.example -> allow
192.0.2.1 name=unknown to=a#b@foreign.example -> allow 250
192.0.2.1 name=unknown to=POSTMASTER -> refuse 550 recipient
192.0.2.66\tname=unknown\tto=carol@foreign.example\t->\trefuse\t530\tsender
192.0.2.66 name=unknown user=demo to=carol@foreign.example -> allow
192.0.2.66 name=unknown user=demo to=carol@elsewhere.example -> refuse 550 recipient
2001:db8::1 name=a.printers.example to=carol@foreign.example -> allow
"""


def test_cases_that_hold(folder):
    assert folder.test(HOLD).stdout == "22 cases, all right\n"
    assert folder.test("# nothing\n").stdout == "0 cases, all right\n"
    assert folder.test("203.0.113.9 -> refuse\r\n203.0.113.7 -> allow").stdout == "2 cases, all right\n"


def test_cases_that_do_not(folder):
    said = folder.test(
        "203.0.113.7 -> allow\n"
        "192.0.2.1 name=unknown to=carol@foreign.example -> refuse  550\n"
        "192.0.2.66 name=unknown to=carol@foreign.example -> refuse 550\n"
        "198.51.100.7 to=carol@foreign.example -> allow\n"
        "198.51.100.7 user=demo tls=0 -> allow\n"
        "203.0.113.7 -> allow 250\n"
        "203.0.113.7 name=unknown from=a@b.example -> allow\n",
        status=1,
    )
    assert said.stdout.splitlines() == [
        'cases:2: expected refuse 550, is allow: relay { allow = "192.0.2.0/24" } (postern.conf:8)',
        'cases:3: expected refuse 550, is refuse 530 sender: relay { deny = "192.0.2.66" } (postern.conf:9)',
        "cases:4: expected allow, is needs-name: it depends on the client's name",
        "cases:5: expected allow, but server 'one' lets nobody sign in outside TLS (postern.conf:2)",
        "cases:6: expected allow 250, is allow 220 connection: connect { allow = \"203.0.113.7\" } (postern.conf:7)",
        "cases:7: expected allow, is refuse 530 sender: relay { default = deny }, since the client has no confirmed name",
        "7 cases, 6 wrong",
    ]


def test_json(folder):
    text = "203.0.113.7 -> refuse\n203.0.113.7 -> allow\n1.2.3.4 user=x tls=0 -> allow\nx\n"
    said = folder.test(text, "--json", status=2)
    wrong, impossible, summary = map(json.loads, said.stdout.splitlines())
    assert wrong == {
        "line": 1, "expected": "refuse", "outcome": "allow", "code": 220, "stage": "connection",
        "rule": 'connect { allow = "203.0.113.7" }', "file": "postern.conf", "rule_line": 7,
    }  # fmt: skip
    assert impossible["line"] == 3 and "outside TLS" in impossible["impossible"]
    assert summary == {"cases": 3, "wrong": 2, "unreadable": 1}


WRONG = [
    ("1.2.3.4", "not said what is expected"),
    ("1.2.3.4 ->", "what is expected is written"),
    ("1.2.3.4 -> maybe", "what is expected is written"),
    ("1.2.3.4 -> allow 99", "no such reply"),
    ("1.2.3.4 -> needs-name 550", "no such reply"),
    ("1.2.3.4 -> allow somewhere", "what is expected is written"),
    ("1.2.3.4 -> refuse 550 connection now", "too much behind the ->"),
    ("1.2.3.4 -> refuse sender", "without from= the client does not come to the sender"),
    ("1.2.3.4 from=a@b.example -> refuse recipient", "without to= the client does not come to the recipient"),
    ("-> allow", "begins with the client's address"),
    ("1.2.3 -> allow", "1.2.3"),
    ("1.2.3.0/24 -> allow", "1.2.3.0/24"),
    ("1.2.3.4 colour=red -> allow", "colour=red"),
    ("1.2.3.4 tls=strong -> allow", "tls= is a number of bits"),
    ("1.2.3.4 name= -> allow", "name= is a host's name"),
    ("1.2.3.4 name=.example -> allow", "does not begin with a dot"),
    ("1.2.3.4 user= -> allow", "user= is the name of a login"),
    ("1.2.3.4 tls=1 tls=2 -> allow", "tls= is there twice"),
    ("1.2.3.4 from=alice -> allow", "from=alice is no address"),
    ("1.2.3.4 to= -> allow", "is no address"),
    ("1.2.3.4 " + "x " * 20 + "-> allow", "more words"),
    ("server", "server NAME"),
    ("server two", "there is no server 'two' in postern.conf"),
    ("1.2.3.4 user=" + "x" * 5000 + " -> allow", "a case is a line of text"),
    ("1.2.3.4 user=" + "x" * 70000 + " -> allow", "a case is a line of text"),
    ("1.2.3.4 user=\0 -> allow", "a case is a line of text"),
]


@pytest.mark.parametrize("line, what", WRONG, ids=[line[:40].replace("\0", "0") for line, _ in WRONG])
def test_lines_that_can_not_be_read(folder, line, what):
    said = folder.test(f"203.0.113.7 -> allow\n{line}\n", status=2)
    assert said.stderr.startswith("cases:2: ") and what in said.stderr
    assert said.stdout == "1 case, all right; 1 line can't be read\n"


def test_many_lines_that_can_not_be_read_are_counted(folder):
    said = folder.test("x -> allow\n" * 1000, status=2)
    assert len(said.stderr.splitlines()) == 6 and "995 more" in said.stderr


def test_what_can_not_be_read_at_all(folder):
    def status(*arguments):
        return postern.postern("policy", "test", *arguments, cwd=folder.path).returncode

    assert status("-c", "postern.conf", "none") == 2
    assert status("-c", "postern.conf", ".") == 2
    assert status("-c", "none", "cases") == 2
    assert status("-c", "postern.conf") == 64
    assert status("-c", "postern.conf", "a", "b") == 64
    folder.config("postern.conf", (CONFIG % "").replace("connect {", 'connect { lists = "deny:none"'))
    folder.test("1.2.3.4 -> allow\n", status=2)


def test_several_servers(folder):
    folder.config("postern.conf", CONFIG % SECOND)
    said = folder.test("1.2.3.4 -> allow\nserver three\n1.2.3.4 -> allow\n", status=2)
    assert "say which one" in said.stderr and "no server 'three'" in said.stderr
    assert len(said.stderr.splitlines()) == 2
    # One of its listeners has TLS, the other one asks for none.
    both = SECOND.replace('"127.0.0.1:2525 plain"', '{ "127.0.0.1:2525 plain", "127.0.0.1:2588 starttls" }')
    folder.config("postern.conf", CONFIG % both.replace("auth", 'tls { certificate = "c.pem" key = "k.pem" } auth'))
    folder.test("server two\n203.0.113.9 tls=0 to=bob@example.org -> allow\n")
    folder.config("postern.conf", CONFIG % SECOND)
    text = "server two\n203.0.113.9 to=bob@example.org -> allow\n203.0.113.9 to=c@foreign.example -> refuse 550\n"
    text += "server one\n203.0.113.9 to=bob@example.org -> refuse 554\n"
    assert folder.test(text).stdout == "3 cases, all right\n"
    said = folder.test("server two\n1.2.3.4 user=x -> allow\n1.2.3.4 tls=128 -> allow\n", status=1).stdout
    assert "'two' lets nobody sign in: it has no mechanisms (postern.conf:13)" in said
    assert "'two' offers no TLS (postern.conf:11)" in said


def test_a_server_that_asks_for_no_names(folder):
    folder.config("names", ".bad.example\n")
    config = (CONFIG % "").replace(', ".bad.example"', "").replace(', ".printers.example"', "")
    folder.config("postern.conf", config.replace("connect {", 'dns { reverse = off } connect { lists = "deny:names"'))
    folder.test("1.2.3.4 -> allow\n1.2.3.4 name=unknown -> allow\n")
    said = folder.test("1.2.3.4 name=mx.bad.example -> allow\n1.2.3.4 name=failed -> allow\n", status=1).stdout
    assert said.count("but server 'one' asks for no names: dns { reverse = off } (postern.conf:6)") == 2


def test_a_hundred_thousand_cases(folder):
    started = time.monotonic()
    folder.test(HOLD * 5300)
    assert time.monotonic() - started < 10, "optimised it takes 50 ms"


def test_tls_settings_decide(folder):
    text = "192.0.2.1 name=unknown tls=%s to=carol@foreign.example -> %s\n"

    def said(tls, bits, expected, listen="starttls"):
        config = (CONFIG % "").replace("tls {", "tls { %s" % tls).replace('2587 starttls"', '2587 %s"' % listen)
        folder.config("postern.conf", config)
        (folder.path / "cases").write_text(text % (bits, expected))
        return postern.postern("policy", "test", "-c", "postern.conf", "cases", cwd=folder.path).stdout

    right = "1 case, all right\n"
    assert said("require = no", 0, "allow 250") == right
    assert said("require = yes", 0, "refuse 530 sender") == right
    assert "is refuse 530 sender: tls { require = yes }\n" in said("", 0, "allow")
    assert "is refuse 530 sender: tls { require = yes } (postern.conf:5)" in said("require = yes", 0, "allow")
    assert said("min_bits = 256", 256, "allow") == right
    assert "is refuse 554 connection: tls { min_bits = 256 } (postern.conf:5)" in said("min_bits = 256", 128, "allow")
    assert "server 'one' speaks to nobody outside TLS (postern.conf:2)" in said("", 0, "allow", "tls")


RULES = """
    auth { plaintext = yes }
    connect { deny = { "127.0.0.64/28" } allow = { "127.0.0.66" } }
    relay { allow = { "127.0.1.0/24" } deny = { "127.0.1.66" } }
"""


@pytest.mark.parametrize("to", ["bob@example.org", "carol@held.example"])
@pytest.mark.parametrize("user", [None, postern.USER])
@pytest.mark.parametrize("address", ["127.0.0.65", "127.0.0.66", "127.0.1.7", "127.0.1.66", "127.0.0.1"])
def test_a_case_is_what_a_client_hears(make_server, address, user, to):
    server = make_server(server=RULES)
    server.add_user()
    server.start()
    with Conversation(server.starttls, source=(address, 0)) as client:
        stage, code = "connection", client.reply().code
        if code == 220:
            client.expect("EHLO client.example", 250)
            if user:
                client.sign_in()
            stage, code = "sender", client.command(f"MAIL FROM:<{postern.USER}>").code
        if code == 250:
            stage, code = "recipient", client.command(f"RCPT TO:<{to}>").code
    cases = server.folder / "cases"
    expected = f"{'allow' if code == 250 else 'refuse'} {code} {stage}"
    cases.write_text(f"{address} tls=0 {f'user={user}' if user else ''} from={postern.USER} to={to} -> {expected}\n")
    done = server.run("policy", "test", str(cases))
    assert done.returncode == 0, done.stdout
