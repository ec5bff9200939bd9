"""An instance whose jobs run in VMs: an sshd of the test's own, with grpcio's nesting daemon behind a socket there. A VM is
a further sshd, in another home."""

import contextlib
import itertools
import os
import shutil
import signal
import threading
from pathlib import Path

from machines import Dropbear, Machine
from nesting_daemon import TYPES, Daemon


def descendants(pid):
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        yield from descendants(child)
        yield child


def kill_sessions(machine):
    """The connections end; its sshd takes new ones."""
    for pid in descendants(machine.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def vm_of(server, key):
    """Such a server, which lets the key in that all VMs of an image have."""
    class Vm(server):
        def make_key(self, name):
            if name != "login_key":
                super().make_key(name)
                return
            for suffix in ("", ".pub"):
                shutil.copy(f"{key}{suffix}", self.home / f"login_key{suffix}")
    return Vm


class Host(Machine):
    def __init__(self, folder, name, server=Machine):
        super().__init__(folder, name)
        self.key = self.home / "vm_key"
        self.make_key("vm_key")
        self.folder, self.server, self.machines = folder, vm_of(server, self.key), {}
        self.vm_user = "runner" if server is Dropbear else self.user
        self.numbers, self.lock = itertools.count(1), threading.Lock()
        (self.home / "Application Support").mkdir()
        self.socket = self.home / "Application Support" / "nesting.sock"
        self.start_daemon()

    def start_daemon(self, **kept):
        self.daemon = Daemon(f"unix:{self.socket}")
        self.daemon.create = self.create
        self.daemon.delete = self.delete
        vars(self.daemon).update(kept)

    def restart_daemon(self):
        """VMs go on; slots and what Init said are forgotten."""
        self.daemon.close()
        self.start_daemon(vms=self.daemon.vms)

    def create(self, request, _):
        with self.lock:
            number = next(self.numbers)
        answer = TYPES["CreateResponse"]()
        slot = request.slot if request.HasField("slot") else None
        if slot in self.daemon.slots:
            answer.stompedVmId = self.daemon.slots.pop(slot)
            self.end(answer.stompedVmId)
        vm = TYPES["VirtualMachine"](id=f"nesting-{self.name}-{number:04}", name=request.name)
        self.machines[vm.id] = machine = self.server(self.folder, vm.id)
        vm.addr = f"127.0.0.1:{machine.port}"
        self.daemon.vms[vm.id] = vm
        self.daemon.slots[slot] = vm.id
        answer.vm.CopyFrom(vm)
        return answer

    def add_leftover(self, vm_id):
        self.daemon.vms[vm_id] = TYPES["VirtualMachine"](id=vm_id, name="old")

    def end(self, vm_id):
        self.daemon.vms.pop(vm_id)
        if vm_id in self.machines:
            self.machines.pop(vm_id).close()

    def delete(self, request, context):
        answer = Daemon.delete(self.daemon, request, context) if request.id in self.daemon.vms else None
        if answer is None:
            return Daemon.delete(self.daemon, request, context)
        if request.id in self.machines:
            self.machines.pop(request.id).close()
        return answer

    def asked(self, name):
        return [call[1] for call in self.daemon.calls if call[0] == name]

    def close(self):
        self.daemon.close()
        for machine in self.machines.values():
            machine.close()
        super().close()
