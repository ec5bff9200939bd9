"""VM isolation as the manager has it: hosts that are looked through before they take jobs, VMs that are never lost and
never taken from a job (docs/design/processes.md "VMs", hardening.md R7, R11)."""

import json
import os
import subprocess
import threading

import grpc
import pytest

from checker.jobs import make_job
from checker.run import PATIENCE
from liar import explain, wait_explained
from nesting_daemon import TYPES
from test_reload import ask_reload, change, put, rows
from vm_run import VmRun

FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"
KILLS = [f"{effect}.{side}" for effect in ("worker_start", "result_row", "assign_slot", "worker_spawn", "payload_drop", "result_stored",
                                           "slot_free", "job_close") for side in ("after", "before")]
HEARTBEATS = "FF_USE_FLEETING_ACQUIRE_HEARTBEATS"
NOT_USED = "it gets no jobs until its VMs have been looked at"


@pytest.fixture
def run(folder, binary, build, plugin_dir):
    made = VmRun(folder, binary, build, plugin_dir)
    yield made
    made.daemon.close()


def finish(run):
    breaches = run.finish()
    assert breaches == [], "\n".join(breaches) + "\n" + run.log_tail(80)
    assert run.daemon.vms == {}


def test_a_host_is_looked_through_before_it_takes_jobs(run):
    run.daemon.leave("nesting-left1")
    run.daemon.leave("nesting-left2")
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    run.await_ended(1)
    assert run.daemon.names()[:3] == ["List", "Init", "List"]
    assert sorted(run.daemon.deleted()[:2]) == ["nesting-left1", "nesting-left2"]
    assert run.daemon.names().index("Create") > run.daemon.names().index("Delete")
    assert "VM nesting-left1 was there and no job has it, removed" in run.log()
    finish(run)


def test_two_jobs_of_a_host_have_a_vm_each_which_is_told(run):
    """With heartbeats, which are of the host itself."""
    change(run, ("  [runners.autoscaler]\n", f"  [runners.feature_flags]\n    {HEARTBEATS} = true\n  [runners.autoscaler]\n"))
    run.start()
    (_, first), (_, second) = run.start_job(1), run.start_job(2)
    assert run.vms_of_jobs() == {1: first, 2: second}
    assert f"slot 0, in VM {first}" in explain_job(run, 1)
    status = json.loads(subprocess.run([run.binary, "fleet", "--json", "--state-dir", run.state_dir], capture_output=True,
                                       timeout=PATIENCE).stdout)
    assert [i["vms"] for i in status["instances"]] == [[first, second]]
    run.release(1, 2)
    run.await_ended(1, 2)
    assert sorted(run.daemon.deleted()) == sorted([first, second])
    finish(run)


def explain_job(run, job_id):
    return subprocess.run([run.binary, "explain", f"job:{job_id}", "--state-dir", run.state_dir], capture_output=True,
                          text=True, timeout=PATIENCE).stdout


def test_a_restart_keeps_the_host_and_the_vm_of_a_job_and_nothing_else(run):
    run.start()
    _, vm = run.start_job(1)
    run.kill()
    run.daemon.leave("nesting-left")
    run.start()
    run.await_log("VM nesting-left was there and no job has it, removed")
    assert vm in run.daemon.vms
    run.coordinator.add(make_job(2, str(run.marks)))
    run.await_ended(2)
    run.release(1)
    run.await_ended(1)
    assert run.daemon.deleted().count(vm) == 1
    assert "marked for removal" not in run.log()
    finish(run)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_manager_that_dies_as_it_hears_of_a_vm_does_not_lose_it(run, side):
    run.start(kill_at=f"vm_row.{side}:1")
    run.coordinator.add(run.held_job(1))
    run.await_that(lambda: run.process.poll() is not None, "the manager dies")
    run.start()
    run.await_running(1)
    run.await_log("is ready")
    (vm,) = run.daemon.vms
    run.await_that(lambda: run.vms_of_jobs() == {1: vm}, "the row has the VM")
    run.release(1)
    run.await_ended(1)
    assert run.daemon.deleted().count(vm) == 1
    finish(run)


