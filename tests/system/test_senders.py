"""`auth { senders = own }`: a login sends as itself and as what it was granted, and the grants count at once."""

import conversation
import postern
from conversation import signed_in


def sender(client, address):
    """The answer to MAIL, taken back if it was taken."""
    reply = client.command(f"MAIL FROM:<{address}>")
    if reply.code == 250:
        client.expect("RSET", 250)
    return reply


def change(server, action, what, status=0):
    done = server.run("user", action, postern.USER, what)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_a_login_sends_as_its_own(make_server):
    server = make_server(server="auth { senders = own }")
    server.add_user()
    server.start()
    with signed_in(server) as client:
        assert sender(client, postern.USER).code == 250
        assert sender(client, postern.USER.upper()).code == 250
        assert sender(client, "").code == 250
        for other in "bob@example.org", "alice@example.com", "sales@example.net":
            reply = sender(client, other)
            assert (reply.code, reply.status) == (550, "5.7.1"), (other, reply)
        assert change(server, "grant", "sales@example.net") == f"granted to {postern.USER}\n"
        assert sender(client, "Sales@example.net").code == 250
        assert sender(client, "other@example.net").code == 550
        change(server, "grant", "@example.com")
        assert sender(client, "anybody@EXAMPLE.com").code == 250
        assert sender(client, "anybody@sub.example.com").code == 550
        text = server.run("user", "show", postern.USER).stdout
        assert "grant     sales@example.net\ngrant     @example.com\n" in text
        assert '"grants":["sales@example.net","@example.com"]' in server.run("user", "show", "--json", postern.USER).stdout
        change(server, "revoke", "SALES@example.net")
        assert sender(client, "sales@example.net").code == 550
        assert client.submit(conversation.message("own"), sender="x@example.com").code == 250
    server.wait_for(postern.USER, "own")
    server.await_log("what=sender", "code=550")


def test_the_from_field_names_own_addresses(make_server):
    server = make_server(server="auth { senders = own  from_header = own }")
    server.add_user()
    server.start()
    change(server, "grant", "@example.net")

    def send(client, header, subject="from"):
        return client.submit(f"{header}Subject: {subject}\r\n\r\nHello.\r\n.\r\n")

    with signed_in(server) as client:
        for good in (
            f"From: <{postern.USER}>\r\n",
            f"FROM : Al\r\n (x) <{postern.USER.upper()}>\r\n",
            f"To: x\r\nFrom: {postern.USER}, \"B, <c@d.example>\" <sales@example.net>\r\n",
        ):
            assert send(client, good).code == 250, good
        for bad in (
            "From: <bob@example.org>\r\n",
            f"From: \"{postern.USER}\" <bob@example.org>\r\n",
            f"From: {postern.USER}, bob@example.org\r\n",
            f"From: <{postern.USER}>\r\nFrom: <bob@example.org>\r\n",
            f"From: <{postern.USER}>\r\nno field\r\nFrom: <bob@example.org>\r\n",
            f"From: bob@example.org <{postern.USER}>\r\n",
            "To: x\r\n",
            "From: nobody:;\r\n",
            f"From: {postern.USER} bob@example.org\r\n",
            f"From: {'a' * 900}\r\n" + f" {'a' * 900}\r\n" * 5,
        ):
            reply = send(client, bad, subject="bad")
            assert (reply.code, reply.status) == (550, "5.7.1"), (bad, reply)
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        client.expect(f"RCPT TO:<{postern.USER}>", 250)
        text = f"From: <{postern.USER}>\r\nSubject: chunks\r\n\r\nx\r\n".encode()
        for size, last in ((3, ""), (20, ""), (len(text) - 23, " LAST")):
            client.send(f"BDAT {size}{last}\r\n".encode() + text[:size])
            text = text[size:]
            assert client.reply().code == 250
    server.wait_for(postern.USER, "chunks")
    assert not [each for each in server.messages(postern.USER) if each.text["Subject"] == "bad"]
    server.await_log('what=header-from why="not own" address=bob@example.org')


def test_wrong_grants_are_told(server):
    assert "is neither an address" in change(server, "grant", "sales", status=1)
    assert "is not granted" in change(server, "revoke", "sales@example.org", status=1)
    assert "did you mean" in server.run("user", "grant", postern.USER[1:], "a@example.org").stderr
    assert server.run("user", "grant", postern.USER).returncode == 64


def test_any_sender_goes_unless_told_otherwise(server):
    with signed_in(server) as client:
        assert sender(client, "bob@example.org").code == 250
