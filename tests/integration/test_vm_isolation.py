"""Jobs in VMs: the worker, the gate and what they leave, on a real sshd with an independent nesting daemon behind it."""

import grpc
import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import Run, wait_for
from machines import Dropbear, Machine
from vm_host import Host


def isolation(host, image="mac", allowed=None, extra=""):
    patterns = f"  [runners.instance]\n    allowed_images = {allowed}\n" if allowed else ""
    return patterns, f"""\
    [runners.autoscaler.vm_isolation]
      enabled = true
      image = "{image}"
      nesting_host = "unix://{host.socket}"
{extra}      [runners.autoscaler.vm_isolation.connector_config]
        username = "{host.vm_user}"
        key_path = "{host.key}"
        timeout = "60s"
"""


class Isolated:
    """A manager with one host."""

    def __init__(self, folder, build, server=Machine, binary="flotilla", capacity=1, **settings):
        self.host = Host(folder, "east", server)
        self.patterns, self.table = isolation(self.host, **settings)
        self.run = Run(folder, build / "core" / binary, f"{build}/plugins/static:{build}/plugins/nesting", plugin="static",
                       plugin_extra=self.host.toml(), runner_extra=self.patterns, autoscaler_extra=self.table,
                       coordinator=Coordinator(poll_seconds=0.5), max_instances=1, capacity=capacity)

    def job(self, number, *script, image=None, **options):
        job = make_job(number, str(self.run.marks), **options)
        job.payload["steps"][0]["script"].extend(script)
        if image:
            job.payload["image"] = {"name": image}
        return job

    def end_of(self, job):
        self.run.coordinator.add(job)
        assert self.run.coordinator.wait_all_ended(60), self.run.log_tail()
        state = self.run.coordinator.jobs[job.id]
        return state.finals[0], bytes(state.trace).decode()

    def close(self):
        self.run.watch and self.run.watch.stop()
        if self.run.process:
            self.run.kill()
        self.run.coordinator.close()
        self.host.close()


@pytest.fixture
def isolated(folder, build):
    made = []

    def make(**settings):
        made.append(Isolated(folder, build, **settings))
        made[-1].run.start()
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("binary,server", [("flotilla", Machine), ("flotilla-libssh2", Machine), ("flotilla", Dropbear)])
def test_a_job_runs_in_a_vm_that_is_made_for_it_and_removed(isolated, binary, server):
    manager = isolated(binary=binary, server=server)
    final, log = manager.end_of(manager.job(1, 'echo "in $MACHINE"', lines=200))
    assert final["state"] == "success", log + manager.run.log_tail()
    assert "Instance east connected" in log
    said = ["Enforcing VM Isolation", "Creating nesting VM tunnel", "Creating nesting VM mac",
            "Created nesting VM nesting-east-0001 127.0.0.1:", "VM nesting-east-0001 on instance east connected"]
    assert [log.find(words) for words in said] == sorted(log.find(words) for words in said) and "Enforcing" in log, log
    assert manager.host.daemon.vms == {}
    create, = manager.host.asked("Create")
    assert (create.name, create.slot, create.HasField("slot")) == ("mac", 0, True)
    assert [request.id for request in manager.host.asked("Delete")] == ["nesting-east-0001"]
    assert manager.run.stop() == 0
