"""Who may call: access keys, their signatures by botocore's own signer, the clock, and what a principal may not do.

The three protocols have words of their own for each way to be refused; they are AWS's.
"""

import datetime
import threading
import time
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .wire import Refusal, protocol_of

NUMBER = "123456789012"
PRINCIPAL = f"arn:aws:iam::{NUMBER}:user/runner"
SKEW_MAX_S = 5 * 60
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass
class Key:
    secret: str
    token: str = ""
    expired: bool = False


class Account:
    def __init__(self, region="us-east-1"):
        self.region = region
        self.keys: dict[str, Key] = {"AKIAIOSFODNN7EXAMPLE": Key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
        self.denied: set[str] = set()  # "autoscaling:SetDesiredCapacity"
        self.skew_s = 0.0  # how far this side's clock is before ours
        self.lock = threading.Lock()

    def now(self) -> float:
        return time.time() + self.skew_s

    def admit(self, call):
        """Raises what the service answers to a call that it does not take."""
        words = Words(call.service)
        given = dict(part.strip().partition("=")[::2] for part in
                     call.headers.get("authorization", "").removeprefix("AWS4-HMAC-SHA256 ").split(","))
        if not call.access_key:
            raise words.unsigned()
        key = self.keys.get(call.access_key)
        if not key or call.headers.get("x-amz-security-token", "") != key.token:
            raise words.unknown_key()
        if given.get("Signature") != self.signature(call, key, given.get("SignedHeaders", "").split(";")):
            raise words.wrong_signature()
        stamp = call.headers.get("x-amz-date", "")
        sent = datetime.datetime.strptime(stamp, STAMP).replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(self.now() - sent) > SKEW_MAX_S:
            raise words.skewed(stamp, sent, self.now())
        if key.expired:
            raise words.expired_token()
        if f"{call.service}:{call.action}" in self.denied:
            raise words.denied(call.action)

    def signature(self, call, key: Key, signed: list[str]) -> str:
        """What it must be. Only what is signed is looked at; the host always has to be."""
        request = AWSRequest(method=call.method, url=f"http://{call.headers.get('host', '')}{call.path}", data=call.body,
                             headers={name: call.headers[name] for name in signed if name in call.headers})
        if not {"host", "x-amz-date"} <= set(signed):
            return "the host and the date are not signed"
        request.context["timestamp"] = call.headers["x-amz-date"]
        signer = SigV4Auth(Credentials(call.access_key, key.secret, key.token or None), call.service, self.region)
        return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


class Words:
    """How a service words that it refuses."""

    def __init__(self, service: str):
        self.service = service
        self.protocol = protocol_of(service) if service else "query"

    def pick(self, query: tuple, ec2: tuple, json: tuple) -> Refusal:
        return Refusal(*{"query": query, "ec2": ec2, "json": json}[self.protocol])

    def unsigned(self):
        text = "Request is missing Authentication Token"
        return self.pick(("MissingAuthenticationToken", text, 403), ("MissingAuthenticationToken", text, 403),
                         ("MissingAuthenticationTokenException", "Missing Authentication Token", 400))

    def unknown_key(self):
        text = "The security token included in the request is invalid."
        return self.pick(("InvalidClientTokenId", text, 403), self.not_validated(),
                         ("UnrecognizedClientException", text, 400))

    @staticmethod
    def not_validated():
        return ("AuthFailure", "AWS was not able to validate the provided access credentials", 401)

    def wrong_signature(self):
        text = ("The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details.")
        return self.pick(("SignatureDoesNotMatch", text, 403), self.not_validated(),
                         ("InvalidSignatureException", text, 400))

    def skewed(self, stamp: str, sent: float, now: float):
        def at(when):
            return datetime.datetime.fromtimestamp(when, datetime.timezone.utc).strftime(STAMP)

        late = sent < now
        limit = at(now - SKEW_MAX_S if late else now + SKEW_MAX_S)
        text = (f"Signature {'expired' if late else 'not yet current'}: {stamp} is {'now earlier' if late else 'still later'} "
                f"than {limit} ({at(now)} {'-' if late else '+'} 5 min.)")
        return self.pick(("SignatureDoesNotMatch", text, 403), ("RequestExpired", "Request has expired.", 400),
                         ("InvalidSignatureException", text, 400))

    def expired_token(self):
        text = "The security token included in the request is expired"
        return self.pick(("ExpiredToken", text, 403), ("RequestExpired", "Request has expired.", 400),
                         ("ExpiredTokenException", text, 400))

    def denied(self, action: str):
        text = (f"User: {PRINCIPAL} is not authorized to perform: {self.service}:{action} because no identity-based "
                f"policy allows the {self.service}:{action} action")
        return self.pick(("AccessDenied", text, 403),
                         ("UnauthorizedOperation", f"You are not authorized to perform this operation. {text}", 403),
                         ("AccessDeniedException", text, 400))

    def throttled(self):
        return self.pick(("Throttling", "Rate exceeded", 400), ("RequestLimitExceeded", "Request limit exceeded.", 503),
                         ("ThrottlingException", "Rate exceeded", 400))

    def broken(self):
        text = "The service cannot complete the request."
        return self.pick(("InternalFailure", text, 500), ("InternalError", "An internal error has occurred", 500),
                         ("ServiceException", text, 500))
