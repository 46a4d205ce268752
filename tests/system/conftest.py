"""Fixtures: certificates, one server that most tests share, and servers of a test's own."""

import shutil
import subprocess

import pytest

import postern


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
