"""The part of GitLab's API that is about runners themselves: registered, verified, removed, given a new token.

What came stays in `requests`, to be held against the protocol's vectors (coordinator-protocol.md 1.3 to 1.5, V19); what is
answered follows GitLab's own sources, named by their paths there:

| call | needs | answers | from |
| --- | --- | --- | --- |
| POST runners | token; access_level of two words | 201 id, token, token_expires_at; 400 for a missing or wrong parameter; 400 message {attribute: [why]} for a runner that cannot be: without tags and not run_untagged, maximum_timeout below 600, a note over 1,024 characters; 403 for an unknown token; 410 where registration tokens are switched off | lib/api/ci/runner.rb, app/services/ci/runners/register_runner_service.rb, app/models/ci/runner.rb, spec/requests/api/ci/runner/runners_post_spec.rb |
| POST runners/verify | token | 200 as above; makes the manager of system_id; 403 | lib/api/ci/runner.rb, …/runners_verify_post_spec.rb |
| DELETE runners | token | 204 without a body; 403 | lib/api/ci/runner.rb, …/runners_delete_spec.rb |
| DELETE runners/managers | token, system_id | 204; 403; 404 for a manager that GitLab does not know | the same |
| POST runners/reset_authentication_token | token | 201 token, token_expires_at, no id; 403 | lib/api/ci/runner.rb, …/runners_reset_spec.rb |
| POST runners/ID/reset_authentication_token, GET and DELETE runners/ID | a person's token | 201 as above, 200, 204; 401 for no or a wrong token; 404 | lib/api/ci/runners.rb |
| POST user/runners, GET user | a person's token; runner_type | 201 as a registration, with a glrt- token; 200 | lib/api/user_runners.rb |

All: parameters from the query, from JSON or from a form; 400 {"error": "token is missing"} and its like are Grape's own, every
other refusal is {"message": …} (lib/api/helpers.rb, lib/api/api.rb). A token that was replaced or has expired is as one that
never was. Times have milliseconds. Unknown parameters are ignored. Left out: 412 for a deletion on a condition, the 429 of a
GitLab that migrates its tables (`answers` plays it), what groups and projects allow.
"""

import datetime
import json
import re
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

JSON = {"Content-Type": "application/json"}
FORM = "application/x-www-form-urlencoded"
ACCESS_LEVELS = {"not_protected", "ref_protected"}
RUNNER_TYPES = {"instance_type", "group_type", "project_type"}


def told(status, text):
    """A refusal in GitLab's own words."""
    return status, JSON, json.dumps({"message": text}).encode()


def wrong(text, status=400):
    """A refusal of Grape's, below GitLab."""
    return status, JSON, json.dumps({"error": text}).encode()


FORBIDDEN = told(403, "403 Forbidden")
UNAUTHORIZED = told(401, "401 Unauthorized")


def read_parameters(path, headers, body):
    """None for a kind of body that the API does not take."""
    kind = (headers.get("Content-Type") or FORM).partition(";")[0]
    parameters = dict(parse_qsl(urlsplit(path).query))
    if kind == "application/json":
        return parameters | (json.loads(body or b"null") or {})
    return parameters | dict(parse_qsl(body.decode())) if kind == FORM else None


def missing(parameters, *names):
    """The answer, when one of them is not there."""
    absent = [name for name in names if not parameters.get(name)]
    return wrong(", ".join(f"{name} is missing" for name in absent)) if absent else None


