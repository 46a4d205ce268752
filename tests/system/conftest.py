"""Fixtures: certificates, one server that most tests share, and servers of a test's own. And what is marked how:

any_loop(REASON): it says nothing of the loop back end. tools/test runs it once, not with each of them.
alone(REASON):    it measures time. tools/test runs nothing else of the system tests meanwhile.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import postern

# A folder in which runs side by side take turns. Not for a pytest that a test starts: it would wait for that test.
TURNS = os.environ.pop("POSTERN_TEST_TURNS", None)


def pytest_configure(config):
    for mark in ("any_loop", "alone"):
        config.addinivalue_line("markers", f"{mark}(reason): see conftest.py")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the servers that run are ended


@contextlib.contextmanager
def turn(folder, alone):
    """Whoever waits to be alone in the room stands in the door, so that the others can't keep him waiting for ever."""
    with open(folder / "door", "a") as door, open(folder / "room", "a") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    alone = item.get_closest_marker("alone") is not None
    with turn(pathlib.Path(TURNS), alone) if TURNS else contextlib.nullcontext():
        yield


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.has_failed = True


@pytest.fixture
def tmp_path(tmp_path, request):
    """pytest's, but gone once the test has passed: a server's segments take much room, and there are hundreds of tests."""
    yield tmp_path
    if not getattr(request.node, "has_failed", False):
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """ca.pem, and server.pem with server.key for localhost, signed by it."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(
        folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "30"
    )
    openssl(folder, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    openssl(
        folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.pem", "-days", "30", "-extfile", "names",
    )
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory, certificates):
    """With one user. Shared: a test may not stop it, and uses subjects and recipients of its own."""
    made = postern.Server(tmp_path_factory.mktemp("server"), certificates)
    made.add_user()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def make_server(tmp_path, certificates):
    """Makes servers that are ended with the test; see postern.Server for what can be set."""
    made = []

    def make(files=certificates, **settings):
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        made.append(postern.Server(folder, files, **settings))
        return made[-1]

    yield make
    for each in made:
        each.stop()
