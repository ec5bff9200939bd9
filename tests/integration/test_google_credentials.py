"""Where tokens for Google Cloud come from: each source and each kind of file of sdk/lib, and google-auth in the same
environment with the same files, which has to ask the same services for the same token. The services are fakes; what a
service account signs is verified by google-auth."""

import base64
import datetime
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import google.auth
import google.auth._cloud_sdk
import google.auth.compute_engine._metadata
import google.auth.jwt
import google.auth.transport.requests
import pytest
from aws.metadata import REGION, Metadata
from aws_library import AUTH, INVALID, OK, UNAVAILABLE, http, serve  # noqa: F401
from google_library import AUDIENCE, LIFE_S, METADATA, OF_GOOGLE, SCOPE, Asker, google_key, identity, refusal  # noqa: F401

INTEGRATION = Path(__file__).resolve().parent
ADC = ".config/gcloud/application_default_credentials.json"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider"
WORKFORCE = "//iam.googleapis.com/locations/global/workforcePools/pool/providers/provider"
ACT = "/v1/projects/-/serviceAccounts/ci@p.iam.gserviceaccount.com:generateAccessToken"


class World:
    """A home, an environment, and everybody who hands out tokens."""

    def __init__(self, build, folder, monkeypatch, identity):  # noqa: F811
        self.build, self.folder, self.patch, self.identity = build, folder, monkeypatch, identity
        for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK_", "AWS_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(folder))
        self.set(NO_GCE_CHECK="true")
        (folder / ".config" / "gcloud").mkdir(parents=True)

    def fill(self, text):
        return text.replace("{url}", self.identity.url).replace("{folder}", str(self.folder))

    def set(self, **variables):
        for name, value in variables.items():
            self.patch.setenv(name, self.fill(value))

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.fill(content if isinstance(content, str) else json.dumps(content)))
        path.chmod(0o600)
        return path

    def on_machine(self):
        """Of Google's: there is a metadata server."""
        host = urlsplit(self.identity.url).netloc
        self.set(NO_GCE_CHECK="false", GCE_METADATA_HOST=host, GCE_METADATA_IP=host)

    def start(self, **settings):
        return Asker(self.build, dict(os.environ), **{name: self.fill(value) if isinstance(value, str) else value
                                                      for name, value in settings.items()})

    def ask(self, settings=(), **arguments):
        """Ours."""
        asker = self.start(**dict(settings))
        told = asker.ask(**arguments)
        asker.close()
        return told

    def google_auth(self, credentials_file=None):
        """Theirs: a token, as of the same settings. What goes to Google comes here."""
        metadata = google.auth.compute_engine._metadata
        self.patch.setattr(metadata, "_NO_GCE_CHECK", os.environ["NO_GCE_CHECK"] == "true")
        self.patch.setattr(metadata, "_GCE_METADATA_HOST", os.environ.get("GCE_METADATA_HOST", "metadata.invalid"))
        self.patch.setattr(google.auth._cloud_sdk, "get_project_id", lambda: None)  # a gcloud of this machine would be run
        real = google.auth.transport.requests.Request()

        def request(url, **arguments):
            place = urlsplit(url)
            if place.hostname.endswith(".googleapis.com"):
                url = self.identity.url + place._replace(scheme="", netloc="").geturl()
            return real(url, **arguments)

        if credentials_file:
            self.set(GOOGLE_APPLICATION_CREDENTIALS=credentials_file)
        found, _ = google.auth.default(scopes=[SCOPE], request=request)
        if not found.valid:
            found.refresh(request)
        if credentials_file:
            self.patch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
        return found


@pytest.fixture
def world(build, folder, monkeypatch, identity):  # noqa: F811
    return World(build, folder, monkeypatch, identity)


def service_account(key, **more):
    return {"type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": key.private,
            "client_email": "ci@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": "{url}/token", **more}


USER = {"type": "authorized_user", "client_id": "id.apps.googleusercontent.com", "client_secret": "GOCSPX-secret/+",
        "refresh_token": "1//refresh&token=", "token_uri": "{url}/token", "universe_domain": "googleapis.com",
        "account": "me@example.com"}
# google-auth, unlike Google's library for Go, asks for the scope once more; gcloud's sign-in has it already.
PERSON = {"form": {"scope": SCOPE}}
EXTERNAL = {"type": "external_account", "audience": POOL, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "{url}/v1/token"}
WORKFORCE_USER = {"type": "external_account_authorized_user", "audience": WORKFORCE, "client_id": "an id",
                  "client_secret": "a:secret", "refresh_token": "refresh/+", "token_url": "{url}/v1/oauthtoken"}
IMPERSONATED = {"type": "impersonated_service_account", "service_account_impersonation_url": "{url}" + ACT}


def external(source, **more):
    return {**EXTERNAL, "credential_source": source, **more}


@dataclass
class Row:
    """A file of credentials, and what ours and theirs ask for differently on purpose."""

    content: dict
    source: str  # of the token, before " of FILE"
    extra: dict = field(default_factory=dict)  # only google-auth sends it


