"""Runs the real server for the system tests: a folder of its own, free ports, a generated certificate, users.

POSTERN_BUILD says which build is run (build/asan), POSTERN_LOOP which loop back end (auto). A server built with
sanitizers fails the test that ends it when they have something to say.
"""

import email
import email.policy
import os
import random
import pathlib
import re
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("POSTERN_BUILD", "build/asan")
LOOP = os.environ.get("POSTERN_LOOP", "auto")
POSTERN = BUILD / "postern"

USER = "alice@example.org"
PASSWORD = "correct horse 1"
DOMAIN = "example.org"

READY_SECONDS = 30
STOP_SECONDS = 60
DELIVERY_SECONDS = 30

SANITIZERS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|this must hold and does not")


def free_ports(count):
    """Different ports that nobody listens on now; not of those that the system gives to clients, who come all the time."""
    ports = []
    while len(ports) < count:
        port = random.randrange(10000, 32000)
        with socket.socket() as each:
            try:
                each.bind(("0.0.0.0", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def wait_until(condition, seconds, what):
    """Answers the first true value of the condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"after {seconds} seconds still not: {what}")


def postern(*arguments, stdin="", cwd=None):
    """Runs the command line to its end."""
    command = [str(POSTERN), *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, cwd=cwd)


CONFIG = """
data = "data"
workers = {workers}
hashers = 1
loop = {loop}
shutdown = {shutdown}
server test {{
    hostname = "localhost"
    listen = {{ "127.0.0.1:{starttls} starttls", "127.0.0.1:{tls} tls"{more_listeners} }}
    tls {{ certificate = "{certificate}" key = "{key}" }}
    {server}
}}
delivery {{
    route "held.example" {{ hold = yes }}
    route "*" {{ maildir = "data/mail/%d/%u" }}
}}
"""


class Server:
    """One server in its folder; started and ended as often as a test wants."""

    def __init__(self, folder, certificates, *, workers=1, server="", more_listeners="", shutdown="10s"):
        self.folder = pathlib.Path(folder)
        self.ca = certificates / "ca.pem"
        self.starttls, self.tls = free_ports(2)
        self.process = None
        self.launcher = []  # a command that runs it, and its arguments
        self.log_path = self.folder / "log"
        self.config = self.folder / "postern.conf"
        self.config.write_text(
            CONFIG.format(
                workers=workers,
                loop=LOOP,
                shutdown=shutdown,
                starttls=self.starttls,
                tls=self.tls,
                certificate=certificates / "server.pem",
                key=certificates / "server.key",
                server=server,
                more_listeners=more_listeners,
            )
        )

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def await_log(self, *texts, count=1):
        """A worker writes what it has to say once its replies have gone, so that a line may come a little after what it tells of."""
        for text in texts:
            wait_until(lambda text=text: self.log().count(text) >= count, 10, f"the log has {text!r}, {count} times")

    def start(self):
        before = self.log().count(" ready ")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.launcher, str(POSTERN), "serve", "-c", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

        def is_ready():
            assert self.process.poll() is None, f"the server ended:\n{self.log()}"
            return self.log().count(" ready ") > before

        wait_until(is_ready, READY_SECONDS, "the server is ready")
        return self

    def stop(self):
        """As an operator does; everything must have ended well."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_SECONDS)
        self.process = None
        assert status == 0, f"exit status {status}:\n{self.log()}"
        self.check_sanitizers()

    def check_sanitizers(self):
        found = SANITIZERS.search(self.log())
        assert not found, self.log()[max(0, found.start() - 200) :][:8000]

    def all_children(self):
        path = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def children(self):
        """Workers and hashers: those that the supervisor starts again."""

        def name(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            except (FileNotFoundError, ProcessLookupError):
                return ""

        return [pid for pid in self.all_children() if name(pid) != "postern-keeper"]

    def kill_all(self):
        """As if the machine went away: supervisor first, so that it starts nothing again."""
        pids = [self.process.pid, *self.all_children()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)
        self.process = None
        wait_until(lambda: not any(is_running(pid) for pid in pids), 10, "all processes are gone")

    def run(self, *arguments, stdin=""):
        """A subcommand on this server's configuration."""
        return postern(*arguments, "-c", self.config, stdin=stdin, cwd=self.folder)

    def add_user(self, name=USER, password=PASSWORD):
        done = self.run("user", "add", name, "--password-stdin", stdin=password + "\n")
        assert done.returncode == 0, done.stderr

    def maildir(self, recipient):
        local, _, domain = recipient.partition("@")
        return self.folder / "data" / "mail" / domain / local

    def files(self, recipient):
        return sorted((self.maildir(recipient) / "new").glob("*"))

    def messages(self, recipient):
        return [Message(path) for path in self.files(recipient)]

    def wait_for(self, recipient, subject, seconds=DELIVERY_SECONDS):
        """The delivered message with this subject."""

        def find():
            return next((each for each in self.messages(recipient) if each.text["Subject"] == subject), None)

        return wait_until(find, seconds, f"'{subject}' is delivered to {recipient}")


def is_running(pid):
    """A zombie that nobody has waited for yet counts as gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Message:
    """A message in a Maildir."""

    def __init__(self, path):
        self.path = path
        self.bytes = path.read_bytes()
        self.text = email.message_from_bytes(self.bytes, policy=email.policy.default)

    @property
    def received(self):
        return " ".join(self.text.get_all("Received")[0].split())
