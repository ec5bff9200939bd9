"""A job worker that hangs, breaks its word or dies: its job still ends, and its slot is free again."""

import json
import os
import signal
import subprocess
import sys

from checker.jobs import make_job
from checker.run import PATIENCE, Run
from test_logs import refusing_finals
from test_restart import ledger, wait_until
from test_run import assert_nothing_lost, spawner_of, wait_for_trace

SHORT = {"FLOTILLA_LIMITS": "end_grace=1000,abort_grace=4000"}


def start(folder, binary, plugin_dir, job_timeout):
    """A run whose first job talks; its second one needs the same slot."""
    run = Run(folder, binary, plugin_dir, max_instances=1, idle_time="1h")
    run.environment = SHORT
    job = make_job(1, str(run.marks), lines=1000, seconds=1000)
    job.payload["runner_info"]["timeout"] = job_timeout
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job, make_job(2, str(run.marks)))
    run.start()
    wait_until(run, run.marks.exists)
    return run


def stop_worker(run):
    (worker,) = run.workers()
    os.kill(worker, signal.SIGSTOP)


def reports(run):
    return [r for r in run.coordinator.records if r.job_id == 1 and r.method in ("PATCH", "PUT")]


def assert_ended_by_us(run):
    assert_nothing_lost(run, run.finish())
    assert b"did not end in time and was killed" in run.coordinator.jobs[1].trace


def test_one_that_outlives_its_timeout_is_ended(folder, binary, plugin_dir):
    run = start(folder, binary, plugin_dir, job_timeout=10)
    stop_worker(run)
    assert_ended_by_us(run)


def test_one_that_heeds_no_abort_is_ended(folder, binary, plugin_dir):
    run = start(folder, binary, plugin_dir, job_timeout=3600)
    stop_worker(run)
    run.coordinator.cancel(1, "canceled")
    # Heard with the next sign of life, which a job that is silent gives every 30 s.
    wait_until(run, lambda: "job 1: aborted" in run.daemon_log.read_text())
    told = len(reports(run))
    wait_until(run, lambda: not run.workers())
    assert len(reports(run)) <= told + 2, "more than its end was told after the abort"
    assert_nothing_lost(run, run.finish())


def test_one_that_never_comes_back_after_a_restart_is_ended(folder, binary, plugin_dir):
    run = start(folder, binary, plugin_dir, job_timeout=15)
    spawner = spawner_of(run)
    wait_until(run, lambda: [row["worker_pid"] for row in ledger(run)] == run.workers())
    run.kill()
    # Not earlier: the end of its parent would wake a stopped worker up.
    wait_until(run, lambda: not os.path.exists(f"/proc/{spawner}"))
    stop_worker(run)
    run.start()
    assert_ended_by_us(run)


# Attaches with the key of the job's row, says all in one breath and prints what kinds of frames it hears.
IMPOSTOR = """
import json, socket, struct, sys
path, seq, key, frames = sys.argv[1:]
link = socket.socket(socket.AF_UNIX)
link.connect(path)
said = b""
for frame in [{"type": "attach", "seq": int(seq), "key": key}, *json.loads(frames)]:
    text = json.dumps(frame).encode()
    said += struct.pack(">I", len(text)) + text
link.sendall(said)
heard = link.makefile("rb")
while head := heard.read(4):
    print(json.loads(heard.read(struct.unpack(">I", head)[0]))["type"], flush=True)
"""


def impostor(run, *frames):
    (row,) = ledger(run)
    return subprocess.run([sys.executable, "-c", IMPOSTOR, run.state_dir / "control.sock", str(row["seq"]),
                           row["worker_key"], json.dumps(frames)], timeout=PATIENCE, capture_output=True, text=True)


def test_one_that_sends_a_broken_result_is_ended(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0001")
    assert impostor(run, {"type": "result", "state": "perhaps"}).returncode == -signal.SIGKILL
    run.release(1)
    assert_nothing_lost(run, run.finish())  # the true worker came back


def test_one_that_goes_on_behind_its_result_is_not_heard(folder, binary, plugin_dir):
    """Though all comes in one turn, before the result is on the disk; nor by a connection of its own behind it."""
    refusing = ["no final state"]
    run = Run(folder, binary, plugin_dir, coordinator=refusing_finals(refusing))
    job = run.held_job(1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0001")
    result = {"type": "result", "state": "failed", "failure_reason": "runner_system_failure"}
    for frames in ([result, {"type": "hold"}, {"type": "hold"}], [{"type": "started"}, {"type": "hold"}]):
        heard = impostor(run, *frames)
        assert heard.stdout.split() == ["attached"], heard.stderr
    refusing.clear()
    no_last_line = "log_is_in_order: job 1: 0 lines tell its end"  # which it would have written
    assert_nothing_lost(run, [b for b in run.finish() if not b.startswith(no_last_line)])
    assert run.daemon_log.read_text().count("job 1: its worker sent something behind its job's result") == 2


def test_the_signal_is_told_however_late_the_spawner_says_it(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks), lines=100, seconds=60)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0001")
    spawner = spawner_of(run)
    os.kill(spawner, signal.SIGSTOP)
    (worker,) = run.workers()
    os.kill(worker, signal.SIGKILL)
    wait_until(run, lambda: "connection to its worker ended" in run.daemon_log.read_text())
    assert not run.coordinator.wait_ended(1, 1), "the end was told before its reason was known"
    os.kill(spawner, signal.SIGCONT)
    assert_nothing_lost(run, run.finish())
    assert b"was killed by signal 9" in run.coordinator.jobs[1].trace
