"""A bare SMTP client that says exactly what a test wants said, and nothing of its own."""

import base64
import re
import socket
import ssl

import postern


def context(ca, version=None):
    made = ssl.create_default_context(cafile=str(ca))
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made


class Reply:
    """A whole reply: code, enhanced status (or ""), lines of text."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        match = re.match(r"\d{3} ([245]\.\d{1,3}\.\d{1,3})\b", lines[-1])
        self.status = match.group(1) if match else ""

    def __repr__(self):
        return "\n".join(self.lines)

    @property
    def keywords(self):
        """Of an EHLO reply."""
        return [line[4:] for line in self.lines[1:]]


class Conversation:
    """One connection. Replies are read when they are asked for, so commands can be piled up."""

    def __init__(self, port, tls=None, timeout=30, source=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=source)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        while b"\n" not in self.pending:
            received = self.socket.recv(65536)
            if not received:
                raise EOFError(f"closed after {self.pending!r}")
            self.pending += received
        line, _, self.pending = self.pending.partition(b"\n")
        assert line.endswith(b"\r"), f"a reply line without CR: {line!r}"
        return line[:-1].decode()

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return Reply(lines)

    def command(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def expect(self, text, code):
        reply = self.command(text)
        assert reply.code == code, f"{text}: {reply}"
        return reply

    def is_closed(self):
        """True when the server has closed; what it still said is dropped."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True

    def start_tls(self, tls):
        self.expect("STARTTLS", 220)
        assert self.pending == b""
        self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")

    def sign_in(self, user=postern.USER, password=postern.PASSWORD):
        self.expect("AUTH PLAIN " + plain(user, password), 235)

    def submit(self, text, sender=postern.USER, recipients=(postern.USER,)):
        """One message with DATA; answers the last reply. The text is sent as it is."""
        self.expect(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            self.expect(f"RCPT TO:<{recipient}>", 250)
        self.expect("DATA", 354)
        self.send(text if isinstance(text, bytes) else text.encode())
        return self.reply()


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def message(subject, body="Hello.\r\n"):
    return f"From: <{postern.USER}>\r\nSubject: {subject}\r\n\r\n{body}.\r\n"


def signed_in(server, tls=None):
    """Through the TLS port, greeted and signed in."""
    conversation = Conversation(server.tls, tls or context(server.ca))
    assert conversation.reply().code == 220
    conversation.expect("EHLO client.example", 250)
    conversation.sign_in()
    return conversation
