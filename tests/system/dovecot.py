"""A real Dovecot that only signs people in: its auth service on a socket in a folder of its own. alice has a password for every
mechanism, and tokens (oauth_token.py) are verified by Dovecot itself."""

import os
import pathlib
import signal
import subprocess

import oauth_token
import postern

MECHANISMS = "plain login cram-md5 scram-sha-256 oauthbearer xoauth2"

# The first that looks at a token's audience, by a security update.
JUDGES_AUDIENCES = "1:2.3.19.1+dfsg1-2.1+deb12u7"

CONFIG = """
protocols =
ssl = no
base_dir = FOLDER/run
state_dir = FOLDER/state
log_path = FOLDER/dovecot.log
default_internal_user = root
default_login_user = root
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
first_valid_uid = 0
service auth {{
  user = root
  chroot =
  unix_listener {socket} {{
    mode = 0666
  }}
}}
service stats {{
  chroot =
}}
{passdb}
userdb {{
  driver = static
  args = uid=0 gid=0 home=/nowhere
}}
{more}
"""

PASSDB = """
passdb {
  driver = passwd-file
  args = FOLDER/users
  mechanisms = plain login cram-md5 scram-sha-256 gssapi gss-spnego
}
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = FOLDER/oauth2.conf
}
"""


def judges_audiences():
    version = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Version}", "dovecot-core"], capture_output=True, text=True, check=True
    ).stdout
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", JUDGES_AUDIENCES], check=False).returncode == 0


class Dovecot:
    """Started and ended as often as a test wants."""

    def __init__(self, folder, mechanisms=MECHANISMS, passdb=PASSDB, more="", command=()):
        """`passdb` and `more` go into its configuration, where FOLDER is its folder; `command` is what runs it."""
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "auth-client"
        self.command = [*command, "dovecot", "-F", "-c", str(self.folder / "dovecot.conf")]
        oauth_token.prepare(self.folder)
        (self.folder / "users").write_text(f"{postern.USER}:{{PLAIN}}{postern.PASSWORD}::::::\n")
        text = CONFIG.format(socket=self.socket, mechanisms=mechanisms, passdb=passdb, more=more)
        (self.folder / "dovecot.conf").write_text(text.replace("FOLDER", str(folder)))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        postern.wait_until(self.socket.exists, 20, "Dovecot's socket is there")
        return self

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        self.process = None

    def log(self):
        return (self.folder / "dovecot.log").read_text(errors="replace")

    def await_log(self, text):
        """A process of its own writes it."""
        postern.wait_until(lambda: text in self.log(), 10, f"Dovecot's log has {text!r}")

    def kill_auth(self):
        """The process that verifies; the master starts another one."""
        for child in pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            if "auth" in pathlib.Path(f"/proc/{child}/cmdline").read_text():
                os.kill(int(child), signal.SIGKILL)
