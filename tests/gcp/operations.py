"""Changes that go on after they were accepted, and the requests that are known again by their id."""

import datetime
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from .errors import invalid, not_found

BASE = "https://www.googleapis.com/compute/v1"


def stamp(later_s=0.0) -> str:
    """As Google writes times: with the offset of its own clocks."""
    zone = datetime.timezone(datetime.timedelta(hours=-8))
    when = datetime.datetime.now(zone) + datetime.timedelta(seconds=later_s)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "-08:00"


@dataclass
class Operation:
    place: str  # "projects/P/zones/Z"
    name: str
    number: int
    kind: str  # "compute.instanceGroupManagers.createInstances"
    target: str  # of the resource, "projects/..."
    user: str
    request_id: str
    work: Callable[[], None] | None  # what it does when it is done
    looks: int  # at it or at its target, until then
    made: str
    error: dict | None = None  # code, message

    def described(self) -> dict:
        is_done = self.work is None
        scope, where = self.place.split("/")[-2:]
        found = {"kind": "compute#operation", "id": str(self.number), "name": self.name, "operationType": self.kind,
                 "targetLink": f"{BASE}/{self.target}", "targetId": str(self.number + 1), "user": self.user,
                 "status": "DONE" if is_done else "RUNNING", "progress": 100 if is_done else 0, "insertTime": self.made,
                 "startTime": self.made, "selfLink": f"{BASE}/{self.place}/operations/{self.name}",
                 scope.removesuffix("s"): f"{BASE}/projects/{self.place.split('/')[1]}/{scope}/{where}"}
        if self.request_id:
            found["clientOperationId"] = self.request_id
        if is_done:
            found["endTime"] = stamp()
        if is_done and self.error:
            found |= {"error": {"errors": [self.error]}, "httpErrorStatusCode": 400, "httpErrorMessage": "BAD REQUEST"}
        return found


class Operations:
    def __init__(self):
        self.all: dict[str, Operation] = {}
        self.requests: dict[tuple, Operation] = {}  # (place, kind, request id)
        self.numbers = itertools.count(4_100_000_000_000_000_001, 1009)
        self.looks = 0  # how long the next ones take

    def start(self, asked: dict, place: str, kind: str, target: str, user: str, work: Callable[[], dict | None]) -> dict:
        """The same request id is the same request: what it did is not done again."""
        request_id = checked_id(asked.get("requestId", ""))
        known = self.requests.get((place, kind, request_id)) if request_id else None
        if known:
            return known.described()
        number = next(self.numbers)
        name = f"operation-{number % 10**13}-{uuid.uuid4().hex[:13]}-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:8]}"
        made = Operation(place, name, number, kind, target, user, request_id, None, self.looks, stamp())
        made.work = lambda: setattr(made, "error", work())
        self.all[name] = made
        if request_id:
            self.requests[place, kind, request_id] = made
        self.pass_time(made)
        return made.described()

    def pass_time(self, operation: Operation):
        if operation.work and operation.looks > 0:
            operation.looks -= 1
        elif operation.work:
            work, operation.work = operation.work, None
            work()

    def look_at(self, target: str):
        for operation in [each for each in self.all.values() if each.work and each.target == target]:
            self.pass_time(operation)

    def get(self, place: str, name: str) -> dict:
        operation = self.all.get(name)
        if not operation or operation.place != place:
            raise not_found(f"{place}/operations/{name}")
        self.pass_time(operation)
        return operation.described()

    def forget_requests(self):
        """As Google does after a while: a repetition is a request of its own then."""
        self.requests.clear()


def checked_id(text: str) -> str:
    if not text:
        return ""
    try:
        if uuid.UUID(text).int and str(uuid.UUID(text)) == text.lower():
            return text
    except ValueError:
        pass
    raise invalid(f"Invalid value for field 'requestId': '{text}'. Must be a valid non-zero UUID.")
