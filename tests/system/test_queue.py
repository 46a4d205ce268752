"""`postern queue` beside a running server: held messages are seen, shown, released and removed, and outlive a restart."""

import json

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
