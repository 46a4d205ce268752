"""`postern user` beside a running server: what it changes counts at once."""

import json
import pathlib
import re
import resource

import pytest

import conversation
import postern
from conversation import Conversation


@pytest.fixture
def client(server):
    with Conversation(server.tls, conversation.context(server.ca)) as opened:
        opened.reply()
        opened.expect("EHLO client.example", 250)
        yield opened


def sign_in(server, user, password):
    """The code that a new session gets."""
    with Conversation(server.tls, conversation.context(server.ca)) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        return client.command("AUTH PLAIN " + conversation.plain(user, password)).code


def test_add_change_remove(server):
    server.add_user("bob", "first")
    assert sign_in(server, "bob", "first") == 235
    assert sign_in(server, "bob", "first") == 235  # from the cache
    done = server.run("user", "passwd", "bob", "--password-stdin", stdin="second\n")
    assert done.returncode == 0, done.stderr
    assert sign_in(server, "bob", "first") == 535
    assert sign_in(server, "bob", "second") == 235
    assert "bob" in server.run("user", "list").stdout.split()
    assert server.run("user", "show", "bob").returncode == 0
    assert server.run("user", "remove", "bob").returncode == 0
    assert sign_in(server, "bob", "second") == 535
    assert "bob" not in server.run("user", "list").stdout.split()


def test_what_does_not_work_says_so(server):
    server.add_user("carol", "x1")
    assert server.run("user", "add", "carol", "--password-stdin", stdin="y\n").returncode == 1
    assert server.run("user", "remove", "no-such-user").returncode == 1
    assert server.run("user", "passwd", "no-such-user", "--password-stdin", stdin="y\n").returncode == 1
    assert server.run("user", "show", "no-such-user").returncode == 1
    assert server.run("user", "frob").returncode == 64
    assert sign_in(server, "carol", "x1") == 235


def test_import_and_export(server, make_server, tmp_path):
    (tmp_path / "users").write_text("dora:secret one\nemil:secret:two\n")
    done = server.run("user", "import", tmp_path / "users")
    assert done.returncode == 0, done.stderr
    assert sign_in(server, "dora", "secret one") == 235
    assert sign_in(server, "emil", "secret:two") == 235
    exported = server.run("user", "export").stdout
    assert "secret" not in exported
    (tmp_path / "hashed").write_text(exported)
    other = make_server()
    assert other.run("user", "import", tmp_path / "hashed").returncode == 0
    other.start()
    assert sign_in(other, "dora", "secret one") == 235
    assert sign_in(other, postern.USER, postern.PASSWORD) == 235


def test_users_are_moved_whole(make_server, tmp_path):
    """From one data folder to another and further: hash, keys, state and grants; and what was granted counts there."""
    servers = [make_server(server="auth { senders = own }") for _ in range(3)]
    first, second, third = servers
    first.add_user("dora", "secret one")
    first.add_user("Emil", "secret two")
    first.add_user("frida", "secret three")
    for call in ("grant dora sales@example.org", "grant dora @example.net", "grant emil @example.org", "disable frida"):
        done = first.run("user", *call.split())
        assert done.returncode == 0, done.stderr
    exported = first.run("user", "export").stdout
    (tmp_path / "moved").write_text(exported)
    done = second.run("user", "import", tmp_path / "moved")
    assert done.returncode == 0, done.stderr
    assert second.run("user", "export").stdout == exported
    done = third.run("user", "import", "-", stdin=exported)
    assert done.returncode == 0, done.stderr
    assert third.run("user", "export").stdout == exported
    second.start()
    assert sign_in(second, "frida", "secret three") == 535
    with Conversation(second.tls, conversation.context(second.ca)) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        client.sign_in("dora", "secret one")
        client.expect("MAIL FROM:<Sales@example.org>", 250)
        client.expect("RSET", 250)
        client.expect("MAIL FROM:<anybody@example.net>", 250)
        client.expect("RSET", 250)
        client.expect("MAIL FROM:<other@example.org>", 550)


