"""What a client sees of the protocol from outside: offers, refusals, order, and that nothing is smuggled in."""

import base64
import socket
import time
from random import Random

import pytest

import conversation
import postern
from conversation import Conversation, message, signed_in


def start(server):
    """On the STARTTLS port, greeted, no TLS yet."""
    opened = Conversation(server.starttls)
    assert opened.reply().code == 220
    return opened


def test_offers_outside_and_inside_tls(server):
    with start(server) as client:
        offered = client.expect("EHLO client.example", 250).keywords
        assert "STARTTLS" in offered and offered[-1] != "STARTTLS"
        assert not any(keyword.startswith("AUTH") for keyword in offered)
        client.start_tls(conversation.context(server.ca))
        client.expect("MAIL FROM:<a@b.example>", 503)
        offered = client.expect("EHLO client.example", 250).keywords
        assert "STARTTLS" not in offered
        assert "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" in offered
        for keyword in ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"):
            assert keyword in offered
        assert f"SIZE {36 * 1024 * 1024}" in offered
        assert any(keyword.startswith("LIMITS ") for keyword in offered)


def test_nothing_goes_without_signing_in(server):
    with start(server) as client:
        client.expect("EHLO client.example", 250)
        assert client.expect("MAIL FROM:<a@b.example>", 530).status == "5.7.0"
        assert client.command("AUTH PLAIN " + conversation.plain(postern.USER, postern.PASSWORD)).code >= 500
        client.start_tls(conversation.context(server.ca))
        client.expect("EHLO client.example", 250)
        assert client.expect("MAIL FROM:<a@b.example>", 530).status == "5.7.0"


def test_plaintext_behind_starttls_ends_the_session(server):
    """What came before TLS is never taken for what comes inside it."""
    with start(server) as client:
        client.expect("EHLO client.example", 250)
        client.send("STARTTLS\r\nRSET\r\nNOOP\r\n")
        try:
            reply = client.reply()
            assert reply.code in (220, 421, 501, 503, 554), reply
        except EOFError:
            pass
        assert client.is_closed()


def test_sign_in_refusals(server):
    with Conversation(server.tls, conversation.context(server.ca)) as client:
        assert client.reply().code == 220
        client.expect("EHLO client.example", 250)
        client.expect("AUTH SCRAM-NONE", 504)
        client.expect("AUTH PLAIN !!!", 501)
        client.expect("AUTH LOGIN", 334)
        client.expect("*", 501)
        client.expect("AUTH LOGIN", 334)
        client.expect("not base64!", 501)
        client.sign_in()
        client.expect("AUTH PLAIN", 503)


def test_unknown_user_and_wrong_password_say_the_same(server):
    replies = []
    for user, password in ((postern.USER, "wrong"), ("nobody@example.org", "wrong")):
        with Conversation(server.tls, conversation.context(server.ca)) as client:
            client.reply()
            client.expect("EHLO client.example", 250)
            replies.append(client.expect("AUTH PLAIN " + conversation.plain(user, password), 535).lines)
    assert replies[0] == replies[1]


def test_login_names_and_passwords_in_steps(server):
    with Conversation(server.tls, conversation.context(server.ca)) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        client.expect("AUTH LOGIN " + base64.b64encode(postern.USER.encode()).decode(), 334)
        client.expect(base64.b64encode(postern.PASSWORD.encode()).decode(), 235)


@pytest.mark.parametrize(
    "path",
    ["a@@b", ".a@b", "a..b@c", "a@b>", "a@-b.example", "a b@c", "a@[300.1.1.1]", "é@b.example", "a@b\x01c", "@b", "a@"],
)
def test_bad_addresses_are_refused(server, path):
    with signed_in(server) as client:
        assert client.command(f"MAIL FROM:<{path}>").code in (501, 553, 550)
        client.expect("MAIL FROM:<a@b.example>", 250)
        assert client.command(f"RCPT TO:<{path}>").code in (501, 553, 550)
        client.expect("RCPT TO:<a@b.example>", 250)