KINDS = {
    "service account": lambda key: Row(service_account(key), "service account ci@p.iam.gserviceaccount.com of {folder}/c.json"),
    "service account without a key's id": lambda key: Row(service_account(key, private_key_id=None), ""),
    "service account with a quota project": lambda key: Row(service_account(key, quota_project_id="payer"), ""),
    "user": lambda key: Row(USER, "user me@example.com of {folder}/c.json", PERSON),
    "user with a quota project": lambda key: Row({**USER, "quota_project_id": "payer"}, "", PERSON),
    "user of a workforce pool": lambda key: Row(WORKFORCE_USER, f"user of {WORKFORCE} of {{folder}}/c.json"),
    "token in a file": lambda key: Row(external({"file": "{folder}/subject"}), f"external account of {{folder}}/c.json, {POOL}"),
    "token in a file of JSON": lambda key: Row(external({"file": "{folder}/subject.json", "format": {
        "type": "json", "subject_token_field_name": "its token"}}), ""),
    "token at a URL": lambda key: Row(external({"url": "{url}/subject/text?a=b&c", "format": {"type": "text"},
                                                "headers": {"Metadata": "True", "X-Other": "a b"}}), ""),
    "token at a URL in JSON": lambda key: Row(external({"url": "{url}/subject/json", "format": {
        "type": "json", "subject_token_field_name": "its token"}}), ""),
    "token of a program": lambda key: Row(external({"executable": {"command": "{folder}/program 'of two' words"}}), ""),
    "token that acts as a service account": lambda key: Row(external(
        {"file": "{folder}/subject"}, service_account_impersonation_url="{url}" + ACT),
        "service account ci@p.iam.gserviceaccount.com, as external account of {folder}/c.json, " + POOL + " may act as it"),
    "token that acts for a while": lambda key: Row(external(
        {"file": "{folder}/subject"}, service_account_impersonation_url="{url}" + ACT,
        service_account_impersonation={"token_lifetime_seconds": 2800}), ""),
    "token of a program that acts as a service account": lambda key: Row(external(
        {"executable": {"command": "{folder}/program"}}, service_account_impersonation_url="{url}" + ACT), ""),
    "token with a client": lambda key: Row(external({"file": "{folder}/subject"}, client_id="an id", client_secret="a:b/+",
                                                    audience=WORKFORCE, workforce_pool_user_project="paying"), ""),
    "token of a workforce pool": lambda key: Row(external({"file": "{folder}/subject"}, audience=WORKFORCE,
                                                          workforce_pool_user_project="paying&/"), ""),
    "service account that acts as another": lambda key: Row(
        {**IMPERSONATED, "source_credentials": service_account(key, client_email="me@p.iam.gserviceaccount.com"),
         "delegates": ["a@p.iam.gserviceaccount.com", "b@p.iam.gserviceaccount.com"]},
        "service account ci@p.iam.gserviceaccount.com, as service account me@p.iam.gserviceaccount.com of {folder}/c.json "
        "may act as it"),
    "user who acts as a service account": lambda key: Row({**IMPERSONATED, "source_credentials": USER,
                                                           "quota_project_id": "payer"}, ""),
}

PROGRAM = """#!/bin/sh
echo "$@" $GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE $GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE $GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE \
    $GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL $GOOGLE_EXTERNAL_ACCOUNT_REVOKE $HOME >> {folder}/said
cat <<END
{"version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:id_token", "id_token": "of a program"}
END
"""


def write_subjects(world):
    world.write("subject", "subject of a file")
    world.write("subject.json", '{"its token": "subject of a file of JSON", "other": 1}')
    world.write("program", PROGRAM).chmod(0o755)
    world.set(GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES="1")


def what_counts(request, extra):
    """Of a request: without what one library says about itself, and without the moment."""
    form = dict(request.form)
    assertion = form.pop("assertion", None)
    if assertion:
        head, claims, _, _ = google.auth.jwt._unverified_decode(assertion)
        assert claims["exp"] - claims["iat"] == 3600 and abs(claims["iat"] - time.time()) < 300
        form["assertion"] = {**head, **{name: value for name, value in claims.items() if name not in ("iat", "exp")}}
    if "options" in form:
        form["options"] = json.loads(unquote(form["options"]))
    for name, value in extra.get("form", {}).items():
        if form.get(name) == value:
            del form[name]
    body = json.loads(request.body) if request.body and not form else None
    if body and body.get("delegates", True) is None:
        del body["delegates"]
    headers = {name: value for name, value in request.headers.items()
               if name in ("authorization", "metadata-flavor", "metadata", "x-other")}
    return [request.method, request.url.path, request.url.query, form, body, headers]


@pytest.mark.parametrize("name", KINDS)
def test_google_auth_asks_the_same_with_the_same_file(world, google_key, name):  # noqa: F811
    row = KINDS[name](google_key)
    path = world.write("c.json", row.content)
    write_subjects(world)
    theirs = world.google_auth(str(path))
    asked = [what_counts(request, row.extra) for request in world.identity.requests
             if not request.line.startswith("GET /v1/projects/")]  # which it belongs to: google-auth's own question
    world.identity.requests.clear()
    told = world.ask({"credentials_file": str(path)})
    assert told["result"] == OK, told
    ours = [what_counts(request, {}) for request in world.identity.requests]
    assert ours == asked
    assert told["token"] == theirs.token or row.extra
    assert told["universe"] == theirs.universe_domain
    assert abs(told["expires"] - time.time() - LIFE_S) < 300
    assert told["trace"] == [f"credentials_file: serves: {told['source']}"]
    assert told["source"] == world.fill(row.source) or not row.source


