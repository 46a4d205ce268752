"""PROXY protocol: a real HAProxy in front, headers in every shape and in pieces, and those that nobody may send."""

import random
import re
import socket
import ssl
import struct
import subprocess
import time

import pytest

import conversation
import postern
from conversation import Conversation, message, signed_in

# The proxies of these tests; ordinary clients come from 127.0.0.1.
PROXY = ("127.0.0.5", 0)
PROXIED = 'proxy_protocol = { "127.0.0.5", "127.0.7.0/24", "2001:db8::/64" }'

CLIENT_4 = "198.51.100.7"
CLIENT_6 = "2001:db8:7::9"
VERSION_1 = f"PROXY TCP4 {CLIENT_4} 192.0.2.1 40000 587\r\n".encode()
VERSION_1_IPV6 = f"PROXY TCP6 {CLIENT_6} 2001:db8::1 40000 587\r\n".encode()


def version_2(command, family=0, addresses=b"", values=b""):
    rest = addresses + values
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x20 | command, family, len(rest)) + rest


ADDRESSES_4 = socket.inet_aton(CLIENT_4) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 40000, 587)
ADDRESSES_6 = (
    socket.inet_pton(socket.AF_INET6, CLIENT_6)
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 40000, 587)
)
VERSION_2 = version_2(1, 0x11, ADDRESSES_4)
VERSION_2_IPV6 = version_2(1, 0x21, ADDRESSES_6)
VERSION_2_VALUES = version_2(1, 0x11, ADDRESSES_4, b"\x02" + struct.pack("!H", 900) + b"a" * 900)
LOCAL = version_2(0)

RELAYED = {
    "version-1": (VERSION_1, CLIENT_4),
    "version-1-ipv6": (VERSION_1_IPV6, CLIENT_6),
    "version-2": (VERSION_2, CLIENT_4),
    "version-2-ipv6": (VERSION_2_IPV6, CLIENT_6),
    "version-2-with-values": (VERSION_2_VALUES, CLIENT_4),
}
OWN = {"local": LOCAL, "unknown": b"PROXY UNKNOWN\r\n", "unknown-with-more": b"PROXY UNKNOWN 1 2 3\r\n"}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory, certificates):
    """Shared by these tests; logs all, with one user."""
    made = postern.Server(
        tmp_path_factory.mktemp("proxied"), certificates, server=PROXIED + " limits { proxy_header = 2s }"
    )
    made.config.write_text("log = debug\n" + made.config.read_text())
    made.add_user()
    made.start()
    yield made
    made.stop()


def through(server, pieces, port=None, tls=None):
    """A connection of the proxy's, in which the pieces have gone, each on its own. With `tls` the handshake follows in the
    last one's send."""
    made = Conversation(port or server.starttls, source=PROXY)
    made.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        made.send(piece)
        time.sleep(0.001 if len(pieces) > 1 else 0)
    if tls:
        made.socket = tls.wrap_socket(made.socket, server_hostname="localhost")
    return made


def log_of(server, start, pattern):
    return postern.wait_until(lambda: re.search(pattern, server.log()[start:]), 5, f"{pattern} is logged")


def hand_in(server, client, subject, recipient, shown):
    """A message, and the client's address in its Received field and in the log."""
    start = len(server.log())
    client.expect("EHLO client.example", 250)
    client.sign_in()
    assert client.submit(message(subject), recipients=[recipient]).code == 250
    log_of(server, start, rf" accepted .*client={re.escape(shown)} ")
    received = server.wait_for(recipient, subject).received
    literal = f"[IPv6:{shown}]" if ":" in shown else f"[{shown}]"
    assert literal in received, received