def test_a_user_without_a_password_has_no_right_one(server):
    """He hears what is heard with a wrong password, whatever he says."""
    assert server.run("user", "add", "gerd", "--no-password").returncode == 0
    server.add_user("hugo", "right")

    def refusal(user, password):
        with Conversation(server.tls, conversation.context(server.ca)) as client:
            client.reply()
            client.expect("EHLO client.example", 250)
            return client.command("AUTH PLAIN " + conversation.plain(user, password)).lines

    wrong = refusal("hugo", "wrong")
    assert wrong[0].startswith("535 5.7.8 ")
    for password in "any", "$argon2id$", "{POSTERN-NO-PASSWORD}":
        assert refusal("gerd", password) == wrong
    assert sign_in(server, "gerd", "") != 235
    assert sign_in(server, "hugo", "right") == 235
    assert server.run("user", "passwd", "hugo", "--no-password").returncode == 0
    assert refusal("hugo", "right") == wrong


def test_a_field_of_a_newer_postern_is_told(make_server):
    server = make_server()
    lines = "a:{POSTERN-NO-PASSWORD}:{POSTERN-GRANTS}\nb:{POSTERN-NO-PASSWORD}:{POSTERN-FROB}1\n"
    done = server.run("user", "import", "-", stdin=lines)
    assert done.returncode == 1
    assert "standard input:2: b has a field {POSTERN-FROB}, which is not known here" in done.stderr
    assert server.run("user", "list").stdout == "a\n"


def test_signing_in_to_the_running_server(make_server):
    server = make_server()
    server.add_user("bob", "right one")
    done = server.run("user", "test", "bob", "--password-stdin", stdin="right one\n")
    assert done.returncode == 2 and "connecting to" in done.stderr, done
    server.start()
    done = server.run("user", "test", "bob", "--password-stdin", stdin="right one\n")
    assert done.returncode == 0, done
    for mechanism in ("PLAIN", "LOGIN"):
        assert re.search(rf" {mechanism} +signed in: 235 2\.7\.0 ", done.stdout), done.stdout
    done = server.run("user", "test", "bob", "--password-stdin", "--json", stdin="wrong one\n")
    assert done.returncode == 1
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(each["mechanism"], each["outcome"]) for each in outcomes} >= {("PLAIN", "refused"), ("LOGIN", "refused")}
    assert "wrong one" not in done.stdout + server.log()


def test_utf8_names_and_passwords(server):
    server.add_user("żółw@example.org", "pąssword ✓")
    assert sign_in(server, "żółw@example.org", "pąssword ✓") == 235


def test_no_memory_to_verify_is_no_wrong_password(make_server, tmp_path):
    """RFC 4954 §6: 454 4.7.0 tells the client not to ask for another password; a hash may cost 1 GiB."""
    server = make_server()
    server.add_user()
    salt_and_output = "c29tZXNhbHRzb21lc2FsdA$Z8H6dbYwMTZXg7nPTk4Ap0OHo4IzuAyl5Q"
    (tmp_path / "costly").write_text(f"costly:$argon2id$v=19$m=1048576,t=1,p=1${salt_and_output}\n")
    assert server.run("user", "import", tmp_path / "costly").returncode == 0
    server.start()
    for process in server.children():
        mapped = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(process, resource.RLIMIT_AS, (mapped + 256 * 1024 * 1024, resource.RLIM_INFINITY))
    with Conversation(server.tls, conversation.context(server.ca)) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        reply = client.command("AUTH PLAIN " + conversation.plain("costly", "anything"))
        assert (reply.code, reply.status) == (454, "4.7.0")
        assert client.command("AUTH PLAIN " + conversation.plain(postern.USER, "wrong")).code == 535
        client.sign_in()
    server.await_log("hasher-memory")
