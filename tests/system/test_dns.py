"""Names of addresses, from a real DNS server: what core/dns answers where they hold, lie, are missing, are many, hide behind
aliases, are too long for UDP, or where no answer comes. The driver asks as a worker does, on the loop that is tested."""

import os
import subprocess
import time

import pytest

import postern
from dns_server import Hole, Knot

DRIVER = postern.BUILD / "tests" / "unit" / "reverse_driver"
TIMEOUT_MS = 1000
LABEL = "a" * 63

HOSTS = [
    "one A 192.0.2.1",
    "alias CNAME one",
    "second A 192.0.2.3",
    "many.first A 198.51.100.1",
    "liar A 198.51.100.66",
    "rfc2317 A 192.0.2.130",
    "Mixed.Case A 192.0.2.7",
    "xn--bcher-kva A 192.0.2.8",
    *(f"long{number:02} A 192.0.2.9" for number in range(40)),
    "six AAAA 2001:db8::6",
    "six A 192.0.2.66",
    *(f"wide A 10.0.{number // 200}.{number % 200 + 1}" for number in range(150)),
    "wide A 192.0.2.20",
    "loop1 CNAME loop2",
    "loop2 CNAME loop1",
]

REVERSE = [
    "1 PTR one.hosts.test.",
    "2 PTR liar.hosts.test.",
    "3 PTR nowhere.hosts.test.\n3 PTR second.hosts.test.",  # the second one holds
    "4 PTR many.first.hosts.test.\n4 PTR liar.hosts.test.",  # neither does
    "5 PTR alias.hosts.test.",
    "6 PTR alias.hosts.test.",
    "7 PTR mIXED.cASE.HOSTS.test.",
    "8 PTR xn--bcher-kva.hosts.test.",
    *(f"9 PTR long{number:02}.hosts.test." for number in range(40)),
    *(f"9 PTR {LABEL}.{LABEL}.{LABEL}.x{number:03}.test." for number in range(40)),
    r"10 PTR bad\032name.hosts.test.",
    r"11 PTR \000\010.hosts.test.",
    "12 PTR 192.0.2.12.",
    "13 TXT \"no pointer\"",
    "14 PTR loop1.hosts.test.",
    "15 PTR one.broken.test.",
    f"16 PTR {LABEL}.{LABEL}.{LABEL}.{LABEL[:56]}.test.",
    "17 PTR -dash.hosts.test.",
    "20 PTR wide.hosts.test.",
    "130 CNAME 130.128/25",
    "130.128/25 PTR rfc2317.hosts.test.",
    "131 CNAME 131.128/25",
    "132 CNAME 133\n133 CNAME 132",
    *(f"{number} PTR one.hosts.test." for number in range(200, 250)),
]

SIX = [
    ".".join("6" + "0" * 23) + " PTR six.hosts.test.",
    ".".join("7" + "0" * 23) + " PTR six.hosts.test.",
]

ZONES = {
    "2.0.192.in-addr.arpa": REVERSE,
    "8.b.d.0.1.0.0.2.ip6.arpa": SIX,
    "hosts.test": HOSTS,
    "test": ["ns A 127.0.0.1"],
    "broken.test": None,
    "3.0.192.in-addr.arpa": None,
}


@pytest.fixture(scope="module")
def knot(tmp_path_factory):
    made = Knot(tmp_path_factory.mktemp("dns") / "knot", ZONES)
    yield made
    made.stop()


class Driver:
    """Asks lines of addresses, all of a line at once."""

    def __init__(self, *servers, timeout_ms=TIMEOUT_MS, cache=100000):
        loop = {"POSTERN_LOOP": postern.LOOP}
        command = [str(DRIVER), str(timeout_ms), str(cache), *servers]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **loop},
        )
        self.counters = {}
        self.errors = None
        self.read()

    def read(self):
        answers = {}
        while True:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            words = line.split()
            if words[0] == "counters":
                self.counters = {name: int(number) for name, number in (word.split("=") for word in words[1:])}
                return answers
            answers.setdefault(words[0], []).append((words[1], words[2], int(words[3])))

    def ask(self, *addresses):
        """Address to its one answer: status and name."""
        return {address: each[0][:2] for address, each in self.ask_timed(*addresses).items()}

    def ask_timed(self, *addresses):
        self.process.stdin.write(" ".join(addresses) + "\n")
        self.process.stdin.flush()
        return self.read()

    def end(self):
        """With what it wrote on standard error."""
        if self.errors is None:
            _, self.errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, self.errors
        return self.errors

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.process.kill()
            self.process.wait()
        else:
            self.end()


