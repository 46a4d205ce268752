"""Run by test_domain.py inside namespaces: a domain controller with users, and a server whose NTLM asks it through ntlm_auth.

In order: the last tests freeze the domain controller and kill what speaks for it.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import ntlm_client
import postern

FOLDERS = ["/run/samba", "/var/lib/samba", "/var/cache/samba", "/var/log/samba", "/etc/samba"]
PROVISION = [
    "domain", "provision", "--realm=AD.TEST.EXAMPLE", "--domain=ADTEST", "--server-role=dc",
    "--dns-backend=SAMBA_INTERNAL", "--host-name=dc1", "--host-ip=127.0.0.1", "--adminpass=Passw0rd!admin",
    "--option=interfaces=lo", "--option=bind interfaces only=yes", "--option=dns forwarder=",
]
WORD = "Wonder1and!"
AUTH = 'auth { mechanisms = { "PLAIN", "NTLM" } ntlm { helper = "/usr/bin/ntlm_auth" helpers = 2 } }'


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def mount_file(folder, name, text):
    (folder / name).write_text(text)
    run("mount", "--bind", str(folder / name), f"/etc/{name}")


class Domain:
    def __init__(self, folder):
        run("hostname", "dc1")
        run("ip", "link", "set", "lo", "up")
        for each in FOLDERS:
            pathlib.Path(each).mkdir(parents=True, exist_ok=True)
            run("mount", "-t", "tmpfs", "none", each)
        mount_file(folder, "resolv.conf", "nameserver 127.0.0.1\nsearch ad.test.example\n")
        mount_file(folder, "hosts", "127.0.0.1 localhost dc1.ad.test.example dc1\n")
        run("samba-tool", *PROVISION)
        for name in ("alice", "bob", "carol", "älva"):
            run("samba-tool", "user", "create", name, WORD)
        run("samba-tool", "user", "disable", "carol")
        run("samba-tool", "domain", "passwordsettings", "set", "--account-lockout-threshold=3")
        self.log = open(folder / "samba.log", "w")
        environment = dict(os.environ, KRB5_CONFIG="/var/lib/samba/private/krb5.conf")
        command = ["samba", "-F", "--no-process-group", "--debug-stdout"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment)
        postern.wait_until(self.answers, 60, "the domain controller answers")

    @staticmethod
    def answers():
        command = ["ntlm_auth", "--domain=ADTEST", "--username=alice", f"--password={WORD}"]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0

    @staticmethod
    def signal(number, *names):
        """To all processes of these programs: of the namespace, so of this domain controller."""
        paths = {shutil.which(name) for name in names}
        for each in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(each / "exe") in paths:
                    os.kill(int(each.name), number)
            except (FileNotFoundError, ProcessLookupError):
                pass


@pytest.fixture(scope="module")
def domain(tmp_path_factory):
    return Domain(tmp_path_factory.mktemp("domain"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, certificates, domain):
    made = postern.Server(tmp_path_factory.mktemp("server"), certificates, server=AUTH)
    made.add_user()
    made.start()
    yield made
    made.stop()


def exchange(user="alice", password=WORD, domain="ADTEST", **settings):
    return ntlm_client.Exchange(user, password, domain, **settings)


def sign_in(server, said):
    began = time.monotonic()
    code = ntlm_client.sign_in(server, said)[0]
    return code, time.monotonic() - began


def says(server, text):
    postern.wait_until(lambda: text in server.log(), 20, f"the log says {text}")


@pytest.mark.parametrize("mic", [False, True])
@pytest.mark.parametrize("domain_name", ["ADTEST", ""])
def test_who_belongs_to_it(server, mic, domain_name):
    assert sign_in(server, exchange(domain=domain_name, mic=mic))[0] == 235
    says(server, "login=alice@adtest")


def test_letters_of_other_alphabets(server):
    assert sign_in(server, exchange("älva"))[0] == 235


def test_curl(server, tmp_path):
    (tmp_path / "message").write_bytes(b"Subject: x\r\n\r\nHi\r\n")
    run(
        "curl", "-sS", "-4", "--ssl-reqd", "--cacert", str(server.ca), "--login-options", "AUTH=NTLM",
        "--user", f"ADTEST\\alice:{WORD}", "--url", f"smtp://localhost:{server.starttls}",
        "--mail-from", "alice@example.org", "--mail-rcpt", "curl@example.org",
        "--upload-file", str(tmp_path / "message"),
    )
    postern.wait_until(lambda: server.files("curl@example.org"), 30, "it is delivered")


@pytest.mark.parametrize(
    "said, why",
    [
        (dict(password="wrong"), "wrong password, or no such user"),
        (dict(user="nobody"), "wrong password, or no such user"),
        (dict(user="carol"), "account disabled"),
        (dict(version=1), "LM or NTLMv1"),
        (dict(binding=b"\x01" * 16), "channel binding does not match"),
    ],
)
def test_who_is_refused(server, said, why):
    assert sign_in(server, exchange(**said))[0] == 535
    says(server, why)


def test_the_right_channel(server, certificates):
    binding = ntlm_client.end_point(certificates / "server.pem")
    assert sign_in(server, exchange(binding=binding))[0] == 235


def test_who_is_locked_out(server):
    for _ in range(3):
        assert sign_in(server, exchange("bob", "wrong"))[0] == 535
    assert sign_in(server, exchange("bob"))[0] == 535
    says(server, "account locked")


def test_silent_clients_keep_no_helper(server):
    """Two helpers, and four who ask for a challenge and say no more."""
    silent = [ntlm_client.connect(server) for _ in range(4)]
    first = exchange().first.getData()
    try:
        for each in silent[:2]:
            assert each.docmd("AUTH", "NTLM " + ntlm_client.encode(first))[0] == 334
        for each in silent[2:]:
            each.putcmd("AUTH", "NTLM " + ntlm_client.encode(first))
        code, seconds = sign_in(server, exchange())
        assert code == 235
        assert seconds < 8
        assert silent[0].docmd(ntlm_client.encode(exchange().first.getData()))[0] in (454, 501)
    finally:
        for each in silent:
            each.close()
    assert sign_in(server, exchange())[0] == 235


def test_helpers_that_are_killed_come_back(server, domain):
    domain.signal(signal.SIGKILL, "ntlm_auth")
    says(server, "has ended; a new one starts")
    postern.wait_until(lambda: sign_in(server, exchange())[0] == 235, 20, "there is a helper again")


def test_a_frozen_domain_controller(server, domain):
    """The helper waits for it; nobody else does."""
    domain.signal(signal.SIGSTOP, "samba", "winbindd")
    try:
        code, seconds = sign_in(server, exchange())
        assert code == 454
        assert seconds < 15
        says(server, "has not answered in 10000 ms")
        with ntlm_client.connect(server) as client:
            assert client.login(postern.USER, postern.PASSWORD)[0] == 235
    finally:
        domain.signal(signal.SIGCONT, "samba", "winbindd")
    postern.wait_until(lambda: sign_in(server, exchange())[0] == 235, 30, "the domain is back")


def test_a_dead_winbindd(server, domain):
    domain.signal(signal.SIGKILL, "winbindd")
    code, seconds = sign_in(server, exchange())
    assert code == 454
    assert seconds < 5
    says(server, "winbind can't be asked")
    with ntlm_client.connect(server) as client:
        assert client.login(postern.USER, postern.PASSWORD)[0] == 235