@pytest.mark.parametrize("point", KILLS if FULL else KILLS[:2])
def test_a_kill_at_an_effect_loses_no_vm(run, point):
    run.coordinator.add(make_job(1, str(run.marks)), make_job(2, str(run.marks)))
    run.start(kill_at=f"{point}:1")
    run.await_that(lambda: run.process.poll() is not None, "the manager dies")
    run.start()
    run.await_ended(1, 2)
    finish(run)
    assert sorted(run.daemon.deleted()) == sorted(set(run.daemon.deleted()))


def test_the_vm_of_a_worker_that_dies_is_removed_and_no_other(run):
    run.start()
    (worker, first), (_, second) = run.start_job(1), run.start_job(2)
    run.cut_off(1, worker)
    run.await_log(f"VM {first} was there and no job has it, removed")
    _, third = run.start_job(3)
    assert {second, third} == set(run.daemon.vms)
    assert run.log().count(NOT_USED) == 1
    run.release(2, 3)
    run.await_ended(2, 3)
    assert run.daemon.deleted().count(second) == 1
    finish(run)


def test_a_worker_that_dies_while_its_host_is_looked_through_is_seen_to(run):
    """The gate was told to leave its VM alone."""
    run.start()
    (one, first), (two, second) = run.start_job(1), run.start_job(2)
    listing, go_on = threading.Event(), threading.Event()
    run.daemon.before["List"] = lambda _: (listing.set(), go_on.wait(PATIENCE))
    run.cut_off(1, one)
    assert listing.wait(PATIENCE), run.log_tail()
    run.cut_off(2, two)
    go_on.set()
    run.await_that(lambda: {first, second} <= set(run.daemon.deleted()), "both are removed")
    finish(run)


def test_a_host_gets_no_job_until_a_vm_is_removed_that_could_not_be(run):
    run.daemon.faults["Delete"] = lambda _, context: context.abort(grpc.StatusCode.UNKNOWN, "it is running")
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    run.await_ended(1)
    run.await_log("a job may have left a VM on it; " + NOT_USED)
    run.coordinator.add(make_job(2, str(run.marks)))
    wait_explained(run, "it is running")
    assert "a job may have left a VM on it" in explain(run)
    created = run.daemon.names().count("Create")
    del run.daemon.faults["Delete"]
    run.await_ended(2)
    assert created == 1
    (vm,) = [vm for vm in run.vms_of_jobs().values() if f"VM {vm} was there and no job has it, removed" in run.log()]
    finish(run)


def test_a_daemon_is_not_believed_that_it_removed_a_vm(run):
    run.daemon.leave("nesting-left1")
    run.daemon.faults["Delete"] = lambda *_: TYPES["DeleteResponse"]()
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    wait_explained(run, "VM nesting-left1 is there again after its removal")
    assert "Create" not in run.daemon.names()
    del run.daemon.faults["Delete"]
    run.await_ended(1)
    finish(run)


def test_a_host_on_which_a_vm_cannot_be_removed_is_replaced(run):
    """Within the connector's timeout, which is short only while that is waited for."""
    patient = run.config.read_text()
    run.daemon.faults["Delete"] = lambda _, context: context.abort(grpc.StatusCode.UNKNOWN, "it is running")
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    run.await_ended(1)
    run.await_log(NOT_USED)
    change(run, ('timeout = "30s"', 'timeout = "1s"'))
    ask_reload(run)
    run.await_log("marked for removal")
    put(run, patient)
    ask_reload(run)
    del run.daemon.faults["Delete"]
    run.coordinator.add(make_job(2, str(run.marks)))
    run.await_ended(2)
    assert len({instance for (instance,) in rows(run, "SELECT instance_id FROM jobs")}) == 2
    assert ("unhealthy",) in rows(run, "SELECT remove_reason FROM instances")
    finish(run)


