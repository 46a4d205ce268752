"""Silent and slow clients in crowds: ordinary ones notice nothing, and there is room again when they are gone."""

import select
import socket
import time

import conversation
import postern
from conversation import Conversation, message, signed_in

SILENT = 300
SLOW = 60
ORDINARY = 10


def open_crowd(port, count):
    """From several loopback addresses, as from several clients."""
    return [
        socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(f"127.0.0.{2 + number % 50}", 0))
        for number in range(count)
    ]


def test_ordinary_clients_notice_nothing(server):
    silent = open_crowd(server.starttls, SILENT // 2) + open_crowd(server.tls, SILENT // 2)
    slow = open_crowd(server.starttls, SLOW)
    tls = conversation.context(server.ca)
    try:
        for number in range(ORDINARY):
            for each in slow:
                each.send(b"E"[:1] if number == 0 else b"H")
            began = time.monotonic()
            with signed_in(server, tls) as client:
                sent = client.submit(message(f"in the crowd {number}"), recipients=["crowd@example.org"])
                assert sent.code == 250
            assert time.monotonic() - began < 5
        server.wait_for("crowd@example.org", f"in the crowd {ORDINARY - 1}")
    finally:
        for each in silent + slow:
            each.close()


def test_connections_are_limited(make_server):
    server = make_server(server="limits { connections = 5 }").start()
    crowd = [Conversation(server.starttls) for _ in range(5)]
    assert all(each.reply().code == 220 for each in crowd)
    try:
        with Conversation(server.starttls) as refused:
            assert refused.reply().code == 421
    except (EOFError, ConnectionError):
        pass
    for each in crowd:
        each.socket.close()

    def is_served():
        try:
            with Conversation(server.starttls) as client:
                return client.reply().code == 220
        except (EOFError, ConnectionError):
            return False

    postern.wait_until(is_served, 10, "there is room again")


def test_a_slow_message_is_cut_off(make_server):
    server = make_server(server="limits { data_rate = 1K  data_grace = 2s }")
    server.add_user()
    server.start()
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect("RCPT TO:<slow@example.org>", 250)
        client.expect("DATA", 354)
        end = time.monotonic() + 15
        while time.monotonic() < end and not select.select([client.socket], [], [], 0.2)[0]:
            client.send(b"x")
        assert client.reply().code == 421
        assert client.is_closed()
    assert server.files("slow@example.org") == []
