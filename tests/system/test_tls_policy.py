"""How good TLS must be: what is required, what is agreed on, who resumes whose sessions, and what scanners say of it."""

import json
import os
import re
import smtplib
import socket
import ssl
import subprocess

import pytest

import conftest
import postern

NO_CRYPTO = "tls { certificate"


def configure(server, tls="", server_keys=None):
    """Adds to the block of the template."""
    text = server.config.read_text().replace(NO_CRYPTO, f"tls {{ {tls} certificate")
    if server_keys:
        text = text.replace(NO_CRYPTO, f"{server_keys} {NO_CRYPTO}")
    server.config.write_text(text)
    return server


def plain(server):
    client = smtplib.SMTP("127.0.0.1", server.starttls, timeout=20)
    client.ehlo()
    return client


def inside(server, *, most=None, ciphers=None):
    context = ssl.create_default_context(cafile=server.ca)
    if most:
        context.maximum_version = most
    if ciphers:
        context.set_ciphers(ciphers)
    return smtplib.SMTP_SSL("localhost", server.tls, context=context, timeout=20)


# --- require ---

OUTSIDERS = 'relay { allow = { "127.0.0.0/8" } }'


def test_mail_outside_tls_is_refused_by_default(make_server):
    server = make_server(server=OUTSIDERS).start()
    with plain(server) as client:
        code, text = client.docmd("MAIL", "FROM:<a@example.org>")
        refusal = re.fullmatch(r"5\.7\.0 Start TLS first \((\S+)\)", text.decode())
        assert code == 530 and refusal, text
        assert client.docmd("RCPT", "TO:<a@example.org>")[0] == 503
        assert client.noop()[0] == 250
        client.starttls(context=ssl.create_default_context(cafile=server.ca))
        client.sendmail("a@example.org", ["b@example.org"], "Subject: inside\r\n\r\nText\r\n")
    postern.wait_until(lambda: server.run("explain", refusal[1]).returncode == 0, 10, "it is kept")
    assert "rule       tls { require = yes }\n" in server.run("explain", refusal[1]).stdout


def test_mail_outside_tls_is_taken_where_that_is_said(make_server):
    server = configure(make_server(server=OUTSIDERS), "require = no").start()
    with plain(server) as client:
        client.sendmail("a@example.org", ["b@example.org"], "Subject: outside\r\n\r\nText\r\n")
    server.wait_for("b@example.org", "outside")


@pytest.mark.parametrize("tls, bits", [("", 0), ("require = no", 0), ("require = yes", 256), ("min_bits = 256", 0)])
def test_what_is_explained_is_what_is_heard(make_server, tls, bits):
    server = configure(make_server(server=OUTSIDERS), tls).start()
    done = server.run("explain", "--json", "--address", "127.0.0.1", "--tls", str(bits), "--to", "a@example.org")
    stages = json.loads(done.stdout)["stages"]
    with inside(server) if bits else plain(server) as client:
        client.ehlo_or_helo_if_needed()
        heard = [client.docmd("MAIL", "FROM:<>")]
        if heard[0][0] == 250:
            heard.append(client.docmd("RCPT", "TO:<a@example.org>"))
    said = [f"{code} " + re.sub(r"\([0-9A-Z]{13}\)", "(ID)", text.decode()) for code, text in heard]
    assert [stage["reply"] for stage in stages[1:]] == said
    assert done.returncode == (0 if said[-1].startswith("250") else 1)


def test_a_cipher_that_is_too_weak_is_explained(make_server):
    server = configure(make_server(), "min_bits = 256")
    for bits, status in ((256, 0), (128, 1)):
        assert server.run("explain", "--address", "127.0.0.1", "--user", "alice", "--tls", str(bits)).returncode == status
    told = server.run("explain", "--address", "127.0.0.1", "--user", "alice", "--tls", "128").stdout
    assert re.match(r"connection  refuse  tls \{ min_bits = 256 \}  \(.*postern.conf:10\)\n +554 5.7.10 ", told), told


