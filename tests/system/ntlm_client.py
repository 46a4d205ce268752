"""NTLM over SMTP with impacket, which makes messages and proofs; what it leaves out of them (MIC, channel binding) is put in here."""

import base64
import hashlib
import hmac
import smtplib
import ssl
import struct

from impacket import ntlm

import conversation

MIC_FLAG = struct.pack("<L", 2)


def end_point(path):
    """What a client binds to that saw this certificate, signed with SHA-256 (RFC 5929 section 4.1)."""
    der = ssl.PEM_cert_to_DER_cert(path.read_text())
    data = b"tls-server-end-point:" + hashlib.sha256(der).digest()
    return hashlib.md5(bytes(16) + struct.pack("<L", len(data)) + data).digest()


class Exchange:
    """What one client says: the first message, and the answer to a challenge."""

    def __init__(self, user, password, domain="", binding=None, mic=False, version=2, tamper=None):
        self.user, self.password, self.domain = user, password, domain
        self.binding, self.mic, self.version, self.tamper = binding, mic, version, tamper
        self.first = ntlm.getNTLMSSPType1("WORKSTATION", domain, signingRequired=True, use_ntlmv2=version == 2)
        if mic:
            self.first["flags"] |= ntlm.NTLMSSP_NEGOTIATE_VERSION
            self.first["os_version"] = bytes(8)
        self.pairs, self.last = None, None

    def answer(self, challenge):
        exchange = self

        class Pairs(ntlm.AV_PAIRS):
            def getData(self):
                if exchange.mic:
                    self[ntlm.NTLMSSP_AV_FLAGS] = MIC_FLAG
                if exchange.binding is not None:
                    self[ntlm.NTLMSSP_AV_CHANNEL_BINDINGS] = exchange.binding
                exchange.pairs = dict(self.fields)
                return super().getData()

        usual, ntlm.AV_PAIRS = ntlm.AV_PAIRS, Pairs
        try:
            message, key = ntlm.getNTLMSSPType3(
                self.first, challenge, self.user, self.password, self.domain, use_ntlmv2=self.version == 2
            )
        finally:
            ntlm.AV_PAIRS = usual
        if self.mic:
            message["Version"], message["MIC"] = bytes(8), bytes(16)
            whole = self.first.getData() + challenge + message.getData()
            message["MIC"] = hmac.digest(key, whole, "md5")
        data = bytearray(message.getData())
        if self.tamper is not None:
            data[self.tamper] ^= 1
        self.last = bytes(data)
        return self.last


class Client(smtplib.SMTP):
    """smtplib's own auth() knows text alone."""

    def auth_ntlm(self, exchange, initial=True):
        first = exchange.first.getData()
        words = "NTLM " + encode(first) if initial else "NTLM"
        code, reply = self.docmd("AUTH", words)
        if not initial:
            assert (code, reply) == (334, b""), (code, reply)
            code, reply = self.docmd(encode(first))
        if code == 334:
            code, reply = self.docmd(encode(exchange.answer(decode(reply))))
        return code, reply


def encode(data):
    return base64.b64encode(data).decode()


def decode(text):
    return base64.b64decode(text)


def connect(server, tls=True):
    client = Client("localhost", server.starttls, timeout=60)
    if tls:
        client.starttls(context=conversation.context(server.ca))
    client.ehlo()
    return client


def sign_in(server, exchange, initial=True, tls=True):
    """The code and the text of the last reply."""
    with connect(server, tls) as client:
        return client.auth_ntlm(exchange, initial)