@pytest.mark.parametrize("kind", RELAYED)
def test_the_client_is_whom_the_header_names(proxied, kind):
    header, shown = RELAYED[kind]
    tls = conversation.context(proxied.ca)
    with through(proxied, [header], proxied.tls, tls) as client:
        assert client.reply().code == 220
        hand_in(proxied, client, f"tls {kind}", f"{kind}@example.org", shown)
    with through(proxied, [header]) as client:
        assert client.reply().code == 220
        client.expect("EHLO client.example", 250)
        client.start_tls(tls)
        hand_in(proxied, client, f"starttls {kind}", f"{kind}@example.org", shown)


@pytest.mark.parametrize("kind", OWN)
def test_a_proxy_speaks_for_itself(proxied, kind):
    with through(proxied, [OWN[kind]], proxied.tls, conversation.context(proxied.ca)) as client:
        assert client.reply().code == 220
        hand_in(proxied, client, f"own {kind}", f"own-{kind}@example.org", PROXY[0])


def test_others_speak_plainly(proxied):
    """On the same ports, in the same moments."""
    with through(proxied, [VERSION_1]) as relayed, signed_in(proxied) as client:
        assert client.submit(message("plainly"), recipients=["plain@example.org"]).code == 250
        assert "[127.0.0.1]" in proxied.wait_for("plain@example.org", "plainly").received
        assert relayed.reply().code == 220


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2], ids=["version-1", "version-2"])
def test_a_header_from_elsewhere_does_not_count(proxied, header):
    """It is no SMTP and no TLS, and the client stays who it is."""
    time.sleep(0.1)  # what was before has been logged
    start = len(proxied.log())
    with Conversation(proxied.starttls) as client:
        client.send(header + b"\r\nNOOP\r\n")
        assert client.reply().code == 220
        while (reply := client.reply()).code == 500:
            pass
        assert reply.code in (250, 221), reply
    with Conversation(proxied.tls) as client:
        client.send(header)
        assert client.is_closed()
    time.sleep(0.1)
    assert CLIENT_4 not in proxied.log()[start:]


SAY = b"EHLO early.example\r\nNOOP\r\nQUIT\r\n"


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2], ids=["version-1", "version-2"])
def test_commands_right_behind_the_header_are_kept(proxied, header):
    """Cut anywhere, the header, the commands, or both."""
    whole = header + SAY
    for cut in range(1, len(whole) + 1):
        with through(proxied, [whole[:cut], whole[cut:]]) as client:
            assert [client.reply().code for _ in range(4)] == [220, 250, 250, 221], cut
            assert client.is_closed()


def test_byte_by_byte(proxied):
    for header in (VERSION_1, VERSION_2):
        with through(proxied, [bytes([byte]) for byte in header + SAY]) as client:
            assert [client.reply().code for _ in range(4)] == [220, 250, 250, 221]


def client_hello(ca):
    """A client's side of TLS in memory and its first bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = conversation.context(ca).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        side.do_handshake()
    return side, incoming, outgoing, outgoing.read()


def test_tls_right_behind_the_header_is_kept(proxied):
    """The hello in the header's send, and both cut at random."""
    chance = random.Random(20261124)
    for number in range(60):
        side, incoming, outgoing, hello = client_hello(proxied.ca)
        header = chance.choice([each for each, _ in RELAYED.values()])
        whole = header + hello
        cuts = sorted(chance.sample(range(1, len(whole)), number % 5))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])]
        with through(proxied, pieces, proxied.tls) as client:
            greeting = b""
            while not greeting:
                try:
                    greeting = side.read(1000)
                except ssl.SSLWantReadError:
                    if outgoing.pending:
                        client.send(outgoing.read())
                    received = client.socket.recv(65536)
                    assert received, f"closed: {number}, {pieces}"
                    incoming.write(received)
            assert greeting.startswith(b"220 ")