@pytest.mark.parametrize("line", ["MAIL FROM:a@b.example", "MAIL FROM:<a@b.example> FOO=1", "MAIL FROM:<a@b.example> SIZE=x"])
def test_bad_parameters_are_refused(server, line):
    with signed_in(server) as client:
        assert client.command(line).code in (501, 555)


def test_order_of_commands(server):
    with signed_in(server) as client:
        client.expect("RCPT TO:<a@b.example>", 503)
        client.expect("DATA", 503)
        client.expect("MAIL FROM:<a@b.example>", 250)
        client.expect("MAIL FROM:<a@b.example>", 503)
        assert client.command("DATA").code in (503, 554)
        client.expect("RSET", 250)
        client.expect("NOOP", 250)
        assert client.command("VRFY a").code in (252, 502)
        assert client.command("HELP").code in (214, 502)
        client.expect("FROB", 500)
        client.expect("QUIT", 221)
        assert client.is_closed()


def test_size_is_held(server):
    with signed_in(server) as client:
        assert client.expect(f"MAIL FROM:<a@b.example> SIZE={37 * 1024 * 1024}", 552).status == "5.3.4"


def test_pipelined_transactions(server):
    with signed_in(server) as client:
        one = f"MAIL FROM:<{postern.USER}>\r\nRCPT TO:<pipeline@example.org>\r\nDATA\r\n"
        client.send(one)
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        for number in range(5):
            client.send(message(f"pipelined {number}") + one)
            assert [client.reply().code for _ in range(4)] == [250, 250, 250, 354]
        client.send(message("pipelined 5") + "QUIT\r\n")
        assert [client.reply().code for _ in range(2)] == [250, 221]
    for number in range(6):
        server.wait_for("pipeline@example.org", f"pipelined {number}")


def a_group(recipients=1, text=b"Subject: a group\r\n\r\nHello.\r\n"):
    """One message with BDAT, all of it at once."""
    recipient = "RCPT TO:<group@example.org>\r\n"
    return f"MAIL FROM:<{postern.USER}>\r\n{recipient * recipients}BDAT {len(text)} LAST\r\n".encode() + text


def first_replies(client, data):
    """The lines of the first TLS record that comes back."""
    client.send(data)
    client.pending = client.socket.recv(65536)
    return client.pending.count(b"\r\n")


@pytest.mark.parametrize("front, recipients, at_once", [(b"", 1, 3), (b"RSET\r\n", 2, 5), (b"NOOP\r\n", 1, 3), (b"", 100, 101)])
def test_a_groups_replies_leave_together(server, front, recipients, at_once):
    """Those ahead of a message's own wait for it, but not where RFC 2920 wants them at once, nor where they are many."""
    with signed_in(server) as client:
        assert first_replies(client, front + a_group(recipients)) == at_once
        replies = [client.reply() for _ in range((front != b"") + recipients + 2)]
        assert all(reply.code == 250 for reply in replies) and "queued" in str(replies[-1])


def test_groups_behind_each_other(server):
    with signed_in(server) as client:
        client.send(a_group() + b"NOOP\r\n" + a_group(2) + a_group() * 200 + b"QUIT\r\n")
        codes = [client.reply().code for _ in range(3 + 1 + 4 + 3 * 200 + 1)]
        assert codes == [250] * (len(codes) - 1) + [221]


def random_commands(random):
    """Commands in any mixture, and the codes of their replies."""
    start = f"MAIL FROM:<{postern.USER}>\r\nRCPT TO:<group@example.org>\r\n".encode()
    kinds = [
        (a_group(), [250, 250, 250]),
        (a_group(3), [250] * 5),
        (a_group(100), [250] * 102),
        (start + b"BDAT 4\r\nab\r\nBDAT 0 LAST\r\n", [250, 250, 250, 250]),
        (start + b"RSET\r\n", [250, 250, 250]),
        (start + b"RCPT TO:<a@@b>\r\nRSET\r\n", [250, 250, 501, 250]),
        (start + b"BDAT 2 LAST\r\n\n\n", [250, 250, 554]),
        (b"NOOP\r\n", [250]),
        (b"VRFY x\r\n", [252]),
    ]
    chosen = [random.choice(kinds) for _ in range(40)]
    return b"".join(data for data, _ in chosen), [code for _, codes in chosen for code in codes]