def what_cannot_be(said):
    """Of a runner's attributes: why it cannot be saved."""
    faults = {}
    if said.get("run_untagged") in (False, "false") and not said.get("tag_list"):
        faults["tags_list"] = ["can not be empty when runner is not allowed to pick untagged jobs"]
    if int(said.get("maximum_timeout") or 600) < 600:
        faults["maximum_timeout"] = ["needs to be at least 10 minutes"]
    if len(said.get("maintenance_note") or "") > 1024:
        faults["maintenance_note"] = ["is too long (maximum is 1024 characters)"]
    return faults


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

    @property
    def is_over(self):
        return self.expires and datetime.datetime.fromisoformat(self.expires) < datetime.datetime.now(datetime.timezone.utc)

    @property
    def life(self):
        """token and token_expires_at, as GitLab writes them."""
        at = datetime.datetime.fromisoformat(self.expires) if self.expires else None
        return {"token": self.token, "token_expires_at": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z" if at else None}


class RunnerApi:
    def __init__(self, token, registration_token="GR1348941aRegistration00", personal_token="glpat-aPersonalToken00"):
        self.registration_token = registration_token  # None: registration tokens are switched off
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
        if not re.match("/api/v4/(user|runners)", path):
            return None
        request = Request(method, urlsplit(path).path.removeprefix("/api/v4/"), headers,
                          json.loads(body or b"null") if headers.get("Content-Type") in JSON.values() else body.decode())
        if self.waits:
            self.waits.wait(60)
        with self.lock:
            answer = self.answers.pop(0) if self.answers else self.answer(request, read_parameters(path, headers, body))
            request.status = answer[0]
            self.requests.append(request)
        if self.held:
            self.held.wait(60)
        return answer

    def answer(self, request, parameters):
        called = f"{request.method} {request.path}"
        if parameters is None:
            return wrong(f"The provided content-type '{request.headers['Content-Type']}' is not supported.", 415)
        if match := re.fullmatch(r"(\w+ )(user(?:/runners)?|runners/(\d+)(/\w+)?)", called):
            return self.answer_person(request, parameters, match[1] + (match[4] or match[2]), match[3])
        needs = {"POST runners": (self.register, "token"),
                 "POST runners/verify": (self.verify, "token"),
                 "DELETE runners": (self.delete, "token"),
                 "DELETE runners/managers": (self.delete_manager, "token", "system_id"),
                 "POST runners/reset_authentication_token": (self.reset, "token")}
        if called not in needs:
            return wrong("404 Not Found", 404)
        act, *names = needs[called]
        return missing(parameters, *names) or act(parameters)

    def find(self, parameters):
        return next((runner for runner in self.runners.values()
                     if runner.token == parameters["token"] and not runner.is_over), None)

    def described(self, status, runner, **more):
        self.given.add(runner.token)
        return status, JSON, json.dumps({**more, **runner.life}).encode()

    def add(self, said, token):
        runner = Runner(max(self.runners, default=0) + 1, token, self.expires, said=said)
        self.runners[runner.id] = runner
        return self.described(201, runner, id=runner.id)

    def register(self, said):
        if said.get("access_level", "not_protected") not in ACCESS_LEVELS:
            return wrong("access_level does not have a valid value")
        if self.registration_token is None:
            return told(410, "410 Gone - runner registration disallowed")
        if said["token"] != self.registration_token:
            return told(403, "403 Forbidden - invalid token supplied")
        faults = what_cannot_be(said)
        return told(400, faults) if faults else self.add(said, f"aLegacyToken{len(self.runners):08}")

    def verify(self, said):
        runner = self.find(said)
        if not runner:
            return FORBIDDEN
        runner.managers.add(said.get("system_id", "<legacy>"))
        return self.described(200, runner, id=runner.id)

    def delete(self, said):
        runner = self.find(said)
        if not runner:
            return FORBIDDEN
        del self.runners[runner.id]
        return 204, {}, b""

    def delete_manager(self, said):
        runner = self.find(said)
        if not runner:
            return FORBIDDEN
        if said["system_id"] not in runner.managers:
            return told(404, "404 Runner manager not found Not Found")
        runner.managers.remove(said["system_id"])
        return 204, {}, b""

    def renew(self, runner):
        runner.token = f"glrt-t1_{len(self.requests):03}aNewToken0123"
        runner.expires = self.expires
        return self.described(201, runner)

    def reset(self, said):
        runner = self.find(said)
        return self.renew(runner) if runner else FORBIDDEN

    def answer_person(self, request, parameters, called, runner_id):
        if request.headers.get("PRIVATE-TOKEN") != self.personal_token:
            return UNAUTHORIZED
        if called == "GET user":
            return 200, JSON, b'{"id":1,"username":"root"}'
        if called == "POST user/runners":
            return self.create(parameters)
        runner = self.runners.get(int(runner_id or 0))
        if not runner:
            return told(404, "404 Not found")
        if called == "POST /reset_authentication_token":
            return self.renew(runner)
        if called == f"GET runners/{runner_id}":
            return 200, JSON, json.dumps({"id": runner.id, "description": runner.said.get("description")}).encode()
        if called != f"DELETE runners/{runner_id}":
            return wrong("404 Not Found", 404)
        del self.runners[runner.id]
        return 204, {}, b""

    def create(self, said):
        if said.get("runner_type") not in RUNNER_TYPES:
            return missing(said, "runner_type") or wrong("runner_type does not have a valid value")
        faults = what_cannot_be(said)
        return told(400, "400 Bad request - " + " and ".join(f"{name} {why[0]}" for name, why in faults.items())) if faults \
            else self.add(said, f"glrt-t1_{len(self.runners):03}aMadeToken0123")
