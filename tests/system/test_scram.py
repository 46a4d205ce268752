"""SCRAM-SHA-256 and -PLUS by real clients: gsasl (GNU SASL) and msmtp over TLS 1.2 and 1.3, with PLAIN and LOGIN beside them;
keys that come from elsewhere and go elsewhere; what the log and the command line tell."""

import base64
import json
import re
import subprocess

import pytest

import conversation
import postern

VERSIONS = {"1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}
MECHANISMS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]


@pytest.fixture(scope="module")
def server(tmp_path_factory, certificates):
    made = postern.Server(tmp_path_factory.mktemp("scram"), certificates)
    made.add_user()
    made.start()
    yield made
    made.stop()


def gsasl(server, mechanism, version="1.3", user=postern.USER, password=postern.PASSWORD):
    """Signs in over STARTTLS; whether it worked, and what it says. Its exit status tells how the connection ended, too."""
    command = ["gsasl", "--client", "--smtp", "--connect", f"localhost:{server.starttls}", "--mechanism", mechanism]
    command += ["--authentication-id", user, "--authorization-id", "", "--password", password]
    command += ["--x509-ca-file", str(server.ca), "--priority", VERSIONS[version], "--verbose"]
    command += [] if mechanism.endswith("-PLUS") else ["--no-cb"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    return "235 2.7.0" in said and "server trusted" in said, said


def await_last(server, event, *texts):
    """All of them are in the last line of this event."""

    def find():
        lines = [line for line in server.log().splitlines() if f" {event} " in line]
        return lines and all(text in lines[-1] for text in texts)

    postern.wait_until(find, 10, f"the last {event} has {texts}")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_gsasl(server, mechanism, version):
    done, said = gsasl(server, mechanism, version)
    assert done, said
    assert f"TLS{version}" in said
    binding = "how=tls-exporter" if version == "1.3" else "how=tls-unique"
    how = binding if mechanism.endswith("PLUS") else ""
    await_last(server, "signed-in", f"mechanism={mechanism}", f"login={postern.USER}", how)
    done, said = gsasl(server, mechanism, version, password="wrong")
    assert not done and "535 5.7.8" in said, said
    if mechanism.startswith("SCRAM"):
        await_last(server, "sign-in-refused", "wrong password")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mechanism", MECHANISMS[1:])  # it knows no -PLUS
@pytest.mark.parametrize("port", ["starttls", "tls"])
def test_msmtp(server, mechanism, version, port):
    recipient = f"msmtp-{mechanism}-{version}-{port}@example.org".lower()
    command = ["msmtp", "--host=localhost", f"--tls-trust-file={server.ca}", "--tls=on", f"--auth={mechanism.lower()}"]
    command += [f"--port={getattr(server, port)}", f"--tls-starttls={'on' if port == 'starttls' else 'off'}"]
    command += [f"--tls-priorities={VERSIONS[version]}", f"--user={postern.USER}", f"--from={postern.USER}"]
    text = f"Subject: {mechanism} {version}\n\nHi\n"
    wrong = subprocess.run(
        [*command, "--passwordeval=echo wrong", recipient], input=text, capture_output=True, text=True, timeout=60
    )
    assert wrong.returncode == 77 and "535" in wrong.stderr, wrong
    right = subprocess.run(
        [*command, f"--passwordeval=echo '{postern.PASSWORD}'", recipient],
        input=text, capture_output=True, text=True, timeout=60,
    )
    assert right.returncode == 0, right
    await_last(server, "signed-in", f"mechanism={mechanism}")
    server.wait_for(recipient, f"{mechanism} {version}")


def test_strongest_is_offered_first_and_plus_inside_tls_only(make_server):
    """Many clients take the first that they can; -PLUS can't be had without TLS."""
    server = make_server(server="auth { plaintext = yes }")
    server.start()
    with conversation.Conversation(server.starttls) as client:
        assert client.reply().code == 220
        assert "AUTH SCRAM-SHA-256 PLAIN LOGIN" in client.expect("EHLO client.example", 250).keywords
        assert client.command("AUTH SCRAM-SHA-256-PLUS").code == 538
        client.start_tls(conversation.context(server.ca))
        assert "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" in client.expect("EHLO client.example", 250).keywords


def test_nobody_is_told_who_is_there(server):
    """The same salt for one name each time, and one answer to all that is wrong."""
    server.add_user("off@example.org")
    assert server.run("user", "disable", "off@example.org").returncode == 0
    challenges = {}
    for name in ("off@example.org", "nobody@example.org", "NOBODY@example.org", postern.USER) * 2:
        with conversation.Conversation(server.tls, conversation.context(server.ca)) as client:
            assert client.reply().code == 220
            client.expect("EHLO client.example", 250)
            first = base64.b64encode(f"n,,n={name},r=mine".encode()).decode()
            said = base64.b64decode(client.expect(f"AUTH SCRAM-SHA-256 {first}", 334).lines[0][4:]).decode()
            salt, iterations = re.fullmatch(r"r=mine[^,]+,s=([^,]+),i=(\d+)", said).groups()
            assert int(iterations) >= 4096 and len(base64.b64decode(salt)) == 16
            challenges.setdefault(name.lower(), set()).add(salt)
            nonce = said.partition(",")[0]
            final = base64.b64encode(f"c=biws,{nonce},p={'A' * 43}=".encode()).decode()
            reply = client.command(final)
            assert (reply.code, reply.status) == (535, "5.7.8"), reply
    assert [len(salts) for salts in challenges.values()] == [1, 1, 1]


def test_client_that_was_kept_from_plus_is_refused(server):
    """Whoever stands between and takes -PLUS out of the list is found out."""
    with conversation.Conversation(server.tls, conversation.context(server.ca)) as client:
        assert client.reply().code == 220
        client.expect("EHLO client.example", 250)
        first = base64.b64encode(f"y,,n={postern.USER},r=mine".encode()).decode()
        client.expect(f"AUTH SCRAM-SHA-256 {first}", 535)
    await_last(server, "sign-in-refused", "not told that -PLUS is offered")


def test_keys_come_from_elsewhere_and_go_there(make_server):
    """From gsasl to import, and by export to another server; argon2id alone is not enough for SCRAM, which `show` tells."""
    made = subprocess.run(
        ["gsasl", "--mkpasswd", "--mechanism", "SCRAM-SHA-256", "--password", "pencil", "--iteration-count", "5000"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()
    first, second = make_server(), make_server()
    first.add_user()
    lines = f"scram@example.org:{made}\nweak@example.org:{made.replace('5000', '1000')}\nother@example.org:{{SCRAM-SHA-1}}x\n"
    done = first.run("user", "import", "-", stdin=lines)
    assert done.returncode == 1 and "imported 1 users" in done.stdout
    assert "2: weak@example.org has keys of 1000 iterations, and 4096 to 10000000 are taken" in done.stderr
    assert "3: what other@example.org has looks like a hash of another kind" in done.stderr
    exported = first.run("user", "export").stdout
    assert f"scram@example.org:{made}:{{POSTERN-GRANTS}}\n" in exported
    argon2id = re.search(r":(\$argon2id[^:]+):{SCRAM-SHA-256}", exported).group(1)
    assert second.run("user", "import", "-", stdin=exported + f"old@example.org:{argon2id}\n").returncode == 0
    assert second.run("user", "export").stdout.replace(f"old@example.org:{argon2id}:{{POSTERN-GRANTS}}\n", "") == exported
    second.start()
    for user, password, works in [
        ("scram@example.org", "pencil", True),
        ("scram@example.org", "pencils", False),
        (postern.USER, postern.PASSWORD, True),
        ("old@example.org", postern.PASSWORD, False),
    ]:
        done, said = gsasl(second, "SCRAM-SHA-256-PLUS", user=user, password=password)
        assert done == works, said
    await_last(second, "sign-in-refused", "no SCRAM keys")
    told = json.loads(second.run("user", "show", "old@example.org", "--json").stdout)
    assert told["mechanisms"]["PLAIN"] == {"works": True}
    assert not told["mechanisms"]["SCRAM-SHA-256-PLUS"]["works"]
    told = second.run("user", "show", "scram@example.org").stdout
    assert "sign-in   SCRAM-SHA-256, SCRAM-SHA-256-PLUS: yes" in told and "keys      SCRAM-SHA-256, 5000 iterations" in told
    assert "sign-in   PLAIN, LOGIN: no, no argon2id hash is kept" in told
    for secret in made.split(",")[1:]:
        assert secret not in told
