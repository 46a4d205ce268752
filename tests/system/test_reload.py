"""A configuration that changes while the server runs: checked whole, taken by new sessions, and no session the worse for it.

POSTERN_RELOADS makes the reloading under load longer than it is in every run: so many reloads, one a second.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

import conversation
import postern
from conversation import Conversation
from test_renewal import issue, served, wait_until_served

RELOADS = int(os.environ.get("POSTERN_RELOADS", "6"))
PROCESSES = pytest.mark.any_loop("the supervisor and the keeper have no loop")
TAKES_EFFECT = 15  # seconds, with sanitizers and other work on the machine


def edit(server, *changes):
    """Texts of the configuration become others, all of them; whole and in place, as careful people do."""
    text = server.config.read_text()
    for old, new in changes:
        assert old in text, f"{old!r} is not in\n{text}"
        text = text.replace(old, new)
    new = server.config.with_suffix(".new")
    new.write_text(text)
    new.rename(server.config)


def reload(server):
    done = server.run("reload")
    assert done.returncode == 0, done.stderr + server.log()
    return int(re.fullmatch(r"reloaded: generation (\d+), \d+ workers?, \d+\.\d\d s\n", done.stdout).group(1))


def refused(server):
    """The lines of what was wrong, without the folder."""
    done = server.run("reload")
    assert done.returncode == 1 and done.stdout == "", done
    *problems, last = done.stderr.splitlines()
    assert last == "postern reload: nothing has changed: the configuration before stays in force"
    return [problem.replace(f"{server.folder}/", "") for problem in problems]


def line_of(server, word):
    lines = server.config.read_text().split("\n")
    return next(number for number, line in enumerate(lines, 1) if word in line)


def hello(port, source=None):
    """A new session: greeted, and with what it is offered."""
    client = Conversation(port, source=source and (source, 0))
    assert client.reply().code == 220
    return client, client.expect("EHLO client.example", 250)


def keywords(port):
    client, reply = hello(port)
    with client:
        return reply.keywords


def size(port):
    return next(int(word.split()[1]) for word in keywords(port) if word.startswith("SIZE "))


def all_say(question, wanted, times=12):
    """All workers: the kernel spreads connections over them."""
    assert {question() for _ in range(times)} == {wanted}


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def workers(server):
    """Their process ids."""
    return [pid for pid in server.children() if "worker" in pathlib.Path(f"/proc/{pid}/comm").read_text()]


# --- what is wrong ---


def test_a_wrong_configuration_is_told_whole_and_changes_nothing(make_server):
    server = make_server(server="limits { message_size = 1M }", workers=2).start()
    right = server.config.read_text()
    edit(server, ("message_size = 1M", "message_size = 2M rcpts = 1"), ("shutdown = 10s", "shutdown = soon"),
         ("server.key", "nothing.key"))
    told = refused(server)
    lines = [line_of(server, word) for word in ("shutdown", "nothing.key", "rcpts")]
    assert [int(line.split(":")[1]) for line in told] == lines, told
    assert "nothing.key" in told[1] and "unknown 'rcpts'" in told[2]
    all_say(lambda: size(server.starttls), 1024 * 1024)
    assert all(problem in server.log() for problem in told[2:])
    assert "reload-refused" in server.log()
    answer = json.loads(server.run("reload", "--json").stdout)
    assert answer["error"] and len(answer["problems"]) == 3
    server.config.write_text(right)
    assert reload(server) == 2


@PROCESSES
def test_what_needs_a_restart_is_said(make_server):
    server = make_server(workers=2).start()
    edit(server, ("workers = 2", "workers = 3"), ("hashers = 1", "hashers = 2"), (f"loop = {postern.LOOP}", "loop = epoll"
         if postern.LOOP != "epoll" else "loop = auto"))
    told = refused(server)
    for line, key in zip(told, ("workers", "hashers", "loop"), strict=True):
        assert line.startswith(f"postern.conf:{line_of(server, key)}: '{key}' is ") and "needs a restart" in line
    edit(server, ("workers = 3", "workers = 2"), ("hashers = 2", "hashers = 1"), ('data = "data"', 'data = "other"'))
    text = server.config.read_text()
    server.config.write_text(re.sub(r"(?m)^loop.*$", f"loop = {postern.LOOP}", text))
    done = server.run("reload")  # the file names a folder where nothing runs
    assert done.returncode == 2 and "no server runs in" in done.stderr
    server.process.send_signal(signal.SIGHUP)
    said = f"'data' is {server.folder}/other now and was {server.folder}/data at the start"
    postern.wait_until(lambda: said in server.log(), TAKES_EFFECT, "it is told")
    assert not (server.folder / "other").exists()
    all_say(lambda: Conversation(server.starttls).reply().code, 220)


@PROCESSES
def test_a_port_that_somebody_has_is_told(make_server):
    server = make_server(workers=2).start()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        edit(server, ("listen = {", f'listen = {{ "127.0.0.1:{port} plain",'),
             ("tls {", "auth { plaintext = yes }\n    tls {"))
        told = refused(server)
    assert told == [f"postern.conf:{line_of(server, 'plain')}: can't listen on 127.0.0.1:{port} plain: Address already in "
                    "use; another program listens there (see `ss -ltnp`)"]
    reload(server)
    assert is_open(port)


@PROCESSES
def test_where_no_server_runs(tmp_path):
    done = postern.postern("reload", cwd=tmp_path)
    assert done.returncode == 2 and "no server runs in" in done.stderr
    assert postern.postern("reload", "now").returncode == 64


# --- what changes ---


def test_new_sessions_get_it_and_open_ones_end_on_what_they_began_with(make_server):
    server = make_server(server="limits { message_size = 1M recipients = 2 }", workers=2)
    server.add_user()
    server.start()
    assert size(server.starttls) == 1024 * 1024
    with conversation.signed_in(server) as before:
        edit(server, ("message_size = 1M", "message_size = 3M"), ("recipients = 2", "recipients = 1"),
             ('hostname = "localhost"', 'hostname = "other.example"'))
        assert reload(server) == 2
        all_say(lambda: size(server.starttls), 3 * 1024 * 1024)
        assert "SIZE 1048576" in before.expect("EHLO client.example", 250).keywords
        before.expect(f"MAIL FROM:<{postern.USER}> SIZE=2000000", 552)
        text = conversation.message("begun before")
        assert before.submit(text, recipients=(postern.USER, "b@example.org")).code == 250
    server.wait_for(postern.USER, "begun before")
    with conversation.signed_in(server) as after:
        assert "other.example" in after.expect("EHLO client.example", 250).lines[0]
        after.expect(f"MAIL FROM:<{postern.USER}> SIZE=2000000", 250)
        after.expect("RCPT TO:<a@example.org>", 250)
        assert after.command("RCPT TO:<b@example.org>").code == 452


def test_certificates_lists_and_rules_come_with_it(certificates, tmp_path, make_server):
    files = tmp_path / "tls"
    files.mkdir()
    shutil.copy(certificates / "ca.pem", files)
    issue(certificates, files)
    server = make_server(files, workers=2).start()
    issue(certificates, files, "second")
    second = (files / "second.pem").read_text()
    (server.folder / "blocked.txt").write_text("127.0.0.4\n")
    edit(server, ("server.pem", "second.pem"), ("server.key", "second.key"),
         ("tls {", 'connect { deny = { "127.0.0.5" } lists = { "deny:blocked.txt" } }\n    tls {'))
    reload(server)
    all_say(lambda: served(server), ssl.PEM_cert_to_DER_cert(second))

    def greeting(source):
        with Conversation(server.starttls, source=(source, 0)) as client:
            return client.reply().code

    all_say(lambda: greeting("127.0.0.4"), 554)
    all_say(lambda: greeting("127.0.0.5"), 554)
    all_say(lambda: greeting("127.0.0.6"), 220)
    # And both are watched from then on.
    (server.folder / "blocked.txt").write_text("127.0.0.6\n")
    wait_until_served(server, issue(certificates, files, "second"))
    postern.wait_until(lambda: {greeting("127.0.0.6") for _ in range(12)} == {554}, TAKES_EFFECT, "the list counts")
    all_say(lambda: greeting("127.0.0.4"), 220)
    edit(server, ('"127.0.0.5"', '"127.0.0.7"'))
    reload(server)
    all_say(lambda: greeting("127.0.0.5"), 220)
    all_say(lambda: greeting("127.0.0.6"), 554)
    all_say(lambda: greeting("127.0.0.7"), 554)


def test_sign_in_and_its_need_for_tls_change(make_server):
    server = make_server(server="auth { mechanisms = { PLAIN } }").start()
    old, _ = hello(server.starttls)
    with old, Conversation(server.tls, conversation.context(server.ca)) as tls:
        edit(server, ("mechanisms = { PLAIN }", "mechanisms = { SCRAM-SHA-256 } plaintext = yes"),
             ("tls { ", "tls { require = no "))
        reload(server)
        assert any(word == "AUTH SCRAM-SHA-256" for word in keywords(server.starttls)), keywords(server.starttls)
        assert old.expect("MAIL FROM:<a@example.org>", 530).code == 530
        tls.reply()
        assert "AUTH PLAIN" in tls.expect("EHLO client.example", 250).keywords


def test_routes_and_relay_change(make_server):
    server = make_server(workers=1)
    server.add_user()
    server.start()
    with conversation.signed_in(server) as client:
        assert client.submit(conversation.message("held"), recipients=("a@held.example",)).code == 250
        edit(server, ('route "held.example" { hold = yes }', 'route "new.example" { maildir = "data/new/%u" }'))
        reload(server)
        assert client.submit(conversation.message("new"), recipients=("carol@new.example",)).code == 250
    new = server.folder / "data" / "new" / "carol" / "new"
    postern.wait_until(lambda: new.exists() and list(new.iterdir()), postern.DELIVERY_SECONDS, "it is delivered there")


@PROCESSES
def test_all_processes_log_as_it_says(make_server):
    server = make_server()
    server.add_user()
    server.start()

    def sign_in():
        with Conversation(server.tls, conversation.context(server.ca)) as client:
            client.reply()
            client.expect("EHLO client.example", 250)
            client.expect(f"AUTH PLAIN {conversation.plain(postern.USER, 'wrong')}", 535)

    sign_in()
    edit(server, ("shutdown = 10s", "shutdown = 10s log = debug"))
    reload(server)
    sign_in()
    server.await_log(" debug tls worker=0 ", " debug hashed hasher=0 ")
    edit(server, ("log = debug", "log = error"))
    reload(server)
    said = server.log()
    sign_in()
    time.sleep(0.5)
    assert server.log() == said and said.count(" debug hashed ") == 1


def test_sessions_that_are_too_old_are_told_to_come_again(make_server):
    """Each change leaves one session behind that stays idle, and the first of them is in the middle of a message."""
    most = int(re.search(r"LIMIT_GENERATIONS = (\d+)", (postern.ROOT / "core/base/limits.h").read_text()).group(1))
    server = make_server(server="limits { message_size = 1M }", workers=1)
    server.add_user()
    server.start()
    text = server.config.read_text()
    busy, early = conversation.signed_in(server), Conversation(server.starttls)
    assert early.reply().code == 220
    busy.expect(f"MAIL FROM:<{postern.USER}>", 250)
    idle = []
    for count in range(most + 2):
        idle.append(conversation.signed_in(server))
        server.config.write_text(text.replace("message_size = 1M", f"message_size = {2 + count}M"))
        reload(server)
    # Three generations were too many: those of the first three sessions.
    for client in (early, *idle[:3]):
        assert client.line() == "421 4.3.2 The server's settings have changed, connect again"
        assert client.is_closed()
    for client in idle[3:]:
        client.expect("NOOP", 250)
    busy.expect("RCPT TO:<a@example.org>", 250)
    busy.expect("DATA", 354)
    busy.send(conversation.message("before all of it"))
    assert busy.reply().code == 250
    assert busy.reply().code == 421 and busy.is_closed()
    server.wait_for("a@example.org", "before all of it")
    assert server.log().count(" generation-retired ") == 3
    with conversation.signed_in(server) as client:
        assert client.submit(conversation.message("after")).code == 250


# --- listeners and server blocks ---


def test_listeners_come_go_and_change_their_mode(make_server):
    server = make_server(workers=2).start()
    (port,) = postern.free_ports(1)
    edit(server, ("listen = {", f'listen = {{ "127.0.0.1:{port} starttls",'))
    reload(server)
    all_say(lambda: "STARTTLS" in keywords(port), True)
    edit(server, (f"127.0.0.1:{port} starttls", f"127.0.0.1:{port} tls"))
    reload(server)
    for _ in range(6):
        with Conversation(port, conversation.context(server.ca)) as client:
            assert client.reply().code == 220
    with Conversation(port, conversation.context(server.ca)) as stays:
        stays.reply()
        edit(server, (f'"127.0.0.1:{port} tls",', ""))
        reload(server)
        postern.wait_until(lambda: not is_open(port), 5, "it is closed")
        stays.expect("EHLO client.example", 250)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
    all_say(lambda: "STARTTLS" in keywords(server.starttls), True)


def test_from_one_address_to_all_and_back(make_server):
    """While the one still listens the other is opened."""
    server = make_server(workers=2).start()
    one, every = f'"127.0.0.1:{server.starttls} starttls"', f'"0.0.0.0:{server.starttls} starttls"'
    for old, new, elsewhere in ((one, every, True), (every, one, False)):
        edit(server, (old, new))
        reload(server)
        all_say(lambda: "STARTTLS" in keywords(server.starttls), True)

        def reaches():
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.2", server.starttls)) == 0

        postern.wait_until(lambda: reaches() == elsewhere, 5, f"elsewhere too: {elsewhere}")


SECOND = """
server second {{
    hostname = "second.example"
    listen = {{ "127.0.0.1:{port} plain" }}
    auth {{ plaintext = yes }}
}}
delivery {{"""


def states(server):
    lines = server.run("server", "list", "--json").stdout.splitlines()
    return {each["server"]: each["state"] for each in map(json.loads, lines)}


def test_server_blocks_come_go_and_are_renamed(make_server):
    server = make_server(workers=2).start()
    (port,) = postern.free_ports(1)
    assert server.run("server", "pause", "test").returncode == 0
    edit(server, ("delivery {", SECOND.format(port=port).lstrip()))
    reload(server)
    assert states(server) == {"test": "paused", "second": "open"}
    all_say(lambda: "second.example" in Conversation(port).reply().lines[0], True)
    all_say(lambda: Conversation(server.starttls).reply().code, 421)
    # In another order each keeps its state.
    text = server.config.read_text()
    block = text[text.index("server second") : text.index("delivery")]
    server.config.write_text(text.replace(block, "").replace("server test", block + "server test"))
    reload(server)
    assert states(server) == {"test": "paused", "second": "open"}
    all_say(lambda: Conversation(server.starttls).reply().code, 421)
    edit(server, ("server test", "server again"))
    reload(server)
    assert states(server) == {"again": "open", "second": "open"}
    all_say(lambda: Conversation(server.starttls).reply().code, 220)
    text = server.config.read_text()
    server.config.write_text(text.replace(block, ""))
    reload(server)
    postern.wait_until(lambda: not is_open(port), 5, "it is closed")
    assert states(server) == {"again": "open"}


def test_clients_are_counted_on(make_server):
    server = make_server(server="connect { per_address = 3 }", workers=2).start()
    clients = [hello(server.starttls, "127.0.0.2")[0] for _ in range(2)]
    reload(server)
    clients.append(hello(server.starttls, "127.0.0.2")[0])
    assert Conversation(server.starttls, source=("127.0.0.2", 0)).reply().code == 421
    edit(server, ("per_address = 3", "per_address = 4"))
    reload(server)
    clients.append(hello(server.starttls, "127.0.0.2")[0])
    assert Conversation(server.starttls, source=("127.0.0.2", 0)).reply().code == 421
    for client in clients:
        client.socket.close()


# --- who asks, and when ---


def test_a_signal_and_a_changed_file_do_the_same(make_server):
    server = make_server(server="limits { message_size = 1M }", workers=2).start()
    edit(server, ("message_size = 1M", "message_size = 2M"))
    postern.wait_until(lambda: size(server.starttls) == 2 * 1024 * 1024, TAKES_EFFECT, "the file has changed")
    postern.wait_until(lambda: "reloaded" in server.log(), TAKES_EFFECT, "it is told")
    edit(server, ("message_size = 2M", "message_size = two"))
    postern.wait_until(lambda: "reload-refused" in server.log(), TAKES_EFFECT, "what is wrong is told")
    time.sleep(1)
    assert server.log().count("config-wrong") == 1
    server.process.send_signal(signal.SIGHUP)
    postern.wait_until(lambda: server.log().count("config-wrong") == 2, TAKES_EFFECT, "and on a signal again")
    assert size(server.starttls) == 2 * 1024 * 1024


@PROCESSES
def test_many_that_ask_at_once_are_answered(make_server):
    server = make_server(workers=2).start()
    command = [str(postern.POSTERN), "reload", "-c", str(server.config)]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=server.folder) for _ in range(6)]
    for each in asking:
        out, _ = each.communicate(timeout=60)
        assert each.returncode == 0 and out.startswith("reloaded: generation ")


@PROCESSES
def test_the_control_socket_is_the_owners_and_takes_no_nonsense(make_server):
    server = make_server().start()
    path = server.folder / "data" / "control"
    assert path.stat().st_mode & 0o777 == 0o600

    def ask(text):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(text)
            return client.makefile().read()

    assert json.loads(ask(b'{"order":"sing"}\n')) == {"error": "there is no such order"}
    assert json.loads(ask(b"\xff\n")) == {"error": "there is no such order"}
    assert json.loads(ask(b"x" * 1024)) == {"error": "the request is too long"}
    assert json.loads(ask(b'{"order":"reload"}\n')) == {"generation": 2, "workers": 1}
    server.stop()
    assert not path.exists()


def test_workers_that_die_meanwhile_come_back_with_the_new_one(make_server):
    server = make_server(server="limits { message_size = 1M }", workers=2).start()
    for megabytes in range(2, 2 + 3):
        edit(server, (f"message_size = {megabytes - 1}M", f"message_size = {megabytes}M"))
        os.kill(workers(server)[0], signal.SIGKILL)
        reload(server)

        def both_serve():
            try:
                return len(workers(server)) == 2 and {size(server.starttls) for _ in range(12)}
            except (OSError, EOFError):
                return None

        def now():
            return both_serve() == {megabytes * 1024 * 1024}

        postern.wait_until(now, 20, f"both serve {megabytes} MiB")


@PROCESSES
def test_a_worker_that_is_stopped_is_named(make_server):
    server = make_server(server="limits { message_size = 1M }", workers=2).start()
    stopped = workers(server)[1]
    os.kill(stopped, signal.SIGSTOP)
    try:
        done = server.run("reload")
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert done.returncode == 0
    assert ", 1 worker, " in done.stdout and "does not answer" in done.stderr
    edit(server, ("message_size = 1M", "message_size = 2M"))
    reload(server)
    all_say(lambda: size(server.starttls), 2 * 1024 * 1024)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_low_ports_and_files_of_root(certificates):
    """The server's user may neither listen there nor read the key nor look into the folder of the configuration."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        (folder / "etc").mkdir(mode=0o700)
        shutil.copy(certificates / "ca.pem", folder / "etc")
        issue(certificates, folder / "etc")
        server = postern.Server(folder, folder / "etc", workers=2)
        text = server.config.read_text().replace('"data', f'"{folder}/data')
        server.config = folder / "etc" / "postern.conf"
        server.config.write_text('user = "nobody"\n' + text)
        port = next(port for port in range(1000, 600, -1) if not is_open(port))
        try:
            server.start()
            issue(certificates, folder / "etc", "second")
            edit(server, ("listen = {", f'listen = {{ "127.0.0.1:{port} starttls",'), ("server.pem", "second.pem"),
                 ("server.key", "second.key"))
            reload(server)
            all_say(lambda: "STARTTLS" in keywords(port), True)
            wait_until_served(server, issue(certificates, folder / "etc", "second"))
        finally:
            server.stop()


@PROCESSES
def test_without_the_keeper_the_server_goes_on(make_server):
    server = make_server().start()
    (keeper,) = set(server.all_children()) - set(server.children())
    os.kill(keeper, signal.SIGKILL)
    postern.wait_until(lambda: "keeper-died" in server.log(), TAKES_EFFECT, "it is told")
    assert refused(server) == ["the process that reads it has died: that needs a restart"]
    assert "STARTTLS" in keywords(server.starttls)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_nothing_piles_up(make_server):
    """Each process has as many descriptors after many reloads as after few."""
    server = make_server(server='connect { per_address = 9 lists = { "deny:blocked.txt" } }', workers=2)
    (server.folder / "blocked.txt").write_text("127.9.9.9\n")
    server.start()
    (port,) = postern.free_ports(1)
    one = server.config.read_text()
    two = one.replace("listen = {", f'listen = {{ "127.0.0.1:{port} starttls",').replace("server test", "server other")
    two = two.replace("hold = yes", 'maildir = "data/mail/%u"')

    def all_descriptors():
        return {pid: descriptors(pid) for pid in [server.process.pid, *server.all_children()]}

    def back_and_forth(times):
        for text in [two, one] * times:
            server.config.write_text(text)
            reload(server)
            hello(server.starttls)[0].socket.close()

    back_and_forth(2)
    time.sleep(1)  # what is closing has closed
    before = all_descriptors()
    back_and_forth(8)
    postern.wait_until(lambda: all_descriptors() == before, 10, f"as few descriptors as before: {before}")
    server.config.write_text(one + "nonsense = 1\n")
    for _ in range(3):
        refused(server)
    postern.wait_until(lambda: all_descriptors() == before, 10, f"as few descriptors as before: {before}")


# --- under load ---


def test_no_session_fails_under_load(make_server):
    """A reload a second, each with another limit, and now and then another listener, list or server block."""
    server = make_server(server="limits { message_size = 1M }\n    connect { lists = { } }", workers=2)
    server.add_user()
    server.start()
    (port, other) = postern.free_ports(2)
    (server.folder / "blocked.txt").write_text("127.9.9.9\n")
    plain = server.config.read_text()
    command = [postern.BUILD / "postern-bench", "session", "--to", f"127.0.0.1:{server.tls}", "--host", "localhost"]
    command += ["--ca", server.ca, "--user", postern.USER, "--password", postern.PASSWORD, "--rcpt", "a@held.example"]
    command += ["--connections", "10", "--duration", f"{RELOADS}s", "--json"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as load:
        count = 0
        while load.poll() is None:
            began = time.monotonic()
            count += 1
            text = plain.replace("message_size = 1M", f"message_size = {1 + count % 7}M")
            if count % 2:
                text = text.replace("listen = {", f'listen = {{ "127.0.0.1:{port} starttls",')
            if count % 3:
                text = text.replace("lists = { }", 'lists = { "deny:blocked.txt" }')
            if count % 5 == 2:
                text = text.replace("delivery {", SECOND.format(port=other).lstrip())
            server.config.write_text(text)
            (server.folder / "blocked.txt").write_text(f"127.9.9.{count % 200}\n")
            reload(server)
            time.sleep(max(0, began + 1 - time.monotonic()))
        report = json.loads(load.stdout.read())
    assert load.returncode == 0, report
    assert report["failures"] == [] and report["operations"] > 0, report
    assert server.log().count(" reloaded ") >= RELOADS // 2
    assert "change-failed" not in server.log() and " died " not in server.log()
