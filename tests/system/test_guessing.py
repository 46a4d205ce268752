"""A crowd that guesses passwords, all at once: whoever signs in as ever does not notice.

POSTERN_GUESSERS says how many (default 400; 10,000 is the size that was promised)."""

import base64
import functools
import hashlib
import hmac
import os
import secrets
import statistics
import time

import pytest

import conversation
import postern
from conversation import Conversation

GUESSERS = int(os.environ.get("POSTERN_GUESSERS", "400"))
# A sign-in of somebody else's meanwhile, from the command to the last reply.
MOST_SECONDS = 0.4 if "asan" in str(postern.BUILD) else 0.05


@functools.cache
def salt(password, encoded, iterations):
    """The client's dear part of SCRAM; remembered, as clients do."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(encoded), iterations)


class Client(Conversation):
    """In the clear and through a proxy that says where it is from, so that a crowd can come from anywhere."""

    def __init__(self, port, address):
        super().__init__(port, timeout=60)
        family, here = ("TCP6", "2001:db8::25") if ":" in address else ("TCP4", "192.0.2.1")
        self.send(f"PROXY {family} {address} {here} 40000 587\r\n".encode())
        self.reply()
        self.expect("EHLO client.example", 250)

    def sign_in_by_scram(self, user, password):
        nonce = secrets.token_hex(12)
        bare = f"n={user},r={nonce}"
        reply = self.command("AUTH SCRAM-SHA-256 " + base64.b64encode(f"n,,{bare}".encode()).decode())
        first = base64.b64decode(reply.lines[0][4:]).decode()
        said = dict(part.split("=", 1) for part in first.split(","))
        salted = salt(password, said["s"], int(said["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c=biws,r={said['r']}"
        signature = hmac.digest(hashlib.sha256(client_key).digest(), f"{bare},{first},{final}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        reply = self.command(base64.b64encode(f"{final},p={proof}".encode()).decode())
        assert reply.code == 334, reply
        return self.command("").code


@pytest.fixture
def server(make_server):
    (port,) = postern.free_ports(1)
    server = make_server(
        more_listeners=f', "127.0.0.1:{port} plain"',
        shutdown="1s",
        server='auth { plaintext = yes } proxy_protocol = { "127.0.0.1" } limits { sign_in = 5min }',
    )
    server.add_user()
    server.add_user("bob", "never seen")
    server.start()
    server.plain = port
    with Client(port, "198.51.100.1") as client:
        assert client.command("AUTH PLAIN " + conversation.plain(postern.USER, postern.PASSWORD)).code == 235
    return server


def crowd(server, address_of):
    """All connected; then all guess, and nobody waits for an answer."""
    guessers = [Client(server.plain, address_of(i)) for i in range(GUESSERS)]
    for i, each in enumerate(guessers):
        each.send(f"AUTH PLAIN {conversation.plain(postern.USER, f'guess {i}')}\r\n".encode())
    return guessers


def timed(server, address, sign_in):
    with Client(server.plain, address) as client:
        began = time.monotonic()
        assert sign_in(client) == 235
        return time.monotonic() - began


def by_plain(client):
    return client.command("AUTH PLAIN " + conversation.plain(postern.USER, postern.PASSWORD)).code


def by_scram(client):
    return client.sign_in_by_scram(postern.USER, postern.PASSWORD)


@pytest.mark.alone("it measures latencies")
def test_guesses_from_everywhere_are_not_noticed(server):
    timed(server, "198.51.100.2", by_scram)  # derives the keys, which is the client's work
    guessers = crowd(server, lambda i: f"10.{i // 250}.{i % 250}.1")
    plain = [timed(server, "198.51.100.3", by_plain) for _ in range(20)]
    scram = [timed(server, "198.51.100.3", by_scram) for _ in range(20)]
    for each in guessers:
        each.socket.close()
    print(
        f"{GUESSERS} guessers: remembered {statistics.median(plain):.4f} s, at most {max(plain):.4f};",
        f"SCRAM {statistics.median(scram):.4f} s, at most {max(scram):.4f}",
    )
    assert max(plain) < MOST_SECONDS and max(scram) < MOST_SECONDS


@pytest.mark.alone("it measures latencies")
def test_guesses_of_one_network_wait_for_each_other_alone(server):
    """A password that is not remembered costs a hash, but no more than a turn or two of waiting."""
    guessers = crowd(server, lambda i: f"10.1.1.{i % 250 + 1}")
    taken = timed(
        server, "203.0.113.9", lambda client: client.command("AUTH PLAIN " + conversation.plain("bob", "never seen")).code
    )
    for each in guessers:
        each.socket.close()
    print(f"{GUESSERS} guessers of one network: a password that is not remembered {taken:.3f} s")
    assert taken < 20 * MOST_SECONDS