@pytest.mark.parametrize(
    "address,expected",
    [
        ("192.0.2.1", ("confirmed", "one.hosts.test")),
        ("192.0.2.2", ("lies", "-")),
        ("192.0.2.3", ("confirmed", "second.hosts.test")),
        ("192.0.2.4", ("lies", "-")),
        ("192.0.2.5", ("lies", "-")),  # the alias leads to another address
        ("192.0.2.7", ("confirmed", "mixed.case.hosts.test")),
        ("192.0.2.8", ("confirmed", "xn--bcher-kva.hosts.test")),
        ("192.0.2.9", ("confirmed", "long00.hosts.test")),  # comes by TCP
        ("192.0.2.10", ("lies", "-")),
        ("192.0.2.11", ("lies", "-")),
        ("192.0.2.12", ("lies", "-")),
        ("192.0.2.13", ("unknown", "-")),
        ("192.0.2.14", ("failed", "-")),  # an alias without end
        ("192.0.2.15", ("failed", "-")),  # the name's zone is broken
        ("192.0.2.16", ("lies", "-")),
        ("192.0.2.17", ("lies", "-")),
        ("192.0.2.20", ("confirmed", "wide.hosts.test")),  # one of 151 addresses, by TCP
        ("192.0.2.99", ("unknown", "-")),
        ("192.0.2.130", ("confirmed", "rfc2317.hosts.test")),
        ("192.0.2.131", ("unknown", "-")),  # an alias to nothing
        ("192.0.2.132", ("failed", "-")),
        ("192.0.3.1", ("failed", "-")),  # SERVFAIL
        ("198.51.100.1", ("failed", "-")),  # refused: not the server's zone
        ("2001:db8::6", ("confirmed", "six.hosts.test")),
        ("2001:db8::7", ("lies", "-")),
        ("2001:db8::8", ("unknown", "-")),
    ],
)
def test_answers(knot, address, expected):
    with Driver(knot.address) as driver:
        assert driver.ask(address) == {address: expected}
        questions = driver.counters["questions"]
        assert driver.ask(address) == {address: expected}
        assert driver.counters["questions"] == questions, "the second time it is remembered"


def test_equal_questions_are_one(knot):
    with Driver(knot.address) as driver:
        answers = driver.ask_timed(*["192.0.2.1"] * 100)
        assert [each[:2] for each in answers["192.0.2.1"]] == [("confirmed", "one.hosts.test")] * 100
        assert driver.counters["questions"] == 1 and driver.counters["joined"] == 99


def test_many_at_once(knot):
    """Of one network a share only is asked about at a time."""
    addresses = [f"192.0.2.{number}" for number in range(200, 250)]
    networks = [f"10.{number // 250}.{number % 250}.1" for number in range(2000)]
    with Driver(knot.address, timeout_ms=5000) as driver:
        answers = driver.ask(*addresses, *networks)
        assert all(answers[each] == ("lies", "-") for each in addresses)
        assert all(answers[each] == ("failed", "-") for each in networks)  # refused
        assert driver.counters["questions"] == 2050 and driver.counters["refused"] == 0


@pytest.mark.alone("it measures latencies")
def test_silence_costs_the_timeout_and_few_sockets():
    hole = Hole()
    with Driver(hole.address) as driver:
        began = time.monotonic()
        answers = driver.ask_timed(*(f"192.0.{number // 200}.{number % 200}" for number in range(2000)))
        took = time.monotonic() - began
        assert all(each[0][0] == "failed" for each in answers.values())
        assert all(each[0][2] <= TIMEOUT_MS + 200 for each in answers.values()), max(each[0][2] for each in answers.values())
        assert 0.9 < took < 3
        assert driver.counters["in_flight"] == 0 and driver.counters["sockets"] <= 2
        assert driver.counters["refused"] == 0 and driver.counters["failed"] == 2000
        began = time.monotonic()
        driver.ask("192.0.9.199")  # the last one: older ones may have had to make room for it
        assert time.monotonic() - began < 0.5, "that it failed is remembered for a while"
        driver.ask_timed("wait 1500")
        assert driver.counters["sockets"] == 0
        assert "dns-failed" in driver.end()
    hole.stop()


