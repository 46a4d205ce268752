"""A real LDAP directory in a folder of its own: OpenLDAP's slapd on a free port of the loopback address, and the people in it."""

import base64
import hashlib
import os
import pathlib
import subprocess

import postern

SUFFIX = "dc=example,dc=org"

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix {suffix}
directory {folder}/entries
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""

TOP = """dn: {suffix}
objectClass: domain

"""

PERSON = """dn: mail={mail},{suffix}
objectClass: inetOrgPerson
mail: {mail}
cn: {mail}
sn: {mail}
title: {title}
userPassword: {{SSHA}}{hashed}

"""


class Directory:
    def __init__(self, folder, people):
        """`people`: mail, password, title."""
        self.folder = pathlib.Path(folder) / "slapd"
        (self.folder / "entries").mkdir(parents=True)
        self.uri = f"ldap://127.0.0.1:{postern.free_ports(1)[0]}"
        self.environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        self.process = None
        (self.folder / "slapd.conf").write_text(CONFIG.format(folder=self.folder, suffix=SUFFIX))
        entries = TOP.format(suffix=SUFFIX)
        for mail, password, title in people:
            salt = os.urandom(8)
            hashed = base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()
            entries += PERSON.format(mail=mail, suffix=SUFFIX, title=title, hashed=hashed)
        done = self.run("slapadd", stdin=entries)
        assert done.returncode == 0, done.stderr

    def run(self, program, stdin):
        command = [program, "-f", str(self.folder / "slapd.conf")]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, env=self.environment)

    def start(self):
        command = ["slapd", "-d", "0", "-f", str(self.folder / "slapd.conf"), "-h", self.uri]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=self.environment)
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
        self.process = None