# What is there, and who serves: ours by its name, theirs by the path of the file, None = the metadata server.
WINNERS = {
    "variable": (["named.json"], {"GOOGLE_APPLICATION_CREDENTIALS": "{folder}/named.json"},
                 "GOOGLE_APPLICATION_CREDENTIALS", "named.json"),
    "variable before default file": (["named.json", ADC], {"GOOGLE_APPLICATION_CREDENTIALS": "{folder}/named.json"},
                                     "GOOGLE_APPLICATION_CREDENTIALS", "named.json"),
    "empty variable": (["named.json", ADC], {"GOOGLE_APPLICATION_CREDENTIALS": ""}, "gcloud's default file", ADC),
    "default file": ([ADC], {}, "gcloud's default file", ADC),
    "gcloud's folder": ([ADC, "gcloud/application_default_credentials.json"], {"CLOUDSDK_CONFIG": "{folder}/gcloud"},
                        "gcloud's default file", "gcloud/application_default_credentials.json"),
    "metadata server": ([], {}, "metadata server", None),
}


@pytest.mark.parametrize("name", WINNERS)
def test_the_first_source_that_google_auth_finds_serves(world, google_key, name):  # noqa: F811
    files, variables, ours, theirs = WINNERS[name]
    for number, file in enumerate(files):
        world.write(file, service_account(google_key, client_email=f"ci-{number}@p.iam.gserviceaccount.com"))
    world.on_machine()
    world.set(**variables)
    found = world.google_auth()
    asked = [(request.url.path, request.url.query) for request in world.identity.requests]
    world.identity.requests.clear()
    told = world.ask()
    assert told["result"] == OK, told
    assert told["token"] == found.token
    assert told["trace"][-1] == f"{ours}: serves: {told['source']}"
    if theirs:
        assert told["source"].endswith(f" of {world.folder}/{theirs}")
    else:
        assert told["source"] == f"service account {found.service_account_email} of this machine"
        token = (METADATA + "instance/service-accounts/default/token", f"scopes={SCOPE}")
        assert token == (world.identity.requests[0].url.path, unquote(world.identity.requests[0].url.query))
        assert token in [(path, unquote(query)) for path, query in asked]


def test_a_file_of_the_settings_goes_before_all(world, google_key):  # noqa: F811
    world.write("a.json", service_account(google_key, client_email="a@p.iam.gserviceaccount.com"))
    world.write("b.json", service_account(google_key))
    world.set(GOOGLE_APPLICATION_CREDENTIALS="{folder}/b.json")
    assert world.ask({"credentials_file": "{folder}/a.json"})["source"].startswith("service account a@p.iam")


PAYERS = {
    "nobody": ({}, {}, None),
    "file": ({"quota_project_id": "of-a-file"}, {}, "of-a-file"),
    "variable": ({}, {"GOOGLE_CLOUD_QUOTA_PROJECT": "of-a-variable"}, "of-a-variable"),
    "variable before file": ({"quota_project_id": "of-a-file"}, {"GOOGLE_CLOUD_QUOTA_PROJECT": "of-a-variable"},
                             "of-a-variable"),
}


@pytest.mark.parametrize("name", PAYERS)
def test_the_same_project_pays_as_with_google_auth(world, name):
    content, variables, payer = PAYERS[name]
    world.write(ADC, {**USER, **content})
    world.set(**variables)
    assert world.google_auth().quota_project_id == payer
    assert world.ask()["quota_project"] == payer


def test_in_another_universe_the_signed_statement_is_the_token(world, google_key):  # noqa: F811
    path = world.write("c.json", service_account(google_key, universe_domain="example-universe.goog"))
    from google.oauth2 import service_account as theirs
    found = theirs.Credentials.from_service_account_file(path, scopes=[SCOPE], always_use_jwt_access=True)
    found.refresh(None)
    told = world.ask({"credentials_file": str(path)})
    assert (told["result"], told["universe"]) == (OK, "example-universe.goog")
    ours = google.auth.jwt.decode(told["token"], google_key.public, clock_skew_in_seconds=300)
    expected = google.auth.jwt.decode(found.token, google_key.public, clock_skew_in_seconds=300)
    assert {**ours, "iat": 0, "exp": 0} == {**expected, "iat": 0, "exp": 0}
    assert ours["exp"] == told["expires"] and world.identity.requests == []


def test_the_universe_of_a_machine_is_that_of_its_metadata(world):
    world.on_machine()
    world.identity.universe = "example-universe.goog"
    assert world.google_auth().universe_domain == "example-universe.goog"
    assert world.ask()["universe"] == "example-universe.goog"
    world.identity.universe = "evil.example/x?"
    told = world.ask()
    assert told["result"] == INVALID and "the universe domain must be the name of a domain" in told["error"]


def refused(world, content, code=INVALID, **settings):
    path = world.write("c.json", content)
    told = world.ask({"credentials_file": str(path), **settings})
    assert told["result"] == code, told
    assert told["trace"] == [f"credentials_file: fails: {told['error']}"], "and nobody else is asked"
    return told["error"].replace(str(path), "FILE").replace(world.identity.url, "URL")


def without(content, name):
    return {key: value for key, value in content.items() if key != name}


