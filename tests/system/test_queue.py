"""`postern queue` beside a running server: held messages are seen, shown, released and removed, and outlive a restart."""

import json
import pathlib
import subprocess
import time

import pytest

import postern
from conversation import message, signed_in


@pytest.fixture
def held(make_server):
    """A server with three held messages; answers it and their subjects."""
    server = make_server()
    server.add_user()
    server.start()
    subjects = ["first", "second", "third"]
    with signed_in(server) as client:
        for subject in subjects:
            assert client.submit(message(subject), recipients=["someone@held.example"]).code == 250
    return server, subjects


def listed(server):
    done = server.run("queue", "list", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def id_of(server, subject):
    for each in listed(server):
        if f"Subject: {subject}" in server.run("queue", "show", each["id"]).stdout:
            return each["id"]
    raise AssertionError(f"{subject} is not in the queue")


def test_list_and_show(held):
    server, subjects = held
    assert len(listed(server)) == 3
    text = server.run("queue", "list").stdout
    for each in listed(server):
        assert each["id"] in text
    shown = server.run("queue", "show", id_of(server, subjects[0])).stdout
    assert "Hello." in shown and "someone@held.example" in shown
    assert server.run("queue", "show", "not an id").returncode == 64


def test_held_messages_outlive_a_restart_and_a_crash(held):
    server, _ = held
    before = sorted(each["id"] for each in listed(server))
    server.stop()
    assert sorted(each["id"] for each in listed(server)) == before
    server.start()
    assert sorted(each["id"] for each in listed(server)) == before
    server.kill_all()
    server.start()
    assert sorted(each["id"] for each in listed(server)) == before


def test_remove(held):
    server, subjects = held
    gone = id_of(server, subjects[1])
    done = server.run("queue", "remove", gone)
    assert done.returncode == 0, done.stderr
    assert gone not in [each["id"] for each in listed(server)]
    assert len(listed(server)) == 2
    assert server.run("queue", "show", gone).returncode == 1
    assert server.run("queue", "remove", gone).returncode == 1


def test_release_after_the_route_has_changed(held):
    """Released, a message goes where the configuration now says."""
    server, subjects = held
    server.stop()
    server.config.write_text(server.config.read_text().replace("hold = yes", 'maildir = "data/held"'))
    server.start()
    for subject in subjects[:2]:
        done = server.run("queue", "release", id_of(server, subject))
        assert done.returncode == 0, done.stderr
    new = server.folder / "data" / "held" / "new"
    postern.wait_until(lambda: len(list(new.glob("*"))) == 2, 30, "two released messages are delivered")
    assert len(listed(server)) == 1


def submit_held(server, count):
    """With the load generator: one message at a time would take long."""
    command = [postern.BUILD / "postern-bench", "stream", "--to", f"127.0.0.1:{server.tls}", "--host", "localhost"]
    command += ["--ca", server.ca, "--user", postern.USER, "--password", postern.PASSWORD]
    command += ["--rcpt", "someone@held.example", "--connections", "4", "--pipeline", "50", "--count", str(count)]
    done = subprocess.run([*map(str, command), "--duration", "5min"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def peak_kib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def list_slowly(server):
    """The lines, when the first came, and the most memory that it took while nobody read on."""
    began = time.monotonic()
    command = [str(postern.POSTERN), "queue", "list", "-c", str(server.config)]
    with subprocess.Popen(command, cwd=server.folder, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline()]
        first_seconds = time.monotonic() - began
        time.sleep(0.3)
        waits = process.poll() is None
        peak = peak_kib(process) if waits else 0
        lines += process.stdout.readlines()
        assert process.wait(60) == 0
    return lines, first_seconds, peak


def test_a_long_list_starts_at_once_and_takes_no_memory(make_server):
    """What is listed goes out as it is read: a reader who stops stops the listing, which holds nothing of the rest."""
    server = make_server()
    server.add_user()
    server.start()
    submit_held(server, 2000)
    lines, _, few_kib = list_slowly(server)
    assert len(lines) == 2000
    submit_held(server, 18000)
    lines, first_seconds, many_kib = list_slowly(server)
    assert len(lines) == len({line.split()[0] for line in lines}) == 20000
    assert first_seconds < 2
    assert few_kib > 0 and many_kib > 0, "the listing did not wait for its reader"
    assert many_kib < few_kib + 512
