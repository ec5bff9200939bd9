"""The client of Google Cloud in sdk/lib, against a server that answers as Google documents its failures."""

import json
import os
import socket

import pytest
from aws_library import (  # noqa: F401
    AUTH, CANCELLED, INVALID, NOT_FOUND, OK, QUOTA, THROTTLED, UNAVAILABLE, http, serve)
from google_library import Asker, google_key  # noqa: F401

PATH = "/compute/v1/projects/p/zones/z/instances/a%2Fb"
SHOWN = "things.get of a thing: "
SUCCESS = http(200, '{"kind": "compute#instance", "name": "a/b"}')


class Cloud:
    """A token endpoint that gives a new token each time, and `answer` for all else."""

    def __init__(self, serve, build, folder, answer):  # noqa: F811
        self.build, self.folder = build, folder
        self.given = self.content = None
        self.tokens = 0
        self.calls = []

        def all_of_it(request, n):
            if request.line.startswith("POST /token "):
                self.tokens += 1
                return http(200, json.dumps({"access_token": f"ya29.token-{self.tokens}", "expires_in": 3600}))
            self.calls.append(request)
            return answer(request, len(self.calls) - 1)

        self.server = serve(all_of_it)
        self.url = self.server.url
        self.credentials = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r",
                            "token_uri": f"{self.url}/token", "account": "me@example.com"}

    def start(self, descriptors=(), **settings):
        path = self.folder / "c.json"
        path.write_text(json.dumps(self.credentials))
        return Asker(self.build, dict(os.environ), descriptors,
                     **{"credentials_file": str(path), "endpoint": self.url, **settings})

    def call(self, settings=(), **arguments):
        asker = self.start(**dict(settings))
        told = asker.ask("call", **{"path": PATH, **arguments})
        asker.close()
        return told


@pytest.fixture
def cloud(serve, build, folder):  # noqa: F811
    return lambda answer: Cloud(serve, build, folder, answer)


def error(status, reason=None, message="Some sentence.", state=None, details=None, headers=()):
    """As compute v1 writes it."""
    said = {"code": status, "message": message}
    if reason:
        said["errors"] = [{"message": message, "domain": "global", "reason": reason}]
    if state:
        said["status"] = state
    if details:
        said["details"] = details
    return http(status, json.dumps({"error": said}), *headers)


def info(reason, **metadata):
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
            "metadata": metadata}


def retry_info(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def one_after_another(*answers):
    """The last stays."""
    return lambda request, n: answers[min(n, len(answers) - 1)]


def test_a_call_carries_its_token_its_parameters_and_its_body(cloud):
    made = cloud(one_after_another(SUCCESS))
    told = made.call(method="POST", params=[["filter", "name = a&b"], ["requestId", "1-2"]], body={"a": "ä/\n", "b": [1, None]})
    assert (told["result"], told["answer"]) == (OK, {"kind": "compute#instance", "name": "a/b"})
    request = made.calls[0]
    assert request.line == f"POST {PATH}?filter=name%20%3D%20a%26b&requestId=1-2 HTTP/1.1"
    assert request.headers["authorization"] == "Bearer ya29.token-1"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"a": "ä/\n", "b": [1, None]}
    assert request.headers["user-agent"] == "flotilla-test" and "x-goog-user-project" not in request.headers


def test_a_call_without_a_body_has_none(cloud):
    made = cloud(one_after_another(SUCCESS))
    for method in ("GET", "POST", "DELETE"):
        assert made.call(method=method)["result"] == OK
    assert [request.body for request in made.calls] == [""] * 3
    assert [request.headers.get("content-length") for request in made.calls] == [None, "0", None]
    assert [request.headers.get("content-type") for request in made.calls] == [None] * 3


def test_the_project_that_pays_is_told(cloud):
    made = cloud(one_after_another(SUCCESS))
    made.credentials["quota_project_id"] = "payer"
    assert made.call()["result"] == OK
    assert made.calls[0].headers["x-goog-user-project"] == "payer"
    made.credentials["quota_project_id"] = "payer\r\nX-Evil: 1"
    told = made.call()
    assert told["result"] == INVALID and "the quota project holds a control byte" in told["text"]
    assert len(made.calls) == 1


def test_one_token_serves_many_calls(cloud):
    made = cloud(one_after_another(SUCCESS))
    asker = made.start()
    for _ in range(3):
        assert asker.ask("call")["result"] == OK
    asker.close()
    assert made.tokens == 1 and len(made.calls) == 3


