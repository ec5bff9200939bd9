"""What GitLab is told about a job, and how often, when it answers in unusual ways."""

import os
import shlex
import signal
import sqlite3

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost, wait_for_trace


def reports(run, job_id, method, **detail):
    return [r for r in run.coordinator.records if r.method == method and f"/jobs/{job_id}" in r.path
            and detail.items() <= r.detail.items()]


@pytest.mark.parametrize("status", [416, 422, 503])
def test_a_log_that_is_never_taken_does_not_hold_the_final_state(folder, binary, plugin_dir, status):
    def fault(method, path, body):
        return (status, {}) if method == "PATCH" else None

    run = Run(folder, binary, plugin_dir, coordinator=Coordinator(fault=fault, checks_size=False))
    run.environment = {"FLOTILLA_LIMITS": "final_patience=4000"}
    job = make_job(1, str(run.marks))
    run.coordinator.add(job)
    run.start()
    breaches = run.finish()
    of_the_log = ("log_is_whole", "log_is_in_order", "log_checksum", "ledger_agrees")
    assert_nothing_lost(run, [b for b in breaches if not b.startswith(of_the_log)])
    assert run.coordinator.jobs[1].finals[0]["state"] == "success"
    assert len(reports(run, 1, "PATCH")) < 40
    said = run.daemon_log.read_text()
    assert "GitLab does not take its log" in said
    assert said.count("its log could not be sent") <= 1


def test_a_log_that_is_lost_once_is_sent_again(folder, binary, plugin_dir):
    lost = []

    def fault(method, path, body):
        if method == "PUT" and b'"success"' in body and not lost:
            lost.append(path)
            del run.coordinator.jobs[1].trace[:]
        return None

    run = Run(folder, binary, plugin_dir, coordinator=Coordinator(fault=fault))
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    breaches = run.finish()
    assert_nothing_lost(run, [b for b in breaches if " met 412 " not in b])
    assert lost


def test_nothing_needless_is_told(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(make_job(1, str(run.marks), seconds=6))
    run.start()
    assert_nothing_lost(run, run.finish())
    assert len(reports(run, 1, "PUT", state="running")) == 1  # its acknowledgement
    assert not [r for r in reports(run, 1, "PATCH") if r.status != 202]


class Naming(Coordinator):
    """Names an interval with each update, as GitLab has room for and does not do today."""

    def update_job(self, request, job_id, body):
        status, headers, text = super().update_job(request, job_id, body)
        return status, {**headers, "X-GitLab-Trace-Update-Interval": "60"}, text


def test_the_first_interval_is_the_one_that_the_acknowledgement_names(folder, binary, plugin_dir):
    """Were it the usual 3 s, part of the log would be told while the job runs."""
    run = Run(folder, binary, plugin_dir, coordinator=Naming(interval=60))
    run.coordinator.add(make_job(1, str(run.marks), seconds=4))
    run.start()
    assert_nothing_lost(run, run.finish())
    assert len(reports(run, 1, "PATCH")) == 1


@pytest.mark.parametrize("name", ["CI_DEBUG_TRACE", "CI_DEBUG_SERVICES"])
def test_a_debug_trace_is_called_one(folder, binary, plugin_dir, name):
    run = Run(folder, binary, plugin_dir)
    jobs = [run.held_job(i) for i in (1, 2)]
    jobs[0].payload["variables"].append({"key": name, "value": "$ON", "public": True, "masked": False})
    jobs[0].payload["variables"].append({"key": "ON", "value": "true", "public": True, "masked": False})
    run.coordinator.add(*jobs)
    run.start()
    wait_for_trace(run, 1, b"line 0002")
    run.kill()
    run.start()
    run.release(1, 2)
    breaches = run.finish()
    # The trace shows each command beside its output, which the checker takes for lines, some of them doubled.
    shown_by_trace = ("log_is_whole: job 1:", "log_is_in_order: job 1:")
    assert_nothing_lost(run, [b for b in breaches if not b.startswith(shown_by_trace)])
    assert {r.path.split("=")[1] for r in reports(run, 1, "PATCH")} == {"true"}
    assert {r.path.split("=")[1] for r in reports(run, 2, "PATCH")} == {"false"}


def test_the_log_of_a_worker_that_died_untold_is_called_a_debug_trace(folder, binary, plugin_dir):
    """The manager died with its word about that, so nobody knows: it is hidden as one, and not kept."""
    run = Run(folder, binary, plugin_dir)
    job = run.held_job(1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start(kill_at="payload_drop.before:1")
    assert run.wait_dead(PATIENCE), run.log_tail()
    spool = run.state_dir / "spool" / "1.log"
    assert wait_for(lambda: b"line 0002" in spool.read_bytes())
    (worker,) = run.workers()
    os.kill(worker, signal.SIGKILL)
    run.start()
    assert_nothing_lost(run, run.finish())
    assert {r.path.split("=")[1] for r in reports(run, 1, "PATCH")} == {"true"}
    assert not list(spool.parent.iterdir())


def test_a_log_over_its_limit_ends_with_a_notice_and_the_job_goes_on(folder, binary, plugin_dir):
    notice = (b"\n\x1b[33;1mJob's log exceeded limit of 2048 bytes.\n"
              b"Job execution will continue but no more output will be collected.\x1b[0;m\n")
    run = Run(folder, binary, plugin_dir, runner_extra="  output_limit = 2\n")
    job = make_job(1, str(run.marks), lines=200, exit_code=3, script_after=[f"echo done > '{folder}/after'"])
    run.coordinator.add(job)
    run.start()
    breaches = run.finish()
    assert_nothing_lost(run, [b for b in breaches if not b.startswith(("log_is_whole", "log_is_in_order"))])
    trace = bytes(run.coordinator.jobs[1].trace)
    assert trace.endswith(notice) and trace.count(b"exceeded") == 1
    assert len(trace) == 2048 + len(notice)
    assert (folder / "after").read_text() == "done\n"
    assert run.coordinator.jobs[1].finals[0]["exit_code"] == 3


def test_hardening_15_and_hardening_16_names_that_are_commands_elsewhere(folder, binary, plugin_dir):
    """They are stored and shown as they are: formats, SQL, and what a terminal would obey."""
    names = ["%s%n%s %1$*2$n", "x'); DROP TABLE jobs;--"]
    run = Run(folder, binary, plugin_dir)
    for job_id, name in enumerate(names, 1):
        run.coordinator.add(make_job(job_id, str(run.marks), name=name,
                                     script_after=[f"printf '%s\\n' {shlex.quote(name)}"]))
    run.start()
    assert_nothing_lost(run, run.finish())
    ledger = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    assert [row[0] for row in ledger.execute("SELECT name FROM jobs ORDER BY job_id")] == names
    for job_id, name in enumerate(names, 1):
        assert f" {name}\n".encode() in run.coordinator.jobs[job_id].trace
