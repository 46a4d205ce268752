"""A small mail server that is wrong where it is told to be: for what no real server can be set up to do. It speaks as much SMTP as who
looks for its faults needs, and keeps no mail."""

import base64
import re
import socket
import ssl
import threading


class WrongServer:
    """Listens on 127.0.0.1 until it is closed. `faults` are names:

    auth-in-clear       AUTH is offered outside TLS
    login-in-clear      AUTH LOGIN is heard outside TLS, but not offered
    clear-mail          MAIL is taken outside TLS
    injection           what came with STARTTLS is answered inside TLS
    yes                 every password is right
    empty-password      so is none at all
    relay               everybody may have mail sent on
    relay-by-sender     so may who gives a sender of the server's own domain
    relay-percent       so may who writes the recipient with a percent sign
    line-feeds          LF is as good as CRLF, in commands and at the end of texts
    bare-returns        so is CR at the end of texts
    no-mechanisms       nobody can sign in
    no-starttls         nor start TLS
    """

    def __init__(self, certificate, key, *faults, name="localhost", prepare=None):
        self.faults = set(faults)
        self.name = name
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
        if prepare:
            prepare(self.context)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        session = Session(self, connection)
        try:
            session.run()
        except (OSError, EOFError):
            pass
        finally:
            session.connection.close()


class Session:
    def __init__(self, server, connection):
        self.server = server
        self.connection = connection
        self.connection.settimeout(30)
        self.input = b""
        self.tls = self.signed_in = False
        self.sender = ""

    def has(self, fault):
        return fault in self.server.faults

    def say(self, *lines):
        self.connection.sendall(b"".join(line.encode() + b"\r\n" for line in lines))

    def until(self, ends):
        """What comes before the first of these ends, which is taken too."""
        while True:
            found = [(at, end) for end in ends if (at := self.input.find(end)) >= 0]
            if found:
                at, end = min(found)
                taken, self.input = self.input[:at], self.input[at + len(end) :]
                return taken
            more = self.connection.recv(4096)
            if not more:
                raise EOFError
            self.input += more

    def line(self):
        ends = [b"\n"] if self.has("line-feeds") else [b"\r\n"]
        return self.until(ends).rstrip(b"\r").decode(errors="replace")

    def text(self):
        ends = [b"\r\n.\r\n"]
        if self.has("line-feeds"):
            ends += [b"\n.\n", b"\n.\r\n", b"\r\n.\n"]
        if self.has("bare-returns"):
            ends += [b"\r.\r"]
        self.until(ends)

    def run(self):
        self.say(f"220 {self.server.name} ESMTP")
        while True:
            line = self.line()
            verb, _, argument = line.partition(" ")
            handler = getattr(self, "do_" + verb.lower(), None)
            if handler:
                handler(argument)
            else:
                self.say("500 No such command")
            if verb.upper() == "QUIT":
                return

    def do_quit(self, _):
        self.say("221 Goodbye")

    def do_noop(self, _):
        self.say("250 OK")

    do_rset = do_noop

    def do_ehlo(self, _):
        offers = [self.server.name]
        if not self.tls and not self.has("no-starttls"):
            offers.append("STARTTLS")
        if (self.tls or self.has("auth-in-clear")) and not self.has("no-mechanisms"):
            offers.append("AUTH PLAIN LOGIN")
        self.say(*[f"250-{offer}" for offer in offers[:-1]], f"250 {offers[-1]}")

    def do_starttls(self, _):
        self.say("220 Go on")
        before = self.input
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.input = before if self.has("injection") else b""
        self.tls = True

    # --- signing in ---

    def do_auth(self, argument):
        mechanism, _, initial = argument.partition(" ")
        mechanism = mechanism.upper()
        in_clear = self.has("auth-in-clear") or (mechanism == "LOGIN" and self.has("login-in-clear"))
        if not (self.tls or in_clear) or mechanism not in ("PLAIN", "LOGIN"):
            self.say("538 Inside TLS only")
            return
        password = self.ask_plain(initial) if mechanism == "PLAIN" else self.ask_login(initial)
        if password is None:
            self.say("501 Cancelled")
            return
        self.signed_in = self.has("yes") or (self.has("empty-password") and password == b"") or password == b"right"
        self.say("235 Signed in" if self.signed_in else "535 Wrong")

    def ask(self, challenge):
        self.say("334 " + base64.b64encode(challenge).decode())
        answer = self.line()
        return None if answer == "*" else base64.b64decode(answer)

    def ask_plain(self, initial):
        answer = base64.b64decode(initial) if initial else self.ask(b"")
        return None if answer is None else answer.split(b"\0")[-1]

    def ask_login(self, initial):
        if not initial and self.ask(b"Username:") is None:
            return None
        return self.ask(b"Password:")

    # --- mail ---

    def do_mail(self, argument):
        if not self.tls and not self.has("clear-mail"):
            self.say("530 Start TLS first")
            return
        self.sender = re.search("<(.*)>", argument).group(1)
        self.say("250 OK")

    def do_rcpt(self, argument):
        recipient = re.search("<(.*)>", argument).group(1)
        local = recipient.endswith("@" + self.server.name)
        may = (
            self.signed_in
            or self.has("relay")
            or (local and "%" not in recipient and '"' not in recipient and "!" not in recipient and recipient.count("@") == 1)
            or (local and "%" in recipient and self.has("relay-percent"))
            or (self.sender.endswith("@" + self.server.name) and self.has("relay-by-sender"))
        )
        self.say("250 OK" if may else "550 No relay")

    def do_data(self, _):
        self.say("354 Go on")
        self.text()
        self.say("250 Taken")
