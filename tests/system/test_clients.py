"""Real clients hand in a message on both ports, by PLAIN and LOGIN, verifying the certificate; it is delivered whole."""

import smtplib
import socket
import ssl
import subprocess

import pytest

import conversation
import postern

PORTS = ["starttls", "tls"]
MECHANISMS = ["PLAIN", "LOGIN"]
BODY = "First line.\n.a dot first\n..two dots\n\nlast line, äöü\n"


def run(command, stdin=""):
    done = subprocess.run(command, input=stdin.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")


def text_of(subject, recipient):
    return f"From: <{postern.USER}>\nTo: <{recipient}>\nSubject: {subject}\n\n{BODY}"


def assert_delivered(server, recipient, subject):
    """The body as it was sent, lines of a Maildir ending in LF or CRLF; a trace that tells of TLS and sign-in."""
    message = server.wait_for(recipient, subject)
    body = message.bytes.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    assert body == BODY.encode()
    assert "with ESMTPSA" in message.received
    assert "TLSv1." in message.received
    return message


def names(client, port, mechanism):
    return f"{client} {port} {mechanism}", f"{client}-{port}-{mechanism}@example.org".lower()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("port", PORTS)
def test_curl(server, tmp_path, port, mechanism):
    subject, recipient = names("curl", port, mechanism)
    (tmp_path / "message").write_bytes(text_of(subject, recipient).replace("\n", "\r\n").encode())
    url = f"smtp://localhost:{server.starttls}" if port == "starttls" else f"smtps://localhost:{server.tls}"
    run(
        ["curl", "-sS", "-4", "--ssl-reqd", "--cacert", server.ca, "--login-options", f"AUTH={mechanism}"]
        + ["--user", f"{postern.USER}:{postern.PASSWORD}", "--url", url, "--mail-from", postern.USER]
        + ["--mail-rcpt", recipient, "--upload-file", str(tmp_path / "message")]
    )
    assert_delivered(server, recipient, subject)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("port", PORTS)
def test_swaks(server, tmp_path, port, mechanism):
    subject, recipient = names("swaks", port, mechanism)
    # It ends the last line itself.
    (tmp_path / "message").write_text(text_of(subject, recipient).removesuffix("\n"))
    number = server.starttls if port == "starttls" else server.tls
    run(
        ["swaks", "--server", "localhost", "--port", str(number), "--tls" if port == "starttls" else "--tls-on-connect"]
        + ["--tls-verify", "--tls-ca-path", server.ca, "--auth", mechanism, "--auth-user", postern.USER]
        + ["--auth-password", postern.PASSWORD, "--from", postern.USER, "--to", recipient]
        + ["--data", f"@{tmp_path}/message"]
    )
    assert_delivered(server, recipient, subject)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("port", PORTS)
def test_msmtp(server, tmp_path, port, mechanism):
    subject, recipient = names("msmtp", port, mechanism)
    config = tmp_path / "msmtprc"
    config.write_text(
        f"account default\nhost localhost\nport {server.starttls if port == 'starttls' else server.tls}\n"
        f"tls on\ntls_starttls {'on' if port == 'starttls' else 'off'}\ntls_trust_file {server.ca}\n"
        f"auth {mechanism.lower()}\nuser {postern.USER}\npassword {postern.PASSWORD}\nfrom {postern.USER}\n"
    )
    config.chmod(0o600)
    run(["msmtp", "-C", str(config), recipient], text_of(subject, recipient))
    assert_delivered(server, recipient, subject)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("port", PORTS)
def test_smtplib(server, port, mechanism):
    subject, recipient = names("smtplib", port, mechanism)
    context = conversation.context(server.ca)
    if port == "starttls":
        client = smtplib.SMTP("localhost", server.starttls, timeout=30)
        client.starttls(context=context)
    else:
        client = smtplib.SMTP_SSL("localhost", server.tls, context=context, timeout=30)
    with client:
        client.ehlo()
        client.user, client.password = postern.USER, postern.PASSWORD
        client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)
        # Bytes go out as they are, but for dots.
        client.sendmail(postern.USER, [recipient], text_of(subject, recipient).replace("\n", "\r\n").encode())
    assert_delivered(server, recipient, subject)


class SClient:
    """`openssl s_client` with its ends in our hands."""

    def __init__(self, server, port, version):
        number = server.starttls if port == "starttls" else server.tls
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{number}", "-servername", "localhost", "-quiet"]
        command += ["-CAfile", server.ca, "-verify_return_error", "-verify_hostname", "localhost", "-ign_eof", version]
        command += ["-starttls", "smtp"] if port == "starttls" else []
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def reply(self):
        while True:
            line = self.process.stdout.readline().decode()
            assert line, self.process.stderr.read().decode()
            if line[3:4] == " ":
                return int(line[:3])

    def say(self, text, code):
        self.process.stdin.write(text.replace("\n", "\r\n").encode())
        self.process.stdin.flush()
        assert self.reply() == code, text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("port", PORTS)
def test_openssl(server, port, version):
    subject, recipient = names("openssl", port, version[1:].replace("_", "."))
    client = SClient(server, port, version)
    # With STARTTLS it keeps the greeting to itself.
    if port == "tls":
        assert client.reply() == 220
    client.say("EHLO client.example\n", 250)
    client.say(f"AUTH PLAIN {conversation.plain(postern.USER, postern.PASSWORD)}\n", 235)
    client.say(f"MAIL FROM:<{postern.USER}>\n", 250)
    client.say(f"RCPT TO:<{recipient}>\n", 250)
    client.say("DATA\n", 354)
    stuffed = text_of(subject, recipient).replace("\n.", "\n..")
    client.say(f"{stuffed}.\n", 250)
    client.say("QUIT\n", 221)
    assert client.process.wait(30) == 0
    message = assert_delivered(server, recipient, subject)
    assert {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}[version] in message.received


@pytest.mark.parametrize("port", PORTS)
def test_wrong_password_is_refused(server, port):
    context = conversation.context(server.ca)
    if port == "starttls":
        client = smtplib.SMTP("localhost", server.starttls, timeout=30)
        client.starttls(context=context)
    else:
        client = smtplib.SMTP_SSL("localhost", server.tls, context=context, timeout=30)
    with client, pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        client.login(postern.USER, "wrong")
    assert refusal.value.smtp_code == 535


def test_sessions_are_resumed(server):
    """With the ticket of the first session, in both versions; the resumed one can sign in and send."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = conversation.context(server.ca, version)
        with conversation.signed_in(server, context) as first:
            session = first.socket.session
        plain = socket.create_connection(("127.0.0.1", server.tls), timeout=30)
        second = context.wrap_socket(plain, server_hostname="localhost", session=session)
        with second:
            assert second.session_reused
            assert second.recv(4096).startswith(b"220 ")


def test_certificate_of_another_name_is_not_for_us(server):
    """What the clients above would have refused: the harness' own check that they verify."""
    context = conversation.context(server.ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        plain = socket.create_connection(("127.0.0.1", server.tls), timeout=30)
        context.wrap_socket(plain, server_hostname="other.example")
