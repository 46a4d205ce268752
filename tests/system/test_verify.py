"""`postern verify`: all is well with a server that is set up right; each of many wrong ones fails by the name of the check that is to find
it; and another server, Postfix, is looked at from outside."""

import datetime
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import postern

pytestmark = pytest.mark.any_loop("what is verified is the same on both")

PASSWORD = postern.PASSWORD
NEARLY_OVER_SECONDS = 10  # time enough to start on a busy machine


def verify(folder, *arguments, stdin=""):
    """The report, and the exit status."""
    done = postern.postern("verify", *arguments, "--json", stdin=stdin, cwd=folder)
    assert not postern.SANITIZERS.search(done.stderr), done.stderr
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == (1 if report["failed"] else 0), done.stderr
    return report


def verify_server(server, *arguments, stdin=""):
    return verify(server.folder, "-c", server.config, "--ca", server.ca, *arguments, stdin=stdin)


def checks(report, outcome):
    return {line["check"] for line in report["lines"] if line["outcome"] == outcome}


def lines(report, check):
    return [line for line in report["lines"] if line["check"] == check]


# --- a right one ---

RULES = """
    connect { deny = { "127.0.0.8/29", "198.51.100.0/24" } allow = "127.0.0.10" lists = "deny:listed" }
    dns { reverse = off }
    relay { allow = "127.0.1.0/24" }
"""
ALL = {
    "greeting", "auth-in-clear", "tls-required", "starttls-injection", "tls-floor", "tls-ciphers", "tls-strength",
    "certificate", "certificate-served", "wire", "mechanisms", "sign-in", "wrong-password", "relay-outside",
    "relay-inside", "rule-edges", "command-ends", "smuggling", "configuration", "running", "relay-rules",
    "guessing",
}


def test_a_right_one_passes(make_server):
    server = make_server(server=RULES)
    (server.folder / "listed").write_text("# who was bad\n127.3.0.0/16 # since May\n\nbad.example\n127.4.4.4\n")
    server.add_user()
    server.start()
    arguments = ("--user", postern.USER, "--password-stdin")
    report = verify_server(server, *arguments, stdin=PASSWORD + "\n")
    assert report["failed"] == 0, [line for line in report["lines"] if line["outcome"] == "failed"]
    assert checks(report, "passed") == ALL
    assert PASSWORD not in json.dumps(report)
    edges = {re.search(r"client at (\S+):", line["tried"]).group(1): line for line in lines(report, "rule-edges")[:-1]}
    assert {"127.0.0.7", "127.0.0.8", "127.0.0.9", "127.0.0.10", "127.0.0.11", "127.0.0.15", "127.0.0.16"} <= set(edges)
    assert edges["127.0.0.8"]["happened"].startswith("554 5.7.1")
    assert re.search(r'deny = "127.0.0.8/29" \} \(.*postern.conf:\d+\)', edges["127.0.0.8"]["rule"])
    assert edges["127.3.255.255"]["happened"].startswith("554") and "listed:2" in edges["127.3.255.255"]["rule"]
    assert edges["127.4.4.4"]["happened"].startswith("554") and edges["127.4.4.5"]["happened"].startswith("530")
    assert edges["127.0.1.255"]["happened"].startswith("250")
    assert not list((server.folder / "data").glob("mail/*/*/new/*")), "mail was delivered"
    assert server.run("queue", "list").stdout == ""

    done = server.run("verify", "--ca", server.ca)
    assert done.returncode == 0
    assert "not tried  sign-in" in done.stdout and re.search(r"\d+ passed, 0 failed, \d+ not tried\n$", done.stdout)
    page = server.run("verify", "--ca", server.ca, "--html").stdout
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n")
    assert "<script" not in page and "MAIL FROM:&#60;&#62;" in page


def test_rules_are_tried_through_a_proxy(make_server):
    server = make_server(server='proxy_protocol = "127.0.0.1"\n connect { deny = { "198.51.100.0/24", "2001:db8::/32" } }')
    server.start()
    report = verify_server(server)
    assert report["failed"] == 0, report
    edges = [line["tried"] for line in lines(report, "rule-edges")]
    for address in ("198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0", "2001:db8::", "2001:db9::"):
        assert any(f"client at {address} (through PROXY)" in tried for tried in edges), address


# --- wrong ones ---


