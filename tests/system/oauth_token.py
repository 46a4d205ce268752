"""Tokens as an issuer of OAuth gives them: JWT (RFC 7519), signed with ES256 or HS256 (RFC 7518), and what Dovecot needs to verify
them by itself."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import postern

SECRET = b"a secret of the token's issuer"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = "https://issuer.example"
AUDIENCE = "mail-submission"
SCOPE = "smtp"

CONFIG = f"""
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={{folder}}/keys/
username_attribute = sub
issuers = {ISSUER}
client_id = {AUDIENCE}
scope = {SCOPE}
"""


def public_pem():
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return KEY.public_key().public_bytes(serialization.Encoding.PEM, form)


def prepare(folder):
    """Dovecot's keys, and the file that its passdb names."""
    for algorithm, key in ("HS256", base64.b64encode(SECRET)), ("ES256", public_pem()):
        place = folder / "keys" / "default" / algorithm / "default"
        place.parent.mkdir(parents=True)
        place.write_bytes(key)
    (folder / "oauth2.conf").write_text(CONFIG.format(folder=folder))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(algorithm, key, text):
    if algorithm == "ES256":
        pair = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(32, "big") for number in pair)
    if algorithm == "HS256":
        return hmac.new(key, text, hashlib.sha256).digest()
    return b""


def make(algorithm="ES256", key=None, header=None, **claims):
    """For alice, an hour long, unless said. A claim that is None is left out."""
    now = int(time.time())
    usual = {"sub": postern.USER, "iss": ISSUER, "aud": AUDIENCE, "scope": SCOPE, "iat": now - 5, "exp": now + 3600}
    claims = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    header = {"alg": algorithm, "typ": "JWT", **(header or {})}
    text = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    key = key or (KEY if algorithm == "ES256" else SECRET)
    return text + "." + encode(sign(algorithm, key, text.encode()))


def change(token, **claims):
    """With other claims, under the old signature."""
    header, body, signature = token.split(".")
    old = json.loads(base64.urlsafe_b64decode(body + "=="))
    return ".".join([header, encode(json.dumps({**old, **claims}).encode()), signature])
