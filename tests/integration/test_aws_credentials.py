"""Where keys for AWS come from: each source of sdk/lib's chain, and botocore's chain in the same environment with the same
files, which has to find the same keys at the same source. Roles are moto's, which checks signatures; metadata services
are a fake that botocore asks as well."""

import datetime
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from aws.call import AwsCall
from aws.metadata import REGION, Metadata
from aws.moto import Moto
from aws_group import cloud, new_worker  # noqa: F401
from checker.certificates import make_certificate
from cloud.endpoint import Answer, Endpoint, Fault
from stores import s3_store  # noqa: F401

TESTS = Path(__file__).resolve().parents[1]
ALONE = ["unshare", "-n" if os.geteuid() == 0 else "-rn"]  # without a network
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
ROLE = "arn:aws:iam::123456789012:role/{}".format


@dataclass
class Row:
    """What is set, and who serves then: the name of ours, of botocore's. Texts may name {metadata}, {sts}, {folder}, and
    {access} and {secret} of a user who may do anything."""

    source: str
    method: str
    env: dict = field(default_factory=dict)
    config: str = ""
    credentials: str = ""
    profile: str = ""  # of the settings
    settings: dict = field(default_factory=dict)


class World:
    """A home, an environment, and everybody who hands out keys."""

    def __init__(self, build, folder, monkeypatch, moto):
        self.program = build / "tests" / "integration" / "aws_keys"
        self.folder, self.patch, self.moto = folder, monkeypatch, moto
        self.metadata = Metadata()
        self.names = {"metadata": self.metadata.url, "sts": moto.url, "folder": str(folder),
                      "access": moto.user["aws_access_key_id"], "secret": moto.user["aws_secret_access_key"]}
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(folder))
        self.set(AWS_EC2_METADATA_DISABLED="true", AWS_ENDPOINT_URL_STS="{sts}", AWS_ENDPOINT_URL_SSO="{metadata}",
                 AWS_DEFAULT_REGION="us-east-1", AWS_METADATA_SERVICE_TIMEOUT="60")  # botocore's: a second
        (folder / ".aws" / "sso" / "cache").mkdir(parents=True)

    def fill(self, text):
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def set(self, **variables):
        for name, value in variables.items():
            self.patch.setenv(name, self.fill(value))

    def write(self, name, text):
        path = self.folder / name
        path.write_text(self.fill(text))
        return path

    def take(self, row):
        self.set(**row.env)
        self.write(".aws/config", row.config)
        self.write(".aws/credentials", row.credentials)

    def ask(self, prefix=(), **settings):
        """Ours."""
        settings = {name: self.fill(value) if isinstance(value, str) else value for name, value in settings.items()}
        done = subprocess.run([*prefix, self.program, json.dumps(settings)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def botocore(self, profile=None):
        import botocore.credentials
        import botocore.session
        import botocore.tokens
        import botocore.utils
        self.patch.setattr(botocore.utils.ContainerMetadataFetcher, "TIMEOUT_SECONDS", 60)
        for owner in (botocore.credentials.SSOProvider, botocore.tokens.SSOTokenProvider):
            self.patch.setattr(owner, "_SSO_TOKEN_CACHE_DIR", str(self.folder / ".aws" / "sso" / "cache"))
        return botocore.session.Session(profile=profile)

    def whose(self, access, secret, token):
        """Who asks with these keys, by moto, which has checked the signature."""
        import boto3
        client = boto3.client("sts", endpoint_url=self.moto.url, region_name="us-east-1", aws_access_key_id=access,
                              aws_secret_access_key=secret, aws_session_token=token)
        return client.get_caller_identity()["Arn"]


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    moto = Moto(tmp_path_factory.mktemp("moto"), None)
    for name in ("ci", "deploy"):
        moto.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        moto.client("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=ANYTHING)
    moto.enforce()
    moto.user = moto.make_user("fleet", json.loads(ANYTHING))
    keys = moto.client("sts").assume_role(RoleArn=ROLE("deploy"), RoleSessionName="metadata")["Credentials"]
    moto.session = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    yield moto
    moto.close()


@pytest.fixture
def world(build, folder, monkeypatch, moto):
    world = World(build, folder, monkeypatch, moto)
    moto.endpoint.calls.clear()
    yield world
    moto.endpoint.fault = lambda call: None
    world.metadata.close()


IN_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env/secret"}
IN_CREDENTIALS = "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = file+secret/\n"
OTHERS = "[ci]\naws_access_key_id = AKIACI\naws_secret_access_key = cis\naws_session_token = ci+token/==\n"
METADATA = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{metadata}"}
AGENT = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{metadata}/agent"}
PROCESS = "[profile ci]\ncredential_process = /bin/cat '{folder}/the keys.json'\n"
SIGN_IN = "sso_account_id = 123456789012\nsso_role_name = ci set\n"

# Keys that are the same for whoever asks.
ROWS = {
    "environment": Row("environment", "env", IN_ENVIRONMENT),
    "environment with a token": Row("environment", "env", {**IN_ENVIRONMENT, "AWS_SESSION_TOKEN": "t/o+k=="}),
    "environment before files": Row("environment", "env", IN_ENVIRONMENT, credentials=IN_CREDENTIALS),
    "environment before AWS_PROFILE": Row("environment", "env", {**IN_ENVIRONMENT, "AWS_PROFILE": "ci"},
                                          credentials=OTHERS),
    "a profile of the settings before the environment": Row("profile", "shared-credentials-file", IN_ENVIRONMENT,
                                                            credentials=OTHERS, profile="ci"),
    "credentials file": Row("profile", "shared-credentials-file", credentials=IN_CREDENTIALS),
    "profile by AWS_PROFILE": Row("profile", "shared-credentials-file", {"AWS_PROFILE": "ci"},
                                  credentials=IN_CREDENTIALS + OTHERS),
    "profile by AWS_DEFAULT_PROFILE": Row("profile", "shared-credentials-file", {"AWS_DEFAULT_PROFILE": "ci"},
                                          credentials=IN_CREDENTIALS + OTHERS),
    "config file": Row("profile", "config-file", config="[profile ci]\naws_access_key_id = AKIAC\n"
                       "aws_secret_access_key : se:cr=et\n# a comment\n", profile="ci"),
    "config file's default": Row("profile", "config-file", config=IN_CREDENTIALS),
    "credentials file before config file": Row("profile", "shared-credentials-file", credentials=IN_CREDENTIALS,
                                               config=IN_CREDENTIALS.replace("FILE", "CONFIG")),
    "quoted name": Row("profile", "config-file", config='[profile "a b"]\naws_access_key_id = AKIAQ\n'
                       "aws_secret_access_key = s\ns3 =\n  max_concurrent_requests = 1\n", profile="a b"),
    "files by environment": Row("profile", "shared-credentials-file",
                                {"AWS_SHARED_CREDENTIALS_FILE": "{folder}/.aws/config",
                                 "AWS_CONFIG_FILE": "{folder}/.aws/none"}, config=IN_CREDENTIALS),
    "program": Row("profile", "custom-process", config=PROCESS, profile="ci"),
    "keys before program": Row("profile", "shared-credentials-file", config=PROCESS, credentials=OTHERS, profile="ci"),
    "sign-in": Row("profile", "sso", config="[profile ci]\nsso_session = home\n" + SIGN_IN +
                   "[sso-session home]\nsso_region = eu-west-1\nsso_start_url = https://home.example/start\n"
                   "sso_registration_scopes = sso:account:access\n", profile="ci"),
    "sign-in without a session": Row("profile", "sso", config="[default]\nsso_region = eu-west-1\n" + SIGN_IN +
                                     "sso_start_url = https://home.example/start\n"),
    "sign-in before keys": Row("profile", "sso", config="[default]\nsso_region = eu-west-1\n" + SIGN_IN +
                               "sso_start_url = https://home.example/start\n", credentials=IN_CREDENTIALS),
    "container": Row("container", "container-role", AGENT),
    "container with a token": Row("container", "container-role",
                                  {**AGENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic token=="}),
    "container with a token's file": Row("container", "container-role", {
        **AGENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{folder}/agent token",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "another"}),
    "container before instance": Row("container", "container-role", {**METADATA, **AGENT}),
    "files before container": Row("profile", "shared-credentials-file", AGENT, credentials=IN_CREDENTIALS),
    "a profile without keys leaves it to the container": Row("container", "container-role", AGENT,
                                                             config="[default]\nregion = eu-west-1\n"),
    "instance": Row("instance metadata", "iam-role", METADATA),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_same_source_gives_botocore_the_same_keys(world, name):
    row = ROWS[name]
    world.take(row)
    world.write("the keys.json", json.dumps({"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "p/s",
                                             "SessionToken": "p/t=", "Expiration": "2036-01-01T00:00:00Z"}))
    world.write("agent token", "Basic of a file==")
    world.metadata.agent_token = {"container with a token": "Basic token==",
                                  "container with a token's file": "Basic of a file=="}.get(name)
    leave_sign_in(world)
    creds = world.botocore(row.profile or None).get_credentials()
    assert creds.method == row.method
    theirs = tuple(creds.get_frozen_credentials())[:3]
    told = world.ask(**row.settings, **({"profile": row.profile} if row.profile else {}))
    assert told["code"] == 0, told
    assert (told["access"], told["secret"], told["token"]) == theirs
    assert told["trace"][-1] == f"{row.source}: serves: {told['source']}"
    if row.method in ("sso", "container-role", "iam-role"):
        assert abs(told["expires"] - time.time() - 6 * 3600) < 600


def leave_sign_in(world, token="sign-in-token", expires="2036-01-01T00:00:00Z"):
    """As `aws sso login` does, for a session and without one."""
    for name in ("home", "https://home.example/start"):
        path = world.folder / ".aws" / "sso" / "cache" / (hashlib.sha1(name.encode()).hexdigest() + ".json")
        path.write_text(json.dumps({"startUrl": "https://home.example/start", "region": "eu-west-1",
                                    "accessToken": token, "expiresAt": expires}))


OF_USER = "[user]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
CI = f"[profile ci]\nrole_arn = {ROLE('ci')}\nrole_session_name = runner\n"
# Who the role's keys are asked with; botocore names each by its own word.
ROLES = {
    "source_profile": Row("profile", "assume-role", config=CI + "source_profile = user\n", credentials=OF_USER),
    "itself": Row("profile", "assume-role", config=CI + "source_profile = ci\n",
                  credentials=OF_USER.replace("[user]", "[ci]")),
    "a role of a role": Row("profile", "assume-role", credentials=OF_USER, config=CI + "source_profile = deploy\n"
                            f"[profile deploy]\nrole_arn = {ROLE('deploy')}\nsource_profile = user\n"),
    "the environment": Row("profile", "assume-role", {"AWS_ACCESS_KEY_ID": "{access}", "AWS_SECRET_ACCESS_KEY": "{secret}"},
                           config=CI + "credential_source = Environment\n"),
    "the container": Row("profile", "assume-role", AGENT, config=CI + "credential_source = EcsContainer\n"),
    "the instance": Row("profile", "assume-role", METADATA, config=CI + "credential_source = Ec2InstanceMetadata\n"),
    "with all options": Row("profile", "assume-role", credentials=OF_USER, config=CI + "source_profile = user\n"
                            "external_id = a+b/=,.@:-\nduration_seconds = 900\n"),
}


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_assumed_with_the_keys_that_botocore_takes(world, name):
    row = ROLES[name]
    world.take(row)
    world.metadata.keys = world.moto.session
    creds = world.botocore("ci").get_credentials()
    assert creds.method == row.method
    theirs = world.whose(*tuple(creds.get_frozen_credentials())[:3])
    told = world.ask(profile="ci")
    assert told["code"] == 0, told
    assert world.whose(told["access"], told["secret"], told["token"]) == theirs
    assert theirs == "arn:aws:sts::123456789012:assumed-role/ci/runner"
    assert told["trace"][-1].startswith(f"profile: serves: role {ROLE('ci')} of profile 'ci', with ")
    assert 0 < told["expires"] - time.time() < 3700
    asked = [call.form for call in world.moto.endpoint.calls_of("AssumeRole") if call.form["RoleArn"] == ROLE("ci")]
    assert len(asked) == 2
    assert asked[0] == asked[1]


@pytest.fixture
def free_sts(world, s3_store):  # noqa: F811
    """moto that checks no signature: one that checks cannot tell who a web identity is."""
    def ask(call):
        with urllib.request.urlopen(urllib.request.Request(s3_store.url, call.body, call.headers), timeout=60) as response:
            return Answer(response.status, response.read(), response.headers["Content-Type"])

    endpoint = Endpoint(ask, kind=AwsCall)
    world.set(AWS_ENDPOINT_URL_STS=endpoint.url)
    yield endpoint
    endpoint.close()


WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "{folder}/token", "AWS_ROLE_ARN": ROLE("pod"), "AWS_ROLE_SESSION_NAME": "pod-1"}
WEB_ROWS = {
    "by the environment": Row("web identity", "assume-role-with-web-identity", WEB),
    "before files": Row("web identity", "assume-role-with-web-identity", WEB, credentials=IN_CREDENTIALS),
    "of a profile": Row("profile", "assume-role-with-web-identity", profile="ci", credentials=OTHERS, config=(
        f"[profile ci]\nweb_identity_token_file = {{folder}}/token\nrole_arn = {ROLE('pod')}\nrole_session_name = pod-1\n")),
}


@pytest.mark.parametrize("name", WEB_ROWS)
def test_a_web_identity_gets_keys_as_botocore_does(world, free_sts, name):
    row = WEB_ROWS[name]
    world.take(row)
    world.write("token", "header.pay-load_1.signature")
    creds = world.botocore(row.profile or None).get_credentials()
    assert creds.method == row.method
    creds.get_frozen_credentials()
    told = world.ask(**({"profile": row.profile} if row.profile else {}))
    assert told["code"] == 0, told
    assert told["trace"][-1].startswith(f"{row.source}: serves: role {ROLE('pod')} ")
    theirs, ours = free_sts.calls
    assert ours.form == theirs.form
    assert ours.form["WebIdentityToken"] == "header.pay-load_1.signature"
    assert "authorization" not in ours.headers
    assert told["access"] and told["secret"] and told["token"]


def no_keys(world, **settings):
    told = world.ask(**settings)
    assert told["code"] != 0, told
    return told


def test_a_role_that_is_refused_is_told_with_the_reason(world):
    world.take(ROLES["source_profile"])
    world.write(".aws/credentials", OF_USER.replace("{secret}", "wrong"))
    told = no_keys(world, profile="ci")
    assert f"sts:AssumeRole for {ROLE('ci')}: SignatureDoesNotMatch: " in told["error"]
    assert "check the secret key" in told["error"]
    assert len(world.moto.endpoint.calls_of("AssumeRole")) == 1  # our clock is right: nothing to correct


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_clock_that_is_an_hour_wrong_is_corrected_from_the_answer(world, ahead):
    def refuse_old(call):
        asked = datetime.datetime.strptime(call.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        if abs(asked.timestamp() - time.time()) < 300:
            return None
        return Fault(answer=Answer(403, b"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature "
                                        b"expired</Message></Error></ErrorResponse>"))

    world.take(ROLES["source_profile"])
    world.moto.endpoint.fault = refuse_old
    told = world.ask(profile="ci", ahead=ahead)
    assert told["code"] == 0, told
    assert world.whose(told["access"], told["secret"], told["token"]) == f"{ROLE('ci')}/runner".replace(
        "arn:aws:iam", "arn:aws:sts").replace(":role/", ":assumed-role/")
    assert len(world.moto.endpoint.calls_of("AssumeRole")) == 2


def test_a_service_that_fails_is_asked_three_times(world):
    world.take(ROLES["source_profile"])
    world.moto.endpoint.fault = lambda call: Fault(answer=Answer(503, b"<html>")) if call.number < 3 else None
    told = world.ask(profile="ci")
    assert told["code"] == 0, told
    assert len(world.moto.endpoint.calls) == 3
    world.moto.endpoint.calls.clear()
    world.moto.endpoint.fault = lambda call: Fault()
    told = no_keys(world, profile="ci")
    assert len(world.moto.endpoint.calls) == 3
    assert told["trace"][-1].startswith("profile: fails: ")


def test_a_sign_in_that_has_ended_says_how_to_sign_in(world):
    world.take(ROWS["sign-in"])
    again = "run 'aws sso login --profile ci' as this user"
    assert no_keys(world, profile="ci")["error"] == f"the sign-in of profile 'ci' is not cached: {again}"
    leave_sign_in(world, expires="2026-01-01T00:00:00Z")
    assert no_keys(world, profile="ci")["error"] == f"the sign-in of profile 'ci' has expired: {again}"
    leave_sign_in(world, token="another")
    assert no_keys(world, profile="ci")["error"] == f"the sign-in of profile 'ci' is no longer taken: {again}"
    leave_sign_in(world)
    world.metadata.permission_set = "another"
    assert "has it this role in this account?" in no_keys(world, profile="ci")["error"]


def test_a_program_that_fails_is_named(world):
    world.write(".aws/config", "[default]\ncredential_process = /bin/false\n")
    assert no_keys(world)["error"] == "credential_process of profile 'default' (/bin/false) ended with exit status 1"


def test_no_token_goes_to_a_host_that_is_none_of_the_agents(world):
    from botocore.exceptions import BotoCoreError
    hosts = ["http://example.com/agent", "http://127.0.0.1.example.com/agent", "http://localhost:80@example.com/agent",
             "http://10.0.0.1/agent", "ftp://127.0.0.1/agent", "http://169.254.170.22/agent"]
    world.set(AWS_CONTAINER_AUTHORIZATION_TOKEN="secret")
    for url in hosts:
        world.set(AWS_CONTAINER_CREDENTIALS_FULL_URI=url)
        with pytest.raises((ValueError, BotoCoreError)):
            world.botocore().get_credentials()
        assert no_keys(world)["error"].startswith("AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to "), url


def test_an_agent_that_refuses_ends_the_search(world):
    world.set(**METADATA, **AGENT)
    world.metadata.agent_token = "another"
    told = no_keys(world)
    assert told["error"] == f"{world.metadata.url} answers with status 403"
    assert told["trace"][-1].startswith("container: fails: ")


def test_the_path_of_a_container_is_told_to_nobody(world):
    """On ECS it is all that somebody needs for the keys."""
    world.set(**METADATA, **AGENT)
    served, said = world.ask(), []
    said += [*served["trace"], served["source"]]
    assert served["source"] == f"the container's {world.metadata.url}"
    for act in (lambda: setattr(world.metadata, "agent_token", "another"), world.metadata.close):
        act()
        told = no_keys(world)
        said += [*told["trace"], told["error"]]
    assert world.metadata.url in told["error"] and not [text for text in said if "/agent" in text]


def test_version_1_of_the_metadata_is_asked_only_when_allowed(world):
    world.set(**METADATA)
    world.metadata.versions = {1}
    told = no_keys(world)
    assert "version 1, which is not asked unless the settings allow it" in told["trace"][-1]
    creds = world.botocore().get_credentials()
    told = world.ask(imds_v1=True)
    assert (told["access"], told["secret"], told["token"]) == tuple(creds.get_frozen_credentials())[:3]
    assert told["source"] == "role fleet-manager of this instance, by metadata version 1"


def test_an_instance_without_a_role_has_no_keys(world):
    world.set(**METADATA)
    world.metadata.role = None
    told = no_keys(world)
    assert told["error"].startswith("nobody has keys for AWS: environment: ")
    assert told["trace"][-1].endswith("the instance has no role: attach an instance profile")
    assert world.botocore().get_credentials() is None


def test_where_no_metadata_service_is_nobody_waits_for_it(world):
    with socket.socket() as unused:  # bound, and not listening: refused
        unused.bind(("127.0.0.1", 0))
        world.set(**METADATA)
        world.patch.delenv("AWS_DEFAULT_REGION")
        told = no_keys(world, imds_endpoint=f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert told["trace"][-1].startswith("instance metadata: ")
    assert told["region_error"].startswith("no region is set: ")
    assert len(told["trace"]) == 5


def test_the_region_of_the_instance_is_the_last_resort(world):
    from botocore.utils import IMDSRegionProvider
    world.set(**METADATA)
    world.patch.delenv("AWS_DEFAULT_REGION")
    assert IMDSRegionProvider(world.botocore()).provide() == REGION
    told = world.ask()
    assert (told["region"], told["region_source"]) == (REGION, "the metadata of this instance")
    world.write(".aws/config", "[default]\nregion = eu-west-3\n")
    assert world.botocore().get_config_variable("region") == "eu-west-3"
    assert world.ask()["region"] == "eu-west-3"


def test_no_secret_is_told(world):
    world.take(ROLES["source_profile"])
    told = world.ask(profile="ci")
    secrets = [world.names["secret"], told["secret"], told["token"]]
    world.moto.endpoint.fault = lambda call: Fault(answer=Answer(403, call.body + str(call.headers).encode()))
    refused = no_keys(world, profile="ci")
    said = [*told["trace"], told["source"], *refused["trace"], refused["error"]]
    assert not [secret for secret in secrets for text in said if secret in text]


@pytest.mark.parametrize("name", ["sign-in", "web identity"])
def test_a_certificate_is_checked_by_aws_ca_bundle(world, free_sts, name):
    certificate, key = make_certificate(world.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    endpoint = free_sts if name == "web identity" else world.metadata.endpoint
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    url = endpoint.url.replace("http:", "https:")
    world.set(AWS_ENDPOINT_URL_STS=url, AWS_ENDPOINT_URL_SSO=url)
    if name == "sign-in":
        world.take(ROWS["sign-in without a session"])
        leave_sign_in(world)
    else:
        world.set(**WEB)
        world.write("token", "header.pay-load_1.signature")
    assert "certificate" in no_keys(world)["error"]
    assert endpoint.calls == []
    world.set(AWS_CA_BUNDLE=str(certificate))
    told = world.ask()
    assert told["code"] == 0, told


ENDPOINTS = {"sts": [("eu-west-3", {}), ("aws-global", {}), ("us-gov-west-1", {"fips": True}),
                     ("us-west-2", {"fips": True, "dual_stack": True})],
             "sso": [("cn-north-1", {}), ("us-west-2", {"fips": True, "dual_stack": True})]}


@pytest.mark.parametrize("service", ENDPOINTS)
def test_roles_and_sign_ins_are_asked_for_where_botocore_asks(world, service):
    """The sentence names the host; where there is no network it is not found."""
    world.patch.delenv("AWS_ENDPOINT_URL_STS")
    world.patch.delenv("AWS_ENDPOINT_URL_SSO")
    world.patch.delenv("AWS_DEFAULT_REGION")
    world.write("token", "header.pay-load_1.signature")
    leave_sign_in(world)
    for region, kinds in ENDPOINTS[service]:
        if service == "sts":
            world.set(**WEB)
        else:
            world.write(".aws/config", f"[default]\nsso_region = {region}\nsso_start_url = https://home.example/start\n"
                        + SIGN_IN)
        config = Config(use_fips_endpoint=kinds.get("fips"), use_dualstack_endpoint=kinds.get("dual_stack"))
        client = world.botocore().create_client(service, region_name=region, config=config)
        told = world.ask(prefix=ALONE, **kinds, **({"region": region} if region != "aws-global" else {}))
        assert client.meta.endpoint_url in told["error"], (region, kinds, told)


@pytest.mark.parametrize("kinds", [{"fips": True}, {"dual_stack": True}, {"fips": True, "dual_stack": True}])
def test_the_plugin_asks_for_a_role_at_the_kind_of_endpoint_that_its_group_has(new_worker, folder, kinds):  # noqa: F811
    (folder / "token").write_text("header.pay-load_1.signature")
    config = Config(use_fips_endpoint=kinds.get("fips"), use_dualstack_endpoint=kinds.get("dual_stack"))
    sts = boto3.client("sts", region_name="us-west-2", config=config, aws_access_key_id="any", aws_secret_access_key="any")
    worker = new_worker({"AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/ci"},
                        opened=False, prefix=ALONE, endpoint=None, region="us-west-2", **kinds)
    assert sts.meta.endpoint_url in worker.opened["message"], worker.opened


def test_metadata_services_are_asked_at_their_own_addresses(build, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    done = subprocess.run([*ALONE, sys.executable, "-m", "aws.alone",
                           build / "tests" / "integration" / "aws_keys"],
                          cwd=TESTS, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    methods = []
    for variables, theirs, ours in json.loads(done.stdout):
        assert theirs, variables
        assert [ours.get("access"), ours.get("secret"), ours.get("token")] == theirs[1:], ours
        methods.append(theirs[0])
    assert methods == ["iam-role", "iam-role", "container-role"]
