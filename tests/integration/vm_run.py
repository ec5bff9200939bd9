"""Hosts with VMs, on this machine: the daemon of nesting_daemon.py, whose VMs are further sshds."""

import contextlib
import getpass
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

from checker.evidence import read_ledger
from checker.run import PATIENCE, Run, wait_for
from machines import Dropbear, Machine
from nesting_daemon import TYPES, Daemon


class OfVm:
    """An SSH server that lets in whoever has the key of all VMs."""

    def __init__(self, folder, name, login_key):
        self.login_key = login_key
        super().__init__(folder, name)

    def make_key(self, name):
        if name == "login_key":
            (self.home / "login_key.pub").write_bytes(self.login_key.with_suffix(".pub").read_bytes())
        else:
            super().make_key(name)


class DropbearVm(OfVm, Dropbear):
    pass


class Vm(OfVm, Machine):
    def environment(self):
        """By its name the checker knows that a job ran in it."""
        return {**super().environment(), "FLOTILLA_LOCAL_INSTANCE": f"vm:{self.name}"}

    def close(self):
        """Nothing of a VM that is removed goes on."""
        super().close()
        marks = f"FLOTILLA_LOCAL_INSTANCE=vm:{self.name}\0".encode(), f"HOME={self.home}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if all(word in (process / "environ").read_bytes() for word in marks):
                    os.kill(int(process.name), signal.SIGKILL)


class VmDaemon(Daemon):
    """A hook of `after` is called when the VM is there, or is gone, and before that is answered."""

    def __init__(self, folder, vm=Vm):
        self.folder, self.key, self.machines, self.after, self.vm = folder, folder / "vm_key", {}, {}, vm
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        super().__init__(f"unix:{folder}/a nesting.sock")

    def handler(self, name):
        handle = super().handler(name)

        def handle_and_wait(request, context):
            answer = handle(request, context)
            if name in self.after:
                self.after[name](answer)
            return answer
        return handle_and_wait

    def create(self, request, context):
        answer = super().create(request, context)
        machine = self.vm(self.folder, answer.vm.id, self.key)
        self.machines[answer.vm.id] = machine
        answer.vm.addr = self.vms[answer.vm.id].addr = f"127.0.0.1:{machine.port}"
        return answer

    def delete(self, request, context):
        answer = super().delete(request, context)
        if request.id in self.machines:
            self.machines.pop(request.id).close()
        return answer

    def leave(self, name):
        """A VM that nobody remembers."""
        self.vms[name] = TYPES["VirtualMachine"](id=name, addr="192.168.64.99")

    def deleted(self):
        return [request.id for name, request, *_ in self.calls if name == "Delete"]

    def close(self):
        super().close()
        for machine in self.machines.values():
            machine.close()


class VmRun(Run):
    """One host with places for two VMs."""

    def __init__(self, folder, binary, build, plugin_dir, vm=Vm, image="image", timeout="60s", login=None, **settings):
        self.daemon = VmDaemon(folder, vm)
        login = login or f'key_path = "{self.daemon.key}"'
        user = "runner" if vm is DropbearVm else getpass.getuser()
        self.isolation = (f'    [runners.autoscaler.vm_isolation]\n      enabled = true\n      image = "{image}"\n'
                          f'      nesting_host = "unix://{folder}/a nesting.sock"\n'
                          f'      [runners.autoscaler.vm_isolation.connector_config]\n        username = "{user}"\n'
                          f'        {login}\n        timeout = "{timeout}"\n')
        super().__init__(folder, binary, f"{plugin_dir}:{build / 'plugins' / 'nesting'}", autoscaler_extra=self.isolation,
                         **{"capacity": 2, "max_instances": 1, "idle_time": "1h", **settings})
        self.environment["FLOTILLA_LIMITS"] = "probe_pause=100,back_off=100"

    def log(self):
        return self.daemon_log.read_text(errors="replace")

    def log_of(self, job_id):
        return bytes(self.coordinator.jobs[job_id].trace).decode()

    def end_of(self, job):
        """Adds it; its final state and its log."""
        self.coordinator.add(job)
        self.await_ended(job.id)
        return self.coordinator.jobs[job.id].finals[0], self.log_of(job.id)

    def await_that(self, condition, what):
        assert wait_for(condition), f"never: {what}\n{self.log_tail(80)}"

    def await_log(self, text):
        self.await_that(lambda: text in self.log(), text)

    def await_running(self, *job_ids):
        """In their VMs: they have printed something."""
        for job_id in job_ids:
            self.await_that(lambda: self.marks.exists() and f"begin {job_id} " in self.marks.read_text(), f"job {job_id} runs")

    def await_ended(self, *job_ids):
        for job_id in job_ids:
            assert self.coordinator.wait_ended(job_id, PATIENCE), f"job {job_id} never ended\n{self.log_tail(80)}"

    def vms_of_jobs(self):
        """As their rows tell."""
        with contextlib.suppress(sqlite3.OperationalError):  # the ledger is being made
            return {row["job_id"]: row["vm"] for row in read_ledger(self.state_dir / "ledger.db")["jobs"]}

    def cut_off(self, job_id, worker):
        """Its worker dies; it ends as that."""
        self.coordinator.jobs[job_id].job.lost_as = "runner_system_failure"
        os.kill(worker, signal.SIGKILL)
        self.await_ended(job_id)

    def start_job(self, job_id):
        """It runs until release(); its worker's process and its VM."""
        workers, vms = set(self.workers()), set(self.daemon.vms)
        self.coordinator.add(self.held_job(job_id))
        self.await_running(job_id)
        (worker,) = set(self.workers()) - workers
        (vm,) = set(self.daemon.vms) - vms
        return worker, vm
