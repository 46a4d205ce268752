"""`postern server`: listing, pausing and resuming the server blocks of a running server."""

import json
import os
import signal

import conversation
import postern
from conversation import Conversation, message, signed_in


def states(server):
    """Name → object, as --json tells."""
    done = server.run("server", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {each["server"]: each for each in map(json.loads, done.stdout.splitlines())}


def order(server, action, name="test"):
    done = server.run("server", action, name)
    assert done.returncode == 0, done.stderr
    return done.stdout


def greeting(port, tls=None):
    with Conversation(port, tls) as client:
        reply = client.reply()
        if reply.code == 421:
            assert client.is_closed()
    return reply


def both_greetings(server):
    return greeting(server.starttls), greeting(server.tls, conversation.context(server.ca))


def test_a_paused_server_greets_nobody(make_server):
    """On all its ports, and it says so in TLS. Who is there already goes on, another server block too."""
    plain, second = postern.free_ports(2)
    block = f"""}}
server other {{
    hostname = "localhost"
    listen = {{ "127.0.0.1:{second} plain" }}
    auth {{ plaintext = yes }}"""
    server = make_server(server=block, more_listeners=f', "127.0.0.1:{plain} plain"', workers=2)
    server.config.write_text(server.config.read_text().replace("tls {", "auth { plaintext = yes }\n    tls {", 1))
    server.add_user()
    server.start()
    with signed_in(server) as client, Conversation(server.starttls) as early:
        assert early.reply().code == 220
        assert order(server, "pause") == "test: paused\n"
        for _ in range(10):
            for reply in both_greetings(server):
                assert (reply.code, reply.status) == (421, "4.3.2"), reply
        assert greeting(second).code == 220
        assert client.submit(message("paused"), recipients=["paused@example.org"]).code == 250
        early.expect("EHLO client.example", 250)
        early.start_tls(conversation.context(server.ca))
        early.expect("EHLO client.example", 250)
        assert order(server, "pause") == "test: paused\n"
        assert states(server)["test"]["state"] == "paused" and states(server)["other"]["state"] == "open"
        assert order(server, "resume") == "test: open\n"
        for _ in range(10):
            assert [reply.code for reply in both_greetings(server)] == [220, 220]
    server.await_log(" paused ", " resumed ")
    assert server.log().count(" paused ") == 1 and server.log().count(" resumed ") == 1
    server.wait_for("paused@example.org", "paused")


def test_sessions_of_all_workers_are_counted(make_server):
    server = make_server(workers=2).start()
    clients = [Conversation(server.starttls) for _ in range(20)]
    assert all(client.reply().code == 220 for client in clients)
    listed = states(server)["test"]
    assert listed["sessions"] == 20 and listed["state"] == "open"
    assert listed["listeners"] == [f"127.0.0.1:{server.starttls} starttls", f"127.0.0.1:{server.tls} tls"]
    text = server.run("server", "list").stdout
    assert text.split()[:3] == ["test", "open", "20"] and text.count("\n") == 1
    for client in clients:
        client.socket.close()
    postern.wait_until(lambda: states(server)["test"]["sessions"] == 0, 5, "all have gone")


def worker_pids(server):
    return [pid for pid in server.children() if "worker" in open(f"/proc/{pid}/comm").read()]


def test_a_pause_outlives_workers_but_not_the_server(make_server):
    server = make_server(workers=2).start()
    clients = [Conversation(server.starttls) for _ in range(10)]
    assert all(client.reply().code == 220 for client in clients)
    order(server, "pause")
    for pid in worker_pids(server):
        os.kill(pid, signal.SIGKILL)
    # Nobody is there now; the command waits for one who is.
    listed = states(server)["test"]
    assert listed["state"] == "paused" and listed["sessions"] == 0
    postern.wait_until(lambda: len(worker_pids(server)) == 2, 10, "both are back")
    for _ in range(10):
        assert greeting(server.starttls).code == 421
    assert order(server, "resume") == "test: open\n"
    order(server, "pause")
    server.stop()
    server.start()
    assert greeting(server.starttls).code == 220


def test_one_worker_away_is_no_trouble(make_server):
    """One that is dead or stopped answers nobody, and learns of the pause all the same."""
    server = make_server(workers=2).start()
    for pid in worker_pids(server):
        os.kill(pid, signal.SIGSTOP)
        assert states(server)["test"]["state"] == "open"
        os.kill(pid, signal.SIGCONT)
    first, second = worker_pids(server)
    os.kill(first, signal.SIGKILL)
    os.kill(second, signal.SIGSTOP)
    assert order(server, "pause") == "test: paused\n"
    os.kill(second, signal.SIGCONT)
    postern.wait_until(lambda: len(worker_pids(server)) == 2, 10, "it is back")
    for _ in range(10):
        assert greeting(server.starttls).code == 421


def test_what_cannot_be_done_is_told(make_server):
    server = make_server()
    done = server.run("server", "list")
    assert done.returncode == 1 and "no server runs" in done.stderr
    server.start()
    for action in ("pause", "resume"):
        done = server.run("server", action, "tset")
        assert done.returncode == 1 and "there is no server of that name" in done.stderr
    lanes = server.folder / "data" / "lanes"
    lanes.rename(lanes.with_name("elsewhere"))
    lanes.write_text("no folder")
    done = server.run("server", "list")
    assert done.returncode == 1 and done.stderr == f"postern: {lanes}: Not a directory\n"
    lanes.unlink()
    lanes.with_name("elsewhere").rename(lanes)
    done = server.run("server", "pause", "test", "--json")
    assert json.loads(done.stdout) == {"server": "test", "state": "paused"}
