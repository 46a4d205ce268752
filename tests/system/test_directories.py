"""Directories that Dovecot brings along: users of an LDAP directory, of an SQL database, and those whom PAM knows. Each once, with its
right passwords, its wrong ones and those who may not sign in."""

import base64
import concurrent.futures
import sqlite3
import subprocess

import pytest

import conversation
import dovecot
import ldap_directory
import postern

SQL = """
passdb {
  driver = sql
  args = FOLDER/sql.conf
}
"""

SQL_CONF = """
driver = sqlite
connect = {folder}/users.sqlite
password_query = SELECT name AS user, password, nologin FROM users WHERE name = '%u'
"""

LDAP = """
passdb {
  driver = ldap
  args = FOLDER/ldap.conf
}
"""

LDAP_CONF = """
uris = {uri}
auth_bind = yes
base = {suffix}
pass_attrs = mail=user
pass_filter = (&(mail=%u)(!(title=locked)))
"""

PAM = """
passdb {
  driver = pam
  args = postern
}
"""

PAM_CONF = """
auth required pam_pwdfile.so pwdfile={folder}/passwords nodelay
account required pam_succeed_if.so quiet user != bob@example.org
"""

AUTH = 'auth {{ mechanisms = {{ {mechanisms} }} backend = "dovecot:{socket}" }}'

WRONG = [
    ("alice@example.org", "wrong"),
    ("nobody@example.org", postern.PASSWORD),
    ("x' OR 'a' = 'a", postern.PASSWORD),
    ("*", postern.PASSWORD),
    ("bob@example.org", postern.PASSWORD),
]

pytestmark = pytest.mark.any_loop("what test_dovecot shows on both loops carries it")


def hashed(scheme, password=postern.PASSWORD):
    done = subprocess.run(["doveadm", "pw", "-s", scheme, "-p", password], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def answer(server, name, password=postern.PASSWORD):
    with conversation.Conversation(server.tls, conversation.context(server.ca)) as client:
        assert client.reply().code == 220
        client.expect("EHLO client.example", 250)
        return client.command("AUTH PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode()).code


def answers(server, *pairs):
    """All at once: for each that it refuses Dovecot takes half a second."""
    with concurrent.futures.ThreadPoolExecutor(len(pairs)) as pool:
        return list(pool.map(lambda pair: answer(server, *pair), pairs))


def serve(make_server, theirs, mechanisms):
    made = make_server(server=AUTH.format(mechanisms=mechanisms, socket=theirs.socket)).start()
    postern.wait_until(lambda: "dovecot-ready" in made.log(), 20, "Dovecot is connected")
    return made


def gsasl(server, mechanism, name):
    return subprocess.run(
        ["gsasl", "--smtp", f"--mechanism={mechanism}", f"--authentication-id={name}", f"--password={postern.PASSWORD}"]
        + ["--x509-ca-file", server.ca, "--verbose", "--no-cb", "localhost", str(server.starttls)],
        input="", capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip


def test_sql(make_server, tmp_path):
    theirs = dovecot.Dovecot(tmp_path, "plain login scram-sha-256", SQL)
    users = sqlite3.connect(tmp_path / "users.sqlite")
    with users:
        users.execute("CREATE TABLE users (name TEXT PRIMARY KEY, password TEXT, nologin TEXT)")
        rows = [
            ("alice@example.org", hashed("ARGON2ID"), None),
            ("scram@example.org", hashed("SCRAM-SHA-256"), None),
            ("bob@example.org", hashed("SHA512-CRYPT"), "y"),
        ]
        users.executemany("INSERT INTO users VALUES (?, ?, ?)", rows)
    (tmp_path / "sql.conf").write_text(SQL_CONF.format(folder=tmp_path))
    theirs.start()
    try:
        server = serve(make_server, theirs, '"PLAIN", "LOGIN", "SCRAM-SHA-256"')
        assert answer(server, "alice@example.org") == 235
        assert answers(server, *WRONG) == [535] * len(WRONG)
        server.await_log("login=bob@example.org mechanism=PLAIN by=dovecot why=\"Dovecot's entry says nologin\"")
        assert "235 2.7.0" in gsasl(server, "LOGIN", "alice@example.org")
        assert "235 2.7.0" in gsasl(server, "SCRAM-SHA-256", "scram@example.org")
        with users:
            users.execute("DROP TABLE users")
        assert answer(server, "alice@example.org") == 454
        server.stop()
    finally:
        theirs.stop()


def test_ldap(make_server, tmp_path):
    """Who signs in binds to the directory. One that is away is no reason to refuse anybody."""
    people = [("alice@example.org", postern.PASSWORD, "clerk"), ("bob@example.org", postern.PASSWORD, "locked")]
    directory = ldap_directory.Directory(tmp_path, people).start()
    theirs = dovecot.Dovecot(tmp_path, "plain login", LDAP)
    (tmp_path / "ldap.conf").write_text(LDAP_CONF.format(uri=directory.uri, suffix=ldap_directory.SUFFIX))
    theirs.start()
    try:
        server = serve(make_server, theirs, '"PLAIN", "LOGIN"')
        postern.wait_until(lambda: answer(server, "alice@example.org") == 235, 20, "the directory answers")
        assert answers(server, *WRONG) == [535] * len(WRONG)
        assert "235 2.7.0" in gsasl(server, "LOGIN", "alice@example.org")
        assert answer(server, "alice@example.org", "") == 501  # to a directory a bind without a password means nobody
        directory.stop()
        assert answer(server, "alice@example.org") == 454
        directory.start()
        postern.wait_until(lambda: answer(server, "alice@example.org") == 235, 20, "the directory answers again")
        server.stop()
    finally:
        theirs.stop()
        directory.stop()


def test_pam(make_server, tmp_path):
    """In a mount namespace, where a folder of our own is /etc/pam.d."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace of one's own can be had here: the service's file would be everybody's")
    services = tmp_path / "pam.d"
    services.mkdir()
    (services / "postern").write_text(PAM_CONF.format(folder=tmp_path))
    names = ("alice@example.org", "bob@example.org")
    word = hashed("SHA512-CRYPT").partition("}")[2]
    (tmp_path / "passwords").write_text("".join(f"{name}:{word}\n" for name in names))
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/pam.d && exec "$@"', str(services)]
    theirs = dovecot.Dovecot(tmp_path, "plain login", PAM, command=inside).start()
    try:
        server = serve(make_server, theirs, '"PLAIN", "LOGIN"')
        assert answer(server, "alice@example.org") == 235
        assert "235 2.7.0" in gsasl(server, "LOGIN", "alice@example.org")
        assert answers(server, *WRONG) == [535] * len(WRONG)
        server.stop()
    finally:
        theirs.stop()
