"""Limits of a client's connections: `connect { per_address per_network rate tarpit }`, counted over all workers."""

import os
import signal
import socket
import time

import pytest

import conversation
import postern
from conversation import Conversation

HERE, NEAR, FAR = "127.0.0.2", "127.0.0.3", "127.0.1.2"


def attempt(server, source, header=""):
    """One more connection, and what it is greeted with."""
    client = Conversation(server.starttls, source=(source, 0))
    client.send(header.encode())
    return client, client.reply()


def greeted(server, source, header=""):
    client, reply = attempt(server, source, header)
    assert reply.code == 220, reply
    return client


def refused(server, source, header=""):
    client, reply = attempt(server, source, header)
    with client:
        assert (reply.code, reply.status) == (421, "4.7.0"), reply
        assert client.is_closed()
    return " ".join(reply.lines)


def make(make_server, limits, workers=2, **more):
    server = make_server(server=f"connect {{ {limits} }}", workers=workers, **more)
    return server.start()


def line_of(server, word):
    lines = server.config.read_text().split("\n")
    return next(number for number, line in enumerate(lines, 1) if word in line)


def close_all(clients):
    for client in clients:
        client.socket.close()


def greeted_again(server, source):
    """A connection that was closed is counted until the server has noticed."""
    return postern.wait_until(lambda: attempt(server, source)[1].code == 220, 5, "there is room again")


def test_an_address_has_so_many_connections(make_server):
    server = make(make_server, "per_address = 5")
    clients = [greeted(server, HERE) for _ in range(5)]
    for _ in range(6):
        assert "from your address" in refused(server, HERE)
    close_all([greeted(server, NEAR), greeted(server, FAR)])
    server.await_log(" refused ", count=6)
    told = [line for line in server.log().split("\n") if " refused " in line]
    assert len(told) == 6
    assert all(f"client={HERE} " in line and "limit=per_address most=5 " in line for line in told)
    assert all(f"line={line_of(server, 'per_address')} " in line and "postern.conf" in line for line in told)
    clients.pop().socket.close()
    greeted_again(server, HERE)
    close_all(clients)


def test_a_network_has_so_many_connections(make_server):
    server = make(make_server, "per_address = 3 per_network = 4")
    clients = [greeted(server, HERE) for _ in range(3)]
    assert "from your address" in refused(server, HERE)
    clients.append(greeted(server, NEAR))
    assert "from your network" in refused(server, NEAR)
    assert "from your network" in refused(server, "127.0.0.4")
    clients += [greeted(server, FAR) for _ in range(3)]
    server.await_log("limit=per_network most=4 ", count=2)
    assert server.log().count("limit=per_network ") == 2
    close_all(clients)


def test_connections_come_no_faster_than_the_rate(make_server):
    server = make(make_server, 'rate = "4/20s"')
    began = time.monotonic()
    for _ in range(4):
        greeted(server, HERE).socket.close()
    for _ in range(10):
        assert "connect too often" in refused(server, HERE)
    greeted(server, NEAR).socket.close()
    postern.wait_until(lambda: attempt(server, HERE)[1].code == 220, 15, "five seconds allow one more")
    assert time.monotonic() - began > 4.5
    server.await_log("limit=rate most=4 in_s=20 ")


def test_behind_implicit_tls_nobody_shakes_hands_with_one_too_many(make_server):
    server = make(make_server, "per_address = 1")
    client = greeted(server, "127.0.0.1")
    with socket.create_connection(("127.0.0.1", server.tls)) as other:
        with pytest.raises(OSError):
            conversation.context(server.ca).wrap_socket(other, server_hostname="localhost")
    server.await_log("limit=per_address ")
    client.socket.close()


def test_the_tarpit_lets_them_wait(make_server):
    server = make(make_server, "per_address = 1 tarpit = 2s")
    client = greeted(server, HERE)
    began = time.monotonic()
    with Conversation(server.starttls, source=(HERE, 0)) as eager:
        eager.send(b"EHLO client.example\r\nQUIT\r\n")
        assert eager.reply().code == 421
        assert eager.is_closed()
    assert time.monotonic() - began > 1.9
    with socket.create_connection(("127.0.0.1", server.tls), source_address=(HERE, 0)) as other:
        began = time.monotonic()
        assert other.recv(1) == b""
        assert time.monotonic() - began > 1.9
    # One that goes meanwhile, and some that are there when the server ends.
    Conversation(server.starttls, source=(HERE, 0)).socket.close()
    waiting = [Conversation(server.starttls, source=(HERE, 0)) for _ in range(3)]
    time.sleep(0.2)
    began = time.monotonic()
    client.socket.close()
    server.stop()
    assert time.monotonic() - began < 2
    close_all(waiting)


def test_a_killed_worker_leaves_no_counts(make_server):
    server = make(make_server, "per_address = 4")
    clients = [greeted(server, HERE) for _ in range(4)]
    refused(server, HERE)
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
    close_all(clients)
    postern.wait_until(lambda: server.log().count(" died ") >= 3, 10, "all deaths are told")

    def all_four():
        try:
            clients[:] = [greeted(server, HERE) for _ in range(4)]
            return True
        except (AssertionError, OSError):
            return False

    postern.wait_until(all_four, 20, "new workers serve")
    refused(server, HERE)
    close_all(clients)


def test_behind_a_proxy_the_client_is_counted(make_server):
    server = make_server(server='proxy_protocol = { "127.0.0.9" }\n    connect { per_address = 2 }').start()
    header = "PROXY TCP4 192.0.2.{} 127.0.0.1 1 2\r\n"
    clients = [greeted(server, "127.0.0.9", header.format(1)) for _ in range(2)]
    refused(server, "127.0.0.9", header.format(1))
    clients += [greeted(server, "127.0.0.9", header.format(2)) for _ in range(2)]
    # The proxy's own looks whether we live are nobody's.
    clients += [greeted(server, "127.0.0.9", "PROXY UNKNOWN\r\n") for _ in range(4)]
    # A client may have an address that is a proxy's, too.
    clients += [greeted(server, "127.0.0.9", "PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n") for _ in range(2)]
    refused(server, "127.0.0.9", "PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n")
    server.await_log("client=192.0.2.1 ")
    close_all(clients)