@pytest.mark.parametrize("seed", range(8))
def test_groups_cut_anywhere(make_server, seed):
    """However they come in, each command has its own reply, in order."""
    random = Random(seed)
    server = make_server(server="limits { errors = 1000 }")
    server.add_user()
    server.start()
    with signed_in(server) as client:
        for _ in range(5):
            data, codes = random_commands(random)
            while data:
                size = random.choice([1, 7, 100, 3000, 100000])
                client.send(data[:size])
                data = data[size:]
                time.sleep(random.choice([0, 0, 0, 0.001]))
            assert [client.reply().code for _ in codes] == codes


def test_many_replies_behind_a_group(server):
    """More of them than leave in one piece."""
    with signed_in(server) as client:
        for behind in 1500, 6000:
            client.send(a_group() + b"NOOP\r\n" * behind)
            assert [client.reply().code for _ in range(3 + behind)] == [250] * (3 + behind)


def test_what_a_group_lacks_is_waited_for(server):
    """Nothing is held back that the client may be waiting for."""
    group = a_group()
    with signed_in(server) as client:
        assert first_replies(client, group[:-5]) == 2
        assert [client.reply().code for _ in range(2)] == [250, 250]
        client.send(group[-5:])
        assert client.reply().code == 250


def test_commands_behind_a_message_that_goes(server):
    """The memory of a message that is refused or given up must not be what the commands behind it are read from."""
    one = f"MAIL FROM:<{postern.USER}>\r\nRCPT TO:<behind@example.org>\r\n"
    with signed_in(server) as client:
        client.send(one + "DATA\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        client.send("Subject: refused\r\n\r\nbare\nend\r\n.\r\n" + one + "DATA\r\n")
        assert [client.reply().code for _ in range(4)] == [554, 250, 250, 354]
        client.send(message("behind a refusal") + one + "BDAT 10\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 250]
        client.send("Subject: xRSET\r\n" + one + "NOOP\r\n" * 20)
        assert [client.reply().code for _ in range(24)] == [250] * 24
        client.expect("DATA", 354)
        client.send(message("behind a reset"))
        assert client.reply().code == 250
    server.wait_for("behind@example.org", "behind a refusal")
    server.wait_for("behind@example.org", "behind a reset")


def test_chunks(server):
    text = b"Subject: chunks\r\n\r\nA line.\r\n.not stuffed\r\n"
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect("RCPT TO:<chunks@example.org>", 250)
        client.send(b"BDAT %d\r\n" % 10 + text[:10])
        assert client.reply().code == 250
        client.send(b"BDAT %d\r\n" % (len(text) - 10) + text[10:] + b"BDAT 0 LAST\r\n")
        assert [client.reply().code for _ in range(2)] == [250, 250]
    found = server.wait_for("chunks@example.org", "chunks")
    assert found.bytes.replace(b"\r\n", b"\n").endswith(b"\n\nA line.\n.not stuffed\n")


@pytest.mark.parametrize("size", ["99999999999999999999", "-1", "x", ""])
def test_bad_chunk_sizes_never_hang(server, size):
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect("RCPT TO:<chunks@example.org>", 250)
        assert client.command(f"BDAT {size}").code >= 500
        try:
            assert client.command("NOOP").code in (250, 421)
        except (EOFError, ConnectionError):
            pass


SMUGGLED = f"MAIL FROM:<{postern.USER}>\r\nRCPT TO:<smuggled@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"


@pytest.mark.parametrize("end", ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r\n\0.\r\n"])
def test_only_crlf_dot_crlf_ends_a_message(server, end):
    """A second envelope behind a false end is text of the first message, which is refused."""
    subject = "smuggling " + end.encode().hex()
    with signed_in(server) as client:
        reply = client.submit(
            f"Subject: {subject}\r\n\r\ntext{end}{SMUGGLED}\r\n.\r\n", recipients=["attack@example.org"]
        )
        assert 500 <= reply.code < 600, reply
        client.expect("NOOP", 250)
        # What comes behind is delivered, so what came before would be.
        assert client.submit(message(f"behind {subject}"), recipients=["attack@example.org"]).code == 250
    server.wait_for("attack@example.org", f"behind {subject}")
    assert server.files("smuggled@example.org") == []
    assert all("smuggling" not in found.text["Subject"][:9] for found in server.messages("attack@example.org"))


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\0OP\r\n", b"NOOP\rQUIT\r\n", b"NOOP\n\r\n"])
def test_bare_line_ends_and_nul_in_commands(server, line):
    """Nothing that hides or splits a command is taken as one."""
    with signed_in(server) as client:
        client.send(line + b"NOOP\r\n")
        assert client.reply().code >= 500


def test_missing_fields_are_added(server):
    with signed_in(server) as client:
        assert client.submit("Subject: bare\r\n\r\nx\r\n.\r\n", recipients=["fields@example.org"]).code == 250
    found = server.wait_for("fields@example.org", "bare").text
    assert found["Date"] and found["Message-ID"]
    assert "for <fields@example.org>" in " ".join(found["Received"].split())
    with signed_in(server) as client:
        text = "Subject: two\r\nDate: Tue, 24 Nov 2026 10:11:12 +0000\r\nMessage-ID: <x@y>\r\n\r\nx\r\n.\r\n"
        assert client.submit(text, recipients=["fields@example.org", "fields2@example.org"]).code == 250
    found = server.wait_for("fields@example.org", "two").text
    assert found["Message-ID"] == "<x@y>" and len(found.get_all("Date")) == 1
    assert " for " not in " ".join(found["Received"].split())


def test_text_without_a_header_stays_text(server):
    """What the server puts in front ends with an empty line: nothing of the text becomes a header field, or is lost."""
    with signed_in(server) as client:
        sent = "no field, just words\r\nand: more\r\n.\r\n"
        assert client.submit(sent, recipients=["bare@example.org"]).code == 250
    found = postern.wait_until(lambda: server.messages("bare@example.org"), 30, "the message is delivered")[0]
    header, _, text = found.bytes.replace(b"\r\n", b"\n").partition(b"\n\n")
    assert text == b"no field, just words\nand: more\n"
    assert b"words" not in header and b"Message-ID:" in header


def test_hop_loops_and_long_headers_are_refused(server):
    with signed_in(server) as client:
        loop = "Received: from a by b; Tue, 24 Nov 2026 10:11:12 +0000\r\n" * 60
        assert 500 <= client.submit(loop + message("loop")).code < 600
        assert 500 <= client.submit("X-Long: " + "x" * 300000 + "\r\n" + message("long")).code < 600
        client.expect("NOOP", 250)


def test_too_many_errors_end_the_session(make_server):
    server = make_server(server="limits { errors = 5 }").start()
    with Conversation(server.starttls) as client:
        client.reply()
        codes = []
        try:
            for _ in range(10):
                codes.append(client.command("FROB").code)
        except (EOFError, ConnectionError):
            pass
        assert codes[-1] == 421 and len(codes) <= 7


def test_time_limits(make_server):
    server = make_server(server="limits { sign_in = 2s  handshake = 1s  idle = 2s }").start()
    with Conversation(server.starttls, timeout=15) as silent:
        assert silent.reply().code == 220
        assert silent.reply().code == 421
        assert silent.is_closed()
    with socket.create_connection(("127.0.0.1", server.tls), timeout=15) as silent:
        assert silent.recv(100) == b""


def test_plain_listener_takes_sign_in_only_where_told(make_server):
    (port,) = postern.free_ports(1)
    server = make_server(more_listeners=f', "127.0.0.1:{port} plain"', server="auth { plaintext = yes }")
    server.add_user()
    server.start()
    with Conversation(port) as client:
        client.reply()
        offered = client.expect("EHLO client.example", 250).keywords
        assert "STARTTLS" not in offered and "AUTH SCRAM-SHA-256 PLAIN LOGIN" in offered
        client.sign_in()
        assert client.submit(message("in the clear"), recipients=["plain@example.org"]).code == 250
    assert "with ESMTPA " in server.wait_for("plain@example.org", "in the clear").received + " "
