"""Managed instance groups, in one zone or in those of a region.

Time passes with each look at the members of a group: what was ordered is made and boots, and what was deleted goes,
after as many looks as the group says. So nothing depends on how fast a test's machine is.
"""

import itertools
import re
from dataclasses import dataclass, field

from .compute import Compute, Machine, page_of
from .errors import Refusal, invalid, not_found
from .operations import BASE, Operations, stamp

NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
MEMBERS_PER_CALL = 1000
TRANSIENT = ("CREATING", "RECREATING", "CREATING_WITHOUT_RETRIES")


@dataclass
class Member:
    name: str
    zone: str
    looks: int  # until it goes on
    action: str = "CREATING"
    machine: Machine | None = None
    target: str = "RUNNING"
    errors: list[dict] = field(default_factory=list)  # of its last attempt
    health: str = ""
    termination: str = ""  # when its time ends


@dataclass
class Group:
    project: str
    place: str  # "zones/Z" or "regions/R"
    name: str
    zones: list[str]
    base: str = ""
    target_size: int = 0
    paginated: bool = False
    make_looks: int = 0  # until a member has a machine
    boot_looks: int = 1  # until that runs
    end_looks: int = 1
    room: int = 10**9  # so many machines can be made
    fails: tuple[str, str] = ("ZONE_RESOURCE_POOL_EXHAUSTED",  # why no more can be
                              "The zone 'projects/my-gcp-project/zones/europe-west1-c' does not have enough resources "
                              "available to fulfill the request.")
    fail_details: list[dict] = field(default_factory=list)
    extra: dict = field(default_factory=dict)  # what else it shows of itself, by Google's names
    status: dict = field(default_factory=dict)
    taken: Refusal | None = None  # how it answers to a name that it has already; None = as an invalid one
    members: dict[str, Member] = field(default_factory=dict)
    errors: list[dict] = field(default_factory=list)  # of listErrors, the newest first
    sizes: list[int] = field(default_factory=list)  # each that resize was given
    suspended_size: int = 0

    @property
    def path(self) -> str:
        return f"projects/{self.project}/{self.place}/instanceGroupManagers/{self.name}"

    def machines(self) -> list[Machine]:
        return [member.machine for member in self.members.values() if member.machine]

    def wanted(self) -> list[Member]:
        """Those that the target size speaks of."""
        return [member for member in self.members.values() if member.target == "RUNNING"]

    def described(self) -> dict:
        scope, where = self.place.split("/")
        policy = {"type": "OPPORTUNISTIC", "minimalAction": "REPLACE", "replacementMethod": "SUBSTITUTE",
                  "maxSurge": {"fixed": 1, "calculated": 1}, "maxUnavailable": {"fixed": 1, "calculated": 1}}
        found = {"kind": "compute#instanceGroupManager", "id": "5000000000000000001", "name": self.name,
                 "creationTimestamp": "2026-01-02T03:04:05.678-08:00", "baseInstanceName": self.base or self.name,
                 "targetSize": self.target_size, "fingerprint": "42WmSpB8rSM=", "selfLink": f"{BASE}/{self.path}",
                 scope.removesuffix("s"): f"{BASE}/projects/{self.project}/{self.place}",
                 "instanceGroup": f"{BASE}/projects/{self.project}/{self.place}/instanceGroups/{self.name}",
                 "instanceTemplate": f"{BASE}/projects/{self.project}/global/instanceTemplates/ci",
                 "versions": [{"instanceTemplate": f"{BASE}/projects/{self.project}/global/instanceTemplates/ci",
                               "targetSize": {"calculated": self.target_size}}],
                 "listManagedInstancesResults": "PAGINATED" if self.paginated else "PAGELESS", "updatePolicy": policy,
                 "currentActions": self.actions(), "targetSuspendedSize": self.suspended_size,
                 "instanceLifecyclePolicy": {"defaultActionOnFailure": "REPAIR", "forceUpdateOnRepair": "NO"},
                 "status": {"isStable": all(m.action == "NONE" for m in self.members.values()),
                            "versionTarget": {"isReached": True}, "stateful": {"hasStatefulConfig": False}, **self.status}}
        if scope == "regions":
            found["distributionPolicy"] = {"zones": [{"zone": f"{BASE}/projects/{self.project}/zones/{zone}"}
                                                     for zone in self.zones], "targetShape": "EVEN"}
            policy["instanceRedistributionType"] = "NONE"
        return {**found, **self.extra}

    def actions(self) -> dict:
        names = {"NONE": "none", "CREATING": "creating", "CREATING_WITHOUT_RETRIES": "creatingWithoutRetries",
                 "DELETING": "deleting", "RECREATING": "recreating", "SUSPENDING": "suspending", "RESUMING": "resuming",
                 "ABANDONING": "abandoning", "REFRESHING": "refreshing", "RESTARTING": "restarting",
                 "VERIFYING": "verifying", "STOPPING": "stopping", "STARTING": "starting"}
        return {short: sum(member.action == action for member in self.members.values()) for action, short in names.items()}

    def shown(self, member: Member) -> dict:
        found = {"instance": f"{BASE}/projects/{self.project}/zones/{member.zone}/instances/{member.name}",
                 "name": member.name, "currentAction": member.action, "targetStatus": member.target,
                 "version": {"instanceTemplate": f"{BASE}/projects/{self.project}/global/instanceTemplates/ci"}}
        if member.machine:
            found |= {"id": member.machine.id, "instanceStatus": member.machine.status}
        if member.errors:
            found["lastAttempt"] = {"errors": {"errors": member.errors}}
        if member.health:
            found["instanceHealth"] = [{"detailedHealthState": member.health, "healthCheck": f"{BASE}/projects/p/global/healthChecks/h"}]
        if member.termination:
            found["scheduling"] = {"terminationTimestamp": member.termination}
        return found


