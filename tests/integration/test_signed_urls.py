"""Signed URLs of cache stores, by the stores' own libraries: botocore, google-cloud-storage, azure-storage-blob; and
used as they are against moto's S3."""

import base64
import copy
import datetime
import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from unittest import mock

import pytest
from stores import s3_store  # noqa: F401

RUNNER = """concurrent = 1
[[runners]]
name = "a"
url = "https://gitlab.example"
token = "glrt-t1_abcdefgh"
executor = "instance"
[runners.autoscaler]
plugin = "local"
max_instances = 1
"""
PROJECT = "runner/t1_abcdef/project/42/"
NOW = 1795660000
# As keys come: with what a URL must write otherwise.
NAMES = ["main/deps-1", "a b+c&d=e?f#g%h", "ä/漢/~._-", "*'()!$,;:@[]"]


@pytest.fixture
def sign(build, folder):
    """sign(settings, METHOD, name) gives url and headers for a [runners.cache] with these settings."""
    config = folder / "config.toml"

    def call(settings, method, name, now=NOW, lifetime=3600):
        config.write_text(f"{RUNNER}[runners.cache]\n{settings}")
        config.chmod(0o600)
        done = subprocess.run([build / "tests" / "integration" / "sign_url", config, method, name, str(now),
                               str(lifetime)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        return answer["url"], dict(header.split(": ", 1) for header in answer["headers"])

    return call


def parts_of(url):
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc, parts.path, dict(urllib.parse.parse_qsl(parts.query))


def as_in_a_header(name):
    return urllib.parse.quote(name, safe="/~")


def s3(**settings):
    """[runners.cache.s3] with keys of the configuration."""
    settings = {"BucketName": "bucket", "BucketLocation": "eu-west-3", "AuthenticationType": "access-key",
                "AccessKey": "AKIAEXAMPLE", "SecretKey": "secret/+key", **settings}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(['Type = "s3"', "[runners.cache.s3]", *lines, ""])


# Settings of ours, and botocore's for the same host. Buckets with dots go into the path, as certificates want it.
S3_CASES = [
    ({}, {"use_dualstack_endpoint": True}, {}),
    ({"DualStack": False}, {"s3": {"addressing_style": "virtual"}}, {"endpoint_url": "https://s3.eu-west-3.amazonaws.com"}),
    ({"DualStack": False, "PathStyle": True}, {"s3": {"addressing_style": "path"}}, {}),
    ({"BucketName": "with.dots"}, {"use_dualstack_endpoint": True}, {}),
    ({"Accelerate": True, "DualStack": False}, {"s3": {"use_accelerate_endpoint": True}}, {}),
    ({"Accelerate": True}, {"s3": {"use_accelerate_endpoint": True}, "use_dualstack_endpoint": True}, {}),
    ({"ServerAddress": "s3.amazonaws.com"}, {"use_dualstack_endpoint": True}, {}),
    ({"BucketLocation": "cn-north-1"}, {"use_dualstack_endpoint": True}, {}),
    ({"SessionToken": "to+ken/=="}, {"use_dualstack_endpoint": True}, {}),
    ({"ServerAddress": "minio.example:9000"}, {"s3": {"addressing_style": "path"}},
     {"endpoint_url": "https://minio.example:9000"}),
    ({"ServerAddress": "minio.example:9000", "Insecure": True, "PathStyle": False},
     {"s3": {"addressing_style": "virtual"}}, {"endpoint_url": "http://minio.example:9000"}),
    ({"ServerAddress": "minio.example:443"}, {"s3": {"addressing_style": "path"}},
     {"endpoint_url": "https://minio.example"}),
    ({"ServerAddress": "storage.googleapis.com"}, {"s3": {"addressing_style": "virtual"}},
     {"endpoint_url": "https://storage.googleapis.com"}),
    ({"ServerSideEncryption": "S3"}, {"use_dualstack_endpoint": True}, {}),
    ({"ServerSideEncryption": "aws:kms", "ServerSideEncryptionKeyID": "arn:aws:kms:eu-west-3:1:key/2"},
     {"use_dualstack_endpoint": True}, {}),
    ({"ServerSideEncryption": "DSSE-KMS", "ServerSideEncryptionKeyID": "alias/a"}, {"use_dualstack_endpoint": True}, {}),
]


@pytest.mark.parametrize("settings,options,client_options", S3_CASES, ids=lambda value: json.dumps(value)[:40])
def test_s3_urls_are_those_of_botocore(sign, settings, options, client_options):
    import botocore.auth
    import botocore.session
    from botocore.config import Config

    now = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    client = botocore.session.get_session().create_client(
        "s3", region_name=settings.get("BucketLocation", "eu-west-3"), aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret/+key", aws_session_token=settings.get("SessionToken"),
        config=Config(signature_version="s3v4", request_checksum_calculation="when_required", **options),
        **client_options)
    bucket = settings.get("BucketName", "bucket")
    encryption = {"S3": "AES256", "DSSE-KMS": "aws:kms:dsse"}.get(settings.get("ServerSideEncryption"),
                                                                   settings.get("ServerSideEncryption"))
    for name in NAMES[:2] if options else NAMES:
        arguments = {"Bucket": bucket, "Key": PROJECT + name}
        for method, call in (("GET", "get_object"), ("HEAD", "head_object"), ("PUT", "put_object")):
            if method == "PUT":
                arguments["Metadata"] = {"cachekey": as_in_a_header(name)}
                if encryption:
                    arguments["ServerSideEncryption"] = encryption
                if "ServerSideEncryptionKeyID" in settings:
                    arguments["SSEKMSKeyId"] = settings["ServerSideEncryptionKeyID"]
            with mock.patch("botocore.auth.get_current_datetime", return_value=now, create=True):
                want = client.generate_presigned_url(call, Params=arguments, ExpiresIn=3600)
            url, headers = sign(s3(**settings), method, name)
            assert parts_of(url) == parts_of(want), (method, name)
            assert ("x-amz-meta-cachekey" in headers) == (method == "PUT")


@pytest.fixture(scope="module")
def google_key():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


@pytest.mark.parametrize("by_file", [False, True])
@pytest.mark.parametrize("universe", ["", "apis-example.goog"])
def test_google_urls_are_those_of_its_library(sign, folder, google_key, by_file, universe):
    from google.cloud.storage._signing import generate_signed_url_v4
    from google.oauth2 import service_account

    info = {"type": "service_account", "client_email": "ci@project.iam.gserviceaccount.com", "private_key": google_key,
            "token_uri": "https://oauth2.googleapis.com/token"}
    credentials = service_account.Credentials.from_service_account_info(info)
    settings = 'Type = "gcs"\nPath = "/x/../top/"\nShared = true\nMaxUploadedArchiveSize = 1000000\n' \
               '[runners.cache.gcs]\nBucketName = "bucket"\n'
    if universe:
        settings += f'UniverseDomain = "{universe}"\n'
    if by_file:
        file = folder / "key.json"
        file.write_text(json.dumps(info))
        file.chmod(0o600)
        settings += f'CredentialsFile = "{file}"\nAccessID = "another"\n'
    else:
        settings += f'AccessID = "{info["client_email"]}"\nPrivateKey = """{google_key}"""\n'
    request_time = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    for name in NAMES:
        for method in ("GET", "HEAD", "PUT"):
            options = {}
            if method == "PUT":
                options = {"content_type": "application/octet-stream",
                           "headers": {"x-goog-meta-cachekey": as_in_a_header(name),
                                       "X-Goog-Content-Length-Range": "0,1000000"}}
            resource = "/bucket/" + urllib.parse.quote(f"top/project/42/{name}", safe="/~")
            want = generate_signed_url_v4(
                credentials, resource=resource, expiration=3600, method=method, _request_timestamp=request_time,
                api_access_endpoint=f"https://storage.{universe or 'googleapis.com'}", **copy.deepcopy(options))
            url, headers = sign(settings, method, name)
            assert parts_of(url) == parts_of(want), (method, name)
            assert headers == ({"Content-Type": "application/octet-stream", **options["headers"]} if options else {})


def test_azure_urls_are_those_of_its_library(sign):
    from azure.storage.blob import _shared_access_signature as library

    key = base64.b64encode(bytes(range(64))).decode()
    settings = 'Type = "azure"\n[runners.cache.azure]\nAccountName = "account"\nContainerName = "container"\n' \
               f'AccountKey = "{key}"\n'
    moment = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    for domain in ("", "blob.core.example"):
        for name in NAMES:
            for method, permission in (("GET", "r"), ("HEAD", "r"), ("PUT", "w")):
                url, headers = sign(settings + (f'StorageDomain = "{domain}"\n' if domain else ""), method, name)
                scheme, host, path, query = parts_of(url)
                with mock.patch.object(library, "X_MS_VERSION", query["sv"]):
                    signer = library.BlobSharedAccessSignature("account", key)
                    signer.x_ms_version = query["sv"]
                    want = signer.generate_blob(
                        "container", PROJECT + name, permission=permission, protocol="https",
                        start=moment - datetime.timedelta(hours=1), expiry=moment + datetime.timedelta(hours=1))
                assert query == dict(urllib.parse.parse_qsl(want)), (method, name)
                assert (scheme, host) == ("https", f"account.{domain or 'blob.core.windows.net'}")
                assert urllib.parse.unquote(path) == f"/container/{PROJECT}{name}"
                assert headers == ({"x-ms-blob-type": "BlockBlob", "x-ms-meta-cachekey": as_in_a_header(name)}
                                   if method == "PUT" else {})


@pytest.fixture(scope="module")
def store(s3_store):  # noqa: F811
    """Its host and port."""
    s3_store.bucket("bucket")
    return s3_store.url.removeprefix("http://")


def ask(method, url, headers, body=None):
    """Status, headers and body, as a client that sends nothing of its own."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers, method=method)) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, b""


@pytest.mark.parametrize("name", NAMES)
def test_a_live_store_takes_and_gives_by_our_urls(sign, store, name):
    settings = s3(ServerAddress=store, Insecure=True)

    def go(method, body=None):
        url, headers = sign(settings, method, name, now=int(time.time()))
        return ask(method, url, {"Content-Type": "application/octet-stream", **headers}, body)

    assert go("GET")[0] == 404
    assert go("PUT", b"some archive")[0] == 200
    status, headers, _ = go("HEAD")
    assert (status, headers["x-amz-meta-cachekey"]) == (200, as_in_a_header(name))
    assert go("GET")[2] == b"some archive"
