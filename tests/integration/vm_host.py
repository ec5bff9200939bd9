"""Instances with VMs, on this machine: the daemon of nesting_daemon.py, whose VMs are further sshds."""

import subprocess
import threading

from checker.processes import processes_of
from checker.run import PATIENCE, Run, wait_for
from machines import Machine
from nesting_daemon import Daemon


class Vm(Machine):
    """It lets in whoever has the key of all VMs."""

    def __init__(self, folder, name, login_key):
        self.login_key = login_key
        super().__init__(folder, name)

    def make_key(self, name):
        if name != "login_key":
            super().make_key(name)

    def prepare(self):
        (self.home / "login_key.pub").write_bytes(self.login_key.with_suffix(".pub").read_bytes())
        return super().prepare()


class VmDaemon(Daemon):
    def __init__(self, folder):
        self.folder, self.key, self.machines = folder, folder / "vm_key", {}
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        super().__init__(f"unix:{folder}/nesting.sock")

    def create(self, request, context):
        answer = super().create(request, context)
        machine = Vm(self.folder, answer.vm.id, self.key)
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
        self.vms[name] = type(self).VM(id=name, addr="192.168.64.99")

    def deleted(self):
        return [request.id for name, request, *_ in self.calls if name == "Delete"]

    def close(self):
        super().close()
        for machine in self.machines.values():
            machine.close()


class VmRun(Run):
    """One host with places for two VMs."""

    def __init__(self, folder, binary, build, plugin_dir, isolation="", **settings):
        self.daemon = VmDaemon(folder)
        table = (f'    [runners.autoscaler.vm_isolation]\n      enabled = true\n      image = "image"\n'
                 f'      nesting_host = "unix://{folder}/nesting.sock"\n{isolation}'
                 f'      [runners.autoscaler.vm_isolation.connector_config]\n        username = "root"\n'
                 f'        key_path = "{self.daemon.key}"\n')
        settings = {"capacity": 2, "max_instances": 1, "idle_time": "1h", **settings}
        settings["autoscaler_extra"] = settings.get("autoscaler_extra", "") + table
        super().__init__(folder, binary, f"{plugin_dir}:{build / 'plugins' / 'nesting'}", **settings)
        self.environment["FLOTILLA_LIMITS"] = "probe_pause=100,back_off=100"

    def log(self):
        return self.daemon_log.read_text(errors="replace")

    def await_that(self, condition, what):
        assert wait_for(condition), f"never: {what}\n{self.log_tail(80)}"

    def await_log(self, text):
        self.await_that(lambda: text in self.log(), text)

    def await_begun(self, job_id):
        """It runs in its VM and has printed something."""
        self.await_that(lambda: f"begin {job_id} " in (self.marks.read_text() if self.marks.exists() else ""), f"job {job_id} begins")

    def await_ended(self, job_id):
        assert self.coordinator.wait_ended(job_id, PATIENCE), f"job {job_id} never ended\n{self.log_tail(80)}"

    def worker_of(self, job_id):
        """Its process, by the manager's log of a lone job."""
        (pid,) = [p.pid for p in processes_of(self.folder) if p.name == "flotilla-job"]
        return pid
