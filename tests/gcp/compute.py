"""The machines of the cloud: what is seen of them, their metadata, their serial ports, and the guest in them, which
reads its metadata as Google's guest agent does."""

import base64
import datetime
import hashlib
import itertools
import json
import re
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .errors import Refusal, invalid, not_found, stale
from .operations import BASE, Operations, stamp

VALUE_MAX, METADATA_MAX = 256 << 10, 512 << 10  # bytes


@dataclass
class Machine:
    project: str
    zone: str
    name: str
    number: int  # how many were made before it
    id: str
    status: str = "PROVISIONING"
    os: str = "linux"
    architecture: str = "X86_64"  # "" = the disk does not say
    external: bool = True
    ipv6: str = ""  # EXTERNAL, INTERNAL
    ipv6_only: bool = False
    items: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)  # namespace -> key -> value
    serial: dict[int, str] = field(default_factory=lambda: {1: "booting\n", 2: "", 3: "", 4: ""})
    scheduling: dict = field(default_factory=dict)
    resource_status: dict = field(default_factory=dict)
    extra: dict = field(default_factory=dict)  # what else it shows, by Google's names
    password: str = "pa\\ss\"word-1"
    password_looks: int = 0  # at port 4, until the agent has answered
    answers: list[dict] = field(default_factory=list)  # what the agent is to write there
    requests: set[tuple] = field(default_factory=set)  # what it has answered
    edits: int = 0
    created: str = field(default_factory=stamp)

    @property
    def path(self) -> str:
        return f"projects/{self.project}/zones/{self.zone}/instances/{self.name}"

    @property
    def address(self) -> str:
        return f"10.132.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def external_address(self) -> str:
        return f"34.77.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def ipv6_address(self) -> str:
        return f"2600:1900:4010:{self.number + 1:x}::"

    @property
    def fingerprint(self) -> str:
        content = json.dumps([self.edits, self.items, self.id], sort_keys=True)
        return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()[:8]).decode()

    def metadata(self) -> dict:
        found = {"kind": "compute#metadata", "fingerprint": self.fingerprint}
        if self.items:
            found["items"] = [{"key": key, "value": value} for key, value in self.items.items()]
        return found

    def interface(self) -> dict:
        found = {"kind": "compute#networkInterface", "name": "nic0", "network": f"{BASE}/projects/{self.project}/global/networks/default",
                 "stackType": "IPV6_ONLY" if self.ipv6_only else "IPV4_IPV6" if self.ipv6 else "IPV4_ONLY"}
        if not self.ipv6_only:
            found["networkIP"] = self.address
            if self.external:
                access = {"kind": "compute#accessConfig", "name": "External NAT", "type": "ONE_TO_ONE_NAT", "networkTier": "PREMIUM"}
                found["accessConfigs"] = [access | ({"natIP": self.external_address} if self.is_up() else {})]
        if self.ipv6:
            found |= {"ipv6AccessType": self.ipv6}
        if self.ipv6 == "EXTERNAL":
            found["ipv6AccessConfigs"] = [{"kind": "compute#accessConfig", "name": "external-ipv6", "type": "DIRECT_IPV6",
                                           "externalIpv6": self.ipv6_address, "externalIpv6PrefixLength": 96,
                                           "networkTier": "PREMIUM"}]
        elif self.ipv6:
            found |= {"ipv6Address": self.ipv6_address, "internalIpv6PrefixLength": 96}
        return found

    def is_up(self) -> bool:
        return self.status in ("STAGING", "RUNNING", "REPAIRING")

    def described(self) -> dict:
        features = [{"type": kind} for kind in (("WINDOWS", "GVNIC") if self.os == "windows" else ("UEFI_COMPATIBLE", "GVNIC"))]
        disk = {"kind": "compute#attachedDisk", "type": "PERSISTENT", "mode": "READ_WRITE", "boot": True, "autoDelete": True,
                "index": 0, "deviceName": "persistent-disk-0", "guestOsFeatures": features, "diskSizeGb": "20",
                "licenses": [f"{BASE}/projects/{'windows' if self.os == 'windows' else 'debian'}-cloud/global/licenses/one"]}
        if self.architecture:
            disk["architecture"] = self.architecture
        return {"kind": "compute#instance", "id": self.id, "name": self.name, "status": self.status,
                "zone": f"{BASE}/projects/{self.project}/zones/{self.zone}", "selfLink": f"{BASE}/{self.path}",
                "machineType": f"{BASE}/projects/{self.project}/zones/{self.zone}/machineTypes/e2-medium",
                "creationTimestamp": self.created, "metadata": self.metadata(), "networkInterfaces": [self.interface()],
                "disks": [disk], "tags": {"fingerprint": "42WmSpB8rSM="}, "labelFingerprint": "42WmSpB8rSM=",
                "scheduling": {"automaticRestart": True, "onHostMaintenance": "MIGRATE", "preemptible": False,
                               "provisioningModel": "STANDARD", **self.scheduling},
                **({"resourceStatus": self.resource_status} if self.resource_status else {}), **self.extra}

    # The guest

    def read_metadata(self):
        """What the agent does about requests for a password: each is answered once, on the fourth port."""
        for line in self.items.get("windows-keys", "").splitlines():
            request = json.loads(line)
            known = tuple(request[part] for part in ("userName", "modulus", "expireOn"))
            if self.os == "windows" and known not in self.requests and request["expireOn"] > f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}":
                self.requests.add(known)
                self.answers.append(self.password_for(request))
                self.write_answers()

    def password_for(self, request: dict) -> dict:
        number = [int.from_bytes(base64.b64decode(request[part]), "big") for part in ("exponent", "modulus")]
        key = rsa.RSAPublicNumbers(*number).public_key()
        hashed = hashes.SHA256() if request.get("hashFunction") == "sha256" else hashes.SHA1()
        secret = key.encrypt(self.password.encode(), padding.OAEP(padding.MGF1(hashed), hashed, None))
        return {"userName": request["userName"], "passwordFound": True, "encryptedPassword": base64.b64encode(secret).decode(),
                "modulus": request["modulus"], "exponent": request["exponent"]}

    def write_answers(self):
        if self.password_looks <= 0:
            self.serial[4] = '{"ready":true,"version":"20260101"}\n' + "".join(f"{json.dumps(answer)}\n" for answer in self.answers)