WRONG = [
    ("{", "FILE: JSON is broken at byte 1: unexpected end of data"),
    ("[]", "FILE: it is no object of JSON"),
    ("{}", "FILE: type is missing"),
    ({"type": 5}, "FILE: type must be a string"),
    ({"installed": {"client_id": "a"}}, "FILE: it is an OAuth client, and no credentials: make a service account's key, or "
     "sign in with gcloud"),
    ({"type": "gdch_service_account"}, "FILE: its type is 'gdch_service_account', which is none of service_account, "
     "authorized_user, external_account, external_account_authorized_user and impersonated_service_account"),
    ({"type": "service_account"}, "FILE: client_email is missing"),
    ({"type": "service_account", "client_email": "a"}, "FILE: private_key is missing"),
    ({"type": "service_account", "client_email": "a", "private_key": "b"},
     "FILE: private_key is no RSA key in PEM without a passphrase"),
    ({**USER, "universe_domain": "example-universe.goog"},
     "FILE: people sign in with Google only in the universe googleapis.com, use a service account"),
    ({**USER, "universe_domain": "http://evil/"}, "FILE: the universe domain must be the name of a domain, as googleapis.com"),
    (without(USER, "refresh_token"), "FILE: refresh_token is missing"),
    ({**USER, "token_uri": "http://example.com/token"}, "FILE: http://example.com/token must be https, or http to this machine"),
    (without(WORKFORCE_USER, "token_url"), "FILE: token_url is missing"),
    (EXTERNAL, "FILE: credential_source must have a file, a url, an executable or an environment_id"),
    (external({"environment_id": "aws2"}), "FILE: credential_source.environment_id must be aws1"),
    (external({"environment_id": "aws1"}), "FILE: credential_source.regional_cred_verification_url is missing"),
    (external({"url": "{url}", "headers": {"a": "b\nc"}}),
     "FILE: credential_source.headers: each must be a text of ASCII, 16 at most"),
    (external({"file": "{folder}/subject", "format": {"type": "xml"}}),
     "FILE: credential_source.format.type must be text or json"),
    (external({"file": "{folder}/subject", "format": {"type": "json"}}),
     "FILE: credential_source.format.subject_token_field_name is missing"),
    ({**IMPERSONATED, "source_credentials": IMPERSONATED}, "FILE: source_credentials must be credentials of another type"),
    ({**IMPERSONATED, "source_credentials": USER, "delegates": "a"}, "FILE: delegates must be a list of service accounts"),
    ({**IMPERSONATED, "source_credentials": USER, "service_account_impersonation_url": "{url}/a"},
     "FILE: service_account_impersonation_url must end with /ACCOUNT:generateAccessToken"),
    (external({"file": "{folder}/subject"}, service_account_impersonation_url="{url}" + ACT,
              service_account_impersonation={"token_lifetime_seconds": 5}),
     "FILE: service_account_impersonation.token_lifetime_seconds must be a whole number from 600 to 43200"),
]


@pytest.mark.parametrize("content,sentence", WRONG, ids=[sentence[:60] for _, sentence in WRONG])
def test_a_wrong_file_is_refused_with_what_is_wrong(world, content, sentence):
    write_subjects(world)
    assert refused(world, content) == sentence


def test_a_file_that_others_may_write_is_refused(world):
    path = world.write("c.json", USER)
    for where, mode in ((path, 0o620), (path, 0o602), (world.folder, 0o770), (world.folder, 0o707)):
        before = where.stat().st_mode
        where.chmod(mode)
        told = world.ask({"credentials_file": str(path)})
        where.chmod(before)
        assert told["result"] == INVALID, oct(mode)
        assert told["error"] == f"{where} can be written by others (mode {mode:03o}): chmod go-w it"
    assert world.ask({"credentials_file": str(path)})["result"] == OK
    link = world.folder / "link.json"
    link.symlink_to(path)
    path.chmod(0o622)
    assert world.ask({"credentials_file": str(link)})["result"] == INVALID


def test_of_a_file_that_others_can_read_it_is_said(world):
    path = world.write("c.json", USER)
    for mode in (0o640, 0o604):
        path.chmod(mode)
        told = world.ask({"credentials_file": str(path)})
        assert told["trace"] == [f"{path} can be read by others: chmod go-r it", f"credentials_file: serves: {told['source']}"]


def test_a_named_file_that_is_not_there_is_no_reason_to_look_further(world, google_key):  # noqa: F811
    world.write(ADC, service_account(google_key))
    told = world.ask({"credentials_file": "{folder}/none.json"})
    assert told["result"] == INVALID and told["error"] == f"{world.folder}/none.json: No such file or directory (credentials_file names it)"
    world.set(GOOGLE_APPLICATION_CREDENTIALS="{folder}/none.json")
    told = world.ask()
    assert told["result"] == INVALID and told["error"].endswith(" (GOOGLE_APPLICATION_CREDENTIALS names it)")
    assert len(told["trace"]) == 2


