"""Jobs in VMs: the worker, the gate and what they leave, on a real sshd with an independent nesting daemon behind it."""

import os
import signal
import threading
from pathlib import Path

import grpc
import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import Run, wait_for
from machines import Dropbear, Machine
from vm_host import Host, descendants, kill_sessions


def isolation(host, image="mac", allowed=None, timeout="60s"):
    patterns = f"  [runners.instance]\n    allowed_images = {allowed}\n" if allowed else ""
    return patterns, f"""\
    [runners.autoscaler.vm_isolation]
      enabled = true
      image = "{image}"
      nesting_host = "unix://{host.socket}"
      [runners.autoscaler.vm_isolation.connector_config]
        username = "{host.vm_user}"
        key_path = "{host.key}"
        timeout = "{timeout}"
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

    def make(start=True, **settings):
        made.append(Isolated(folder, build, **settings))
        if start:
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


def test_the_image_is_the_jobs_as_far_as_it_is_allowed(isolated):
    manager = isolated(image="default-$CI_CONCURRENT_ID", allowed='["team/*", "default-*"]')
    final, log = manager.end_of(manager.job(1))
    assert final["state"] == "success", log
    job = manager.job(2, image="team/$FLAVOUR")
    job.payload["variables"].append({"key": "FLAVOUR", "value": "sonoma:2", "public": True, "masked": False})
    assert manager.end_of(job)[0]["state"] == "success"
    final, log = manager.end_of(manager.job(3, image="team/a/b"))
    assert (final["state"], final["failure_reason"]) == ("failed", "runner_system_failure")
    assert 'ERROR: The "team/a/b" image is not present on list of allowed images:' in log
    assert "- team/*" in log and "Job failed (system failure): disallowed image" in log
    assert "Dialing" not in log
    assert [request.name for request in manager.host.asked("Create")] == ["default-0", "team/sonoma:2"]
    assert manager.run.stop() == 0


def test_without_any_image_the_job_says_what_is_missing(isolated):
    manager = isolated(image="")
    final, log = manager.end_of(manager.job(1))
    assert final["failure_reason"] == "runner_system_failure"
    assert "no nesting VM image specified to run the job in" in log
    assert manager.host.asked("Create") == []


def test_two_jobs_share_a_host_and_no_vm(isolated):
    manager = isolated(capacity=2)
    jobs = [manager.run.held_job(number) for number in (1, 2)]
    for job in jobs:
        manager.run.coordinator.add(job)
    assert wait_for(lambda: len(manager.host.machines) == 2), manager.run.log_tail()
    manager.run.release(1, 2)
    assert manager.run.coordinator.wait_all_ended(60)
    assert [state.finals[0]["state"] for state in manager.run.coordinator.jobs.values()] == ["success"] * 2
    assert sorted(request.slot for request in manager.host.asked("Create")) == [0, 1]
    assert manager.host.daemon.vms == {}
    assert manager.run.stop() == 0


def test_a_vm_that_nobody_claims_is_removed_before_any_job_runs(isolated):
    manager = isolated(start=False)
    manager.host.add_leftover("nesting-leftover")
    manager.run.start()
    assert manager.end_of(manager.job(1))[0]["state"] == "success"
    names = manager.host.daemon.names()
    assert names[:5] == ["List", "Init", "List", "Delete", "List"], names
    assert manager.host.asked("Delete")[0].id == "nesting-leftover"


def test_a_vm_that_cannot_be_removed_is_told_and_removed_before_the_next_job(isolated):
    manager = isolated()
    manager.host.daemon.faults["Delete"] = lambda _, context: context.abort(grpc.StatusCode.UNKNOWN, "disk is busy")
    final, log = manager.end_of(manager.job(1))
    assert final["state"] == "success"
    assert "WARNING: VM nesting-east-0001 on instance east could not be removed:" in log and "disk is busy" in log
    manager.host.daemon.faults.clear()
    assert manager.end_of(manager.job(2))[0]["state"] == "success"
    assert manager.host.asked("Delete")[-1].id == "nesting-east-0002"
    assert manager.host.daemon.vms == {}


def test_a_vm_that_is_never_reached_is_removed_and_named(isolated):
    """Vector N20."""
    manager = isolated(timeout="1s")
    create = manager.host.daemon.create

    def unreachable(request, context):
        answer = create(request, context)
        manager.host.machines.pop(answer.vm.id).close()
        return answer

    manager.host.daemon.create = unreachable
    final, log = manager.end_of(manager.job(1))
    assert final["failure_reason"] == "runner_system_failure"
    assert "dialing nesting vm nesting-east-0001 on instance east: the instance does not connect us to tcp:127.0.0.1:" in log
    assert [request.id for request in manager.host.asked("Delete")] == ["nesting-east-0001"]


def test_a_create_that_fails_is_told_with_the_daemons_words(isolated):
    manager = isolated()
    manager.host.daemon.faults["Create"] = lambda _, context: context.abort(grpc.StatusCode.UNKNOWN, "no such image")
    final, log = manager.end_of(manager.job(1))
    assert final["failure_reason"] == "runner_system_failure"
    assert "creating nesting vm on instance east: the nesting daemon at unix:" in log and "no such image" in log


def test_a_vm_that_is_lost_is_named_and_removed(isolated):
    manager = isolated()
    manager.run.coordinator.add(manager.run.held_job(1))
    assert wait_for(manager.run.marks.exists), manager.run.log_tail()
    (vm_id, machine), = manager.host.machines.items()
    kill_sessions(machine)
    assert manager.run.coordinator.wait_all_ended(60)
    state = manager.run.coordinator.jobs[1]
    assert state.finals[0]["failure_reason"] == "runner_system_failure"
    assert f"VM {vm_id} on instance east: " in bytes(state.trace).decode()
    assert [request.id for request in manager.host.asked("Delete")] == [vm_id]


def test_a_lost_instance_is_a_failure_of_the_system(isolated):
    manager = isolated()
    manager.run.coordinator.add(manager.run.held_job(1))
    assert wait_for(manager.run.marks.exists), manager.run.log_tail()
    kill_sessions(manager.host)
    assert manager.run.coordinator.wait_all_ended(60)
    state = manager.run.coordinator.jobs[1]
    log = bytes(state.trace).decode()
    assert state.finals[0]["failure_reason"] == "runner_system_failure"
    assert "the connection to the instance is lost" in log
    assert "VM nesting-east-0001 on instance east could not be removed" in log


@pytest.mark.parametrize("how", ["canceling", "canceled"])
def test_a_cancelled_job_leaves_no_vm(isolated, how):
    manager = isolated()
    manager.run.coordinator.add(manager.run.held_job(1))
    assert wait_for(manager.run.marks.exists), manager.run.log_tail()
    manager.run.coordinator.cancel(1, how)
    assert wait_for(lambda: manager.host.daemon.vms == {})
    assert [request.id for request in manager.host.asked("Delete")] == ["nesting-east-0001"]


def test_a_create_is_cancelled_with_its_job_and_the_daemon_hears_it(isolated):
    manager = isolated()
    begun, gone = threading.Event(), threading.Event()

    def hang(_, context):
        context.add_callback(gone.set)
        begun.set()
        gone.wait()
        context.abort(grpc.StatusCode.CANCELLED, "gone")

    manager.host.daemon.faults["Create"] = hang
    manager.run.coordinator.add(manager.job(1))
    assert begun.wait(60), manager.run.log_tail()
    manager.run.coordinator.cancel(1)
    assert gone.wait(60)
    assert manager.run.coordinator.wait_all_ended(60)
    assert manager.run.coordinator.jobs[1].finals[0]["failure_reason"] == "job_canceled"
    assert manager.host.asked("Delete") == []


def test_a_job_goes_on_in_its_vm_when_the_manager_is_replaced(isolated):
    manager = isolated()
    manager.run.coordinator.add(manager.run.held_job(1))
    assert wait_for(manager.run.marks.exists), manager.run.log_tail()
    manager.host.add_leftover("nesting-leftover")
    manager.run.kill()
    manager.run.start()
    assert wait_for(lambda: [request.id for request in manager.host.asked("Delete")]), manager.run.log_tail()
    manager.run.release(1)
    assert manager.run.coordinator.wait_all_ended(60), manager.run.log_tail()
    assert manager.run.coordinator.jobs[1].finals[0]["state"] == "success"
    assert wait_for(lambda: manager.host.daemon.vms == {})
    assert [request.id for request in manager.host.asked("Delete")] == ["nesting-leftover", "nesting-east-0001"]


def kill_worker(run):
    """The process that runs the job, and none of those that it has."""
    for pid in descendants(run.process.pid):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "flotilla-job":
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("method", ["Create", "Delete"])
def test_the_vm_of_a_worker_that_died_is_removed_before_the_next_job(isolated, method):
    """Before it heard that there is a VM, or that it is gone."""
    manager = isolated()

    def die(request, context):
        manager.host.daemon.faults.clear()
        if method == "Create":
            manager.host.create(request, context)
        kill_worker(manager.run)
        context.abort(grpc.StatusCode.UNKNOWN, "nobody hears this")

    manager.host.daemon.faults[method] = die
    final, _ = manager.end_of(manager.job(1))
    assert final["failure_reason"] == "runner_system_failure"
    assert wait_for(lambda: manager.host.daemon.vms == {}), manager.run.log_tail()
    assert {request.id for request in manager.host.asked("Delete")} == {"nesting-east-0001"}
    assert manager.end_of(manager.job(2))[0]["state"] == "success"
