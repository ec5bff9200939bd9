"""The machines of the strict cloud, and the calls of EC2 and EC2 Instance Connect about them."""

import base64
import datetime
import itertools
import re
import uuid
from dataclasses import dataclass, field

from .wire import Refusal

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
TEMPLATE = "lt-0123456789abcdef0"
PAGE = 1000  # of DescribeInstances, at most


@dataclass
class Machine:
    id: str
    number: int
    state: str = "pending"
    zone: str = "us-east-1a"
    architecture: str = "x86_64"
    platform: str = ""  # "windows"
    spot_request: str = ""
    key_name: str = ""
    host_keys: list[str] = field(default_factory=list)  # printed to its console when it boots
    password_data: str = ""  # base64, as EC2 gives it; empty = not ready
    events: list[dict] = field(default_factory=list)  # scheduled ones
    tags: dict[str, str] = field(default_factory=dict)
    started: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))

    @property
    def private_address(self) -> str:
        return f"172.31.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def public_address(self) -> str:
        return f"54.214.{self.number // 250}.{self.number % 250 + 1}"

    def described(self) -> dict:
        there = self.state not in ("shutting-down", "terminated")
        found = {"InstanceId": self.id, "ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.medium",
                 "State": {"Code": STATES[self.state], "Name": self.state}, "Architecture": self.architecture,
                 "LaunchTime": self.started, "Placement": {"AvailabilityZone": self.zone, "Tenancy": "default"},
                 "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()]}
        if there:
            dashed = self.public_address.replace(".", "-")
            found |= {"PrivateIpAddress": self.private_address, "PublicIpAddress": self.public_address,
                      "PrivateDnsName": f"ip-{self.private_address.replace('.', '-')}.ec2.internal",
                      "PublicDnsName": f"ec2-{dashed}.compute-1.amazonaws.com",
                      "Ipv6Address": f"2001:db8::{self.number + 1:x}"}
        if self.platform:
            found["Platform"] = self.platform
        if self.key_name:
            found["KeyName"] = self.key_name
        if self.spot_request:
            found |= {"InstanceLifecycle": "spot", "SpotInstanceRequestId": self.spot_request}
        return found

    def console(self) -> str:
        keys = "".join(f"{key}\n" for key in self.host_keys)
        return f"booting\n-----BEGIN SSH HOST KEY KEYS-----\n{keys}-----END SSH HOST KEY KEYS-----\nlogin:\n"


@dataclass
class PushedKey:
    instance: str
    user: str
    key: str
    zone: str


class Compute:
    """Each method named after an action does it; `settings` of what it launches hold from the next launch on."""

    def __init__(self):
        self.machines: dict[str, Machine] = {}
        self.numbers = itertools.count(1)
        self.launched = 0  # ever
        self.settings: dict = {}  # of Machine
        self.launches = "t3.medium"  # by the launch template, or a launch configuration
        self.page = PAGE
        self.empty_pages = 0  # so many pages without content come first: AWS may give such
        self.spot: dict[str, str] = {}  # request -> status code
        self.pushed: list[PushedKey] = []

    def launch(self, **settings) -> Machine:
        number = next(self.numbers)
        machine = Machine(f"i-{number:017x}", number, **{**self.settings, **settings})
        self.machines[machine.id] = machine
        self.launched += 1
        return machine

    def end(self, instance: str):
        if machine := self.machines.get(instance):
            machine.state = "shutting-down"

    def find(self, ids: list[str]) -> list[Machine]:
        for instance in ids:
            if not re.fullmatch(r"i-[0-9a-f]{8,17}", instance):
                raise Refusal("InvalidInstanceID.Malformed", f'Invalid id: "{instance}"')
        unknown = [instance for instance in ids if instance not in self.machines]
        if unknown:
            text = f"The instance ID '{unknown[0]}' does not exist" if len(unknown) == 1 else \
                f"The instance IDs '{', '.join(unknown)}' do not exist"
            raise Refusal("InvalidInstanceID.NotFound", text)
        return [self.machines[instance] for instance in ids]

    def chosen(self, asked: dict) -> list[Machine]:
        found = self.find(asked["InstanceIds"]) if asked.get("InstanceIds") else list(self.machines.values())
        for wanted in asked.get("Filters", []):
            found = [machine for machine in found if matches(machine, wanted["Name"], wanted["Values"])]
        return found

    def paged(self, found: list, asked: dict) -> tuple[list, dict]:
        """This page, and how the next is asked for."""
        if asked.get("InstanceIds") and "MaxResults" in asked:
            raise Refusal("InvalidParameterCombination",
                          "The parameter instancesSet cannot be used with the parameter maxResults")
        if not 5 <= asked.get("MaxResults", 5) <= PAGE:
            raise Refusal("InvalidParameterValue", f"Value ( {asked['MaxResults']} ) for parameter maxResults is invalid.")
        return page_of(found, asked.get("NextToken"), min(asked.get("MaxResults", PAGE), self.page), self.empty_pages)

    def DescribeInstances(self, asked: dict) -> dict:
        page, more = self.paged(self.chosen(asked), asked)
        return {"Reservations": [{"ReservationId": f"r-{machine.number:017x}", "OwnerId": "123456789012",
                                  "Instances": [machine.described()]} for machine in page], **more}

    def DescribeInstanceStatus(self, asked: dict) -> dict:
        found = [machine for machine in self.chosen(asked) if asked.get("IncludeAllInstances") or machine.state == "running"]
        page, more = self.paged(found, asked)
        return {"InstanceStatuses": [{"InstanceId": machine.id, "AvailabilityZone": machine.zone, "Events": machine.events,
                                      "InstanceState": {"Code": STATES[machine.state], "Name": machine.state},
                                      "InstanceStatus": {"Status": "ok"}, "SystemStatus": {"Status": "ok"}}
                                     for machine in page], **more}

    def DescribeSpotInstanceRequests(self, asked: dict) -> dict:
        wanted = asked.get("SpotInstanceRequestIds")
        found = [machine for machine in self.machines.values() if machine.spot_request
                 and (not wanted or machine.spot_request in wanted)]
        for rule in asked.get("Filters", []):
            found = [machine for machine in found if holds(
                {"instance-id": [machine.id], "status-code": [self.spot_code(machine)]}, rule["Name"], rule["Values"])]
        return {"SpotInstanceRequests": [
            {"SpotInstanceRequestId": machine.spot_request, "InstanceId": machine.id, "State": "active",
             "Status": {"Code": self.spot_code(machine), "Message": "", "UpdateTime": machine.started}}
            for machine in found]}

    def spot_code(self, machine: Machine) -> str:
        return self.spot.get(machine.spot_request, "fulfilled")

    def DescribeLaunchTemplateVersions(self, asked: dict) -> dict:
        if asked.get("LaunchTemplateId") != TEMPLATE:
            raise Refusal("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID "
                          f"{asked.get('LaunchTemplateId')}, does not exist.")
        if not {*asked.get("Versions", [])} <= {"1", "$Latest", "$Default"}:
            raise Refusal("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version")
        return {"LaunchTemplateVersions": [
            {"LaunchTemplateId": TEMPLATE, "LaunchTemplateName": "ci", "VersionNumber": 1, "DefaultVersion": True,
             "LaunchTemplateData": {"ImageId": "ami-0123456789abcdef0", "InstanceType": self.launches}}]}

    def GetPasswordData(self, asked: dict) -> dict:
        [machine] = self.find([asked["InstanceId"]])
        return {"InstanceId": machine.id, "PasswordData": machine.password_data, "Timestamp": machine.started}

    def GetConsoleOutput(self, asked: dict) -> dict:
        [machine] = self.find([asked["InstanceId"]])
        return {"InstanceId": machine.id, "Output": base64.b64encode(machine.console().encode()).decode(),
                "Timestamp": machine.started}

    def SendSSHPublicKey(self, asked: dict) -> dict:
        machine = self.machines.get(asked["InstanceId"])
        if not machine or machine.state == "terminated":
            raise Refusal("EC2InstanceNotFoundException", "Instance not found")
        if machine.state != "running":
            raise Refusal("EC2InstanceStateInvalidException", f"Instance is in state {machine.state}")
        if asked.get("AvailabilityZone", machine.zone) != machine.zone:
            raise Refusal("EC2InstanceNotFoundException", "Instance not found in the zone")
        if not re.fullmatch(r"(ssh-rsa|ssh-ed25519|ecdsa-sha2-nistp256) [A-Za-z0-9+/=]+( .*)?", asked["SSHPublicKey"].strip()):
            raise Refusal("InvalidArgsException", "Invalid SSH public key")
        self.pushed.append(PushedKey(machine.id, asked["InstanceOSUser"], asked["SSHPublicKey"].strip(), machine.zone))
        return {"RequestId": str(uuid.uuid4()), "Success": True}


def matches(machine: Machine, name: str, values: list[str]) -> bool:
    if name.startswith("tag:"):
        return machine.tags.get(name.removeprefix("tag:")) in values
    return holds({"instance-id": [machine.id], "instance-state-name": [machine.state],
                  "instance-state-code": [str(STATES[machine.state])],
                  "event.code": [event["Code"] for event in machine.events]}, name, values)


def holds(known: dict[str, list[str]], name: str, values: list[str]) -> bool:
    if name not in known:
        raise Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(value in values for value in known[name])


def page_of(found: list, token: str | None, size: int, empty: int) -> tuple[list, dict]:
    """Tokens are `page-START-EMPTIES`."""
    start, given = 0, 0
    if token:
        known = re.fullmatch(r"page-(\d+)-(\d+)", token)
        if not known:
            raise Refusal("InvalidNextToken", "The token is not valid")
        start, given = int(known[1]), int(known[2])
    if given < empty:
        return [], {"NextToken": f"page-{start}-{given + 1}"}
    rest = found[start + size:]
    return found[start:start + size], {"NextToken": f"page-{start + size}-{given}"} if rest else {}