REFUSALS = [
    (refusal("invalid_grant", "Invalid JWT Signature."), AUTH, "FILE: URL/token: invalid_grant: Invalid JWT Signature. (HTTP 400); "
     "the key is deleted, expired or disabled: make a new one for this service account"),
    (refusal("invalid_grant", "Invalid grant: account not found"), AUTH,
     "FILE: URL/token: invalid_grant: Invalid grant: account not found (HTTP 400); the service account was deleted"),
    (refusal("unauthorized_client", "Unauthorized", 401), AUTH,
     "FILE: URL/token: unauthorized_client: Unauthorized (HTTP 401); check what the account may do"),
    (http(404, "<html>"), AUTH, "FILE: URL/token: no reason (HTTP 404)"),
    (http(200, "<html>"), UNAVAILABLE, "FILE: the answer of URL/token: JSON is broken at byte 0: unexpected character"),
    (http(200, "{}"), UNAVAILABLE, "FILE: the answer of URL/token has no access_token"),
    (http(200, '{"access_token": "a"}'), UNAVAILABLE, "FILE: the answer of URL/token has no expires_in"),
    (http(200, '{"access_token": "a", "expires_in": "99999999999999999999"}'), UNAVAILABLE,
     "FILE: the answer of URL/token has no expires_in"),
    (http(200, '{"access_token": "a\\r\\nX: y", "expires_in": 5}'), UNAVAILABLE, "URL/token: the token is none"),
]


@pytest.mark.parametrize("answer,code,sentence", REFUSALS, ids=[sentence[-50:] for _, _, sentence in REFUSALS])
def test_what_the_token_endpoint_says_is_told(world, google_key, answer, code, sentence):  # noqa: F811
    world.identity.fault = lambda request: answer
    assert refused(world, service_account(google_key), code) == sentence
    assert len(world.identity.requests) == 1


def test_a_sign_in_that_has_ended_says_how_to_sign_in(world):
    world.identity.fault = lambda request: refusal("invalid_grant", "Token has been expired or revoked.")
    assert refused(world, USER, AUTH).endswith("; sign in again: 'gcloud auth application-default login' as this user")
    world.identity.fault = lambda request: http(400, json.dumps({"error": "invalid_grant", "error_subtype": "invalid_rapt",
                                                                 "error_description": "reauth related error"}))
    assert refused(world, USER, AUTH).endswith("; sign in again: 'gcloud auth application-default login' as this user")


ACCOUNTS = {
    "service account": "ci@p.iam.gserviceaccount.com",
    "user": "me@example.com",
    "user who acts as a service account": "ci@p.iam.gserviceaccount.com",
    "token that acts as a service account": "ci@p.iam.gserviceaccount.com",
    "token in a file": None,
    "user of a workforce pool": None,
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_token_tells_whose_it_is(world, google_key, name):  # noqa: F811
    write_subjects(world)
    path = world.write("c.json", KINDS[name](google_key).content)
    assert world.ask({"credentials_file": str(path)})["account"] == ACCOUNTS[name]


def test_who_has_signed_in_is_told_by_google_where_the_file_does_not(world):
    """gcloud leaves the account empty."""
    path = world.write("c.json", {**USER, "account": ""})
    for claims, account in (({"email": "who@example.com", "sub": "1"}, "who@example.com"), ({"sub": "1?>~"}, None), (None, None)):
        coded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        said = {"access_token": "a", "expires_in": 3600, **({"id_token": f"e30.{coded}.sig"} if claims else {})}
        world.identity.fault = lambda request, said=said: http(200, json.dumps(said))
        told = world.ask({"credentials_file": str(path)})
        assert (told["result"], told["account"]) == (OK, account)
        assert told["source"] == f"user {account or 'who signed in'} of {path}"


def test_seconds_in_a_text_are_taken(world):
    world.write(ADC, USER)
    world.identity.fault = lambda request: http(200, '{"access_token": "a", "expires_in": "3600"}')
    assert abs(world.ask()["expires"] - time.time() - 3600) < 300


def test_who_may_not_act_as_the_account_is_told_what_to_grant(world):
    message = {"error": {"code": 403, "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may "
                         "not exist).", "status": "PERMISSION_DENIED", "details": [{
                             "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED",
                             "metadata": {"permission": "iam.serviceAccounts.getAccessToken"}}]}}
    world.identity.fault = lambda request: http(403, json.dumps(message)) if "serviceAccounts" in request.line else None
    told = refused(world, {**IMPERSONATED, "source_credentials": USER}, AUTH)
    assert told.startswith(f"FILE: URL{ACT}: IAM_PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied")
    assert told.endswith("; grant the right iam.serviceAccounts.getAccessToken to whose credentials these are")


def test_a_service_that_fails_is_asked_three_times(world, google_key):  # noqa: F811
    world.identity.fault = lambda request: http(503) if len(world.identity.requests) < 3 else None
    path = world.write("c.json", service_account(google_key))
    assert world.ask({"credentials_file": str(path)})["result"] == OK
    assert len(world.identity.requests) == 3
    world.identity.requests.clear()
    world.identity.fault = lambda request: http(503)
    told = world.ask({"credentials_file": str(path)})
    assert told["result"] == UNAVAILABLE and len(world.identity.requests) == 3


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_a_clock_that_is_wrong_is_corrected_from_the_answer(world, google_key, ahead):  # noqa: F811
    def refuse_old(request):
        claims = google.auth.jwt.decode(request.form["assertion"], verify=False)
        if abs(claims["iat"] - time.time()) < 300:
            return None
        return refusal("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                       "timeframe. Check your iat and exp values in the JWT claim.", 400,
                       time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()))

    world.identity.fault = refuse_old
    path = world.write("c.json", service_account(google_key))
    told = world.ask({"credentials_file": str(path)}, ahead=ahead)
    assert told["result"] == OK, told
    assert abs(told["expires"] - time.time() - ahead - LIFE_S) < 300, "by our clock"
    assert len(world.identity.requests) == 2


