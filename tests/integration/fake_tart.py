"""The folder of a fake `tart` (tests/fakes/tart), and what was asked of it."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from cloud.machines import free_port

SOURCE = Path(__file__).resolve().parents[1] / "fakes" / "tart"
HOSTS = itertools.cycle(range(2, 240, 16))  # of the VMs of two fakes in one process no address is the same


class Tart:
    def __init__(self, folder, images=("mac",), **settings):
        self.folder = Path(folder)
        (self.folder / "vms").mkdir(parents=True)
        pid = os.getpid()
        self.held, self.port = free_port()  # of all its VMs
        self.settings = {"network": f"127.{128 + (pid >> 8) % 100}.{pid % 256}", "port": self.port, "first_host": next(HOSTS),
                         "user": "nested-vm-username", "password": "nested-vm-password", **settings}
        (self.folder / "settings.json").write_text(json.dumps(self.settings))
        for image in images:
            self.add_image(image)
        self.program = self.folder / "bin" / "tart"
        self.program.parent.mkdir()
        # By this very interpreter, without what it looks for at its start: there are many of these.
        self.program.write_text(f"#!{sys.executable} -IS\n{SOURCE.read_text()}")
        self.program.chmod(0o755)

    @property
    def environment(self):
        """Of whoever is to find it."""
        return {"FAKE_TART": str(self.folder), "PATH": f"{self.program.parent}:{os.environ['PATH']}"}

    def close(self):
        self.held.close()

    def add_image(self, name, cpu=1, memory_mib=128):
        folder = self.folder / "vms" / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"cpu": cpu, "memory_mib": memory_mib}))

    def break_(self, *rules):
        """See the fake; replaces the rules that there are."""
        (self.folder / "faults.new").write_text(json.dumps(rules))
        (self.folder / "faults.new").rename(self.folder / "faults")

    def lines(self):
        """Each command that began or ended, in their order; not those of run()."""
        with contextlib.suppress(FileNotFoundError):
            return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return []

    def of(self, command):
        """The arguments of those that began."""
        return [line["begin"][1:] for line in self.lines() if line.get("begin", [""])[0] == command]

    def run(self, *words):
        """By the test itself: it is neither noted nor broken."""
        return subprocess.run([self.program, *words], env={**os.environ, **self.environment, "FAKE_TART_ASIDE": "1"},
                              capture_output=True, text=True)

    def lose(self, vm):
        """Its `tart run` is killed, and the VM ends with it."""
        [pid] = [line["pid"] for line in self.lines() if line.get("begin", [])[:2] == ["run", vm]]
        os.kill(pid, signal.SIGKILL)

    def vms(self):
        """Those that are no base images: {name: running}."""
        listed = json.loads(self.run("list", "--source", "local", "--format", "json").stdout)
        return {vm["Name"]: vm["Running"] for vm in listed if vm["Name"].startswith("nesting-")}