class Compute:
    """`settings` of what it makes hold from the next machine on."""

    def __init__(self, operations: Operations):
        self.operations = operations
        self.machines: dict[tuple[str, str], Machine] = {}  # (zone, name)
        self.numbers = itertools.count()
        self.made = 0  # ever
        self.settings: dict = {}  # of Machine
        self.project_items: dict[str, str] = {}
        self.page = 500
        self.metadata_changed = lambda machine: None
        self.changed = lambda: None  # which machines there are

    def make(self, project: str, zone: str, name: str, **settings) -> Machine:
        number = next(self.numbers)
        machine = Machine(project, zone, name, number, str(7_000_000_000_000_000_000 + number * 7919),
                          **{**self.settings, **settings})
        assert (zone, name) not in self.machines, f"{name} is there already"
        self.machines[zone, name] = machine
        self.made += 1
        return machine

    def end(self, zone: str, name: str):
        self.machines.pop((zone, name), None)

    def find(self, asked: dict) -> Machine:
        zone, name = asked["zone"], asked["instance"]
        found = self.machines.get((zone, name)) or next(
            (machine for machine in self.machines.values() if (machine.zone, machine.id) == (zone, name)), None)
        if not found or found.project != asked["project"]:
            raise not_found(f"projects/{asked['project']}/zones/{zone}/instances/{name}")
        return found

    def instances_get(self, asked, _) -> dict:
        machine = self.find(asked)
        self.operations.look_at(machine.path)
        return machine.described()

    def instances_list(self, asked, _) -> dict:
        found = [machine for machine in self.machines.values() if machine.zone == asked["zone"]]
        wanted = filter_of(asked.get("filter", ""))
        page, more = page_of([machine for machine in found if wanted(machine)], asked, self.page)
        items = {"items": [machine.described() for machine in page]} if page else {}
        return {"kind": "compute#instanceList", "id": f"projects/{asked['project']}/zones/{asked['zone']}/instances", **items,
                **more}

    def instances_setMetadata(self, asked, principal) -> dict:
        machine, body = self.find(asked), asked["body"]
        if body.get("fingerprint", "") != machine.fingerprint:
            raise stale()
        items = {item["key"]: item.get("value", "") for item in body.get("items", [])}
        if len(items) != len(body.get("items", [])):
            raise invalid("Invalid value for field 'metadata.items': ''. Duplicate keys in metadata.")
        for key, value in items.items():
            if len(value.encode()) > VALUE_MAX:
                raise invalid(f"Invalid value for field 'metadata.items[{key}]'. Value for metadata entry exceeds {VALUE_MAX} bytes.")
        if sum(len(key) + len(value.encode()) for key, value in items.items()) > METADATA_MAX:
            raise invalid("Invalid value for field 'metadata': Metadata size is too large.")

        def work():
            machine.items, machine.edits = items, machine.edits + 1
            machine.read_metadata()
            self.metadata_changed(machine)

        place = f"projects/{machine.project}/zones/{machine.zone}"
        return self.operations.start(asked, place, "setMetadata", machine.path, principal.email, work)

    def instances_getSerialPortOutput(self, asked, _) -> dict:
        machine, port, start = self.find(asked), asked.get("port", 1), int(asked.get("start", 0))
        if port == 4 and machine.answers:
            machine.password_looks -= 1
            machine.write_answers()
        contents = machine.serial[port][start:]
        return {"kind": "compute#serialPortOutput", "contents": contents, "start": str(start),
                "next": str(start + len(contents)), "selfLink": f"{BASE}/{machine.path}/serialPort"}

    def instances_getGuestAttributes(self, asked, _) -> dict:
        machine, wanted = self.find(asked), asked.get("queryPath", "")
        if (self.project_items | machine.items).get("enable-guest-attributes", "").upper() != "TRUE":
            raise Refusal(403, "forbidden", "Guest attributes endpoint access is disabled.")
        space, _, key = wanted.partition("/")
        items = [{"namespace": name, "key": k, "value": v} for name, values in machine.attributes.items() for k, v in values.items()
                 if space in ("", name) and key in ("", k)]
        if not items:
            raise not_found(f"{wanted}' of type 'Guest Attribute")
        return {"kind": "compute#guestAttributes", "queryPath": wanted, "queryValue": {"items": items},
                "selfLink": f"{BASE}/{machine.path}/guestAttributes/"}

    def projects_get(self, asked, _) -> dict:
        items = [{"key": key, "value": value} for key, value in self.project_items.items()]
        return {"kind": "compute#project", "id": "1234567890", "name": asked["project"],
                "commonInstanceMetadata": {"kind": "compute#metadata", "fingerprint": "42WmSpB8rSM=", "items": items},
                "selfLink": f"{BASE}/projects/{asked['project']}"}


def filter_of(text: str):
    """Google's older form, a regular expression that the whole name must match."""
    known = re.fullmatch(r'name eq "([^"]*)"', text)
    if text and not known:
        raise NotImplementedError(f"the cloud of the tests has no filter {text}")
    return lambda machine: not known or re.fullmatch(known[1], machine.name)


def page_of(found: list, asked: dict, size: int) -> tuple[list, dict]:
    """This page, and how the next is asked for."""
    size = min(asked.get("maxResults") or 500, size)
    token = asked.get("pageToken", "")
    if token and not token.startswith("page-"):
        raise invalid(f"Invalid value for field 'pageToken': '{token}'.")
    start = int(token.removeprefix("page-") or 0)
    more = {"nextPageToken": f"page-{start + size}"} if found[start + size:] else {}
    return found[start:start + size], more
