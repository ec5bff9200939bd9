"""The manager is killed while jobs run, and started again: what it must still know then."""

import json
import sqlite3
import subprocess

from checker.evidence import read_ledger
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from liar import lie, lying_run
from test_run import assert_nothing_lost, wait_for_trace

BOOTS = "list 1 - creating"  # as long as the test says so


def wait_for_final(run, job_id):
    assert run.coordinator.wait_ended(job_id, PATIENCE), f"job {job_id} never ended\n" + run.log_tail()


def wait_until(run, condition):
    assert wait_for(condition), run.log_tail()


def ledger(run):
    try:
        return read_ledger(run.state_dir / "ledger.db")["jobs"]
    except sqlite3.OperationalError:
        return []  # it is being made


def states(run):
    return {row["job_id"]: row["state"] for row in ledger(run)}


def test_a_job_after_a_restart_gets_a_directory_of_its_own(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=2, max_instances=1, idle_time="1h")
    run.coordinator.add(make_job(1, str(run.marks), seconds=1), run.held_job(2))
    run.start()
    wait_for_final(run, 1)
    wait_for_trace(run, 2, b"line 0002")
    run.kill()
    run.start()
    run.wait_up()
    run.coordinator.add(make_job(3, str(run.marks)))
    wait_for_final(run, 3)
    run.release(2)
    assert_nothing_lost(run, run.finish())


def test_jobs_that_wait_keep_their_order(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, BOOTS, capacity=2, max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)), make_job(2, str(run.marks)))
    run.start()
    wait_until(run, lambda: states(run) == {1: "acknowledged", 2: "acknowledged"})
    run.kill()
    run.start()
    lie(run)
    assert_nothing_lost(run, run.finish())
    assert {row["job_id"]: row["slot"] for row in ledger(run)} == {1: 0, 2: 1}


def restart_with(run, config):
    run.kill()
    run.config.write_text(config)
    run.start()
    run.wait_up()


def test_a_job_of_a_runner_that_was_removed_runs_to_its_end(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=2)
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    config = run.config.read_text()
    restart_with(run, config.replace('"checker"', '"another"'))
    status = subprocess.run([binary, "status", "--json", "--state-dir", run.state_dir], capture_output=True, timeout=PATIENCE)
    (job,) = json.loads(status.stdout)["jobs"]
    assert (job["runner"], job["runner_configured"]) == ("checker", False)
    run.release(1)
    wait_for_final(run, 1)
    wait_until(run, lambda: states(run) == {1: "closed"})
    restart_with(run, config)  # who else would remove its instance
    assert_nothing_lost(run, run.finish())


def test_a_waiting_job_of_a_runner_that_was_removed_fails_and_says_why(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, BOOTS, max_instances=1)
    job = make_job(1, str(run.marks))
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_until(run, lambda: states(run) == {1: "acknowledged"})
    config = run.config.read_text()
    restart_with(run, config.replace('"checker"', '"another"'))
    wait_for_final(run, 1)
    assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "runner_system_failure"
    assert b"no longer in the manager's configuration" in run.coordinator.jobs[1].trace
    lie(run)
    restart_with(run, config)
    assert_nothing_lost(run, run.finish())
