"""Who may call: tokens, what they allow, and the endpoint that gives one for a service account's signed assertion.

The assertion is checked by Google's own library.
"""

import datetime
import functools
import itertools
import json
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import google.auth.jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloud.endpoint import Answer

from .errors import forbidden, unauthenticated

SKEW_MAX_S = 300
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # the audience of Google's own library, whatever a file says
SCOPES = {"https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/compute"}

# What each call needs, as the pages of its reference say. `serviceAccounts.actAs` is asked of who makes instances that
# run as a service account.
PERMISSIONS = {
    "instanceGroupManagers.get": ["compute.instanceGroupManagers.get"],
    "instanceGroupManagers.listManagedInstances": ["compute.instanceGroupManagers.get"],
    "instanceGroupManagers.listErrors": ["compute.instanceGroupManagers.get"],
    "instanceGroupManagers.createInstances": ["compute.instanceGroupManagers.update", "compute.instances.create"],
    "instanceGroupManagers.deleteInstances": ["compute.instanceGroupManagers.update"],
    "instanceGroupManagers.resize": ["compute.instanceGroupManagers.update"],
    "instanceGroupManagers.suspendInstances": ["compute.instanceGroupManagers.update"],
    "instanceGroupManagers.resumeInstances": ["compute.instanceGroupManagers.update"],
    "instanceGroupManagers.stopInstances": ["compute.instanceGroupManagers.update"],
    "instanceGroupManagers.startInstances": ["compute.instanceGroupManagers.update"],
    "instances.get": ["compute.instances.get"],
    "instances.list": ["compute.instances.list"],
    "instances.setMetadata": ["compute.instances.setMetadata"],
    "instances.getSerialPortOutput": ["compute.instances.getSerialPortOutput"],
    "instances.getGuestAttributes": ["compute.instances.getGuestAttributes"],
    "projects.get": ["compute.projects.get"],
    "zoneOperations.get": ["compute.zoneOperations.get"],
    "regionOperations.get": ["compute.regionOperations.get"],
    "users.importSshPublicKey": [],
    "users.sshPublicKeys.delete": [],
    "users.getLoginProfile": [],
    "instanceTemplates.get": ["compute.instanceTemplates.get"],
}


@dataclass
class Principal:
    email: str
    permissions: set[str] | None = None  # None = all
    keys: dict[str, str] = field(default_factory=dict)  # key id -> certificate


@dataclass
class Token:
    principal: Principal
    expires: float


class Account:
    def __init__(self):
        self.principals: dict[str, Principal] = {}
        self.tokens: dict[str, Token] = {}
        self.numbers = itertools.count(1)
        self.life_s = 3599
        self.skew_s = 0.0  # how far this side's clock is before ours

    def now(self) -> float:
        return time.time() + self.skew_s

    def principal(self, email: str, permissions=None) -> Principal:
        if email not in self.principals:
            self.principals[email] = Principal(email)
        self.principals[email].permissions = permissions
        return self.principals[email]

    def token(self, email="runner@my-gcp-project.iam.gserviceaccount.com", permissions=None) -> str:
        return self.issue(self.principal(email, permissions))

    def issue(self, principal: Principal) -> str:
        token = f"ya29.token-{next(self.numbers)}"
        self.tokens[token] = Token(principal, self.now() + self.life_s)
        return token

    def admit(self, method_id: str, service: str, headers: dict, resource: str) -> Principal:
        """Raises what Google answers to who may not call."""
        token = self.tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
        if not token or token.expires < self.now():
            raise unauthenticated()
        for permission in PERMISSIONS[method_id.replace("regionInstanceGroup", "instanceGroup")]:
            if token.principal.permissions is not None and permission not in token.principal.permissions:
                raise forbidden(permission, resource)
        return token.principal

    # Service accounts

    def service_account(self, token_uri: str, permissions=None, email="runner@my-gcp-project.iam.gserviceaccount.com",
                        key=None) -> dict:
        """Its key file."""
        key = key or usual_key()
        key_id = f"key{next(self.numbers)}"
        self.principal(email, permissions).keys[key_id] = certificate_of(key)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return {"type": "service_account", "project_id": "my-gcp-project", "private_key_id": key_id, "private_key": private,
                "client_email": email, "client_id": "117000000000000000001", "token_uri": token_uri,
                "universe_domain": "googleapis.com"}

    def exchange(self, body: bytes, token_uri: str) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        if form.get("grant_type") != GRANT:
            return told(400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"})
        try:
            certificates = {key: text for known in self.principals.values() for key, text in known.keys.items()}
            claims = google.auth.jwt.decode(form["assertion"], certificates, audience=[token_uri, TOKEN_URI],
                                            clock_skew_in_seconds=10**9)  # the clock is this side's
            assert claims["iss"] in self.principals and SCOPES & set(claims["scope"].split())
            if not claims["iat"] - SKEW_MAX_S <= self.now() <= claims["exp"] or claims["exp"] - claims["iat"] > 3600:
                raise ValueError("Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat "
                                 "and exp values in the JWT claim.")
        except Exception as problem:
            return told(400, {"error": "invalid_grant", "error_description": f"Invalid JWT: {problem}"})
        return told(200, {"access_token": self.issue(self.principals[claims["iss"]]), "expires_in": self.life_s,
                          "token_type": "Bearer"})


def told(status: int, content: dict) -> Answer:
    return Answer(status, json.dumps(content).encode(), "application/json; charset=utf-8")


@functools.cache
def usual_key():
    return rsa.generate_private_key(65537, 2048)


def certificate_of(key) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "117000000000000000001")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1) \
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