@pytest.mark.parametrize("status,body,wanted", [(204, "", None), (200, "{}", {})], ids=["204", "an object"])
def test_an_answer_may_have_nothing_to_say(cloud, status, body, wanted):
    told = cloud(one_after_another(http(status, body))).call(method="DELETE")
    assert (told["result"], told["answer"]) == (OK, wanted)


FAILURES = [
    (error(400, "invalid", "Invalid value for field 'x'"), INVALID, "invalid", "invalid: Invalid value for field 'x' (HTTP 400)"),
    (error(412, "conditionNotMet", "Supplied fingerprint does not match"), INVALID, "conditionNotMet",
     "conditionNotMet: Supplied fingerprint does not match (HTTP 412)"),
    (error(409, "alreadyExists", "The resource 'x' already exists"), INVALID, "alreadyExists", "already exists (HTTP 409)"),
    (error(404, "notFound", "The resource 'x' was not found"), NOT_FOUND, "notFound", "notFound: The resource 'x' was not found (HTTP 404)"),
    (error(403, "forbidden", "Required 'compute.instances.get' permission for 'projects/p/zones/z/instances/i'"), AUTH, "forbidden",
     "(HTTP 403); grant the right compute.instances.get to user me@example.com of FILE"),
    (error(403, None, "Permission denied.", "PERMISSION_DENIED",
           [info("IAM_PERMISSION_DENIED", permission="oslogin.users.importSshPublicKey")]), AUTH, "IAM_PERMISSION_DENIED",
     "; grant the right oslogin.users.importSshPublicKey to user me@example.com of FILE"),
    (error(403, "forbidden"), AUTH, "forbidden", "; grant the right for this call to user me@example.com of FILE"),
    (error(403, "accessNotConfigured", "Compute Engine API has not been used in project 1 before or it is disabled.",
           "PERMISSION_DENIED", [info("SERVICE_DISABLED", service="compute.googleapis.com")]), AUTH, "accessNotConfigured",
     "; enable the API in the project: 'gcloud services enable'"),
    (error(403, "insufficientPermissions", "Request had insufficient authentication scopes.", "PERMISSION_DENIED",
           [info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")]), AUTH, "insufficientPermissions", "; the token's scopes do not allow it: give "
     "the manager's instance the scope cloud-platform, and use roles to limit it"),
    (error(403, "forbidden", "Caller does not have required permission to use project payer.", "PERMISSION_DENIED",
           [info("USER_PROJECT_DENIED")]), AUTH, "forbidden", "; grant serviceusage.services.use on the quota project"),
    (error(403, "quotaExceeded", "Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west1."), QUOTA, "quotaExceeded",
     "Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west1. (HTTP 403); ask Google for a higher quota of the project"),
    (error(403, "dailyLimitExceeded"), QUOTA, "dailyLimitExceeded", "ask Google for a higher quota of calls a day"),
    (http(400, json.dumps([{"error": {"code": 400, "message": "In a list", "status": "INVALID_ARGUMENT"}}])), INVALID,
     "INVALID_ARGUMENT", "INVALID_ARGUMENT: In a list (HTTP 400)"),
    (http(400, '{"error": "invalid_request", "error_description": "of OAuth"}'), INVALID, "invalid_request", "invalid_request: of OAuth"),
    (http(404, "<html>Error 404 (Not Found)!!1</html>"), NOT_FOUND, "", "no reason (HTTP 404)"),
    (http(302, "", "Location: http://127.0.0.1:1/"), INVALID, "", "no reason (HTTP 302)"),
    (http(400, '{"error": 5'), INVALID, "", "no reason (HTTP 400)"),
    (http(400, "[]"), INVALID, "", "no reason (HTTP 400)"),
    (http(400, '{"error": {"errors": 5, "details": [5, {"@type": 5}, {"@type": "x.ErrorInfo"}], "message": ["a"]}}'), INVALID, "",
     "no reason (HTTP 400)"),
]


@pytest.mark.parametrize("answer,result,reason,text", FAILURES, ids=[text[:50] for _, _, _, text in FAILURES])
def test_a_failure_says_what_the_service_says_and_what_to_do(cloud, answer, result, reason, text):
    made = cloud(lambda request, n: answer)
    told = made.call()
    assert (told["result"], told["reason"]) == (result, reason)
    assert told["text"].startswith(SHOWN) and text in told["text"].replace(str(made.folder / "c.json"), "FILE")
    assert (told["maybe_done"], told["retry_after_ms"], told["log"]) == (0, 0, [])
    assert len(made.calls) == 1


def test_a_token_that_is_refused_is_asked_for_anew_once(cloud):
    refused = error(401, "authError", "Request had invalid authentication credentials.", "UNAUTHENTICATED",
                    [info("ACCESS_TOKEN_EXPIRED")])
    made = cloud(one_after_another(refused, SUCCESS))
    told = made.call(repeatable=0)
    assert told["result"] == OK
    assert [request.headers["authorization"] for request in made.calls] == ["Bearer ya29.token-1", "Bearer ya29.token-2"]
    assert told["log"][0].endswith("; asking for a new token")
    made = cloud(lambda request, n: refused)
    told = made.call(repeatable=0)
    assert (told["result"], told["maybe_done"], len(made.calls)) == (AUTH, 0, 2)
    assert "check that the account is not disabled" in told["text"]


THROTTLES = {
    "429": http(429),
    "403": error(403, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'", "PERMISSION_DENIED",
                 [info("RATE_LIMIT_EXCEEDED")]),
    "per user": error(403, "userRateLimitExceeded"),
}


@pytest.mark.parametrize("name", THROTTLES)
def test_throttling_is_waited_for_whatever_the_call(cloud, name):
    made = cloud(one_after_another(THROTTLES[name], SUCCESS))
    told = made.call(repeatable=0, method="POST")
    assert told["result"] == OK and len(made.calls) == 2 and told["maybe_done"] == 0
    assert told["log"][0].endswith("; all callers of the project share the limit; ask less often; trying again in 0.5 s")


@pytest.mark.parametrize("advice", ["header", "detail", "both"])
def test_a_wait_that_is_longer_than_the_call_is_told_instead(cloud, advice):
    details = [retry_info("500.250s")] if advice != "header" else None
    headers = ["Retry-After: 500" if advice == "header" else "Retry-After: 3"] if advice != "detail" else []
    made = cloud(lambda request, n: error(429, "rateLimitExceeded", details=details, headers=headers))
    told = made.call()
    assert (told["result"], told["reason"]) == (THROTTLED, "rateLimitExceeded") and len(made.calls) == 1
    assert told["retry_after_ms"] == (500000 if advice == "header" else 500250)


def test_what_is_not_ready_is_asked_for_again(cloud):
    made = cloud(one_after_another(error(400, "resourceNotReady", "The resource 'x' is not ready"), SUCCESS))
    assert made.call(repeatable=0, method="POST")["result"] == OK and len(made.calls) == 2


def test_failures_of_the_service_are_repeated_where_that_does_no_harm(cloud):
    answers = one_after_another(error(503, "backendError"), SUCCESS)
    made = cloud(answers)
    assert made.call(repeatable=1)["result"] == OK and len(made.calls) == 2
    made = cloud(answers)
    told = made.call(repeatable=0)
    assert (told["result"], told["status"], told["maybe_done"]) == (UNAVAILABLE, 503, 1) and told["retry_after_ms"] > 0
    assert len(made.calls) == 1


def cut(request, n):
    request.connection.sendall(SUCCESS[:-10])
    request.connection.shutdown(socket.SHUT_RDWR)


def test_a_lost_answer_is_asked_for_again_or_told(cloud):
    made = cloud(lambda request, n: SUCCESS if n > 0 else cut(request, n))
    assert made.call(repeatable=1)["result"] == OK and len(made.calls) == 2
    assert made.calls[0].line == made.calls[1].line, "the same request"
    made = cloud(cut)
    told = made.call(repeatable=0)
    assert (told["result"], told["status"], told["maybe_done"]) == (UNAVAILABLE, 0, 1) and len(made.calls) == 1


def test_what_may_not_be_repeated_is_not_lost_in_a_kept_connection(cloud):
    """Where a server ends one that was kept, libcurl asks again by itself."""
    def answer(request, n):
        if n == 0:
            return SUCCESS
        request.connection.shutdown(socket.SHUT_RDWR)

    made = cloud(answer)
    asker = made.start()
    assert asker.ask("call", repeatable=0)["result"] == OK
    told = asker.ask("call", repeatable=0)
    asker.close()
    assert (told["result"], told["maybe_done"]) == (UNAVAILABLE, 1) and len(made.calls) == 2


def test_what_was_lost_once_stays_unsure(cloud):
    made = cloud(lambda request, n: error(400, "invalid") if n > 0 else cut(request, n))
    told = made.call(repeatable=1)
    assert (told["result"], told["maybe_done"]) == (INVALID, 1) and len(made.calls) == 2


@pytest.mark.parametrize("body,why", [("", "JSON is broken"), ("<html>", "JSON is broken"), ("[]", "it is no object"),
                                      ("null", "it is no object"), ('{"a": 1} x', "JSON is broken"),
                                      ("[" * 65 + "]" * 65, "JSON is broken")],
                         ids=["nothing", "a page", "a list", "null", "more", "depth"])
def test_a_success_that_cannot_be_read_is_none(cloud, body, why):
    made = cloud(lambda request, n: http(200, body))
    told = made.call(repeatable=0)
    assert (told["result"], told["maybe_done"], told["answer"]) == (UNAVAILABLE, 1, None) and len(made.calls) == 1
    assert "the answer cannot be read: " + why in told["text"]


def test_an_answer_that_is_too_long_is_not_held(cloud):
    made = cloud(lambda request, n: http(200, '{"a": "' + "x" * 10000 + '"}'))
    told = made.call(repeatable=0, max_bytes=5000)
    assert told["result"] == UNAVAILABLE and "more than 5000 bytes" in told["text"]
    assert made.call(repeatable=0, max_bytes=11000)["result"] == OK


def test_no_secret_is_repeated(cloud):
    made = cloud(lambda request, n: error(403, "forbidden", "You sent " + request.headers["authorization"]))
    told = made.call()
    assert told["result"] == AUTH and "You sent Bearer ************ (HTTP" in told["text"]
    assert "ya29" not in json.dumps(told)


def test_nothing_is_asked_without_a_token(cloud, folder):
    made = cloud(one_after_another(SUCCESS))
    told = made.call({"credentials_file": str(folder / "none")})
    assert told["result"] == INVALID and told["text"] == \
        f"{SHOWN}{folder}/none: No such file or directory (credentials_file names it)"
    assert (made.calls, told["maybe_done"]) == ([], 0)


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_is_checked(cloud, folder, known):
    made, tokens = cloud(one_after_another(SUCCESS)), cloud(None)
    certificate = made.server.use_tls(folder)
    made.url, made.credentials = made.server.url, tokens.credentials
    told = made.call({"ca_file": str(certificate)} if known else {}, repeatable=0)
    assert (told["result"], told["maybe_done"]) == (OK if known else UNAVAILABLE, 0)
    assert len(made.calls) == known


@pytest.mark.parametrize("endpoint", ["http://example.com", "http://127.0.0.1:80@example.com", "ftp://127.0.0.1", "127.0.0.1"])
def test_no_token_goes_to_another_machine_unencrypted(cloud, endpoint):
    told = cloud(None).call({"endpoint": endpoint})
    assert (told["result"], told["maybe_done"], told["log"]) == (INVALID, 0, [])
    assert told["text"] == f"{SHOWN}the endpoint {endpoint} must be https, or http to this machine: it gets a token"


def test_an_endpoint_may_end_with_a_slash(cloud):
    made = cloud(one_after_another(SUCCESS))
    assert made.call({"endpoint": made.url + "//"})["result"] == OK
    assert made.calls[0].line.startswith(f"GET {PATH} ")


@pytest.mark.parametrize("universe", ["googleapis.com", "example-universe.goog"])
def test_a_service_is_asked_in_the_universe_of_the_token(cloud, serve, monkeypatch, google_key, universe):  # noqa: F811
    """As a proxy is told."""
    made, proxy = cloud(one_after_another(SUCCESS)), serve(lambda request, n: http(403))
    monkeypatch.setenv("https_proxy", proxy.url)
    if universe != "googleapis.com":
        made.credentials = {"type": "service_account", "client_email": "ci@p.iam.gserviceaccount.com",
                            "private_key": google_key.private, "universe_domain": universe}
    told = made.call({"endpoint": None}, repeatable=0)
    assert told["result"] == UNAVAILABLE and f"GET https://compute.{universe}{PATH}: " in told["text"]
    assert {request.line for request in proxy.requests} == {f"CONNECT compute.{universe}:443 HTTP/1.1"}


def test_who_cancels_ends_a_wait(cloud):
    reading, writing = os.pipe()

    def answer(request, n):
        os.write(writing, b"x")
        return error(503, "backendError", headers=["Retry-After: 50"])

    made = cloud(answer)
    asker = made.start((reading,))
    assert asker.ask("token")["result"] == OK
    told = asker.ask("call", cancel_fd=reading)
    asker.close()
    assert told["result"] == CANCELLED and len(made.calls) == 1
