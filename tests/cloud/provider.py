"""A provider worker as the supervisor starts it, asked one call at a time over its link (docs/design/processes.md)."""

import json
import os
import socket
import struct
import subprocess
import uuid
from pathlib import Path

from checker.run import PATIENCE

from .endpoint import Fault

# Results and states of provider.h.
OK, INVALID, AUTH, QUOTA, THROTTLED, UNAVAILABLE, NOT_FOUND, NOT_READY, PARTIAL, STALE, UNHEALTHY, CANCELLED, TIMEOUT, \
    UNSUPPORTED, INTERNAL = (0, *range(-10001, -10015, -1))
CREATING, RUNNING, DELETING, DELETED, TIMED_OUT, SUSPENDING, SUSPENDED, RESUMING = range(8)
LINK_FD = 3
# What the machine of the tests says about clouds is not the business of a provider under test.
CLOUDS = ("FLOTILLA_", "AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_")
WARNING = 1


class Died(Exception):
    """The worker ended before it answered."""


class Provider:
    def __init__(self, binary: Path, plugin: Path, state_dir: Path, environment: dict[str, str], manager="", prefix=(),
                 plugin_config: dict | None = None):
        ours, theirs = socket.socketpair()
        self.link, self.number = ours, 0
        self.logs: list[str] = []
        self.warnings: list[str] = []  # among them
        state_dir.mkdir(mode=0o700, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(CLOUDS)}
        self.process = subprocess.Popen(
            [*prefix, binary, "provider"], env={**inherited, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(state_dir.parent / "provider.log", "ab"), pass_fds=(LINK_FD,),
            preexec_fn=lambda: os.dup2(theirs.fileno(), LINK_FD))
        theirs.close()
        self.link.settimeout(PATIENCE)
        self.loaded = self.call("load", file=str(plugin), group="checker", state_dir=str(state_dir), manager=manager,
                                plugin_config=json.dumps(plugin_config or {}))

    def open(self, plugin_config: dict, connector_config: dict | None = None) -> dict:
        return self.call("open", plugin_config=json.dumps(plugin_config),
                         connector_config=json.dumps(connector_config or {}))

    def increase(self, n: int, request_id: str = "", epoch=1) -> dict:
        return self.call("increase", n=n, request_id=request_id or str(uuid.uuid4()), epoch=epoch)

    def decrease(self, *ids: str, request_id: str = "", epoch=1) -> dict:
        return self.call("decrease", ids=list(ids), request_id=request_id or str(uuid.uuid4()), epoch=epoch)

    def states(self) -> dict[str, str]:
        """Of a list that says that it is complete."""
        reply = self.call("list")
        assert reply["code"] == OK and reply["complete"], reply
        return {instance["id"]: instance["state"] for instance in reply["instances"]}

    def call(self, kind: str, deadline_ms=PATIENCE * 1000, **arguments) -> dict:
        """The reply; what was logged before it is in `logs`."""
        self.number += 1
        try:
            self.send(kind, id=self.number, deadline_ms=deadline_ms, **arguments)
            while (answer := self.receive()).get("type") == "log":
                self.logs.append(answer["text"])
                if answer["level"] == WARNING:
                    self.warnings.append(answer["text"])
        except (BrokenPipeError, ConnectionResetError) as problem:
            raise Died(kind) from problem
        return answer

    def send(self, kind: str, **arguments):
        frame = json.dumps({"type": kind, **arguments}).encode()
        self.link.sendall(struct.pack(">I", len(frame)) + frame)

    def receive(self) -> dict:
        return json.loads(self.exactly(struct.unpack(">I", self.exactly(4))[0]))

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.link.recv(size - len(data))
            if not more:
                raise Died("its link has ended")
            data += more
        return data

    def kill(self):
        """Also from another thread than the one that waits for an answer."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """As the supervisor lets it go."""
        self.link.close()
        self.process.wait(PATIENCE)


def dies_at(cloud, worker: Provider, nth: int, side: str):
    """The worker is killed at its nth call from now on, before or after the cloud does what it asks."""
    first = len(cloud.endpoint.calls) + nth

    def fault(call):
        if call.number != first:
            return None
        if side == "after":
            cloud.ask(call)
        worker.kill()
        return Fault()

    cloud.endpoint.fault = fault


def calls_of(cloud, act) -> int:
    """How many calls it takes."""
    before = len(cloud.endpoint.calls)
    act()
    return len(cloud.endpoint.calls) - before
