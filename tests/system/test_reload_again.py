"""A configuration that was refused for what one of its files says, or because it was not there: tried again when that changes."""

import re
import shutil
import signal
import time

import pytest

import postern
from conversation import Conversation
from test_reload import TAKES_EFFECT, edit, refused, reload
from test_renewal import issue, served

pytestmark = pytest.mark.any_loop("the supervisor and the keeper have no loop")


def told(server, event):
    return [line for line in server.log().splitlines() if f" {event} " in line]


def await_told(server, event, count):
    postern.wait_until(lambda: len(told(server, event)) >= count, TAKES_EFFECT, f"{event}, {count} times")


def test_a_certificate_that_comes_later(certificates, tmp_path, make_server):
    """As one writes the line first and orders the certificate then: the key comes, and the certificate some time after it."""
    files = tmp_path / "tls"
    files.mkdir()
    shutil.copy(certificates / "ca.pem", files)
    issue(certificates, files)
    server = make_server(files, workers=2).start()
    certificate = issue(certificates, files, "second")
    for name in ("second.pem", "second.key"):
        (files / name).rename(tmp_path / name)
    edit(server, ("server.pem", "second.pem"), ("server.key", "second.key"))
    await_told(server, "reload-refused", 1)
    time.sleep(1)
    assert len(told(server, "config-wrong")) == 1
    (tmp_path / "second.key").rename(files / "second.key")
    time.sleep(1.5)
    assert len(told(server, "config-wrong")) == 1, "it is the same that is wrong"
    (tmp_path / "second.pem").rename(files / "second.pem")
    postern.wait_until(lambda: served(server) == certificate, TAKES_EFFECT, "the certificate is served")
    await_told(server, "reloaded", 1)
    assert len(told(server, "reload-refused")) == 1
    # Now it is the one that is served, and its files are renewed as ever.
    renewed = issue(certificates, files, "second")
    postern.wait_until(lambda: served(server) == renewed, TAKES_EFFECT, "the renewed one is served")
    assert len(told(server, "reloaded")) == 1


def test_a_list_that_is_mended(make_server):
    server = make_server().start()
    blocked = server.folder / "blocked.txt"
    edit(server, ("tls {", 'connect { lists = { "deny:blocked.txt" } }\n    tls {'))
    await_told(server, "reload-refused", 1)
    blocked.write_text("127.0.0.400\n")
    await_told(server, "reload-refused", 2)
    wrong = told(server, "config-wrong")
    assert len(wrong) == 2 and "blocked.txt:1: " in wrong[1]
    # Another way of being wrong in the same words is no news; who asks is told whatever was told.
    for _ in range(2):
        blocked.write_text("127.0.0.400\n")
        time.sleep(1)
    assert len(told(server, "reload-refused")) == 2
    assert len(refused(server)) == 1
    await_told(server, "reload-refused", 3)
    server.process.send_signal(signal.SIGHUP)
    await_told(server, "reload-refused", 4)
    blocked.write_text("127.0.0.4\n")

    def greeting():
        with Conversation(server.starttls, source=("127.0.0.4", 0)) as client:
            return client.reply().code

    postern.wait_until(lambda: greeting() == 554, TAKES_EFFECT, "the list is in force")
    await_told(server, "reloaded", 1)


def test_one_that_was_taken_back_is_not_tried(certificates, make_server):
    """The files of the refused one matter no more once the configuration is right."""
    server = make_server().start()
    right = server.config.read_text()
    edit(server, ("tls {", 'connect { lists = { "deny:blocked.txt" } }\n    tls {'))
    assert len(refused(server)) == 1
    server.config.write_text(right)
    reload(server)
    (server.folder / "blocked.txt").write_text("127.0.0.4\n")
    time.sleep(2)
    generations = re.findall(r"generation (\d+) is served", server.log())
    assert generations[-1] == str(reload(server) - 1)
