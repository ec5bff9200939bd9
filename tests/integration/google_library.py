"""sdk/lib's credentials and client of Google Cloud as the program google_call offers them, and a server that gives out tokens
as Google's services do. Use as fixtures: `from google_library import identity`."""

import hashlib
import json
import subprocess
import time
from urllib.parse import parse_qsl, unquote, urlsplit

import google.auth.jwt
import pytest
from aws_library import Server, http
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = "https://oauth2.googleapis.com/token"
LIFE_S = 3600
METADATA = "/computeMetadata/v1/"
OF_GOOGLE = "Metadata-Flavor: Google"


class Asker:
    """Asks google_call, which was given these settings, one question at a time."""

    def __init__(self, build, environment, descriptors=(), **settings):
        self.process = subprocess.Popen([build / "tests" / "integration" / "google_call"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment, pass_fds=descriptors)
        self.write(settings)

    def write(self, line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def ask(self, do="token", **arguments):
        self.write({"do": do, **arguments})
        line = self.process.stdout.readline()
        assert line, f"google_call ended with {self.process.wait(timeout=60)}"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


class Key:
    """Of a service account."""

    def __init__(self):
        key = rsa.generate_private_key(65537, 2048)
        self.private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()).decode()
        self.public = key.public_key().public_bytes(serialization.Encoding.PEM,
                                                    serialization.PublicFormat.SubjectPublicKeyInfo)


def refusal(reason, description, status=400, *headers):
    """As OAuth writes it."""
    return http(status, json.dumps({"error": reason, "error_description": description}), *headers)


class Identity:
    """OAuth's token endpoint, the Security Token Service, IAM Credentials, the metadata server, and the metadata service of
    another cloud. A token is made of the request for it, so that two who get the same have asked the same."""

    def __init__(self, key, at=("127.0.0.1", 0)):
        self.key = key
        self.fault = lambda request: None  # bytes instead of an answer
        self.accounts = ["default"]  # of the machine
        self.universe = None
        self.skew_s = 60  # between its clock and those of others
        self.server = Server(self.answer, at)
        self.url = self.server.url

    @property
    def requests(self):
        return self.server.requests

    def answer(self, request, n):
        request.method, target, _ = request.line.split(" ")
        request.url = urlsplit(target)
        request.form = dict(parse_qsl(request.body)) if "urlencoded" in request.headers.get("content-type", "") else {}
        request.claims = None
        fault = self.fault(request)
        if fault is not None:
            return fault
        if request.url.path in ("", "/") or request.url.path.startswith(METADATA):
            return self.metadata(request)
        if request.url.path.startswith("/subject"):
            return http(200, {"/subject/text": "subject of text", "/subject/json": '{"its token": "subject of json"}'}[
                request.url.path])
        if request.url.path.endswith(":generateAccessToken"):
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LIFE_S))
            return http(200, json.dumps({"accessToken": token_of(request), "expireTime": ends}))
        if request.form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            try:
                request.claims = google.auth.jwt.decode(request.form["assertion"], self.key.public, audience=AUDIENCE,
                                                        clock_skew_in_seconds=self.skew_s)
            except ValueError as error:
                return refusal("invalid_grant", f"Invalid JWT Signature: {error}")
        return http(200, json.dumps({"access_token": token_of(request), "expires_in": LIFE_S, "token_type": "Bearer"}))

    def metadata(self, request):
        assert request.headers["metadata-flavor"] == "Google"
        path = request.url.path.removeprefix(METADATA).removeprefix("/")
        account = {"email": "default@p.iam.gserviceaccount.com", "scopes": [SCOPE], "aliases": ["default"]}
        if path == "":
            return http(200, "computeMetadata/\n", OF_GOOGLE)
        if path == "universe/universe-domain" and self.universe:
            return http(200, self.universe, OF_GOOGLE, "Content-Type: application/text")
        if path == "project/project-id":
            return http(200, "p", OF_GOOGLE, "Content-Type: application/text")
        if path.startswith("instance/service-accounts/default/") and self.accounts:
            rest = path.removeprefix("instance/service-accounts/default/")
            found = {"": json.dumps(account), "email": account["email"],
                     "token": json.dumps({"access_token": token_of(request), "expires_in": LIFE_S, "token_type": "Bearer"})}
            if rest in found:
                kind = "Content-Type: application/" + ("text" if rest == "email" else "json")
                return http(200, found[rest], OF_GOOGLE, kind)
        return http(404, "not found", OF_GOOGLE)

    def close(self):
        self.server.close()


def token_of(request):
    """Of what counts: not of the moment at which a statement was signed, nor of what is null."""
    said = dict(request.form) if request.form or not request.body else json.loads(request.body)
    if request.claims:
        said["assertion"] = {name: value for name, value in request.claims.items() if name not in ("iat", "exp")}
    if "options" in said:
        said["options"] = json.loads(unquote(said["options"]))
    said = {name: value for name, value in said.items() if value is not None}
    said = [request.method, request.url.path, unquote(request.url.query), request.headers.get("authorization"), said]
    return "ya29." + hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@pytest.fixture(scope="session")
def google_key():
    return Key()


@pytest.fixture
def identity(google_key):
    made = Identity(google_key)
    yield made
    made.close()
