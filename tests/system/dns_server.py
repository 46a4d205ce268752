"""A real DNS server for the system tests: knot on a free port of loopback, with zones that each test writes; and a hole, into
which questions fall without an answer."""

import contextlib
import select
import socket
import subprocess
import threading

import postern

TTL = 3600
START_SECONDS = 30

CONFIG = """
server:
    rundir: "{folder}"
    listen: [ 127.0.0.1@{port} ]
    udp-max-payload: 1232
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
log:
  - target: stderr
    any: info
template:
  - id: default
    storage: "{folder}"
    zonefile-sync: -1
zone:
"""

START_OF_AUTHORITY = f"""$TTL {TTL}
@ SOA ns.test. postmaster.test. 1 3600 600 86400 {{negative}}
@ NS ns.test.
"""


def reverse(address):
    """The name under which an IPv4 address's names stand."""
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa."


class Knot:
    """`zones`: name to lines of a zone file, or None for one that can't be loaded, which is answered with SERVFAIL."""

    def __init__(self, folder, zones, negative=600):
        folder.mkdir()
        self.folder = folder
        self.port = free_udp_port()
        config = CONFIG.format(folder=folder, port=self.port)
        for number, (name, lines) in enumerate(zones.items()):
            config += f'  - domain: {name}\n    file: "zone{number}"\n'
            if lines is not None:
                text = START_OF_AUTHORITY.format(negative=negative) + "\n".join(lines) + "\n"
                (folder / f"zone{number}").write_text(text)
        (folder / "knot.conf").write_text(config)
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        with open(self.folder / "log", "ab") as log:
            command = ["knotd", "-c", str(self.folder / "knot.conf")]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        postern.wait_until(self.answers, START_SECONDS, f"knot answers; its log is {self.folder}/log")

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text(errors="replace")
        question = b"\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1"  # the address of the root
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect(("127.0.0.1", self.port))
            try:
                asking.send(question)
                return select.select([asking], [], [], 0.2)[0] and asking.recv(512)
            except ConnectionRefusedError:
                return False

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def free_udp_port():
    """One that is free for TCP, too."""
    while True:
        port = postern.free_ports(1)[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trying, contextlib.suppress(OSError):
            trying.bind(("127.0.0.1", port))
            return port


class Hole:
    """Takes questions and never answers. With `behind`, the address of a real server, it passes on what it doesn't swallow:
    questions with one of the labels in `swallowed`, one behind the other."""

    def __init__(self, behind=None, swallowed=()):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.questions = 0
        self.ports = set()  # that questions came from
        self.behind = behind
        self.swallowed = [b"".join(bytes([len(label)]) + label.encode() for label in each) for each in swallowed]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.socket.settimeout(0.1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beyond:
            beyond.settimeout(2)
            while not self.over.is_set():
                try:
                    question, client = self.socket.recvfrom(4096)
                except TimeoutError:
                    continue
                self.questions += 1
                self.ports.add(client[1])
                if self.behind and not any(each in question for each in self.swallowed):
                    beyond.sendto(question, ("127.0.0.1", self.behind.port))
                    self.socket.sendto(beyond.recv(4096), client)

    def stop(self):
        self.over.set()
        self.thread.join()
        self.socket.close()