class Groups:
    """Each method named after one of Google's does it, for a zone and for a region."""

    def __init__(self, compute: Compute, operations: Operations):
        self.compute, self.operations = compute, operations
        self.all: dict[str, Group] = {}  # path -> group
        self.letters, self.turns = itertools.count(), itertools.count()
        self.page = 500

    # What the service does by itself

    def add(self, group: Group, name: str, action="CREATING"):
        zone = group.zones[next(self.turns) % len(group.zones)]
        group.members[name] = Member(name, zone, group.make_looks, action)
        if not group.make_looks:
            self.go_on(group, group.members[name])

    def pass_time(self, group: Group):
        self.operations.look_at(group.path)
        for member in list(group.members.values()):
            if member.looks > 0:
                member.looks -= 1
            else:
                self.go_on(group, member)
        self.compute.changed()

    def go_on(self, group: Group, member: Member):
        if member.action in TRANSIENT and not member.machine:
            self.make(group, member)
        elif member.action in TRANSIENT:
            member.action, member.machine.status = "NONE", "RUNNING"
        elif member.action == "DELETING":
            self.compute.end(member.zone, member.name)
            del group.members[member.name]
        elif member.action in ("SUSPENDING", "STOPPING"):
            member.machine.status = "SUSPENDED" if member.action == "SUSPENDING" else "TERMINATED"
            member.action = "NONE"
        elif member.action in ("RESUMING", "STARTING", "RESTARTING"):
            member.action, member.machine.status = "NONE", "RUNNING"

    def make(self, group: Group, member: Member):
        if len(group.machines()) >= group.room:
            code, message = group.fails
            details = {"errorDetails": group.fail_details} if group.fail_details else {}
            member.errors = [{"code": code, "message": message, **details}]
            group.errors.insert(0, {"error": {"code": code, "message": message}, "timestamp": stamp(), "instanceActionDetails": {
                "action": member.action, "instance": group.shown(member)["instance"]}})
            if member.action == "CREATING_WITHOUT_RETRIES":
                group.target_size -= 1
                del group.members[member.name]
            return
        member.machine, member.errors = self.compute.make(group.project, member.zone, member.name), []
        member.machine.status, member.looks = "STAGING", group.boot_looks
        if not group.boot_looks:
            self.go_on(group, member)

    def recreate(self, group: Group, name: str):
        """It failed, or was preempted: the group makes another machine under its name."""
        member = group.members[name]
        self.compute.end(member.zone, name)
        member.machine, member.action, member.looks = None, "RECREATING", group.make_looks
        self.compute.changed()

    def name_for(self, group: Group) -> str:
        number = next(self.letters)
        return f"{group.base or group.name}-" + "".join("bcdfghjklmnpqrst"[(number >> shift) & 15] for shift in (12, 8, 4, 0))

    # What it is asked

    def group_of(self, asked: dict) -> Group:
        place = f"zones/{asked['zone']}" if "zone" in asked else f"regions/{asked['region']}"
        path = f"projects/{asked['project']}/{place}/instanceGroupManagers/{asked['instanceGroupManager']}"
        if path not in self.all:
            raise not_found(path)
        return self.all[path]

    def start(self, group: Group, asked: dict, principal, action: str, work) -> dict:
        kind = f"compute.{'regionI' if group.place.startswith('regions') else 'i'}nstanceGroupManagers.{action}"
        place = f"projects/{group.project}/{group.place}"

        def change():
            error = work()
            self.compute.changed()
            return error

        return self.operations.start(asked, place, kind, group.path, principal.email, change)

    def get(self, asked, _) -> dict:
        return self.group_of(asked).described()

    def listManagedInstances(self, asked, _) -> dict:
        group = self.group_of(asked)
        if "orderBy" in asked or asked.get("filter"):
            raise NotImplementedError("the cloud of the tests orders and filters no members")
        if not asked.get("pageToken") or not group.paginated:
            self.pass_time(group)
        page, more = list(group.members.values()), {}
        if group.paginated:
            page, more = page_of(page, asked, self.page)
        return {"managedInstances": [group.shown(member) for member in page], **more} if page else {}

    def listErrors(self, asked, _) -> dict:
        page, more = page_of(self.group_of(asked).errors, asked, self.page)
        return {"items": page, **more} if page else {}

    def createInstances(self, asked, principal) -> dict:
        group, names = self.group_of(asked), [one.get("name", "") for one in asked["body"].get("instances", [])]
        if not names:
            raise invalid("Invalid value for field 'resource.instances': ''. At least one instance is needed.")
        for number, name in enumerate(names):
            if not NAME.fullmatch(name):
                raise invalid(f"Invalid value for field 'resource.instances[{number}].name': '{name}'. Must be a match of regex "
                              "'(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'")
        if len(names) > MEMBERS_PER_CALL or len(set(names)) != len(names):
            raise invalid("Invalid value for field 'resource.instances': ''. Too many, or one name twice.")
        if not self.is_repeated(group, asked, "createInstances"):
            taken = [name for name in names if name in group.members]
            if taken:
                raise group.taken or invalid(f"Invalid value for field 'resource.instances[0].name': '{taken[0]}'. "
                                             f"Instance name '{taken[0]}' is already used in the managed instance group.")

        def work():
            group.target_size += len(names)
            for name in names:
                self.add(group, name)

        return self.start(group, asked, principal, "createInstances", work)

    def is_repeated(self, group: Group, asked: dict, action: str) -> bool:
        return any(kind.endswith(f".{action}") and request == asked.get("requestId") and place == f"projects/{group.project}/{group.place}"
                   for place, kind, request in self.operations.requests)

    def resize(self, asked, principal) -> dict:
        group, size = self.group_of(asked), asked["size"]
        if size < 0:
            raise invalid(f"Invalid value for field 'size': '{size}'. Must be greater than or equal to 0")

        def work():
            group.sizes.append(size)
            group.target_size = size
            for _ in range(size - len(group.wanted())):
                self.add(group, self.name_for(group))
            for member in group.wanted()[:max(len(group.wanted()) - size, 0)]:
                self.go(group, member)

        return self.start(group, asked, principal, "resize", work)

    def go(self, group: Group, member: Member):
        member.action, member.looks, member.target = "DELETING", group.end_looks, "DELETED"
        if member.machine:
            member.machine.status = "STOPPING"

    def members_of(self, group: Group, asked: dict) -> list[str]:
        """The names; raises for URLs that are none, or of another place."""
        urls = asked["body"].get("instances", [])
        if not urls or len(urls) > MEMBERS_PER_CALL:
            raise invalid(f"Invalid value for field 'resource.instances': ''. Between 1 and {MEMBERS_PER_CALL} are allowed.")
        names = []
        for number, url in enumerate(urls):
            match = re.fullmatch(r"(?:(?:https://[^/]+/compute/v1/)?projects/([^/]+)/)?zones/([^/]+)/instances/([^/]+)", url)
            if not match or match[1] not in (None, group.project) or match[2] not in group.zones:
                raise invalid(f"Invalid value for field 'resource.instances[{number}]': '{url}'. The URL is malformed.")
            names.append(match[3] if group.members.get(match[3], Member("", match[2], 0)).zone == match[2] else "")
        return names

    def change(self, asked, principal, action: str, fits, act) -> dict:
        """A change of named members. One that does not fit is left out, or fails the operation."""
        group = self.group_of(asked)
        names = self.members_of(group, asked)

        def work():
            chosen = [group.members[name] for name in dict.fromkeys(names) if name in group.members and fits(group.members[name])]
            if len(chosen) != len(set(names)) and not asked["body"].get("skipInstancesOnValidationError"):
                return {"code": "INVALID_USAGE", "message": "An instance is not a member of the group, or on its way out of it."}
            for member in chosen:
                act(group, member)
            return None

        return self.start(group, asked, principal, action, work)

    def deleteInstances(self, asked, principal) -> dict:
        def act(group, member):
            if member.target == "RUNNING":
                group.target_size -= 1
            else:
                group.suspended_size -= 1
            self.go(group, member)

        return self.change(asked, principal, "deleteInstances", lambda member: member.action != "DELETING", act)

    def suspendInstances(self, asked, principal) -> dict:
        def act(group, member):
            group.target_size, group.suspended_size = group.target_size - 1, group.suspended_size + 1
            member.action, member.target, member.looks = "SUSPENDING", "SUSPENDED", group.end_looks
            member.machine.status = "SUSPENDING"

        return self.change(asked, principal, "suspendInstances",
                           lambda member: member.target == "RUNNING" and member.machine is not None, act)

    def resumeInstances(self, asked, principal) -> dict:
        def act(group, member):
            group.target_size, group.suspended_size = group.target_size + 1, group.suspended_size - 1
            member.action, member.target, member.looks = "RESUMING", "RUNNING", group.boot_looks
            member.machine.status = "STAGING"

        return self.change(asked, principal, "resumeInstances", lambda member: member.target == "SUSPENDED", act)
