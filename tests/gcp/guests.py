"""What runs in the cloud's machines: an sshd for each, whose keys are those that Google's guest agent would let in."""

import base64
import datetime
import json
import re

from cloud.machines import Machines, until

from .cloud import Cloud
from .compute import Machine


class Guests:
    """`machines` become what the cloud has."""

    def __init__(self, cloud: Cloud, machines: Machines):
        self.cloud, self.machines = cloud, machines
        cloud.compute.changed = self.follow
        cloud.compute.metadata_changed = self.let_in
        cloud.oslogin.keys_changed = lambda user: [self.let_in(machine) for machine in cloud.compute.machines.values()]

    @staticmethod
    def id_of(machine: Machine) -> str:
        """By which the plugin knows it."""
        return f"{machine.name}/{machine.id}"

    def running(self) -> dict[str, Machine]:
        return {self.id_of(machine): machine for machine in self.cloud.compute.machines.values() if machine.status == "RUNNING"}

    def follow(self):
        found, before = self.running(), set(self.machines.running)
        if set(found) == before:
            return
        self.machines.follow(lambda: {name: (machine.address, machine.external_address) for name, machine in found.items()})
        for name in set(found) - before:
            kind, key = self.machines.running[name].host_key.split()[:2]
            found[name].attributes["hostkeys"] = {kind: key}
            self.let_in(found[name])

    def let_in(self, machine: Machine):
        if guest := self.machines.running.get(self.id_of(machine)):
            items = self.cloud.compute.project_items | machine.items
            by_account = items.get("enable-oslogin", "").upper() == "TRUE"
            guest.authorize(self.of_accounts() if by_account else self.of_metadata(items.get("ssh-keys", "")))

    def of_accounts(self) -> list[str]:
        return [line for email, keys in self.cloud.oslogin.keys.items()
                if self.cloud.oslogin.user_of(email) == self.machines.user for line in map(self.of_account, keys.values())]

    @staticmethod
    def of_account(key: dict) -> str:
        """One that is past its time stays in the profile, and opens nothing."""
        if "expirationTimeUsec" not in key:
            return key["key"]
        end = datetime.datetime.fromtimestamp(int(key["expirationTimeUsec"]) / 10**6, datetime.timezone.utc)
        return f"{until(end)} {key['key']}"

    def of_metadata(self, text: str) -> list[str]:
        """Lines of USER:KEY, or USER:KEY google-ssh {"userName": ..., "expireOn": ...}."""
        found = []
        for line in text.splitlines():
            user, _, key = line.partition(":")
            parts = key.split(" ", 3)
            if user != self.machines.user or len(parts) < 2 or not is_key(*parts[:2]):
                continue
            if parts[2:3] == ["google-ssh"]:
                end = datetime.datetime.fromisoformat(re.sub(r"(?<=\d)([+-]\d\d)(\d\d)$", r"\1:\2", json.loads(parts[3])["expireOn"]))
                found.append(f"{until(end)} {parts[0]} {parts[1]}")
            else:
                found.append(f"{parts[0]} {parts[1]}")
        return found


def is_key(kind: str, text: str) -> bool:
    blob = base64.b64decode(text, validate=True)
    return blob[4:4 + int.from_bytes(blob[:4], "big")] == kind.encode()