WRONG = {
    "smtp": (b"EHLO proxy.example\r\n", "there is no PROXY header"),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "there is no PROXY header"),
    "address": (b"PROXY TCP4 198.51.100.777 192.0.2.1 1 2\r\n", "an address of the PROXY line is wrong"),
    "line-feed": (b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\n", "does not end in CRLF"),
    "too-long": (b"PROXY TCP4 " + b"1" * 4096, "too long"),
    "version-3": (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0", "of another version"),
    "huge": (version_2(1, 0x11, ADDRESSES_4)[:14] + b"\xff\xff", "too long"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_proxy_without_a_right_header_is_closed(proxied, kind):
    sent, why = WRONG[kind]
    for port in (proxied.starttls, proxied.tls):
        time.sleep(1.01)  # one line a second is logged
        start = len(proxied.log())
        with through(proxied, [sent], port) as client:
            assert client.socket.recv(100) in (b"",), "something was said before the header was right"
        log_of(proxied, start, rf" proxy-refused .*client=127.0.0.5 .*{why}")


def test_wrong_headers_are_not_logged_one_by_one(proxied):
    time.sleep(1.01)
    start = len(proxied.log())
    for _ in range(200):
        with through(proxied, [b"EHLO\r\n"]) as client:
            client.is_closed()
    assert 1 <= proxied.log()[start:].count(" proxy-refused ") <= 8


def test_a_header_has_its_time(proxied):
    """A byte now and then doesn't stretch it; who looks whether the port is open is no trouble."""
    start = len(proxied.log())
    began = time.monotonic()
    with through(proxied, [VERSION_1[:6]]) as slow, through(proxied, []) as silent:
        for byte in VERSION_1[6:30]:
            time.sleep(0.15)
            try:
                slow.send(bytes([byte]))
            except OSError:
                break
        assert slow.is_closed() and silent.is_closed()
    assert 1.5 < time.monotonic() - began < 10
    log_of(proxied, start, " proxy-refused .*in time")
    start = len(proxied.log())
    through(proxied, []).socket.close()
    log_of(proxied, start, " closed ")
    assert "proxy-refused" not in proxied.log()[start:]
    time.sleep(1.01)
    through(proxied, [VERSION_2[:20]]).socket.close()
    log_of(proxied, start, " proxy-refused .*ended inside")


def test_the_limit_of_connections_counts_behind_a_proxy(make_server):
    server = make_server(server=PROXIED + " limits { connections = 2 }").start()
    with through(server, [VERSION_1]) as first, through(server, [VERSION_1]) as second:
        assert first.reply().code == 220 and second.reply().code == 220
        with through(server, [VERSION_1]) as third:
            assert third.reply().code == 421


# --- HAProxy ---

HAPROXY = """
global
    maxconn 200
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
{listeners}
"""

LISTENER = """
listen {name}
    bind 127.0.0.1:{port}
    server it 127.0.0.1:{to} source 127.0.0.5 {option} {check}
"""


SENT = {
    "1": "send-proxy",
    "2": "send-proxy-v2",
    "2-with-values": "send-proxy-v2 proxy-v2-options crc32c,ssl,cert-cn,unique-id",
}


class HAProxy:
    """In front of a server, on a port for each of its ports and versions."""

    def __init__(self, folder, server, check=""):
        names = [version + port for version in SENT for port in ("", "-tls")]
        self.ports = dict(zip(names, postern.free_ports(len(names))))
        listeners = [
            LISTENER.format(
                name=f"version-{name}",
                port=port,
                to=server.tls if name.endswith("-tls") else server.starttls,
                option=SENT[name.removesuffix("-tls")],
                check=check,
            )
            for name, port in self.ports.items()
        ]
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(listeners="".join(listeners)))
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], cwd=folder)

        def listens():
            assert self.process.poll() is None
            try:
                socket.create_connection(("127.0.0.1", self.ports["2-tls"])).close()
                return True
            except ConnectionRefusedError:
                return False

        postern.wait_until(listens, 10, "HAProxy listens")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.mark.parametrize("version", SENT)
