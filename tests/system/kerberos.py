"""A real Kerberos realm in a folder of its own: MIT's KDC on a free port of the loopback address, whom it knows, and their tickets.

The server's clock tolerates one second here (`clockskew`), so that an expired ticket need not be waited for.
"""

import base64
import os
import pathlib
import subprocess

import gssapi

import postern

REALM = "EXAMPLE.ORG"
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")

CLIENT = """
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
clockskew = 1
[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
}}
"""

KDC = """
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
  database_name = {folder}/principals
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
  max_life = 1h
}}
[logging]
kdc = FILE:{folder}/kdc.log
"""


class Realm:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.keytab = self.folder / "keytab"
        self.process = None
        values = {"realm": REALM, "port": postern.free_ports(1)[0], "folder": folder}
        (self.folder / "krb5.conf").write_text(CLIENT.format(**values))
        (self.folder / "kdc.conf").write_text(KDC.format(**values))
        self.run("kdb5_util", "create", "-s", "-W", "-P", "master of the realm")

    def environment(self, cache="nobody"):
        """With the tickets that are in this cache."""
        return {
            **os.environ,
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "KRB5_CONFIG": str(self.folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.folder}/cache-{cache}",
        }

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self.environment())
        assert done.returncode == 0, done.stdout + done.stderr

    def add(self, name, password=None):
        """Without a password: with a random key that is in the keytab."""
        key = ["-pw", password] if password else ["-randkey"]
        self.run("kadmin.local", "addprinc", *key, name)
        if not password:
            self.run("kadmin.local", "ktadd", "-k", str(self.keytab), name)

    def sign_in(self, name, password, *options, cache=None):
        """Whether the realm gives a ticket for more tickets; it is in the cache of this name."""
        command = ["kinit", *options, name]
        environment = self.environment(cache or name)
        done = subprocess.run(command, input=password + "\n", capture_output=True, text=True, timeout=60, env=environment)
        return done.returncode == 0

    def start(self):
        self.process = subprocess.Popen(["krb5kdc", "-n"], stdin=subprocess.DEVNULL, env=self.environment())
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
        self.process = None


class Ticket:
    """What a client says with the tickets of a cache: RFC 4752 by hand, so that it can be said late, twice or wrongly."""

    def __init__(self, realm, cache, service="smtp@localhost", mechanism="GSSAPI"):
        os.environ["KRB5_CONFIG"] = str(realm.folder / "krb5.conf")
        mech = gssapi.MechType.kerberos if mechanism == "GSSAPI" else SPNEGO
        self.mechanism = mechanism
        self.context = gssapi.SecurityContext(
            name=gssapi.Name(service, gssapi.NameType.hostbased_service),
            creds=gssapi.Credentials(usage="initiate", store={"ccache": f"FILE:{realm.folder}/cache-{cache}"}),
            mech=mech,
            usage="initiate",
        )
        self.first = self.context.step()

    def sign_in(self, client, user=""):
        """The reply that ends it."""
        reply = client.command(f"AUTH {self.mechanism} " + base64.b64encode(self.first).decode())
        while reply.code == 334 and not self.context.complete:
            said = self.context.step(base64.b64decode(reply.lines[0][4:])) or b""
            reply = client.command(base64.b64encode(said).decode())
        if reply.code == 334:
            self.context.unwrap(base64.b64decode(reply.lines[0][4:]))
            no_layer = self.context.wrap(b"\1\0\0\0" + user.encode(), False).message
            reply = client.command(base64.b64encode(no_layer).decode())
        return reply
