"""Signals: a manager that drains, that leaves its jobs running, and that stops them as GitLab Runner does."""

import re
import signal

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from liar import lie, lying_run
from test_restart import BOOTS, states
from test_run import assert_nothing_lost, wait_for_trace


def stopping_run(folder, binary, plugin_dir, setting="stop_jobs = true\n", **options) -> Run:
    run = Run(folder, binary, plugin_dir, **options)
    run.config.write_text(setting + run.config.read_text())
    return run


def cut_off(job, reason="unknown_failure"):
    """A server that does not say it knows runner_interrupted is told unknown_failure."""
    job.lost_as = reason
    if reason == "runner_interrupted":
        job.payload["features"]["failure_reasons"].append(reason)
    return job


def end_of(run, job_id):
    """What GitLab was told, and the log's last line."""
    state = run.coordinator.jobs[job_id]
    assert len(state.finals) == 1, (state.finals, run.log_tail())
    return state.finals[0]["failure_reason"], re.sub(rb"\x1b\[[0-9;]*m", b"", bytes(state.trace)).strip().split(b"\n")[-1]


def told(run, sentence) -> int:
    return run.daemon_log.read_text().count(sentence)


@pytest.mark.parametrize("signum,name", [(signal.SIGTERM, b"terminated"), (signal.SIGINT, b"interrupt")])
def test_jobs_are_interrupted_where_that_is_set(folder, binary, plugin_dir, signum, name):
    """coordinator-protocol.md 6.4; job-execution.md 37."""
    run = stopping_run(folder, binary, plugin_dir, capacity=2, max_instances=1)
    run.coordinator.add(cut_off(run.held_job(1), "runner_interrupted"), cut_off(run.held_job(2)))
    run.start()
    for job_id in (1, 2):
        wait_for_trace(run, job_id, b"line 0020")
    run.process.send_signal(signum)
    assert run.process.wait(PATIENCE) == 0, run.log_tail()
    for job_id, reason in ((1, "runner_interrupted"), (2, "unknown_failure")):
        told_reason, line = end_of(run, job_id)
        assert told_reason == reason
        assert line.endswith(b"ERROR: Job failed: aborted: " + name)
    run.wait_no_processes()
    run.start()
    assert_nothing_lost(run, run.finish())


def test_a_job_that_waits_ends_without_a_worker(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, BOOTS, max_instances=1)
    run.prefix = []
    run.config.write_text("stop_jobs = true\n" + run.config.read_text())
    run.coordinator.add(cut_off(make_job(1, str(run.marks)), "runner_interrupted"))
    run.start()
    assert wait_for(lambda: states(run) == {1: "acknowledged"}), run.log_tail()
    run.process.terminate()
    assert wait_for(lambda: run.coordinator.jobs[1].ended), run.log_tail()
    lie(run)  # else its instance cannot be deleted
    assert run.process.wait(PATIENCE) == 0, run.log_tail()
    reason, line = end_of(run, 1)
    assert (reason, line.endswith(b"Job failed: aborted: terminated")) == ("runner_interrupted", True)
    run.start()
    assert_nothing_lost(run, run.finish())


def test_what_could_not_be_told_in_time_is_told_by_the_next_manager(folder, binary, plugin_dir):
    run = stopping_run(folder, binary, plugin_dir, "stop_jobs = true\nshutdown_timeout = 3\n")
    run.coordinator.add(cut_off(run.held_job(1)))
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    run.coordinator.fault = lambda method, path, body: (502, {}) if method == "PUT" and b"failed" in body else None
    run.process.terminate()
    assert run.process.wait(PATIENCE) == 1, run.log_tail()
    assert told(run, "shutdown_timeout is over (taking no new jobs: 1 job, ") == 1, run.log_tail()
    assert run.coordinator.jobs[1].finals == []
    run.coordinator.fault = None
    run.start()
    assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
    assert end_of(run, 1)[1].endswith(b"Job failed: aborted: terminated")
    assert_nothing_lost(run, run.finish())


def test_another_signal_ends_it_at_once(folder, binary, plugin_dir):
    run = stopping_run(folder, binary, plugin_dir, "stop_jobs = true\nshutdown_timeout = 3600\n")
    run.coordinator.add(cut_off(run.held_job(1)))
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    run.coordinator.fault = lambda method, path, body: (502, {}) if method == "PUT" and b"failed" in body else None
    run.process.terminate()
    assert wait_for(lambda: told(run, "jobs are interrupted, and waited for at most 3600 s")), run.log_tail()
    run.process.terminate()
    assert run.process.wait(PATIENCE) == 1, run.log_tail()
    run.coordinator.fault = None
    run.start()
    assert_nothing_lost(run, run.finish())


def test_a_drain_waits_on_however_often_it_is_asked_for(folder, binary, plugin_dir):
    run = stopping_run(folder, binary, plugin_dir, "")
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    for times in (1, 2):
        run.process.send_signal(signal.SIGQUIT)
        assert wait_for(lambda: told(run, "taking no new jobs, waiting for those that run") == times), run.log_tail()
    assert not run.coordinator.jobs[1].ended
    run.release(1)
    assert run.process.wait(PATIENCE) == 0, run.log_tail()
    run.start()
    assert_nothing_lost(run, run.finish())


def test_a_drain_that_is_cut_short_leaves_the_job_running(folder, binary, plugin_dir):
    run = stopping_run(folder, binary, plugin_dir, "")
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    run.process.send_signal(signal.SIGQUIT)
    assert wait_for(lambda: told(run, "taking no new jobs, waiting for those that run")), run.log_tail()
    run.process.terminate()
    assert run.process.wait(PATIENCE) == 0, run.log_tail()
    assert states(run) == {1: "running"}
    run.release(1)
    run.start()
    assert_nothing_lost(run, run.finish())


def test_the_option_does_what_the_setting_does(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.options = ["--stop-jobs"]
    run.coordinator.add(cut_off(run.held_job(1)))
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    run.process.terminate()
    assert run.process.wait(PATIENCE) == 0, run.log_tail()
    assert end_of(run, 1)[1].endswith(b"Job failed: aborted: terminated")
    run.start()
    assert_nothing_lost(run, run.finish())


def test_SIGUSR1_writes_what_the_manager_is_at(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    run.process.send_signal(signal.SIGUSR1)
    assert wait_for(lambda: told(run, " state: job 1 (row ")), run.log_tail()
    assert re.search(r"debug   state: 1 job, 1 instance\n.*debug   state: runner 'checker': 1 instances, 1 jobs, .*\n"
                     r".*debug   state: job 1 \(row \d+\): running, on instance '\S+', its worker is connected, GitLab has "
                     r"\d+ bytes", run.daemon_log.read_text()), run.log_tail()
    run.release(1)
    assert_nothing_lost(run, run.finish())