def openssl(folder, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


def signed(server, certificates, *options, key="server.key", names="DNS:localhost,IP:127.0.0.1", usage="serverAuth"):
    """A certificate of the test's CA for the server."""
    made = server.folder / "made.pem"
    openssl(server.folder, "req", "-new", "-key", certificates / key, "-subj", "/CN=x", "-out", "made.csr")
    (server.folder / "ext").write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\n")
    openssl(
        server.folder, "x509", "-req", "-in", "made.csr", "-CA", certificates / "ca.pem", "-CAkey", certificates / "ca.key",
        "-CAcreateserial", "-CAserial", "serial", "-extfile", "ext", "-out", made, *(options or ("-days", "30")),
    )
    return made


def change(server, what, to):
    text = server.config.read_text()
    assert re.search(what, text)
    server.config.write_text(re.sub(what, to, text, count=1))


def serve_certificate(server, path, key=None):
    change(server, r'certificate = "[^"]*"', f'certificate = "{path}"')
    if key:
        change(server, r'key = "[^"]*"', f'key = "{key}"')


def wrong_name(server, certificates):
    serve_certificate(server, signed(server, certificates, names="DNS:other.example"))


def nearly_over(server, certificates):
    """Valid for some seconds when the server starts; over when it is looked at."""
    path = signed(server, certificates)
    ca_key = serialization.load_pem_private_key((certificates / "ca.key").read_bytes(), None)
    old = x509.load_pem_x509_certificate(path.read_bytes())
    over = datetime.datetime.utcnow() + datetime.timedelta(seconds=NEARLY_OVER_SECONDS)
    made = x509.CertificateBuilder(
        old.issuer, old.subject, old.public_key(), old.serial_number, old.not_valid_before, over, list(old.extensions)
    ).sign(ca_key, hashes.SHA256())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    serve_certificate(server, path)


def for_clients(server, certificates):
    serve_certificate(server, signed(server, certificates, usage="clientAuth"))


def signs_itself(server, certificates):
    openssl(server.folder, "req", "-x509", "-key", certificates / "server.key", "-subj", "/CN=x", "-out", "made.pem",
            "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    serve_certificate(server, server.folder / "made.pem")


def missing_intermediate(server, certificates):
    folder = server.folder
    openssl(folder, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "i.key", "-out", "i.csr", "-subj", "/CN=i")
    (folder / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\n")
    openssl(folder, "x509", "-req", "-in", "i.csr", "-CA", certificates / "ca.pem", "-CAkey", certificates / "ca.key",
            "-CAcreateserial", "-CAserial", "serial", "-extfile", "ca.ext", "-out", "i.pem")
    openssl(folder, "req", "-new", "-key", certificates / "server.key", "-subj", "/CN=x", "-out", "made.csr")
    (folder / "ext").write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
    openssl(folder, "x509", "-req", "-in", "made.csr", "-CA", "i.pem", "-CAkey", "i.key", "-CAcreateserial",
            "-CAserial", "serial", "-extfile", "ext", "-out", "made.pem")
    serve_certificate(server, folder / "made.pem")


def weak_signature(server, certificates):
    serve_certificate(server, signed(server, certificates, "-sha1"))


def passwords_in_the_clear(server, _):
    change(server, r"\n    tls \{", "\n    auth { plaintext = yes }\n    tls {")


def mail_in_the_clear(server, _):
    change(server, r"\n    tls \{", '\n    relay { allow = "127.0.0.0/8" }\n    tls { require = no')


def open_relay(server, _):
    change(server, r"\n    tls \{", '\n    relay { default = allow  open_relay = "I mean it" }\n    tls {')


# Set up so from the start.
WRONG = [
    (wrong_name, "certificate"),
    (nearly_over, "certificate"),
    (for_clients, "certificate"),
    (signs_itself, "certificate"),
    (missing_intermediate, "certificate"),
    (weak_signature, "certificate"),
    (passwords_in_the_clear, "auth-in-clear"),
    (mail_in_the_clear, "tls-required"),
    (open_relay, "relay-outside"),
]


@pytest.mark.parametrize("make_wrong, name", WRONG, ids=[each[0].__name__ for each in WRONG])
def test_a_wrong_one_fails_by_name(make_server, certificates, make_wrong, name):
    server = make_server()
    make_wrong(server, certificates)
    server.start()
    if make_wrong is nearly_over:
        time.sleep(NEARLY_OVER_SECONDS + 1)
    failed = checks(verify_server(server), "failed")
    assert name in failed
    # What mail may come in the clear from here is no other check's fault; and an open relay is one by its rules, too.
    besides = {"certificate": {"certificate-served", "configuration"}, "relay-outside": {"relay-rules"}}
    assert failed <= {name, "tls-required"} | besides.get(name, set())


def let_in(server, _):
    change(server, "127.0.0.9/32", "127.0.0.11/32")


def sent_away(server, _):
    change(server, "deny = ", "allow = ")
    change(server, "connect {", "connect { default = deny")


def old_certificate(server, certificates):
    serve_certificate(server, signed(server, certificates))


def low_floor(server, _):
    change(server, r"tls \{", 'tls { min_version = "1.3"')


def other_mechanisms(server, _):
    change(server, r"\n    tls \{", '\n    auth { mechanisms = { "PLAIN" } }\n    tls {')


def relay_taken_away(server, _):
    change(server, "relay {", "relay { authenticated = deny")


def nobody_there(server, _):
    port, = postern.free_ports(1)
    change(server, str(server.tls), str(port))


# The file says one thing, the server that runs does another.
ANOTHER = [
    (let_in, "rule-edges"),
    (sent_away, "rule-edges"),
    (old_certificate, "certificate-served"),
    (low_floor, "tls-floor"),
    (other_mechanisms, "mechanisms"),
    (relay_taken_away, "relay-inside"),
    (nobody_there, "greeting"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory, certificates):
    made = postern.Server(
        tmp_path_factory.mktemp("running"), certificates,
        server='connect { deny = "127.0.0.9/32" }\n    relay { allow = "127.0.1.0/24" }',
    )
    made.add_user()
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("make_wrong, name", ANOTHER, ids=[each[0].__name__ for each in ANOTHER])
def test_a_server_that_does_otherwise_fails_by_name(running, certificates, make_wrong, name, tmp_path):
    """The file that is verified is another one than the server's, so that the server takes no notice."""
    said = running.config.read_text()
    mine = tmp_path / "postern.conf"

    class Changed:
        config = mine
        folder = tmp_path
        tls = running.tls

    mine.write_text(said)
    make_wrong(Changed, certificates)
    arguments = ["--user", postern.USER, "--password-stdin"] if name == "relay-inside" else []
    report = verify(tmp_path, "-c", mine, "--ca", running.ca, *arguments, stdin=PASSWORD + "\n")
    assert name in checks(report, "failed")
    assert checks(report, "failed") <= {name, "rule-edges"} | ({"greeting"} if make_wrong is sent_away else set())


def test_a_wrong_login_fails(running):
    report = verify_server(running, "--user", postern.USER, "--password-stdin", stdin="wrong\n")
    assert {"sign-in", "relay-inside"} <= checks(report, "failed")


def test_wrong_calls(tmp_path):
    for arguments, status in ((["--frob"], 64), (["--to"], 64), (["--to", "x"], 64), (["-c", "none.conf"], 2), (["x"], 64)):
        assert postern.postern("verify", *arguments, cwd=tmp_path).returncode == status, arguments


# --- Postfix ---

MAIN = """compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination = localhost
local_recipient_maps =
alias_maps =
local_transport = discard:
default_transport = discard:
mynetworks = {networks}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_cert_file = {certificates}/server.pem
smtpd_tls_key_file = {certificates}/server.key
smtpd_tls_security_level = {level}
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
smtpd_forbid_bare_newline = {strict}
{more}
"""
MASTER = """127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@pytest.fixture
def postfix(certificates):
    """Instances of their own below a folder that Postfix' own users can enter; Postfix is started by root only."""
    if os.geteuid() != 0:
        pytest.skip("Postfix must be started by root")
    folders = []

    def make(level="may", networks="192.0.2.0/24", strict="no", more=""):
        folder = postern.pathlib.Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
        folder.chmod(0o755)
        folders.append(folder)
        port, = postern.free_ports(1)
        for name in ("etc", "spool", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        values = {"folder": folder, "certificates": certificates, "level": level, "networks": networks}
        (folder / "etc" / "main.cf").write_text(MAIN.format(**values, strict=strict, more=more))
        (folder / "etc" / "master.cf").write_text(MASTER.format(port=port))
        done = subprocess.run(["postfix", "-c", folder / "etc", "start"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

        def answers():
            try:
                postern.socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True
            except OSError:
                return False

        postern.wait_until(answers, 20, "Postfix answers")
        return port

    yield make
    for folder in folders:
        subprocess.run(["postfix", "-c", folder / "etc", "stop"], capture_output=True, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def verify_postfix(tmp_path, certificates, port):
    return verify(
        tmp_path, "--to", f"127.0.0.1:{port}", "--name", "localhost", "--ca", certificates / "ca.pem",
        "--recipient", "somebody@localhost",
    )


def test_postfix_as_debian_has_it(postfix, tmp_path, certificates):
    """It takes mail in the clear, LF for CRLF, and ciphers without forward secrecy; it is no open relay and its certificate is good."""
    report = verify_postfix(tmp_path, certificates, postfix())
    assert {"tls-required", "smuggling", "command-ends"} <= checks(report, "failed"), report
    assert {"greeting", "certificate", "tls-strength", "wire", "auth-in-clear", "starttls-injection"} <= checks(report, "passed")
    assert "relay-outside" not in checks(report, "failed"), lines(report, "relay-outside")
    false_ends = {line["tried"]: line["outcome"] for line in lines(report, "smuggling")}
    assert false_ends["a text with LF . LF in it"] == "failed"


def test_postfix_set_up_with_care_and_without(postfix, tmp_path, certificates):
    careful = """smtpd_tls_mandatory_protocols = >=TLSv1.2
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_exclude_ciphers = aNULL, kRSA, 3DES, RC4"""
    report = verify_postfix(tmp_path, certificates, postfix("encrypt", strict="yes", more=careful))
    assert not {"tls-required", "tls-floor", "tls-ciphers", "smuggling", "relay-outside"} & checks(report, "failed"), report
    report = verify_postfix(tmp_path, certificates, postfix("encrypt", networks="127.0.0.0/8"))
    assert "relay-outside" in checks(report, "failed")
