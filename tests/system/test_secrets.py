"""Passwords are in no process's memory once they were verified, in no core dump, log, file or answer.

The optimised build is looked at: sanitizers keep what was freed. What came in the clear stays in the loop's receive buffers
until others come there, as ciphertext does of TLS; those are left out of core dumps.
"""

import base64
import pathlib
import time

import pytest

import conversation
import postern
import process_memory

RIGHT = "zq-Hummingbird-77182-xyzzy"
WRONG = "wz-Kingfisher-99321-plugh"


def shapes(password):
    """As it is, and in base64 wherever it begins there; ends are cut, as they depend on what stands around."""
    yield password.encode()
    for before in range(3):
        yield base64.b64encode(b"x" * before + password.encode())[4:-4]


SECRETS = [shape for password in (RIGHT, WRONG) for shape in shapes(password)]


@pytest.fixture
def server(make_server, monkeypatch):
    monkeypatch.setattr(postern, "POSTERN", postern.ROOT / "build" / "postern")
    if not postern.POSTERN.exists():
        pytest.skip("needs the optimised build: ninja")
    made = make_server(server="auth { plaintext = yes }")
    made.add_user(password=RIGHT)
    return made.start()


def sign_in(server, tls, password, how):
    client = conversation.Conversation(server.tls if tls else server.starttls, tls)
    client.reply()
    client.expect("EHLO client.example", 250)
    line = "AUTH PLAIN " + conversation.plain(postern.USER, password) + "\r\n"
    if how == "at once":
        client.send(line)
    elif how == "in pieces":
        client.send(line[:40])
        time.sleep(0.05)
        client.send(line[40:])
    else:
        client.expect("AUTH LOGIN", 334)
        client.expect(base64.b64encode(postern.USER.encode()).decode(), 334)
        client.send(base64.b64encode(password.encode()).decode() + "\r\n")
    assert client.reply().code == (235 if password == RIGHT else 535)
    return client


def found(server, hidden):
    processes = [server.process.pid, *server.children()]
    return [(pid, *each) for pid in processes for each in process_memory.find(pid, SECRETS, hidden)]


@pytest.mark.parametrize("how", ("at once", "in pieces", "LOGIN"))
def test_nothing_is_left_of_a_password_that_came_inside_tls(server, how):
    tls = conversation.context(server.ca)
    for password in (RIGHT, WRONG, RIGHT):  # the last one is remembered
        with sign_in(server, tls, password, how) as client:
            assert found(server, hidden=True) == []
            client.expect("NOOP", 250)
        time.sleep(0.1)
        assert found(server, hidden=True) == []


@pytest.mark.parametrize("how", ("at once", "in pieces", "LOGIN"))
def test_what_came_in_the_clear_is_in_no_core_dump(server, how):
    assert process_memory.find(server.process.pid, [b"localhost"], hidden=False)  # it does find what is there
    for password in (RIGHT, WRONG, RIGHT):
        with sign_in(server, None, password, how):
            assert found(server, hidden=False) == []
        time.sleep(0.1)
        assert found(server, hidden=False) == []


def test_a_core_dump_would_have_no_memory(server):
    for pid in (server.process.pid, *server.children()):
        assert int(pathlib.Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0


def test_neither_logs_nor_files_nor_answers_tell(server):
    server.config.write_text(server.config.read_text() + "guard { exempt = { }  per_login = 2/h }\nlog = debug\n")
    server.stop()
    server.start()
    tls = conversation.context(server.ca)
    sign_in(server, tls, RIGHT, "at once").socket.close()
    source = ("127.0.9.1", 0)
    for number in range(3):
        with conversation.Conversation(server.tls, tls, source=source) as client:
            client.reply()
            client.expect("EHLO client.example", 250)
            client.command("AUTH PLAIN " + conversation.plain(postern.USER, f"{WRONG}{number}"))
    server.await_log("sign-in-refused", "banned")
    told = [
        server.run(*command).stdout
        for command in (("ban", "list", "--json"), ("user", "show", "--json", postern.USER), ("user", "list", "--json"))
    ]
    assert all(told)
    server.stop()
    texts = [text.encode() for text in told]
    texts += [path.read_bytes() for path in server.folder.rglob("*") if path.is_file()]
    for text in texts:
        assert not [secret for secret in SECRETS if secret in text]