def test_a_vm_that_is_just_being_made_is_nobodys_to_remove(run):
    """It is on a list before anybody can know whose it is."""
    run.start()
    worker, first = run.start_job(1)
    made, told = threading.Event(), threading.Event()
    run.daemon.after["Create"] = lambda answer: (made.set(), told.wait(PATIENCE))
    run.coordinator.add(run.held_job(2))
    assert made.wait(PATIENCE), run.log_tail()
    lists = run.daemon.names().count("List")
    run.cut_off(1, worker)
    run.await_log(NOT_USED)
    for _ in range(3):
        assert "a job may have left a VM on it" in explain(run)
    assert run.daemon.names().count("List") == lists
    told.set()
    run.await_log(f"VM {first} was there and no job has it, removed")
    run.await_running(2)
    run.release(2)
    run.await_ended(2)
    finish(run)


def test_a_plugin_that_cannot_be_used_is_no_hosts_fault(run, folder):
    right = run.config.read_text()
    change(run, (f'"unix://{folder}/a nesting.sock"', '"unix:///~/nesting.sock"'))
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    run.await_log("no VM can be made: ")
    wait_explained(run, "vm_isolation.nesting_host begins with ~")
    assert rows(run, "SELECT life FROM instances WHERE life != 'present'") == []
    put(run, right)
    ask_reload(run)  # it may have been seen already
    run.await_ended(1)
    finish(run)


def test_a_plugin_that_becomes_useless_costs_one_job(run, folder):
    """The host was ready, and is asked again before the next one."""
    right = run.config.read_text()
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    run.await_ended(1)
    change(run, (f'"unix://{folder}/a nesting.sock"', '"unix:///~/nesting.sock"'))
    ask_reload(run)
    run.coordinator.add(make_job(2, str(run.marks)))
    run.coordinator.jobs[2].job.lost_as = "runner_system_failure"
    run.await_ended(2)
    run.await_log("no VM can be made: ")
    run.coordinator.add(make_job(3, str(run.marks)))
    put(run, right)
    ask_reload(run)
    run.await_ended(3)
    assert "marked for removal" not in run.log()
    finish(run)


def test_a_lost_ledger_costs_no_vm(run):
    run.start()
    _, vm = run.start_job(1)
    run.kill()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (run.state_dir / name).unlink(missing_ok=True)
    run.start()
    run.await_log("is ready")
    run.await_that(lambda: run.vms_of_jobs() == {1: vm}, "the row has the VM")
    assert run.daemon.deleted() == []
    run.release(1)
    run.await_ended(1)
    run.coordinator.add(make_job(2, str(run.marks)))
    run.await_ended(2)
    assert "marked for removal" not in run.log()  # nobody remembers the host, and it is kept
    finish(run)


def test_isolation_that_is_turned_on_looks_at_hosts_that_were_ready(run):
    isolated = run.config.read_text()
    put(run, isolated.replace(run.isolation, ""))
    run.coordinator.add(run.held_job(1))
    run.start()
    run.await_running(1)
    run.daemon.leave("nesting-left")
    put(run, isolated)
    ask_reload(run)  # it may have been seen already
    run.coordinator.add(make_job(2, str(run.marks)))
    run.release(1)
    run.await_ended(1, 2)
    assert run.daemon.deleted()[0] == "nesting-left"
    assert {job: bool(vm) for job, vm in run.vms_of_jobs().items()} == {1: False, 2: True}
    finish(run)


def test_an_entry_without_isolation_runs_its_jobs_beside(run):
    """Of one manager: their hosts are others, and no VM is made there."""
    text = run.config.read_text()
    entry = text[text.index("[[runners]]"):].replace(run.isolation, "").replace('name = "checker"', 'name = "plain"')
    run.config.write_text(text + "\n" + entry)
    run.coordinator.add(*[run.held_job(n) for n in range(1, 5)])
    run.start()
    run.await_running(1, 2, 3, 4)
    isolated = dict(rows(run, "SELECT runner, count(*) FROM jobs WHERE vm != '' GROUP BY runner"))
    all_jobs = dict(rows(run, "SELECT runner, count(*) FROM jobs GROUP BY runner"))
    assert (isolated, all_jobs) == ({"checker": 2}, {"checker": 2, "plain": 2})
    assert len(run.daemon.vms) == 2
    run.release(1, 2, 3, 4)
    run.await_ended(1, 2, 3, 4)
    assert run.stop() == 0 and run.daemon.vms == {}
    run.coordinator.close()
