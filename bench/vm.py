#!/usr/bin/env python3
"""bench/vm.py - how long flotilla-nesting takes to make a VM with QEMU, as one JSON object.

Usage: bench/vm.py [--build DIR] [--guest DIR] [--vms N] [--memory SIZE]
DIR is a build tree (default: build-test), the guest what scripts/build-guest made (default: guest in the build tree; it
is made when it is not there). For emulation (tcg), and for KVM where the machine has it, prints medians in ms
  boot      until a VM that boots answers with SSH's banner
  first     the same of the first VM where VMs are restored: one boots, is frozen, and the VM is restored from that
  restore   the same of those that follow
  login     from then on until `true` has run in it over SSH, once it was restored
  remove    until a VM is gone
One VM is there at a time. `error` is what the daemon said where it makes none.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import ROOT, wait_until


class Refused(Exception):
    """What the daemon said."""


def listens(path):
    with socket.socket(socket.AF_UNIX) as stream:
        return stream.connect_ex(str(path)) == 0


class Daemon:
    """flotilla-nesting, asked by its own commands."""

    def __init__(self, program, folder, **settings):
        self.program, self.environment = program, {**os.environ, "NESTING_SOCKET": str(folder / "nesting.sock")}
        (folder / "settings.json").write_text(json.dumps(settings))
        with open(folder / "log", "w", encoding="ascii") as log:
            self.process = subprocess.Popen([program, "serve", "-hypervisor", "qemu", "-state", folder / "state",
                                             "-config", folder / "settings.json"], env=self.environment, stderr=log)
        wait_until(lambda: listens(folder / "nesting.sock"), "the daemon")

    def ask(self, *words):
        ran = subprocess.run([self.program, *words], env=self.environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise Refused(ran.stderr.strip())
        return ran.stdout.split()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def timed(call, *words):
    began = time.monotonic()
    return call(*words), round((time.monotonic() - began) * 1000)


def login(key, address):
    host, port = address.split(":")
    subprocess.run(["ssh", "-q", "-i", key, "-p", port, "-o", "StrictHostKeyChecking=no", "-o",
                    "UserKnownHostsFile=/dev/null", f"ci@{host}", "true"], check=True, stdin=subprocess.DEVNULL)


def make_and_remove(daemon, key, count):
    """(made, logged in, removed), in ms each, of one VM after the other."""
    found = []
    for _ in range(count):
        (vm, _, address), made = timed(daemon.ask, "create", "guest")
        _, reached = timed(login, key, address)
        _, removed = timed(daemon.ask, "delete", vm)
        found.append((made, reached, removed))
    return list(zip(*found))


def median(times):
    return round(statistics.median(times))


def measure(program, guest, settings, count):
    found = {}
    for snapshot in (False, True):
        with tempfile.TemporaryDirectory(prefix="flt-bench-", dir="/tmp") as folder:
            daemon = Daemon(program, Path(folder), image_directory=str(guest), snapshot=snapshot, **settings)
            try:
                daemon.ask("init")
                if not snapshot:
                    found["boot"] = median(make_and_remove(daemon, guest / "key", count)[0])
                    continue
                found["first"] = make_and_remove(daemon, guest / "key", 1)[0][0]
                made, reached, removed = make_and_remove(daemon, guest / "key", count)
                found |= {"restore": median(made), "login": median(reached), "remove": median(removed)}
            finally:
                daemon.stop()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build-test")
    parser.add_argument("--guest", type=Path)
    parser.add_argument("--vms", type=int, default=5)
    parser.add_argument("--memory", default="512MiB")
    options = parser.parse_args()
    guest = (options.guest or options.build / "guest").resolve()
    subprocess.run([ROOT / "scripts/build-guest", guest], check=True)
    found = {}
    for accel in ("tcg", "kvm") if os.access("/dev/kvm", os.R_OK | os.W_OK) else ("tcg",):
        try:
            found[accel] = measure(options.build.resolve() / "nestingd/flotilla-nesting", guest,
                                   {"accel": accel, "memory": options.memory, "cpus": 1, "boot_timeout": "60s"},
                                   options.vms)
        except Refused as problem:
            found[accel] = {"error": str(problem)}
    json.dump(found, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
