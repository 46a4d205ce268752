"""`quota { messages_per_hour … }`: what a login may send, over all workers and over a restart."""

import conversation
import postern
from conversation import message, signed_in


def make(make_server, quota, workers=2):
    server = make_server(server=f"quota {{ {quota} }}", workers=workers)
    server.add_user()
    server.add_user("bob@example.org", "bob's")
    return server.start()


def is_refused(reply):
    return (reply.code, reply.status) == (451, "4.7.1")


def test_messages_are_counted_over_workers_and_a_restart(make_server):
    server = make(make_server, "messages_per_hour = 6  messages_per_day = 100")
    for number in range(5):
        with signed_in(server) as client:
            assert client.submit(message(f"quota {number}")).code == 250
    server.stop()
    server.start()
    with signed_in(server) as client:
        assert client.submit(message("quota 5")).code == 250
        assert is_refused(client.command(f"MAIL FROM:<{postern.USER}>"))
        client.expect("NOOP", 250)
    for _ in range(6):
        with signed_in(server) as client:
            assert is_refused(client.command(f"MAIL FROM:<{postern.USER}>"))
    with conversation.Conversation(server.tls, conversation.context(server.ca)) as client:
        client.reply()
        client.expect("EHLO client.example", 250)
        client.sign_in("BOB@example.org", "bob's")
        assert client.submit(message("other"), sender="bob@example.org").code == 250
    server.await_log(f"what=quota limit=messages_per_hour login={postern.USER} code=451 ")
    server.wait_for(postern.USER, "quota 5")


def test_recipients_are_counted_when_the_message_is_accepted(make_server):
    server = make(make_server, "recipients_per_day = 5")
    with signed_in(server) as client:
        client.expect(f"MAIL FROM:<{postern.USER}>", 250)
        for number in range(5):
            client.expect(f"RCPT TO:<r{number}@example.org>", 250)
        assert is_refused(client.command("RCPT TO:<r5@example.org>"))
        client.expect("RSET", 250)  # nothing was sent
        assert client.submit(message("three"), recipients=[f"r{number}@example.org" for number in range(3)]).code == 250
        # Two sessions begin what only one of them can end.
        with signed_in(server) as second:
            for each in client, second:
                each.expect(f"MAIL FROM:<{postern.USER}>", 250)
                each.expect("RCPT TO:<a@example.org>", 250)
                each.expect("RCPT TO:<b@example.org>", 250)
                each.expect("DATA", 354)
            client.send(message("first").encode())
            assert client.reply().code == 250
            second.send(message("second").encode())
            assert is_refused(second.reply())
            assert is_refused(second.command(f"MAIL FROM:<{postern.USER}>"))
    server.wait_for("a@example.org", "first")
    assert [each.text["Subject"] for each in server.messages("a@example.org")] == ["first"]
