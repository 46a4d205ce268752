"""What a container's filter of system calls takes away: io_uring as a rule, asynchronous I/O where it is a strict one."""

import pathlib
import sys

import pytest

import postern
from conversation import message, signed_in

pytestmark = pytest.mark.any_loop("loop = auto has to find out")

LAUNCHER = pathlib.Path(__file__).with_name("filtered.py")
IO_URING = ["io_uring_setup", "io_uring_enter", "io_uring_register"]
RECIPIENT = "container@example.org"
LARGE = "0123456789abcdef" * 4 + "\r\n"


def start(server, refused):
    server.config.write_text(server.config.read_text().replace(f"loop = {postern.LOOP}", "loop = auto"))
    server.add_user()
    server.launcher = [sys.executable, str(LAUNCHER), ",".join(refused)]
    server.start()
    server.await_log("using epoll: the kernel refuses io_uring: Operation not permitted")


def submit(server, *bodies):
    with signed_in(server) as client:
        for number, body in enumerate(bodies):
            assert client.submit(message(f"number {number}", body), recipients=(RECIPIENT,)).code == 250
    for number, _ in enumerate(bodies):
        server.wait_for(RECIPIENT, f"number {number}")


def has_asynchronous_io(server):
    """The kernel shows a context of it among the memory of its process."""
    return any("[aio]" in pathlib.Path(f"/proc/{pid}/maps").read_text() for pid in server.children())


@pytest.mark.parametrize("more", [[], ["io_setup"], ["io_submit"]], ids=["as a rule", "strict", "half"])
def test_messages_are_stored_and_delivered(make_server, more):
    server = make_server()
    start(server, IO_URING + more)
    submit(server, "Small.\r\n", LARGE * 10000)
    assert has_asynchronous_io(server) == ("io_setup" not in more)
    assert server.log().count(" loop-disk ") == more.count("io_setup"), server.log()
    server.stop()
    server.start()
    assert len(server.messages(RECIPIENT)) == 2


def test_what_was_taken_is_there_after_a_crash(make_server):
    server = make_server()
    start(server, IO_URING)
    for turn in range(3):
        with signed_in(server) as client:
            for number in range(10):
                subject = f"turn {turn} number {number}"
                assert client.submit(message(subject, LARGE * (1 + number * 1000)), recipients=(RECIPIENT,)).code == 250
        server.kill_all()
        server.start()
    for turn in range(3):
        for number in range(10):
            found = server.wait_for(RECIPIENT, f"turn {turn} number {number}")
            assert found.text.get_content().count("0123456789abcdef" * 4) == 1 + number * 1000
