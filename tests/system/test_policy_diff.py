"""`postern policy diff`: who is treated otherwise under a new configuration."""

import json
import random
import re
import time

import pytest

import postern

pytestmark = pytest.mark.any_loop("it starts no server")

CONFIG = """data = "data"
server one {
    hostname = "mail.example.org"
    listen = { "127.0.0.1:2587 starttls" }
    tls { certificate = "c.pem" key = "k.pem" }
    connect { deny = { "203.0.113.0/24", ".bad.example" } }
    relay { allow = { "192.0.2.0/25" } }
}
delivery { route "example.org" { maildir = "mail/%d/%u" } route "*" { hold = yes } }
"""

DEFAULT = "relay { default = deny }"


class Folder:
    def __init__(self, path):
        self.path = path

    def diff(self, old, new, *arguments):
        (self.path / "old.conf").write_text(old)
        (self.path / "new.conf").write_text(new)
        done = postern.postern("policy", "diff", *arguments, "old.conf", "new.conf", cwd=self.path)
        assert done.stderr == "", done.stderr
        return done.returncode, done.stdout

    def change(self, before, after, config=CONFIG):
        """The text that tells what changes when `before` is written as `after`."""
        assert before in config
        status, said = self.diff(config, config.replace(before, after))
        assert status == 1
        return said.splitlines()


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_no_difference(folder):
    assert folder.diff(CONFIG, CONFIG) == (0, "no difference\n")
    assert folder.diff(CONFIG, CONFIG, "--json") == (0, "")
    # Another rule with the same outcome is none, nor are two halves instead of a whole.
    halves = CONFIG.replace('"203.0.113.0/24"', '"203.0.113.0/25", "203.0.113.128/25"')
    assert folder.diff(CONFIG, halves) == (0, "no difference\n")
    assert folder.diff(CONFIG, CONFIG.replace(".bad.example", ".BAD.example")) == (0, "no difference\n")


def test_addresses_that_may_relay(folder):
    assert folder.change("192.0.2.0/25", "192.0.2.0/24") == [
        "server one",
        "192.0.2.128/25, with a name under no rule or no name or a name that can't be found out",
        f"    not signed in: was refused at the sender (530) by {DEFAULT}, now allowed by "
        'relay { allow = "192.0.2.0/24" } (new.conf:7)',
    ]


def test_names(folder):
    said = folder.change('".bad.example"', '".bad.example", ".worse.example", "mx.evil.example"')
    assert said[:2] == [
        "server one",
        "0.0.0.0-192.0.1.255, 192.0.2.128-203.0.112.255, 203.0.114.0-255.255.255.255, ::/0, with the name "
        ".worse.example, mx.evil.example",
    ]
    assert said[2].startswith(f"    not signed in: was refused at the sender (530) by {DEFAULT}, now refused at the conn")
    assert said[3].startswith("    signed in: was allowed by relay { authenticated = allow }, now refused at the conn")
    assert said[4] == "192.0.2.0/25, with the name .worse.example, mx.evil.example"
    assert said[5].startswith('    always: was allowed by relay { allow = "192.0.2.0/25" } (old.conf:7), now refused at')
    rule = re.compile(r'now refused at the connection \(554\) by connect { deny = "(.worse|mx.evil).example" } \(new.conf:6\)$')
    assert all(rule.search(said[number]) for number in (2, 3, 5)) and len(said) == 6


def test_one_host_of_a_domain(folder):
    said = folder.change('".bad.example" }', '".bad.example" } allow = { "good.bad.example" }')
    assert all(line.endswith("with the name good.bad.example") for line in said[1:] if not line.startswith(" "))
    said = folder.change('".bad.example" }', '".bad.example" } allow = { "bad.example" }')
    assert all(line.endswith("with the name bad.example") for line in said[1:] if not line.startswith(" "))
    only = CONFIG.replace(".bad.example", "bad.example")
    said = folder.change('"bad.example"', '".bad.example"', only)
    assert all(line.endswith("with the name *.bad.example") for line in said[1:] if not line.startswith(" "))


