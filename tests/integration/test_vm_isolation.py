"""A job in its VM: which image, over which servers and libraries, and what its log says when something ends on the way.
What the manager makes of it is test_vm_hosts.py's."""

import contextlib
import os
import signal
import threading
from pathlib import Path

import grpc
import pytest

from checker.jobs import make_job
from vm_run import DropbearVm, Vm, VmRun

UNKNOWN = grpc.StatusCode.UNKNOWN


@pytest.fixture
def new_run(folder, build, plugin_dir):
    made = []

    def make(binary="flotilla", **settings):
        made.append(VmRun(folder, build / "core" / binary, build, plugin_dir, **settings))
        made[-1].start()
        return made[-1]

    yield make
    for run in made:
        run.watch.stop()
        run.kill()
        run.coordinator.close()
        run.daemon.close()


def image_job(run, number, name):
    job = make_job(number, str(run.marks))
    job.payload["image"] = {"name": name}
    job.payload["features"]["failure_reasons"].append("runner_configuration_error")
    return job


def asked(run, name):
    return [request for method, request, *_ in run.daemon.calls if method == name]


def name_of(pid):
    """"" of one that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def children(pid):
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def freeze(pid):
    """All that it has started, from the top: what is frozen starts nothing more."""
    for child in children(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGSTOP)
        freeze(child)


def kill_sessions(pid):
    """The connections of an sshd break; it takes new ones. What runs in them cannot end before: that would be told."""
    freeze(pid)
    sessions = [child for child in children(pid) if name_of(child) == "sshd"]
    assert sessions, "nobody is connected"
    for session in sessions:
        os.kill(session, signal.SIGKILL)


@pytest.mark.parametrize("binary,vm", [("flotilla", Vm), ("flotilla-libssh2", Vm), ("flotilla", DropbearVm)])
def test_a_job_runs_in_a_vm_that_is_made_for_it_and_removed(new_run, binary, vm):
    run = new_run(binary, vm=vm)
    job = make_job(1, str(run.marks), lines=200)
    job.payload["steps"][0]["script"].append('echo "in $MACHINE."')
    final, log = run.end_of(job)
    assert final["state"] == "success", log + run.log_tail()
    said = ["Instance local-", "Enforcing VM Isolation", "Creating nesting VM tunnel", "Creating nesting VM image",
            "Created nesting VM nesting-00000001 127.0.0.1:", "VM nesting-00000001 on instance local-",
            "in nesting-00000001." if vm is Vm else "in ", "Job succeeded"]
    places = [log.find(words) for words in said]
    assert places == sorted(places) and places[0] > 0, log
    create, = asked(run, "Create")
    assert (create.slot, create.HasField("slot")) == (0, True)
    assert (run.daemon.deleted(), run.daemon.vms) == (["nesting-00000001"], {})


def test_the_image_is_the_jobs_as_far_as_it_is_allowed(new_run):
    run = new_run(image="default-$CI_CONCURRENT_ID",
                  runner_extra='  [runners.instance]\n    allowed_images = ["team/*", "default-*"]\n')
    assert run.end_of(make_job(1, str(run.marks)))[0]["state"] == "success"
    job = image_job(run, 2, "team/$FLAVOUR")
    job.payload["variables"].append({"key": "FLAVOUR", "value": "sonoma:2", "public": True, "masked": False})
    assert run.end_of(job)[0]["state"] == "success"
    final, log = run.end_of(image_job(run, 3, "team/a/b"))
    assert (final["state"], final["failure_reason"]) == ("failed", "runner_configuration_error")
    assert 'ERROR: The "team/a/b" image is not present on list of allowed images:' in log
    assert "- team/*" in log and "Job failed: disallowed image" in log
    assert "Dialing" not in log
    assert [request.name for request in asked(run, "Create")] == ["default-0", "team/sonoma:2"]


def test_a_vm_that_cannot_be_removed_is_told(new_run):
    run = new_run()
    run.daemon.faults["Delete"] = lambda _, context: context.abort(UNKNOWN, "disk is busy")
    final, log = run.end_of(make_job(1, str(run.marks)))
    assert final["state"] == "success"
    assert "WARNING: VM nesting-00000001 on instance local-" in log and "could not be removed: the nesting daemon at" in log
    assert "disk is busy" in log


def test_a_vm_that_is_never_reached_is_removed_and_named(new_run):
    """Vector N20."""
    run = new_run(timeout="1s")
    run.daemon.after["Create"] = lambda answer: run.daemon.machines.pop(answer.vm.id).close()
    final, log = run.end_of(make_job(1, str(run.marks)))
    assert final["failure_reason"] == "runner_system_failure"
    assert "dialing nesting vm nesting-00000001 on instance local-" in log
    assert "the instance does not connect us to tcp:127.0.0.1:" in log
    assert run.daemon.deleted() == ["nesting-00000001"]


def test_a_vm_that_refuses_the_login_is_told_with_whose_login_it_is(new_run):
    run = new_run(login='password = "wrong"')
    final, log = run.end_of(make_job(1, str(run.marks)))
    assert final["failure_reason"] == "runner_system_failure"
    assert ("login by [runners.autoscaler.vm_isolation.connector_config]: SSH authentication as '") in log, log
    assert run.daemon.deleted() == ["nesting-00000001"]


def test_a_create_that_fails_is_told_with_the_daemons_words(new_run):
    run = new_run()
    run.daemon.faults["Create"] = lambda _, context: context.abort(UNKNOWN, "no such image")
    final, log = run.end_of(make_job(1, str(run.marks)))
    assert final["failure_reason"] == "runner_system_failure"
    assert "creating nesting vm on instance local-" in log and "no such image" in log


def test_a_vm_that_is_lost_is_named_and_removed(new_run):
    run = new_run()
    _, vm = run.start_job(1)
    kill_sessions(run.daemon.machines[vm].process.pid)
    run.await_ended(1)
    assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "runner_system_failure"
    assert f"Job failed (system failure): VM {vm} on instance local-" in run.log_of(1)
    assert run.daemon.deleted() == [vm]


def test_a_lost_instance_is_a_failure_of_the_system(new_run):
    run = new_run()
    _, vm = run.start_job(1)
    run.daemon.faults["Delete"] = lambda _, context: context.abort(UNKNOWN, "not yet")
    instance, = run.instances_dir.iterdir()
    sshd, = (pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_sshd_of(pid, instance))
    kill_sessions(sshd)
    run.await_ended(1)
    log = run.log_of(1)
    assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "runner_system_failure"
    assert "the connection to the instance is lost" in log
    assert f"VM {vm} on instance {instance.name} could not be removed" in log


def is_sshd_of(pid, instance):
    with contextlib.suppress(OSError):
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
        return title.startswith(b"sshd:") and str(instance).encode() in title
    return False


@pytest.mark.parametrize("how", ["canceling", "canceled"])
def test_a_cancelled_job_leaves_no_vm(new_run, how):
    run = new_run()
    _, vm = run.start_job(1)
    run.coordinator.cancel(1, how)
    run.await_that(lambda: run.daemon.vms == {}, "the VM is removed")
    run.start_job(2)
    assert run.daemon.deleted() == [vm]
    assert "a job may have left a VM" not in run.log()  # its worker is told that it is gone


def test_a_create_is_cancelled_with_its_job_and_the_daemon_hears_it(new_run):
    run = new_run()
    begun, gone = threading.Event(), threading.Event()

    def hang(_, context):
        context.add_callback(gone.set)
        begun.set()
        gone.wait()
        context.abort(grpc.StatusCode.CANCELLED, "gone")

    run.daemon.faults["Create"] = hang
    run.coordinator.add(make_job(1, str(run.marks)))
    assert begun.wait(60), run.log_tail()
    run.coordinator.cancel(1)
    assert gone.wait(60)
    run.await_ended(1)
    assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "job_canceled"
