"""Job workers end with their jobs, whatever became of the manager meanwhile; and what GitLab is told of their end."""

import os
import signal
import time

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run
from test_run import assert_nothing_lost, wait_for_trace


def workers(run):
    """Workers that hold a spool of this run, an unlinked one, too."""
    spools = str(run.state_dir / "spool")
    found = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and any(os.readlink(fd.path).startswith(spools)
                                            for fd in os.scandir(f"/proc/{entry.name}/fd")):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_worker_whose_row_was_closed_without_it_ends(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start(kill_at="result_stored.before:1")
    assert run.wait_dead(PATIENCE), run.log_tail()
    assert workers(run), "the worker has a result that nobody answered"
    run.start()
    breaches = run.finish()
    assert_nothing_lost(run, breaches)
    deadline = time.monotonic() + PATIENCE
    while (left := workers(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def test_the_cause_of_a_dead_workers_end_stands_on_a_line_of_its_own(folder, binary, plugin_dir):
    """Though it died in the middle of one, where lines are told before they are whole."""
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks), lines=0)
    job.payload["variables"].append({"key": "FF_TIMESTAMPS", "value": "false"})
    job.payload["steps"][0]["script"] = ["printf 'half %s' 'a line'; sleep 600"]
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"half a line")
    (worker,) = run.workers()
    os.kill(worker, signal.SIGKILL)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    log = bytes(run.coordinator.jobs[1].trace)
    run.stop()
    run.watch.stop()
    before, line = log.rsplit(b"\n", 2)[:2]
    assert before.endswith(b"half a line")
    assert line.startswith(b"\033[31;1mERROR: Job failed (system failure): "), line


def test_a_reason_that_gitlab_does_not_know_is_not_told(folder, binary, plugin_dir):
    """coordinator-protocol.md 4.2: it would refuse the whole update."""
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks), seconds=60)
    job.payload["features"]["failure_reasons"] = ["script_failure"]
    job.lost_as = "unknown_failure"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0001")
    run.coordinator.cancel(1)
    assert_nothing_lost(run, run.finish())
    assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "unknown_failure"