def test_another_key_is_no_reason_to_ask_twice(world, google_key):  # noqa: F811
    """Our clock is right: nothing to correct."""
    world.identity.fault = lambda request: refusal("invalid_grant", "Invalid JWT Signature.", 400,
                                                   time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
    refused(world, service_account(google_key), AUTH)
    assert len(world.identity.requests) == 1


def test_no_secret_is_told(world, google_key):  # noqa: F811
    """Whatever a service repeats."""
    for name, content in (("user", USER), ("account", service_account(google_key)), ("workforce", WORKFORCE_USER),
                          ("federation", external({"file": "{folder}/subject"}, client_id="i", client_secret="a:secret"))):
        write_subjects(world)
        world.identity.requests.clear()
        world.identity.fault = lambda request: refusal(
            "invalid_grant", " ".join(list(request.form.values())[::-1] + [request.headers.get("authorization", "")]))
        told = refused(world, content, AUTH)
        secrets = [value for form in [world.identity.requests[0].form] for key, value in form.items()
                   if key in ("assertion", "client_secret", "refresh_token", "subject_token")]
        secrets += [world.identity.requests[0].headers.get("authorization", "Basic none at all")]
        assert secrets and not [secret for secret in secrets if secret[:20] in told], (name, told)


PROGRAMS = [
    ("exit 3", AUTH, "the program of FILE (PROGRAM) ended with exit status 3"),
    ("echo '{\"version\": 1, \"success\": false, \"code\": \"401\", \"message\": \"not signed in\"}'", AUTH,
     "the program of FILE (PROGRAM) has no token: 401: not signed in"),
    ("echo '{\"version\": 2, \"success\": true}'", UNAVAILABLE,
     "the program of FILE (PROGRAM): version must be a whole number from 1 to 1"),
    ("echo '{\"version\": 1, \"success\": true, \"id_token\": \"a\", \"expiration_time\": 1700000000}'", AUTH,
     "the program of FILE (PROGRAM): the token has expired"),
    ("echo a token", UNAVAILABLE, "the program of FILE (PROGRAM): JSON is broken at byte 0: unexpected character"),
    ("echo '{\"version\": 1, \"success\": true}'", UNAVAILABLE,
     "the program of FILE (PROGRAM): id_token or saml_response is missing"),
    ("head -c 100000 /dev/zero", UNAVAILABLE, "the program of FILE (PROGRAM) prints more than 64 KiB"),
]


@pytest.mark.parametrize("script,code,sentence", PROGRAMS, ids=[sentence[-40:] for _, _, sentence in PROGRAMS])
def test_a_program_without_a_token_is_told(world, script, code, sentence):
    write_subjects(world)
    program = world.write("program", f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    told = refused(world, external({"executable": {"command": "{folder}/program"}}), code)
    assert told.replace(str(program), "PROGRAM") == sentence


def test_a_program_is_run_only_where_that_is_allowed(world):
    write_subjects(world)
    content = external({"executable": {"command": "{folder}/program"}})
    for value in ("0", "true", ""):
        world.set(GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=value)
        assert refused(world, content) == ("FILE: its program is run only where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 "
                                           "is in the environment")
    world.set(GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES="1")
    assert refused(world, content, no_programs=True) == "FILE: programs are not run here"
    assert not (world.folder / "said").exists()
    assert refused(world, external({"executable": {"command": "'open"}})) == (
        "FILE: credential_source.executable.command: a quote in it is not closed")


def test_a_program_learns_what_it_is_asked_for(world):
    write_subjects(world)
    said = world.folder / "said"
    content = KINDS["token of a program"](None).content
    path = world.write("c.json", content)
    world.google_auth(str(path))
    theirs = said.read_text().splitlines()[0]
    said.unlink()
    assert world.ask({"credentials_file": str(path)})["result"] == OK
    assert said.read_text().splitlines() == [theirs]
    assert theirs == f"of two words {POOL} {EXTERNAL['subject_token_type']} 0 0 {world.folder}"
    said.unlink()
    world.write("c.json", {**content, "service_account_impersonation_url": "{url}" + ACT})
    assert world.ask({"credentials_file": str(path)})["result"] == OK
    assert said.read_text().splitlines() == [theirs.replace(" 0 0 ", " 0 ci@p.iam.gserviceaccount.com 0 ")]


def test_what_a_program_left_is_used_while_it_holds(world):
    write_subjects(world)
    kept = {"version": 1, "success": True, "token_type": "urn:ietf:params:oauth:token-type:saml2",
            "saml_response": "kept", "expiration_time": int(time.time()) + 3600}
    content = external({"executable": {"command": "{folder}/program", "output_file": "{folder}/kept"}})
    path = world.write("c.json", content)
    for change, subject in (({}, "kept"), ({"expiration_time": 1700000000}, "of a program"),
                            ({"expiration_time": None}, "of a program"), ({"success": False}, "of a program")):
        world.write("kept", {**kept, **change})
        world.identity.requests.clear()
        assert world.ask({"credentials_file": str(path)})["result"] == OK
        assert world.identity.requests[-1].form["subject_token"] == subject, change


SUBJECTS = [
    ({"file": "{folder}/none"}, AUTH, "{folder}/none: No such file or directory"),
    ({"file": "{folder}/empty"}, AUTH, "{folder}/empty holds no token"),
    ({"file": "{folder}/subject.json", "format": {"type": "json", "subject_token_field_name": "no"}}, AUTH,
     "{folder}/subject.json has no text 'no'"),
    ({"url": "{url}/refuse"}, AUTH, "FILE: credential_source: URL/refuse answers with status 403"),
]


@pytest.mark.parametrize("source,code,sentence", SUBJECTS, ids=[sentence[-20:] for _, _, sentence in SUBJECTS])
def test_where_there_is_no_token_of_another_provider_it_is_told(world, source, code, sentence):
    write_subjects(world)
    world.write("empty", "")
    world.identity.fault = lambda request: http(403) if request.line.startswith("GET /refuse") else None
    assert refused(world, external(source), code) == world.fill(sentence)
    assert not [request for request in world.identity.requests if request.form]


AWS = {"environment_id": "aws1", "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
       "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
       "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}


@pytest.mark.parametrize("session", [None, "a/session+token=="])
def test_keys_for_aws_are_shown_to_google_as_google_auth_shows_them(world, session):
    """The signature is what botocore makes of the same request."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    world.set(AWS_ACCESS_KEY_ID="AKIAFEDERATED", AWS_SECRET_ACCESS_KEY="a secret/key", AWS_REGION="eu-west-3",
              **({"AWS_SESSION_TOKEN": session} if session else {}))
    path = world.write("c.json", external(AWS, subject_token_type="urn:ietf:params:aws:token-type:aws4_request"))
    world.google_auth(str(path))
    theirs, = [request.form for request in world.identity.requests if request.form]
    world.identity.requests.clear()
    told = world.ask({"credentials_file": str(path)})
    assert told["result"] == OK, told
    ours = world.identity.requests[0].form
    assert {**ours, "subject_token": ""} == {**theirs, "subject_token": ""}
    ours, theirs = (json.loads(unquote(form["subject_token"])) for form in (ours, theirs))
    headers, others = ({header["key"].lower(): header["value"] for header in said["headers"]} for said in (ours, theirs))
    assert headers.keys() == others.keys() and (ours["url"], ours["method"]) == (theirs["url"], theirs["method"])
    for name in headers.keys() - {"authorization", "x-amz-date"}:
        assert headers[name] == others[name]
    now = datetime.datetime.strptime(headers["x-amz-date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
    assert abs(now.timestamp() - time.time()) < 300
    request = botocore.awsrequest.AWSRequest("POST", ours["url"], {
        "x-goog-cloud-target-resource": headers["x-goog-cloud-target-resource"]})
    world.patch.setattr(botocore.auth, "get_current_datetime", lambda: now)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials("AKIAFEDERATED", "a secret/key", session), "sts",
                            "eu-west-3").add_auth(request)
    assert headers["authorization"] == request.headers["Authorization"]


def test_keys_for_aws_come_from_the_machine_of_aws_that_the_file_names(world):
    metadata = Metadata()
    path = world.write("c.json", external({**AWS, "url": f"{metadata.url}/latest/meta-data/iam/security-credentials"}))
    told = world.ask({"credentials_file": str(path)})
    metadata.close()
    assert told["result"] == OK, told
    said = json.loads(unquote(world.identity.requests[0].form["subject_token"]))
    assert said["url"] == f"https://sts.{REGION}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    assert "X-Amz-Security-Token" in [header["key"] for header in said["headers"]]


def test_where_nobody_has_keys_for_aws_it_is_told(world):
    world.set(AWS_EC2_METADATA_DISABLED="true", AWS_REGION="eu-west-3")
    told = refused(world, external(AWS), AUTH)
    assert told.startswith("FILE: nobody has keys for AWS: environment: AWS_ACCESS_KEY_ID is not set; ")
    assert world.identity.requests == []


def test_an_address_of_aws_that_is_not_https_is_refused(world):
    world.set(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_REGION="eu-west-3")
    assert refused(world, external({**AWS, "regional_cred_verification_url": "http://sts.{region}.example"})) == (
        "FILE: credential_source.regional_cred_verification_url must be https and shorter")


def test_a_token_is_renewed_before_it_ends_by_the_same_source(world, google_key):  # noqa: F811
    path = world.write("named.json", service_account(google_key))
    world.set(GOOGLE_APPLICATION_CREDENTIALS=str(path))
    world.identity.skew_s = 4 * LIFE_S
    asker = world.start()
    first = asker.ask()
    assert asker.ask(ahead=LIFE_S - 1000)["trace"] == [], "not yet"
    assert len(world.identity.requests) == 1
    second = asker.ask(ahead=LIFE_S - 200)
    assert second["expires"] > first["expires"] and len(world.identity.requests) == 2
    path.rename(world.folder / ADC)
    third = asker.ask(ahead=2 * LIFE_S - 400)
    assert third["result"] == OK and third["expires"] == second["expires"], "it still holds"
    assert third["trace"][0].startswith("GOOGLE_APPLICATION_CREDENTIALS: fails: ")
    assert third["trace"][1].startswith("GOOGLE_APPLICATION_CREDENTIALS: the token at hand is good for another ")
    assert asker.ask(ahead=2 * LIFE_S - 500)["trace"] == [], "and it is not asked again at once"
    told = asker.ask(ahead=3 * LIFE_S)
    assert told["result"] == INVALID and "No such file" in told["error"]
    (world.folder / ADC).rename(path)
    assert asker.ask(ahead=3 * LIFE_S)["result"] == OK
    asker.close()


def test_a_file_that_has_changed_is_read_when_its_token_was_refused(world, google_key):  # noqa: F811
    path = world.write("named.json", service_account(google_key))
    asker = world.start(credentials_file=str(path))
    first = asker.ask()
    world.write("named.json", service_account(google_key, client_email="other@p.iam.gserviceaccount.com"))
    assert asker.ask()["token"] == first["token"]
    assert asker.ask(forget=True)["source"].startswith("service account other@p.iam")
    asker.close()


def test_a_machine_without_a_service_account_is_told_what_it_needs(world):
    world.on_machine()
    world.identity.accounts = []
    told = world.ask()
    assert told["result"] == AUTH
    assert told["error"].endswith("; metadata server: this machine has no service account: give it one with the scope "
                                  "cloud-platform")


def test_a_server_that_is_not_of_google_is_no_metadata_server(world):
    world.on_machine()
    world.identity.fault = lambda request: http(200, json.dumps({"access_token": "of somebody", "expires_in": 5}))
    told = world.ask()
    assert told["result"] == AUTH and told["error"].endswith("is no metadata server of Google")
    with pytest.raises(google.auth.exceptions.DefaultCredentialsError):
        world.google_auth()


def test_where_no_metadata_server_is_nobody_waits_for_it(world):
    with socket.socket() as unused:  # bound, and not listening: refused
        unused.bind(("127.0.0.1", 0))
        world.set(NO_GCE_CHECK="false")
        told = world.ask({"metadata_endpoint": f"http://127.0.0.1:{unused.getsockname()[1]}"})
    assert told["result"] == AUTH
    assert told["error"].startswith("nobody has a token for Google Cloud: credentials_file: not set; ")
    assert len(told["trace"]) == 4


def test_a_machine_that_loses_its_service_account_asks_nobody_else(world, google_key):  # noqa: F811
    world.on_machine()
    asker = world.start()
    assert asker.ask()["result"] == OK
    world.identity.accounts = []
    world.write(ADC, service_account(google_key))
    told = asker.ask(ahead=2 * LIFE_S)
    asker.close()
    assert told["result"] == AUTH and len(told["trace"]) == 1
    assert told["error"].startswith("this machine has no service account")


def test_the_metadata_server_is_asked_past_any_proxy(world):
    world.on_machine()
    world.set(http_proxy=world.identity.url + "/proxy", NO_PROXY="", no_proxy="")
    assert world.ask()["result"] == OK
    assert {request.url.netloc for request in world.identity.requests} == {""}, "a proxy is told the whole URL"


def test_a_metadata_server_that_fails_for_a_moment_is_asked_again(world):
    world.on_machine()
    world.identity.fault = lambda request: http(503, "", OF_GOOGLE) if len(world.identity.requests) < 3 else None
    assert world.ask()["result"] == OK
    world.identity.fault = lambda request: http(503, "", OF_GOOGLE)
    assert world.ask()["result"] == UNAVAILABLE


def test_the_metadata_server_is_asked_by_its_own_name(build, folder):
    space = ["unshare", "-nm" if os.geteuid() == 0 else "-rnm"]
    done = subprocess.run([*space, sys.executable, INTEGRATION / "google_alone.py",
                           build / "tests" / "integration" / "google_call", folder],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    token, told, hosts = json.loads(done.stdout)
    assert (told["result"], told["token"], hosts) == (OK, token, ["metadata.google.internal"])


@pytest.mark.parametrize("product,code", [("Google Compute Engine", UNAVAILABLE), ("Standard PC", AUTH)])
def test_on_a_machine_of_google_the_metadata_server_is_only_away(build, folder, product, code):
    """The network is not up yet."""
    firmware = "mount -t tmpfs none /sys/class && mkdir -p /sys/class/dmi/id && echo \"$1\" > /sys/class/dmi/id/product_name"
    done = subprocess.run(["unshare", "-nm" if os.geteuid() == 0 else "-rnm", "sh", "-ec", firmware + '; exec "$0"',
                           build / "tests" / "integration" / "google_call", product], text=True, capture_output=True, timeout=120,
                          input='{"metadata_endpoint": "http://127.0.0.1:1"}\n{"do": "token"}\n',
                          env={"PATH": os.environ["PATH"], "HOME": str(folder)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == code


@pytest.mark.parametrize("kind", ["service account", "user"])
def test_google_is_asked_where_a_file_names_nobody(world, serve, google_key, kind):  # noqa: F811
    """As a proxy is told."""
    proxy = serve(lambda request, n: http(403))
    world.set(https_proxy=proxy.url, NO_PROXY="", no_proxy="")
    told = refused(world, without(KINDS[kind](google_key).content, "token_uri"), UNAVAILABLE)
    assert "https://oauth2.googleapis.com/token" in told
    assert {request.line for request in proxy.requests} == {"CONNECT oauth2.googleapis.com:443 HTTP/1.1"}


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_is_checked(world, folder, known):
    certificate = world.identity.server.use_tls(folder)
    world.identity.url = world.identity.server.url
    path = world.write("c.json", USER)
    told = world.ask({"credentials_file": str(path), **({"ca_file": str(certificate)} if known else {})})
    assert told["result"] == (OK if known else UNAVAILABLE), told
    assert len(world.identity.requests) == known