def test_nobody_is_explained_who_can_not_come(make_server):
    server = make_server()
    asked = ["explain", "--address", "127.0.0.1", "--tls"]
    server.config.write_text(re.sub(r'"127.0.0.1:\d+ starttls", ', "", server.config.read_text()))
    done = server.run(*asked, "0")
    assert done.returncode == 64 and "server 'test' speaks to nobody outside TLS" in done.stderr


@pytest.mark.parametrize(
    "tls, others, said",
    [
        ("require = yes", "auth { plaintext = yes }", "contradict each other"),
        ('ciphers = "modem"', "", "write modern, intermediate, or names like"),
        ('groups = { "X25519", "P-265" }', "", "did you mean 'P-256'?"),
        ('groups = { "P-256", "P-256" }', "", "it is given twice"),
        ("min_bits = 512", "", "min_bits"),
        ("tickets { lifetime = 30d }", "", "lifetime"),
        ('tickets { secret = "/none" }', "", "ticket secret /none: "),
        ("require = perhaps", "", "'perhaps' is none of yes or no"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(make_server, tls, others, said):
    server = configure(make_server(server=others), tls)
    done = server.run("check")
    assert done.returncode != 0
    assert re.search(r"postern.conf:\d+: .*" + re.escape(said), done.stdout + done.stderr), done.stdout + done.stderr


def test_a_listener_without_tls_contradicts_require(make_server):
    (port,) = postern.free_ports(1)
    server = configure(make_server(more_listeners=f', "127.0.0.1:{port} plain"'), "require = yes")
    assert "takes mail inside TLS alone; make it starttls" in server.run("check").stdout


# --- bits ---


def test_256_bits_are_agreed_on_where_they_are_asked_for(make_server):
    server = configure(make_server(), "min_bits = 256").start()
    with inside(server) as client:
        assert client.sock.cipher()[2] == 256
    with pytest.raises(ssl.SSLError):
        inside(server, most=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")


def test_a_cipher_that_is_too_weak_is_refused_with_a_reason(make_server):
    """Who must speak TLS 1.3 and 256 bits, and meets a client that likes 128 more."""
    server = configure(make_server(), 'min_bits = 256 min_version = "1.3"').start()
    reason = "554 5.7.10 The encryption is too weak (TLS_AES_128_GCM_SHA256 has 128 bits, 256 are asked for) ("
    weak = ["-ciphersuites", "TLS_AES_128_GCM_SHA256", "-ign_eof"]
    ids = []
    for said in s_client(server, *weak), s_client(server, *weak, "-starttls", "smtp", port=server.starttls):
        assert reason in said
        ids.append(re.search(re.escape(reason) + r"([0-9A-Z]+)\)", said).group(1))
    server.await_log("what=tls", *(f" id={refusal} " for refusal in ids))
    for refusal in ids:
        seen = json.loads(server.run("explain", "--json", refusal).stdout)
        assert seen["rule"] == "tls { min_bits = 256 }: TLS_AES_128_GCM_SHA256 has 128 bits"
        assert server.config.read_text().split("\n")[seen["line"] - 1].count("min_bits = 256")
        assert (seen["stage"], seen["verdict"], seen["tls_bits"]) == ("connection", "refuse", 128)
    with inside(server) as client:
        assert client.sock.cipher()[2] == 256


# --- certificates ---


def test_clients_that_know_no_ec_get_the_rsa_certificate(make_server, certificates, tmp_path):
    conftest.openssl(
        tmp_path, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "rsa.key", "-out", "rsa.pem", "-days",
        "30", "-subj", "/CN=localhost", "-addext", "subjectAltName = DNS:localhost",
    )
    rsa = f'rsa {{ certificate = "{tmp_path}/rsa.pem" key = "{tmp_path}/rsa.key" }}'
    server = configure(make_server(), rsa).start()

    def key_shown(*options):
        done = s_client(server, *options)
        return "RSA-PSS" if "Peer signature type: RSA-PSS" in done else "ECDSA" if "signature type: ECDSA" in done else done

    assert key_shown() == "ECDSA"
    assert key_shown("-tls1_2") == "ECDSA"
    assert key_shown("-sigalgs", "RSA-PSS+SHA256") == "RSA-PSS"
    assert key_shown("-tls1_2", "-sigalgs", "RSA-PSS+SHA256") == "RSA-PSS"


# --- tickets ---


def s_client(server, *options, port=None):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"localhost:{port or server.tls}", "-CAfile", str(server.ca), *options],
        input="QUIT\r\n",
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout + done.stderr


def count_resumed(server, version, ticket, tries):
    return sum("Reused, TLS" in s_client(server, version, "-sess_in", ticket, "-ign_eof") for _ in range(tries))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_workers_and_servers_with_one_secret_resume_each_others_sessions(make_server, tmp_path, version):
    secret = tmp_path / "ticket.secret"
    secret.write_bytes(os.urandom(32))
    secret.chmod(0o600)
    shared = f'tickets {{ lifetime = 1h secret = "{secret}" }}'
    one, two = (configure(make_server(workers=2), shared).start() for _ in range(2))
    stranger = make_server().start()
    ticket = tmp_path / "ticket"
    assert "New, TLS" in s_client(one, version, "-sess_out", str(ticket), "-ign_eof")
    # Ten connections meet both workers with next to certainty.
    assert count_resumed(one, version, str(ticket), 10) == 10
    assert count_resumed(two, version, str(ticket), 5) == 5
    assert count_resumed(stranger, version, str(ticket), 1) == 0


def test_a_secret_must_be_one(make_server, tmp_path):
    secret = tmp_path / "ticket.secret"
    server = configure(make_server(), f'tickets {{ secret = "{secret}" }}')
    for content, mode, said in (
        (b"short", 0o600, "it must have 32 bytes"),
        (bytes(33), 0o600, "it must have 32 bytes"),
        (bytes(32), 0o644, "everybody can read it"),
    ):
        secret.write_bytes(content)
        secret.chmod(mode)
        assert f"postern.conf:10: ticket secret {secret}: {said}" in server.run("check").stdout


# --- scanners ---


@pytest.fixture(scope="module")
def scanned(tmp_path_factory, certificates):
    """As it comes: nothing is said of TLS but the certificate."""
    server = postern.Server(tmp_path_factory.mktemp("scanned"), certificates)
    server.start()
    yield server
    server.stop()


def test_sslscan_finds_nothing_weak(scanned):
    done = subprocess.run(
        ["sslscan", "--no-colour", f"127.0.0.1:{scanned.tls}"], capture_output=True, text=True, timeout=120
    ).stdout
    for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert re.search(rf"{version} +disabled", done), done
    for version in ("TLSv1.2", "TLSv1.3"):
        assert re.search(rf"{version} +enabled", done), done
    accepted = re.findall(r"(?:Preferred|Accepted) +(\S+) +(\d+) bits +(\S+)", done)
    assert accepted
    for version, bits, cipher in accepted:
        assert int(bits) >= 128 and re.search("GCM|POLY1305|CHACHA20", cipher), done
    assert "Session renegotiation not supported" in done or "Secure session renegotiation supported" in done, done
    assert not re.search(r"(?<!not )vulnerable to heartbleed", done), done


@pytest.mark.any_loop("it takes long, and TLS is the same on both loops")
def test_testssl_finds_nothing_above_low(scanned, tmp_path):
    report = tmp_path / "report.json"
    # Its own certificate is of no public CA; that, and what follows from it, is no finding about the server.
    subprocess.run(
        ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--jsonfile", str(report), "--add-ca", scanned.ca]
        + ["--nodns", "none", "--ip", "127.0.0.1", "-p", "-s", "-f", "-U", "-P", f"localhost:{scanned.tls}"],
        capture_output=True,
        timeout=300,
        cwd=tmp_path,
    )
    findings = json.loads(report.read_text())
    assert len(findings) > 30
    bad = [each for each in findings if each["severity"] in ("MEDIUM", "HIGH", "CRITICAL")]
    assert not bad, bad