def test_clients_without_a_name(folder):
    said = folder.change("connect {", "connect { unknown_name = deny")
    assert said[1].endswith("with no name") and "unknown_name = deny" in said[2]
    assert any(line.endswith("with a name that can't be found out") for line in said)
    assert any("now deferred at the connection (421) by connect { unknown_name = deny } (new.conf:6)" in line for line in said)
    # Names are not asked for: everybody is without one.
    lists = CONFIG.replace(', ".bad.example"', "").replace("connect {", 'connect { lists = "deny:names"')
    (folder.path / "names").write_text(".bad.example\n")
    said = folder.change("relay {", "dns { reverse = off } relay {", lists)
    assert said[1].endswith("with the name .bad.example") and len(said) == 6


def test_signing_in(folder):
    said = folder.change("relay {", "auth { mechanisms = { } } relay {")
    assert "    signed in: was allowed by relay { authenticated = allow }, now can't sign in" in said
    assert not any("not signed in: was allowed" in line for line in said)
    assert "without TLS" not in "".join(said), "who signs in has TLS: that need not be said"
    said = folder.change("relay {", "auth { plaintext = yes } relay {")
    assert "    signed in, without TLS: could not sign in, now allowed by relay { authenticated = allow }" in said
    said = folder.change("relay {", "relay { authenticated = deny")
    assert (
        "    signed in, to a foreign recipient: was allowed by relay { authenticated = allow }, "
        f"now refused at the recipient (550) by {DEFAULT}" in said
    )


def test_mail_outside_tls(folder):
    said = folder.change("tls {", "tls { require = no")
    # Who may relay may now do so in the clear, and who may not is told so without starting TLS.
    assert (
        "    without TLS: was refused at the sender (530) by tls { require = yes }, "
        'now allowed by relay { allow = "192.0.2.0/25" } (new.conf:7)' in said
    )
    assert not any("with TLS" in line for line in said)
    clear = CONFIG.replace("tls {", "tls { require = no")
    said = folder.change("require = no", "require = yes", clear)
    assert any("now refused at the sender (530) by tls { require = yes } (new.conf:5)" in line for line in said)
    assert not any("with TLS" in line for line in said)
    # That TLS is needed anyway is as said or unsaid.
    assert folder.diff(CONFIG, CONFIG.replace("tls {", "tls { require = yes")) == (0, "no difference\n")
    # A listener beside it, where nothing is needed.
    nobody = CONFIG.replace("tls {", "auth { mechanisms = { } } tls {")
    said = folder.change('"127.0.0.1:2587 starttls"', '"127.0.0.1:2587 starttls", "127.0.0.1:2525 plain"', nobody)
    assert any('without TLS: was refused at the sender (530) by tls { require = yes }, now allowed' in line for line in said)
    said = folder.change("2587 starttls", "2465 tls", clear)
    assert any('without TLS: was allowed by relay { allow = "192.0.2.0/25" } (old.conf:7), now can\'t come without' in line
               for line in said)


def test_weak_ciphers(folder):
    said = folder.change("tls {", "tls { min_bits = 256")
    assert (
        "    signed in, with a cipher of 128 bits: was allowed by relay { authenticated = allow }, "
        "now refused at the connection (554) by tls { min_bits = 256 } (new.conf:5)" in said
    )
    assert all("with a cipher of 128 bits" in line for line in said if line.startswith("    "))
    # No cipher has less than 128 bits.
    assert folder.diff(CONFIG, CONFIG.replace("tls {", "tls { min_bits = 0")) == (0, "no difference\n")
    strong = CONFIG.replace("tls {", "tls { min_bits = 256")
    assert not any("cipher" in line for line in folder.change("192.0.2.0/25", "192.0.2.0/24", strong))
    status, said = folder.diff(CONFIG, strong, "--json")
    changes = json.loads(said.splitlines()[0])["changes"]
    assert status == 1 and all(where["weak_cipher"] for each in changes for where in each["situations"])


def test_tls(folder):
    plain = CONFIG.replace("2587 starttls", "2587 plain").replace("relay {", "auth { plaintext = yes } relay {")
    status, said = folder.diff(plain, CONFIG.replace("relay {", "auth { plaintext = yes } relay {"))
    assert status == 1
    assert f"    not signed in, with TLS: had no TLS, now refused at the sender (530) by {DEFAULT}\n" in said