def test_ports_change(knot):
    """While there is always something asked, too."""
    hole = Hole(behind=knot, swallowed=[("99", "9")])
    with Driver(hole.address) as driver:
        driver.ask("10.9.99.1", *(f"192.0.{10 + number // 100}.{number % 100}" for number in range(1000)))
    assert len(hole.ports) >= 2, hole.ports
    hole.stop()


def test_what_may_be_in_flight_is_bounded():
    """5000 networks at once, and 1000 addresses of one network: those beyond the bounds have failed at once."""
    hole = Hole()
    with Driver(hole.address) as driver:
        answers = driver.ask_timed(*(f"10.1.{number // 250}.{number % 250}" for number in range(1000)))
        assert len(answers) == 1000 and driver.counters["refused"] == 0
        one = [f"2001:db8:1:{number:x}::1" for number in range(1000)]
        answers = driver.ask_timed(*one)
        assert sum(each[0][2] < 500 for each in answers.values()) == 1000 - 256
        many = [f"2001:db9:{number:x}::1" for number in range(5000)]
        answers = driver.ask_timed(*many)
        at_once = sum(each[0][2] < 500 for each in answers.values())
        assert 5000 - 4096 <= at_once <= 5000 - 3000
        assert all(each[0][0] == "failed" for each in answers.values())
    hole.stop()


def test_the_next_server_is_asked(knot):
    hole = Hole()
    with Driver(hole.address, knot.address) as driver:
        assert driver.ask("192.0.2.1") == {"192.0.2.1": ("confirmed", "one.hosts.test")}
        assert hole.questions > 0
    with Driver("127.0.0.1:9", knot.address) as driver:
        assert driver.ask("192.0.2.1") == {"192.0.2.1": ("confirmed", "one.hosts.test")}
    hole.stop()


def test_a_name_whose_addresses_do_not_come(knot):
    """All questions together end in time."""
    hole = Hole(behind=knot, swallowed=[("hosts", "test")])
    with Driver(hole.address) as driver:
        answers = driver.ask_timed("192.0.2.3", "192.0.2.99")
        assert answers["192.0.2.99"][0][0] == "unknown" and answers["192.0.2.99"][0][2] < 500
        assert answers["192.0.2.3"][0][0] == "failed" and 900 <= answers["192.0.2.3"][0][2] <= TIMEOUT_MS + 200
    hole.stop()


def test_what_is_too_long_for_udp_and_has_no_tcp(knot):
    """The way to the server carries UDP only."""
    hole = Hole(behind=knot)
    with Driver(hole.address) as driver:
        answers = driver.ask_timed("192.0.2.9", "192.0.2.20", "192.0.2.1")
        assert answers["192.0.2.1"][0][:2] == ("confirmed", "one.hosts.test")
        for address in ("192.0.2.9", "192.0.2.20"):
            assert answers[address][0][0] == "failed" and answers[address][0][2] <= TIMEOUT_MS + 200
    hole.stop()


def test_a_server_that_comes_back_is_used(knot, tmp_path):
    own = Knot(tmp_path / "knot", ZONES)
    with Driver(own.address) as driver:
        assert driver.ask("192.0.2.1") == {"192.0.2.1": ("confirmed", "one.hosts.test")}
        own.stop()
        assert driver.ask("192.0.2.3") == {"192.0.2.3": ("failed", "-")}
        assert driver.ask("192.0.2.1") == {"192.0.2.1": ("confirmed", "one.hosts.test")}
        own.start()
        assert driver.ask("192.0.2.7") == {"192.0.2.7": ("confirmed", "mixed.case.hosts.test")}
    own.stop()


def test_no_servers_named_means_the_systems():
    with Driver() as driver:
        assert driver.counters["questions"] == 0
