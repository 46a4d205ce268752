"""`postern check` and `serve` on wrong configurations: everything at once, with line and remedy; and that what the
manual pages and README show is right."""

import json
import re
import subprocess

import pytest

import conftest
import postern
from postern import ROOT

pytestmark = pytest.mark.any_loop("what is found in a configuration is the same on both")


def check(folder, text, *arguments):
    (folder / "postern.conf").write_text(text)
    done = postern.postern("check", "-c", "postern.conf", *arguments, cwd=folder)
    return done.returncode, done.stdout


WRONG = """data = "data"
workrs = 2
server a {
    hostname = "mail.example.org"
    listen = { "127.0.0.1:2525 startls", "127.0.0.1:2465 tls", "127.0.0.1:2465 tls" }
    tls { certificate = "none.pem" key = "none.key" }
    limits { idle = 300 }
}
delivery { route "*" { hold = yes } }
"""


def test_all_problems_in_one_run(tmp_path):
    status, said = check(tmp_path, WRONG)
    assert status == 2
    lines = said.splitlines()
    assert [line.split(" ")[0] for line in lines] == [f"postern.conf:{number}:" for number in (2, 5, 5, 6, 7)]
    assert "did you mean 'workers'" in lines[0]
    assert "did you mean 'starttls'" in lines[1]
    assert "given twice" in lines[2]
    assert "none.pem" in lines[3]
    assert "needs a unit" in lines[4]


def test_json(tmp_path):
    status, said = check(tmp_path, WRONG, "--json")
    report = json.loads(said)
    assert status == 2 and report["right"] is False
    assert [problem["line"] for problem in report["problems"]] == [2, 5, 5, 6, 7]


def test_what_the_machine_lacks(tmp_path):
    right = re.sub("workrs", "workers", WRONG).replace("startls", "starttls").replace("300", "300s")
    right = right.replace(', "127.0.0.1:2465 tls" }', " }")
    status, said = check(tmp_path, right + 'user = "no-such-user"\n')
    assert status == 2
    assert "none.pem" in said and "no-such-user" in said


def test_key_of_another_certificate(tmp_path, certificates):
    text = f"""data = data
server a {{
    hostname = localhost listen = "127.0.0.1:2525 starttls"
    tls {{ certificate = "{certificates}/server.pem" key = "{certificates}/ca.key" }}
}}
delivery {{ route "*" {{ hold = yes }} }}
"""
    status, said = check(tmp_path, text)
    assert status == 2 and said.startswith("postern.conf:4: ")
    status, said = check(tmp_path, text.replace("ca.key", "server.key"))
    assert status == 0, said


@pytest.mark.parametrize(
    "kind, weak",
    [
        (["rsa:1024"], "(RSA 1024): clients refuse RSA keys of less than 2048 bits"),
        (["ec", "-pkeyopt", "ec_paramgen_curve:P-224"], "(P-224): clients refuse curves of less than 256 bits"),
        (["rsa:2048"], None),
        (["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], None),
    ],
)
def test_weak_keys(tmp_path, kind, weak):
    conftest.openssl(
        tmp_path, "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", "own.key", "-out", "own.pem", "-days", "30",
        "-subj", "/CN=localhost", "-addext", "subjectAltName = DNS:localhost",
    )
    text = """data = data
server a {
    hostname = localhost listen = "127.0.0.1:2525 starttls"
    tls { certificate = "own.pem" key = "own.key" }
}
delivery { route "*" { hold = yes } }
"""
    status, said = check(tmp_path, text)
    assert status == (2 if weak else 0), said
    if weak:
        assert said.startswith(f"postern.conf:4: certificate {tmp_path}/own.pem: its key is weak {weak}; "), said
        assert "postern cert request" in said
        done = postern.postern("serve", "-c", "postern.conf", cwd=tmp_path)
        assert done.returncode == 2 and weak in done.stderr


def test_serve_refuses_what_check_finds(tmp_path):
    (tmp_path / "postern.conf").write_text(WRONG)
    done = postern.postern("serve", "-c", "postern.conf", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 4


def test_serve_says_which_port_is_taken(server, make_server):
    other = make_server()
    other.config.write_text(other.config.read_text().replace(str(other.starttls), str(server.starttls)))
    done = other.run("serve")
    assert done.returncode == 2
    assert str(server.starttls) in done.stderr and "in use" in done.stderr


def test_unreadable_file_and_wrong_calls(tmp_path):
    assert postern.postern("check", "-c", "none.conf", cwd=tmp_path).returncode == 2
    assert postern.postern("check", "--frob", cwd=tmp_path).returncode == 64
    assert postern.postern("frob", cwd=tmp_path).returncode == 64
    for command in ("serve", "check", "user", "queue"):
        assert postern.postern(command, "--help", cwd=tmp_path).returncode == 0


def examples():
    """Whole configurations in README and in the manual: what has a server and says where mail goes."""
    manual = (ROOT / "tools/man/postern.conf.5").read_text()
    blocks = re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed", manual, flags=re.S)
    readme = ROOT / "README.md"
    blocks += re.findall(r"```[a-z]*\n(.*?)```", readme.read_text(), flags=re.S) if readme.exists() else []
    return [block for block in blocks if re.search(r"^server ", block, flags=re.M) and "delivery {" in block]


@pytest.mark.parametrize("number", range(len(examples())))
def test_examples_are_right_but_for_what_the_machine_lacks(tmp_path, number):
    _, said = check(tmp_path, examples()[number], "--json")
    for problem in json.loads(said)["problems"]:
        assert re.search(r"\.pem|user '|folder|Maildir", problem["text"]), problem


def test_there_are_examples():
    assert len(examples()) >= 2


def test_manual_tells_all_settings():
    """Each name that the server knows is in postern.conf(5), and nothing else is."""
    source = "".join(path.read_text() for path in (ROOT / "core/server").glob("config_*.c"))
    known = set(re.findall(r'^\t\{ "(\w+)", (?:CONFIG_(?:BLOCK|TITLED)|\.set)', source, flags=re.M))
    manual = (ROOT / "tools/man/postern.conf.5").read_text()
    told = set(re.findall(r"\bIc (\w+) (?:=|No|Ar)", manual))
    assert known == told


def test_manual_pages_render():
    for page in ("postern.1", "postern.conf.5"):
        subprocess.run(["mandoc", "-T", "utf8", ROOT / "tools/man" / page], check=True, capture_output=True)
