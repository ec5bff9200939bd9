"""A small cloud that answers as Google documents it. tests/integration/test_gcp_cloud.py has google-api-python-client
read it, so that its answers cannot drift from Google's.
"""

import json
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from cloud.endpoint import Answer, Call, Endpoint, Fault

from .account import Account
from .compute import Compute
from .errors import Refusal, rate
from .fields import cut, wanted_of
from .groups import Group, Groups
from .operations import Operations
from .oslogin import OsLogin
from .schema import Breach, asked_by, checked, method_of

PROJECT, ZONE = "my-gcp-project", "europe-west1-c"


@dataclass
class GcpCall(Call):
    """`action` is the method of Google's description: "instanceGroupManagers.get"."""

    def __post_init__(self):
        self.method_of = method_of(self.method, self.path)
        if self.method_of:
            self.service, self.action = self.method_of[0].service, self.method_of[0].id
        elif urlsplit(self.path).path == "/token":
            self.action = "token"


class Cloud:
    def __init__(self, at=("127.0.0.1", 0)):
        self.account = Account()
        self.operations = Operations()
        self.compute = Compute(self.operations)
        self.groups = Groups(self.compute, self.operations)
        self.oslogin = OsLogin()
        self.limited: dict[str, int] = {}  # how many of the next calls of an action are too many; "" = of any
        self.breaches: list[Breach] = []  # what close() fails for
        self.lock = threading.RLock()
        self.endpoint = Endpoint(self.ask, kind=GcpCall, at=at)
        self.endpoint.clock = self.account.now
        self.url = self.endpoint.url

    def close(self):
        self.endpoint.close()
        if self.breaches:
            raise self.breaches[0]

    def group(self, name="my-linux-instance-group", zone=ZONE, region="", project=PROJECT, **settings) -> Group:
        place, zones = (f"regions/{region}", [f"{region}-{letter}" for letter in "bcd"]) if region else (f"zones/{zone}", [zone])
        made = Group(project, place, name, zones, **settings)
        self.groups.all[made.path] = made
        return made

    def service_account(self, permissions=None, **options) -> dict:
        """The key file of an account that may do so much; None = all."""
        return self.account.service_account(f"{self.url}/token", permissions, **options)

    def ask(self, call: GcpCall) -> Answer:
        with self.lock:
            if call.action == "token":
                return self.account.exchange(call.body, f"{self.url}/token")
            if not call.method_of:
                return Answer(404, b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", "text/html; charset=UTF-8")
            try:
                return json_answer(self.act(call))
            except Refusal as problem:
                return problem.answer(call.service)

    def act(self, call: GcpCall) -> dict:
        method, in_path = call.method_of
        principal = self.account.admit(method.id, method.service, call.headers, resource_of(in_path))
        for name in (call.action, ""):
            if self.limited.get(name):
                self.limited[name] -= 1
                raise rate()
        try:
            asked = asked_by(method, in_path, call.path, call.headers, call.body)
            wanted = wanted_of(method, asked["fields"]) if "fields" in asked else {}
        except Breach as breach:
            self.breaches.append(breach)
            raise Refusal(400, "invalid", str(breach)) from breach
        return cut(checked(method, self.actor(method.id)(asked, principal)), wanted)

    def actor(self, name: str):
        resource, _, action = name.partition(".")
        if resource in ("instanceGroupManagers", "regionInstanceGroupManagers"):
            found = getattr(self.groups, action, None)
        elif resource in ("zoneOperations", "regionOperations") and action == "get":
            found = self.operation
        else:
            verb = f"{resource}_{action.replace('.', '_')}"
            found = getattr(self.compute, verb, None) or getattr(self.oslogin, verb, None)
        if not found:
            raise NotImplementedError(f"the cloud of the tests has no {name}")
        return found

    def operation(self, asked, _) -> dict:
        place = f"zones/{asked['zone']}" if "zone" in asked else f"regions/{asked['region']}"
        return self.operations.get(f"projects/{asked['project']}/{place}", asked["operation"])

    @staticmethod
    def refused(call: GcpCall, problem: Refusal) -> Fault:
        """For the endpoint's `fault`: that call is answered so."""
        return Fault(answer=problem.answer(call.service or "compute"))


def json_answer(content: dict) -> Answer:
    return Answer(200, json.dumps(content, indent=2).encode(), "application/json; charset=UTF-8")


def resource_of(in_path: dict) -> str:
    kinds = {"project": "projects", "zone": "zones", "region": "regions"}
    return "/".join(f"{kinds.get(name, name + 's')}/{in_path[name]}" for name in
                    ("project", "zone", "region", "instanceGroupManager", "instance", "operation") if name in in_path)