def test_local_recipients(folder):
    said = folder.change("relay {", "auth { anonymous = yes } relay {")
    assert said[2:4] == [
        f"    not signed in, to a local recipient: was refused at the sender (530) by {DEFAULT}, now allowed, since the "
        "recipient's route delivers here",
        f"    not signed in, to a foreign recipient: was refused at the sender (530) by {DEFAULT}, now refused at the "
        f"recipient (550) by {DEFAULT}",
    ]
    said = folder.change('route "*" { hold = yes }', "")
    assert "now refused at the recipient (550), since no route takes the recipient's domain" in said[2]


OTHER = """server %s { hostname = "b.example.org" listen = "127.0.0.1:%d plain" auth { plaintext = yes } }
"""


def test_several_servers(folder):
    old = CONFIG + OTHER % ("two", 2526) + OTHER % ("gone", 2527)
    new = CONFIG + OTHER % ("two", 2526) + OTHER % ("more", 2527)
    assert folder.diff(old, new) == (
        1,
        "server gone\n    removed: it is in old.conf only\nserver more\n    added: it is in new.conf only\n",
    )
    assert folder.diff(old, new, "--server", "two") == (0, "no difference\n")
    status, said = folder.diff(old, new, "--json", "--server", "more")
    assert status == 1 and json.loads(said) == {"server": "more", "only_in": "new.conf"}
    done = postern.postern("policy", "diff", "--server", "none", "old.conf", "new.conf", cwd=folder.path)
    assert done.returncode == 64 and "no server 'none'" in done.stderr


def test_json(folder):
    status, said = folder.diff(CONFIG, CONFIG.replace("192.0.2.0/25", "192.0.2.0/24"), "--json")
    assert status == 1 and len(said.splitlines()) == 1
    assert json.loads(said) == {
        "server": "one",
        "addresses": ["192.0.2.128/25"],
        "names": {"rules": [], "more": 0, "other": True, "none": True, "failed": True},
        "changes": [
            {
                "situations": [{"signed_in": False}],
                "was": {"outcome": "refuse", "stage": "sender", "code": 530, "rule": DEFAULT, "file": "old.conf", "line": 0},
                "now": {
                    "outcome": "allow", "stage": "recipient", "code": 250, "rule": 'relay { allow = "192.0.2.0/24" }',
                    "file": "new.conf", "line": 7,
                },
            }
        ],
    }  # fmt: skip


def test_what_can_not_be_read(folder):
    folder.diff(CONFIG, CONFIG)
    (folder.path / "bad.conf").write_text("x\n")
    (folder.path / "list.conf").write_text(CONFIG.replace("connect {", 'connect { lists = "deny:none"'))
    for arguments, status in ((["old.conf", "bad.conf"], 2), (["none", "old.conf"], 2), (["old.conf", "list.conf"], 2),
                              (["old.conf"], 64), (["old.conf"] * 3, 64), (["-c", "old.conf", "old.conf", "new.conf"], 64)):  # fmt: skip
        done = postern.postern("policy", "diff", *arguments, cwd=folder.path)
        assert (done.returncode, done.stdout) == (status, ""), arguments


def test_long_lists(folder):
    """Ones that are long for a test; a million take two seconds, optimised."""
    some = random.Random(7)
    prefixes = [f"{some.randrange(1, 190)}.{some.randrange(256)}.{some.randrange(256)}.0/26" for _ in range(20000)]
    names = [f".d{number}.example" for number in range(2000)]
    (folder.path / "old.list").write_text("\n".join(prefixes + names))
    (folder.path / "new.list").write_text("\n".join(prefixes[10:] + names[15:] + ["198.18.0.0/15", "2001:db8::/32"]))
    lists = CONFIG.replace("connect {", 'connect { lists = "deny:old.list"')
    started = time.monotonic()
    status, said = folder.diff(lists, lists.replace("old.list", "new.list"), "--json")
    assert time.monotonic() - started < 20
    told = [json.loads(line) for line in said.splitlines()]
    assert status == 1
    changed = {address for group in told for address in group["addresses"] if group["names"]["none"]}
    assert changed == {*prefixes[:10], "198.18.0.0/15", "2001:db8::/32"} - set(prefixes[10:])
    by_name = [group["names"] for group in told if group["names"]["rules"] and not group["names"]["none"]]
    assert {len(each["rules"]) + each["more"] for each in by_name} >= {15}
