"""What hands out keys beside AWS's token service: instance metadata, a container's agent, the portal of a sign-in.

tests/integration/test_aws_credentials.py has botocore ask it, too: an answer that is not AWS's would fail there.
"""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from cloud.endpoint import Answer, Endpoint

from .call import AwsCall

REGION = "eu-central-1"


class Metadata:
    def __init__(self, at=("127.0.0.1", 0)):
        self.keys = ("AKIAMETADATA", "metadata+secret/", "metadata/token==")
        self.role: str | None = "fleet-manager"  # of the instance
        self.versions = {2}
        self.agent_token: str | None = None  # that a container has to show
        self.sign_in = "sign-in-token"
        self.account, self.permission_set = "123456789012", "ci set"
        self.life = timedelta(hours=6)
        self.tokens: list[str] = []
        self.endpoint = Endpoint(self.ask, at=at, kind=AwsCall)
        self.url = self.endpoint.url

    def close(self):
        self.endpoint.close()

    def ask(self, call: AwsCall) -> Answer:
        url = urlsplit(call.path)
        if url.path.startswith("/latest/"):
            return self.of_instance(call, url.path)
        if url.path == "/agent":
            if call.headers.get("authorization") != self.agent_token:
                return answer({"code": "Forbidden", "message": "no"}, 403)
            return answer(self.expiring(RoleArn="arn:aws:iam::123456789012:role/task"))
        if url.path == "/federation/credentials":
            return self.of_sign_in(call, parse_qs(url.query))
        return Answer(404, b"")

    def of_instance(self, call: AwsCall, path: str) -> Answer:
        if path == "/latest/api/token" and 2 in self.versions:
            if call.method != "PUT" or not 1 <= int(call.headers["x-aws-ec2-metadata-token-ttl-seconds"]) <= 21600:
                return Answer(400, b"")
            self.tokens.append(f"AQ-token_{len(self.tokens)}==")
            return Answer(200, self.tokens[-1].encode(), "text/plain")
        shown = call.headers.get("x-aws-ec2-metadata-token")
        if call.method != "GET" or (shown not in self.tokens and 1 not in self.versions):
            return Answer(401 if 2 in self.versions else 404, b"")
        pages = {"/latest/meta-data/placement/availability-zone/": f"{REGION}b",
                 "/latest/dynamic/instance-identity/document": json.dumps({"accountId": self.account, "region": REGION})}
        if self.role:
            roles = "/latest/meta-data/iam/security-credentials/"
            pages |= {roles: self.role,
                      roles + self.role: json.dumps(self.expiring(Code="Success", Type="AWS-HMAC", LastUpdated=when()))}
        return Answer(200, pages[path].encode(), "text/plain") if path in pages else Answer(404, b"")

    def of_sign_in(self, call: AwsCall, query: dict[str, list[str]]) -> Answer:
        if call.headers.get("x-amz-sso_bearer_token") != self.sign_in:
            return answer({"message": "Session token not found or invalid", "__type": "UnauthorizedException"}, 401)
        if query != {"role_name": [self.permission_set], "account_id": [self.account]}:
            return answer({"message": "No access", "__type": "ForbiddenException"}, 403)
        access, secret, token = self.keys
        expires = datetime.now(UTC) + self.life
        return answer({"roleCredentials": {"accessKeyId": access, "secretAccessKey": secret, "sessionToken": token,
                                           "expiration": int(expires.timestamp() * 1000)}})

    def expiring(self, **more) -> dict:
        access, secret, token = self.keys
        return {**more, "AccessKeyId": access, "SecretAccessKey": secret, "Token": token,
                "Expiration": when(self.life)}


def when(later=timedelta()) -> str:
    return (datetime.now(UTC) + later).strftime("%Y-%m-%dT%H:%M:%SZ")


def answer(content: dict, status=200) -> Answer:
    return Answer(status, json.dumps(content).encode(), "application/json")