def test_haproxy(proxied, tmp_path, version):
    haproxy = HAProxy(tmp_path, proxied)
    tls = conversation.context(proxied.ca)
    try:
        for number in (11, 12):
            source = (f"127.0.0.{number}", 0)
            with Conversation(haproxy.ports[version + "-tls"], tls, source=source) as client:
                assert client.reply().code == 220
                hand_in(proxied, client, f"tls {version} {number}", "haproxy@example.org", source[0])
            with Conversation(haproxy.ports[version], source=source) as client:
                assert client.reply().code == 220
                client.expect("EHLO client.example", 250)
                client.start_tls(tls)
                hand_in(proxied, client, f"plain {version} {number}", "haproxy@example.org", source[0])
    finally:
        haproxy.stop()


def test_haproxy_sees_that_the_server_lives(proxied, tmp_path):
    """Its checks are connections of its own, with LOCAL and UNKNOWN."""
    start = len(proxied.log())
    haproxy = HAProxy(tmp_path, proxied, check="check check-send-proxy inter 100ms fastinter 100ms")
    try:
        time.sleep(1)
        with Conversation(haproxy.ports["1"]) as client:
            assert client.reply().code == 220
        with Conversation(haproxy.ports["2"]) as client:
            assert client.reply().code == 220
    finally:
        haproxy.stop()
    assert "proxy-refused" not in proxied.log()[start:]


def test_limits_are_of_the_clients_behind_haproxy(make_server, tmp_path):
    """Not of HAProxy, though all connections come from there."""
    server = make_server(server=PROXIED + " connect { per_address = 2 }").start()
    haproxy = HAProxy(tmp_path, server)
    try:
        for place, version in enumerate(SENT):
            clients = [
                Conversation(haproxy.ports[version], source=(f"127.0.{place}.{number}", 0))
                for number in (11, 11, 11, 12, 12)
            ]
            codes = [client.reply().code for client in clients]
            assert sorted(codes[:3]) == [220, 220, 421] and codes[3:] == [220, 220], codes
            for client in clients:
                client.socket.close()
    finally:
        haproxy.stop()


def test_rules_are_for_the_clients_behind_haproxy(make_server, tmp_path):
    """Who may connect, and who may send without signing in."""
    rules = 'connect { deny = { "127.0.0.12" } }  relay { allow = { "127.0.0.13" } }'
    server = make_server(server=PROXIED + " " + rules).start()
    haproxy = HAProxy(tmp_path, server)
    tls = conversation.context(server.ca)

    def connect(version, number, tls=None):
        port = haproxy.ports[version + ("-tls" if tls else "")]
        return Conversation(port, tls, source=(f"127.0.0.{number}", 0))

    try:
        for version in SENT:
            with connect(version, 12) as denied:
                reply = denied.reply()
                assert (reply.code, reply.status) == (554, "5.7.1"), reply
                assert denied.is_closed()
            for number, answer in ((11, 530), (13, 250)):
                with connect(version, number, tls) as client:
                    assert client.reply().code == 220
                    client.expect("EHLO client.example", 250)
                    client.expect("MAIL FROM:<a@example.org>", answer)
    finally:
        haproxy.stop()


@pytest.mark.parametrize("security", ["--tls", "--starttls"])
def test_the_load_generator_is_a_proxy(make_server, security):
    """For load from many addresses off one machine."""
    server = make_server(server='proxy_protocol = { "127.0.0.1" }')
    server.add_user()
    server.start()
    port = server.tls if security == "--tls" else server.starttls
    command = [postern.BUILD / "postern-bench", "login", "--to", f"127.0.0.1:{port}", "--host", "localhost", security]
    command += ["--ca", server.ca, "--user", postern.USER, "--password", postern.PASSWORD]
    command += ["--proxy-for", "198.51.100.0/25", "--connections", 8, "--count", 200, "--workers", 2]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = set(re.findall(r" signed-in .*client=(\S+)", server.log()))
    assert seen == {f"198.51.100.{number}" for number in range(128)}
