"""The part of GitLab's runner API that is about runners themselves: registered, verified, removed, given a new token.

As strict as GitLab: a token that was replaced is of no use any more, and a body of another shape is refused. What came
stays in `requests`, to be held against the protocol's vectors (coordinator-protocol.md 1.3 to 1.5, V19).
"""

import json
import re
import threading
from dataclasses import dataclass, field

JSON = {"Content-Type": "application/json"}
FORBIDDEN = 403, JSON, b'{"message":"403 Forbidden"}'
REGISTRATION = {"token", "description", "maintenance_note", "tag_list", "run_untagged", "locked", "access_level",
                "maximum_timeout", "paused", "info"}


@dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: object
    status: int = 0


@dataclass
class Runner:
    id: int
    token: str
    expires: str | None = None
    managers: set = field(default_factory=set)
    said: dict = field(default_factory=dict)  # when it was registered


class RunnerApi:
    def __init__(self, token, registration_token="GR1348941aRegistration00", personal_token="glpat-aPersonalToken00"):
        self.registration_token = registration_token
        self.personal_token = personal_token
        self.runners = {7: Runner(7, token)}
        self.given = {token}  # all that there ever were
        self.requests: list[Request] = []
        self.answers: list = []  # given in turn in place of what would be done: (status, headers, body)
        self.expires = None  # of tokens that are given
        self.waits = None  # an Event: nothing is done before
        self.held = None  # an Event: it is done, but answers wait
        self.lock = threading.Lock()

    @property
    def token(self):
        """Of the first runner, which is the one that asks for jobs; None when it was removed."""
        return self.runners[7].token if 7 in self.runners else None

    @token.setter
    def token(self, token):
        self.runners[7].token = token
        self.given.add(token)

    def act(self, method, path, headers, body):
        """The answer, or None when it is another part's."""
        if not path.startswith("/api/v4/runners"):
            return None
        request = Request(method, path.removeprefix("/api/v4/"), headers, json.loads(body or "null"))
        if self.waits:
            self.waits.wait(60)
        with self.lock:
            answer = self.answers.pop(0) if self.answers else self.answer(request)
            request.status = answer[0]
            self.requests.append(request)
        if self.held:
            self.held.wait(60)
        return answer

    def answer(self, request):
        if request.headers.get("Content-Type") != "application/json":
            return 415, {}, b""
        called = f"{request.method} {request.path}"
        if match := re.fullmatch(r"POST runners/(\d+)/reset_authentication_token", called):
            return self.reset_by_person(request, int(match[1]))
        known = {"POST runners": self.register, "POST runners/verify": self.verify,
                 "DELETE runners": self.delete, "DELETE runners/managers": self.delete_manager,
                 "POST runners/reset_authentication_token": self.reset}
        return known[called](request) if called in known else (404, JSON, b'{"message":"404 Not Found"}')

    def find(self, request):
        return next((runner for runner in self.runners.values() if runner.token == request.body.get("token")), None)

    def described(self, status, runner):
        self.given.add(runner.token)
        return status, JSON, json.dumps({"id": runner.id, "token": runner.token,
                                         "token_expires_at": runner.expires}).encode()

    def register(self, request):
        if set(request.body) - REGISTRATION or request.body["token"] != self.registration_token:
            return FORBIDDEN
        runner = Runner(max(self.runners, default=0) + 1, f"aLegacyToken{len(self.runners):08}", self.expires,
                        said=request.body)
        self.runners[runner.id] = runner
        return self.described(201, runner)

    def verify(self, request):
        runner = self.find(request)
        if not runner or not request.body["info"]["features"]:
            return FORBIDDEN
        runner.managers.add(request.body["system_id"])
        return self.described(200, runner)

    def delete(self, request):
        runner = self.find(request)
        if not runner or set(request.body) != {"token"}:
            return FORBIDDEN
        del self.runners[runner.id]
        return 204, {}, b""

    def delete_manager(self, request):
        runner = self.find(request)
        if not runner or request.body["system_id"] not in runner.managers:
            return FORBIDDEN
        runner.managers.remove(request.body["system_id"])
        return 204, {}, b""

    def renew(self, runner):
        runner.token = f"glrt-t1_{len(self.requests):03}aNewToken0123"
        runner.expires = self.expires
        return self.described(201, runner)

    def reset(self, request):
        runner = self.find(request)
        return self.renew(runner) if runner and set(request.body) == {"token"} else FORBIDDEN

    def reset_by_person(self, request, runner_id):
        if request.headers.get("PRIVATE-TOKEN") != self.personal_token or request.body is not None:
            return FORBIDDEN
        return self.renew(self.runners[runner_id]) if runner_id in self.runners else (404, JSON, b"{}")
