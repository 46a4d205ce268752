"""`postern verify` and the servers that are wrong in less common ways: each fails by the name of the check that is to find it, whether
the configuration says so, the server does something else than it says, or the server is somebody else's."""

import os
import re
import ssl

import pytest

import dovecot
import postern
import test_verify
from test_verify import change, checks, lines, openssl, serve_certificate, signed, verify, verify_server
from wrong_server import WrongServer

# Who verifies speaks to a server that is tested on both loops elsewhere.
pytestmark = pytest.mark.any_loop("what is verified is the same on both loops")

PASSWORD = postern.PASSWORD
LOGIN = ("--user", postern.USER, "--password-stdin")


def rsa_beside(server, certificates, *, bits=2048):
    """A certificate with an RSA key beside the EC one."""
    folder = server.folder
    openssl(folder, "req", "-new", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", "rsa.key", "-out", "rsa.csr", "-subj", "/CN=x")
    (folder / "rsa.ext").write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
    openssl(folder, "x509", "-req", "-in", "rsa.csr", "-CA", certificates / "ca.pem", "-CAkey", certificates / "ca.key",
            "-CAcreateserial", "-CAserial", "rsa.serial", "-extfile", "rsa.ext", "-days", "30", "-out", "rsa.pem")
    os.chmod(folder / "rsa.key", 0o600)
    change(server, r"tls \{", f'tls {{ rsa {{ certificate = "{folder}/rsa.pem" key = "{folder}/rsa.key" }}')


# --- right ones ---


def test_two_keys_and_strong_ciphers_pass(make_server, certificates):
    server = make_server()
    rsa_beside(server, certificates)
    change(server, r"tls \{", 'tls { min_bits = 256 sni "*.sub.example" { certificate = "sub.pem" key = "sub.key" }')
    made = signed(server, certificates, names="DNS:*.sub.example")
    made.rename(server.folder / "sub.pem")
    (server.folder / "sub.key").write_bytes((certificates / "server.key").read_bytes())
    os.chmod(server.folder / "sub.key", 0o600)
    server.start()
    report = verify_server(server)
    assert report["failed"] == 0, [line for line in report["lines"] if line["outcome"] == "failed"]
    compared = [line["tried"] for line in lines(report, "certificate-served")]
    for part in ("EC keys alone", "RSA keys alone", "postern-verify.sub.example"):
        assert any(part in tried for tried in compared), (part, compared)
    (strong, weak), *_ = [lines(report, "tls-strength")[i : i + 2] for i in (0,)]
    assert "at least 256 bits" in strong["expected"] and "256 bits" in strong["happened"]
    assert "128 bits alone" in weak["tried"] and "min_bits" in weak["rule"]


def test_who_may_not_connect_is_not_taken_for_a_fault(make_server):
    """127.0.0.1 may not, 127.0.0.10 may: that is who asks then."""
    server = make_server(server='connect { default = deny allow = "127.0.0.10" }')
    server.add_user()
    server.start()
    report = verify_server(server, *LOGIN, stdin=PASSWORD + "\n")
    assert report["failed"] == 0, [line for line in report["lines"] if line["outcome"] == "failed"]
    assert {"wire", "sign-in", "relay-outside", "smuggling"} <= checks(report, "passed")


def test_limits_of_connections_are_kept_to(make_server):
    server = make_server(server='connect { per_address = 6 rate = 60/10s deny = "127.0.0.9" }')
    server.add_user()
    server.start()
    report = verify_server(server, *LOGIN, stdin=PASSWORD + "\n")
    assert report["failed"] == report["not_tried"] == 0, [each for each in report["lines"] if each["outcome"] != "passed"]


def test_a_server_where_nobody_signs_in_passes(make_server):
    server = make_server(server='auth { mechanisms = { } } relay { allow = "127.0.1.0/24" }').start()
    report = verify_server(server, *LOGIN, stdin=PASSWORD + "\n")
    assert report["failed"] == 0, [line for line in report["lines"] if line["outcome"] == "failed"]
    assert {"sign-in", "relay-inside"} <= checks(report, "not tried") and "wire" in checks(report, "passed")


def test_who_has_nothing_for_a_mechanism_is_no_fault_of_the_server(make_server):
    server = make_server(server='auth { mechanisms = { "PLAIN", "NTLM" } }')
    server.add_user()
    server.start()
    report = verify_server(server, *LOGIN, stdin=PASSWORD + "\n")
    assert report["failed"] == 0, [line for line in report["lines"] if line["outcome"] == "failed"]
    told, = [line for line in lines(report, "sign-in") if line["outcome"] == "not tried"]
    assert told["tried"].startswith("NTLM as alice") and "no NT hash is kept" in told["happened"]
    assert server.run("user", "passwd", postern.USER, "--ntlm", "--password-stdin", stdin=PASSWORD + "\n").returncode == 0
    assert verify_server(server, *LOGIN, stdin=PASSWORD + "\n")["not_tried"] == 0


def test_where_all_is_delivered_here_nothing_is_relayed(make_server):
    """Anybody may hand in mail for the mailboxes here, and all addresses are some."""
    server = make_server(server="auth { anonymous = yes }")
    change(server, r'route "held.example" \{ hold = yes \}', "")
    server.start()
    report = verify_server(server)
    assert report["failed"] == 0, [line for line in report["lines"] if line["outcome"] == "failed"]
    assert "relay-outside" in checks(report, "passed") - checks(report, "not tried")


def test_where_nobody_here_may_connect_that_is_said(make_server):
    server = make_server(server='connect { default = deny allow = "192.0.2.0/24" }').start()
    report = verify_server(server)
    assert report["failed"] == 0 and "greeting" in checks(report, "not tried")
    assert "nobody here can come from there" in lines(report, "rule-edges")[0]["happened"]


def bans(server):
    return server.run("ban", "list").stdout.splitlines()


@pytest.mark.parametrize("proxied", [False, True])
def test_wrong_passwords_are_nobodys(make_server, proxied):
    """However often it is done: where those who come from this machine are guarded against, too."""
    server = make_server(server='proxy_protocol = { "127.0.0.1" }' if proxied else "")
    server.config.write_text(server.config.read_text() + '\nguard { exempt = "192.0.2.1" per_login = 1/h delay = 0ms }\n')
    server.add_user()
    server.start()
    for _ in range(3):
        report = verify_server(server, *LOGIN, stdin=PASSWORD + "\n")
        assert report["failed"] == 0, [line for line in report["lines"] if line["outcome"] == "failed"]
        assert "wrong-password" in checks(report, "passed")
    assert all(not re.match(r"(127\.0\.0\.|203\.0\.113)", ban) for ban in bans(server)), bans(server)


# --- the configuration is wrong ---


def weak_issuer(server, certificates):
    """Its own weak key the server would refuse."""
    folder = server.folder
    openssl(folder, "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "ca.key", "-out", "weak.csr", "-subj", "/CN=Weak CA")
    (folder / "weak.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
    openssl(folder, "x509", "-req", "-in", "weak.csr", "-CA", certificates / "ca.pem", "-CAkey", certificates / "ca.key",
            "-CAcreateserial", "-CAserial", "weak.serial", "-extfile", "weak.ext", "-days", "30", "-out", "ca.pem")
    made = signed(server, folder, key=certificates / "server.key")
    made.write_text(made.read_text() + (folder / "ca.pem").read_text())
    serve_certificate(server, made)


def no_guard(server, _):
    server.config.write_text(server.config.read_text() + "\nguard { enable = no }\n")


def guard_that_exempts_all(server, _):
    server.config.write_text(server.config.read_text() + '\nguard { exempt = "0.0.0.0/0" }\n')


def no_forward_secrecy(server, certificates):
    rsa_beside(server, certificates)
    change(server, r"tls \{", 'tls { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA"')


def half_the_internet(server, _):
    change(server, r"\n    tls \{", '\n    relay { allow = "128.0.0.0/1" open_relay = "I mean it" }\n    tls {')
    change(server, r'maildir = "data/mail/%d/%u" \}\s*\}\s*$', 'hold = yes }\n}\n')


def no_tls_required(server, _):
    """Nobody may send without signing in, for which TLS is needed; but who asks for that has said so by accident."""
    change(server, r"tls \{", "tls { require = no")


def few_bits(server, _):
    change(server, r"tls \{", "tls { min_bits = 112")


def anonymous_relay(server, _):
    change(server, r"\n    tls \{", '\n    relay { allow = { "0.0.0.0/0", "::/0" } }\n    tls {')


def one_eighth_too_many(server, _):
    change(server, r"\n    tls \{", '\n    relay { allow = "203.0.0.0/8" }\n    tls {')
    change(server, r'maildir = "data/mail/%d/%u" \}\s*\}\s*$', 'hold = yes }\n}\n')


def key_for_everybody(server, certificates):
    key = server.folder / "open.key"
    key.write_bytes((certificates / "server.key").read_bytes())
    key.chmod(0o644)
    change(server, r'key = "[^"]*"', f'key = "{key}"')


WRONG = [
    (weak_issuer, "certificate"),
    (no_guard, "guessing"),
    (guard_that_exempts_all, "guessing"),
    (no_forward_secrecy, "tls-ciphers"),
    (no_tls_required, "tls-required"),
    (few_bits, "tls-strength"),
    (anonymous_relay, "relay-outside"),
    (one_eighth_too_many, "relay-rules"),
    (half_the_internet, "relay-rules"),
    (key_for_everybody, "configuration"),
]


@pytest.mark.parametrize("make_wrong, name", WRONG, ids=[each[0].__name__ for each in WRONG])
def test_a_wrong_one_fails_by_name(make_server, certificates, make_wrong, name):
    server = make_server()
    make_wrong(server, certificates)
    server.start()
    assert checks(verify_server(server), "failed") == {name} | ({"relay-rules"} if name == "relay-outside" else set())


def test_a_certificate_of_a_ca_that_nobody_knows_fails(make_server):
    """Clients that nothing was given to know the CAs of their system alone."""
    server = make_server().start()
    report = verify(server.folder, "-c", server.config)
    assert checks(report, "failed") == {"certificate"}
    assert "nor known to clients" in lines(report, "certificate")[0]["happened"]


def test_a_secret_for_everybody_fails(make_server, tmp_path):
    secret = tmp_path / "tickets"
    secret.write_bytes(os.urandom(32))
    secret.chmod(0o600)
    server = make_server()
    change(server, r"tls \{", f'tls {{ tickets {{ secret = "{secret}" }}')
    server.start()
    assert verify_server(server)["failed"] == 0
    secret.chmod(0o644)
    report = verify_server(server)
    assert checks(report, "failed") == {"configuration"}
    assert "everybody can read it" in str(lines(report, "configuration"))


YES = "passdb {\n  driver = static\n  args = nopassword=y\n}\n"


@pytest.mark.parametrize("user", [False, True])
def test_a_back_end_that_lets_everybody_in_fails(make_server, tmp_path, user):
    asked = dovecot.Dovecot(tmp_path, mechanisms="plain login", passdb=YES).start()
    try:
        server = make_server(server=f'auth {{ backend = "dovecot:{asked.socket}" mechanisms = {{ "PLAIN", "LOGIN" }} }}').start()
        report = verify_server(server, *(LOGIN if user else ()), stdin=PASSWORD + "\n")
        assert checks(report, "failed") == {"wrong-password"}
        tried = str([line["tried"] for line in lines(report, "wrong-password") if line["outcome"] == "failed"])
        assert "PLAIN as" in tried and "LOGIN as" in tried and ("a name that nobody should have" in tried) == user
    finally:
        asked.stop()


# --- the server does something else than the file says ---


def other_name(server, _):
    change(server, 'hostname = "localhost"', 'hostname = "mail.example.org"')


def more_bits(server, _):
    change(server, r"tls \{", "tls { min_bits = 256")


def mail_in_the_clear_in_the_file_alone(server, _):
    change(server, r"tls \{", "tls { require = no")


def another_rsa(server, certificates):
    rsa_beside(server, certificates)


def another_list(server, _):
    (server.folder / "bad").write_text("127.9.9.0/24\n")
    change(server, "connect {", 'connect { lists = "deny:bad"')


ANOTHER = [
    (other_name, {"greeting", "certificate"}),
    (more_bits, {"tls-strength"}),
    (mail_in_the_clear_in_the_file_alone, {"tls-required"}),
    (another_rsa, {"certificate-served", "certificate"}),
    (another_list, {"rule-edges"}),
]
running = test_verify.running


@pytest.mark.parametrize("make_wrong, names", ANOTHER, ids=[each[0].__name__ for each in ANOTHER])
def test_a_server_that_does_otherwise_fails_by_name(running, certificates, make_wrong, names, tmp_path):
    mine = tmp_path / "postern.conf"

    class Changed:
        config = mine
        folder = tmp_path

    mine.write_text(running.config.read_text())
    make_wrong(Changed, certificates)
    report = verify(tmp_path, "-c", mine, "--ca", running.ca)
    failed = checks(report, "failed")
    assert names - failed == set() or names & failed == {"greeting"}, failed
    assert failed <= names


def test_a_server_that_takes_mail_in_the_clear_against_its_file_fails(make_server, tmp_path):
    server = make_server(server='relay { allow = "127.0.0.0/8" }')
    change(server, r"tls \{", "tls { require = no")
    server.start()
    mine = tmp_path / "postern.conf"
    mine.write_text(server.config.read_text().replace("require = no", "require = yes"))
    report = verify(tmp_path, "-c", mine, "--ca", server.ca)
    assert checks(report, "failed") == {"tls-required"}
    told, = [line for line in lines(report, "tls-required") if line["outcome"] == "failed"]
    assert "that is not what the configuration says" in told["happened"]
    assert re.search(r"tls \{ require \} \(.*postern.conf:\d+\)", told["rule"])


def test_a_listener_that_is_in_the_file_alone_or_not_there_fails(make_server):
    server = make_server()
    server.start()
    said = server.config.read_text()
    port, = postern.free_ports(1)
    more = server.folder / "more.conf"
    more.write_text(said.replace(f'"127.0.0.1:{server.tls} tls"', f'"127.0.0.1:{server.tls} tls", "127.0.0.1:{port} tls"'))
    report = verify(server.folder, "-c", more, "--ca", server.ca)
    assert checks(report, "failed") == {"running", "greeting"}
    # What the file has taken away is served on: no session that follows the file would see it.
    more.write_text(said.replace(f', "127.0.0.1:{server.tls} tls"', ""))
    report = verify(server.folder, "-c", more, "--ca", server.ca)
    assert checks(report, "failed") == {"running"}
    assert lines(report, "running")[0]["happened"].startswith("another one; it has read ")
    assert f"listens at 127.0.0.1:{server.starttls} starttls, 127.0.0.1:{server.tls} tls; the file says" in str(
        lines(report, "running")
    )
    more.write_text(said.replace("server test", "server other"))
    told = {line["happened"] for line in lines(verify(server.folder, "-c", more, "--ca", server.ca), "running")[1:]}
    assert told == {"server other does not run", "server test runs, and is not in the file"}


def test_a_rule_that_came_after_the_server_fails(make_server):
    """Nobody here can come from there, so that no session shows it."""
    server = make_server(server='connect { deny = "192.0.2.0/25" }').start()
    assert verify_server(server)["failed"] == 0
    more = server.folder / "more.conf"
    more.write_text(server.config.read_text().replace("192.0.2.0/25", "192.0.2.0/24"))
    report = verify(server.folder, "-c", more, "--ca", server.ca)
    assert checks(report, "failed") == {"running"}
    page = postern.postern("verify", "-c", more, "--ca", server.ca, "--html", cwd=server.folder).stdout
    assert page.count('<li class="failed">failed: running, ') == 1


def test_a_paused_server_fails(make_server):
    server = make_server().start()
    assert server.run("server", "pause", "test").returncode == 0
    report = verify_server(server)
    assert checks(report, "failed") == {"greeting", "running"} and "421" in lines(report, "greeting")[0]["happened"]


# --- somebody else's ---


def test_a_right_server_passes_from_outside(certificates, tmp_path):
    assert from_outside(certificates, tmp_path, arguments=(*TEXTS, *LOGIN_THERE))["failed"] == 0


def from_outside(certificates, tmp_path, *faults, certificate="server.pem", arguments=(), **settings):
    server = WrongServer(certificates / certificate, certificates / "server.key", *faults, **settings)
    try:
        return verify(
            tmp_path, "--to", f"127.0.0.1:{server.port}", "--name", "localhost", "--ca", certificates / "ca.pem", *arguments,
            stdin="right\n",
        )  # fmt: skip
    finally:
        server.close()


TEXTS = ("--recipient", "somebody@localhost")
LOGIN_THERE = ("--user", "alice", "--password-stdin")


def old_tls(context):
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")


# Several at once, since each run takes seconds: of each fault the check that finds it, and what it then says.
FAULTS = [
    (
        {
            "auth-in-clear": ("auth-in-clear", "AUTH is offered"),
            "clear-mail": ("tls-required", "250 OK"),
            "injection": ("starttls-injection", "answered inside TLS: 250 OK"),
            "relay-percent": ("relay-outside", "250 OK"),
            "line-feeds": ("smuggling", "it did: 250 Taken"),
        },
        {"prepare": None, "arguments": TEXTS},
    ),
    (
        {
            "login-in-clear": ("auth-in-clear", "334 "),
            "yes": ("wrong-password", "235 Signed in"),
            "relay-by-sender": ("relay-outside", "250 OK"),
            "bare-returns": ("smuggling", "it did: 250 Taken"),
            "old TLS": ("tls-floor", "accepted, with version 3.1"),
        },
        {"prepare": old_tls, "arguments": TEXTS},
    ),
    (
        {"empty-password": ("wrong-password", "235 Signed in"), "relay": ("relay-outside", "250 OK")},
        {"arguments": LOGIN_THERE},
    ),
    ({"no-mechanisms": ("mechanisms", "none")}, {}),
    ({"no-starttls": ("greeting", "STARTTLS is not offered")}, {}),
]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
@pytest.mark.parametrize("faults, settings", FAULTS, ids=["+".join(each[0]) for each in FAULTS])
def test_faults_of_another_server_are_found(certificates, tmp_path, faults, settings):
    report = from_outside(certificates, tmp_path, *faults, **settings)
    besides = {"command-ends"} if "line-feeds" in faults else set()
    assert checks(report, "failed") == {check for check, _ in faults.values()} | besides
    for check, said in faults.values():
        assert any(said in line["happened"] for line in lines(report, check) if line["outcome"] == "failed"), (check, said)


def test_a_chain_in_the_wrong_order_is_found(certificates, tmp_path):
    class Site:
        folder = tmp_path
        config = tmp_path / "postern.conf"

    Site.config.write_text('certificate = "x"')
    test_verify.missing_intermediate(Site, certificates)
    chain = tmp_path / "chain.pem"
    parts = [tmp_path / "made.pem", certificates / "ca.pem", tmp_path / "i.pem"]
    chain.write_text("".join(part.read_text() for part in parts))
    report = from_outside(certificates, tmp_path, certificate=chain)
    assert checks(report, "failed") == {"certificate"}
    assert "wrong-order:" in str([line["happened"] for line in lines(report, "certificate")])


def sign_for(certificates, folder, *, extensions="subjectAltName=DNS:localhost\n", dates=()):
    """A certificate with dates as `openssl ca` takes them, which the tools for requests don't."""
    openssl(folder, "req", "-new", "-key", certificates / "server.key", "-subj", "/CN=x", "-out", "made.csr")
    (folder / "index").write_text("")
    (folder / "ext").write_text(extensions)
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=c\n[c]\ndatabase=index\nnew_certs_dir=.\nserial=number\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n"
        "[p]\ncommonName=supplied\n"
    )
    openssl(folder, "ca", "-batch", "-config", "ca.conf", "-in", "made.csr", "-cert", certificates / "ca.pem", "-keyfile",
            certificates / "ca.key", "-extfile", "ext", "-out", "made.pem", "-notext", *dates)
    return folder / "made.pem"


@pytest.mark.parametrize(
    "dates, said",
    [
        (("-startdate", "20400101000000Z", "-enddate", "20400201000000Z"), "not-yet-valid"),
        (("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"), "expired"),
    ],
)
def test_dates_of_another_servers_certificate_are_found(certificates, tmp_path, dates, said):
    made = sign_for(certificates, tmp_path, dates=dates)
    report = from_outside(certificates, tmp_path, certificate=made)
    assert checks(report, "failed") == {"certificate"}
    assert lines(report, "certificate")[0]["happened"].startswith(said + ":")
