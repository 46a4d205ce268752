"""`postern user` beside a running server: what it changes counts at once."""

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


def test_utf8_names_and_passwords(server):
    server.add_user("żółw@example.org", "pąssword ✓")
    assert sign_in(server, "żółw@example.org", "pąssword ✓") == 235
