"""`flotilla run` with real local instances, judged from outside."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

from checker.coordinator import LOSE, Coordinator
from checker.faults import Breach
from checker.jobs import make_job
from checker.processes import processes, processes_of, tree_of
from checker.run import PATIENCE, Run, wait_for
from checker.watch import MARK


def assert_nothing_lost(run, breaches, more=""):
    if breaches:
        raise Breach("\n".join(breaches) + "\n\n" + run.log_tail(80) + "\n" + more)


@pytest.mark.parametrize("plugin_host", ["worker", "inline"])
def test_jobs_run_on_instances_that_come_and_go(folder, binary, plugin_dir, plugin_host):
    run = Run(folder, binary, plugin_dir, max_use_count=1, max_instances=3, plugin_host=plugin_host)
    run.coordinator.add(*[make_job(i, str(run.marks), exit_code=3 if i == 2 else 0) for i in range(1, 7)])
    run.start()
    assert_nothing_lost(run, run.finish())
    warned = 'plugin_host = "inline": the plugin runs inside the manager, with its rights' in run.daemon_log.read_text()
    assert warned == (plugin_host == "inline")


def test_capacity_and_uses_are_kept_with_five_slots(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=5, max_use_count=8, max_instances=2)
    run.coordinator.add(*[make_job(i, str(run.marks), seconds=0.3) for i in range(1, 21)])
    run.start()
    assert_nothing_lost(run, run.finish())


def test_idle_capacity_is_kept_and_let_go(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=2, idle_time="1s", max_instances=4)
    run.start()
    assert wait_for(lambda: len(run.watch.instances()) == 2), run.log_tail()
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, 4)])
    assert run.coordinator.wait_all_ended(PATIENCE)
    assert wait_for(lambda: len(run.watch.instances()) == 2), run.log_tail()
    assert_nothing_lost(run, run.finish())


def test_cancel_stops_the_script_and_runs_after_script(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks), lines=200, seconds=60,
                   script_after=[f"printf 'after %s\\n' \"$CI_JOB_STATUS\" >> '{folder}/after'"])
    job.lost_as = "job_canceled"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0002")
    run.coordinator.cancel(1)
    assert_nothing_lost(run, run.finish())
    final = run.coordinator.jobs[1].finals[0]
    assert (final["state"], final["failure_reason"]) == ("failed", "job_canceled")
    assert (folder / "after").read_text() == "after canceled\n"
    assert b"script canceled externally (UI, API)" in run.coordinator.jobs[1].trace


def test_abort_kills_the_remote_processes(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1m")
    job = make_job(1, str(run.marks), lines=200, seconds=60)
    job.lost_as = "job_canceled"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0002")
    run.coordinator.cancel(1, "canceled")
    assert wait_for(lambda: not job_processes(run)), \
        "the script of the aborted job still runs on its instance"
    assert_nothing_lost(run, run.finish())


def job_processes(run):
    """Scripts that run on an instance of this run: their environment carries its name."""
    marks = [MARK + name.encode() + b"\0" for name in run.watch.instances()]
    return [p.pid for p in processes()
            if p.name in ("sh", "bash", "dash", "sleep") and any(mark in p.environ for mark in marks)]


def wait_for_trace(run, job_id, text):
    assert wait_for(lambda: text in run.coordinator.jobs[job_id].trace), f"{text!r} never came\n" + run.log_tail()


def test_answers_lost_and_servers_failing_lose_nothing(folder, binary, plugin_dir):
    counts = {"PATCH": 0, "PUT": 0}

    def fault(method, path, body):
        if method not in counts:
            return None
        counts[method] += 1
        if counts[method] % 3 == 0:
            return LOSE
        if counts[method] % 5 == 0:
            return (502, {})
        return None

    run = Run(folder, binary, plugin_dir, coordinator=Coordinator(fault=fault))
    run.coordinator.add(*[make_job(i, str(run.marks), lines=40, seconds=3) for i in range(1, 4)])
    run.start()
    assert_nothing_lost(run, run.finish())


def test_a_dead_worker_ends_its_job_as_a_system_failure(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    job = run.held_job(1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    (worker,) = run.workers()
    os.kill(worker, signal.SIGKILL)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert_nothing_lost(run, run.finish())
    state = run.coordinator.jobs[1]
    assert state.finals[0]["failure_reason"] == "runner_system_failure"
    assert b"was killed by signal 9" in state.trace


def spawner_of(run):
    return next(p.pid for p in processes_of(run.folder) if p.name == "flotilla-spawn")


def test_the_checker_sees_every_process_of_a_run(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(run.held_job(1))
    run.start()
    assert wait_for(run.marks.exists), run.log_tail()
    ours = {"flotilla", "flotilla-spawn", "flotilla-prov", "flotilla-job"}
    assert ours | {"sshd", "sh"} <= {p.name for p in processes_of(folder)}
    # A checker that is not root must do with the session alone.
    assert ours <= {p.name for p in processes() if p.session == run.process.pid}
    run.release(1)
    assert_nothing_lost(run, run.finish())


def pull_the_plug(run):
    """The one instance vanishes, with all that runs there."""
    (name,) = run.watch.instances()
    run.killed_instances.add(name)
    for pid in list(tree_of(int((run.instances_dir / name / "sshd.pid").read_text()))):
        with contextlib.suppress(ProcessLookupError):  # it may end with its parent
            os.kill(pid, signal.SIGKILL)


def test_job_execution_10_5_36_a_vanished_instance_fails_its_job_with_the_cause(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    job = run.held_job(1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    pull_the_plug(run)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert_nothing_lost(run, run.finish())
    state = run.coordinator.jobs[1]
    assert state.finals[0]["failure_reason"] == "runner_system_failure"
    assert b"Job failed (system failure)" in state.trace


def test_status_and_explain_tell_what_is_and_why(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=1)
    run.coordinator.add(run.held_job(1), make_job(2, str(run.marks)))
    run.start()
    wait_for_trace(run, 1, b"line 0002")

    def ask(*words):
        return subprocess.run([binary, *words, "--state-dir", run.state_dir], capture_output=True,
                              text=True, timeout=PATIENCE)

    status = json.loads(ask("status", "--json").stdout)
    assert [r["name"] for r in status["runners"]] == ["checker"]
    assert any(j["id"] == 1 and j["state"] == "running" for j in status["jobs"])
    assert "checker" in ask("status").stdout
    assert "max_instances" in ask("explain").stdout
    nobody = ask("explain", "nobody")
    assert nobody.returncode == 1 and "there is no runner, instance or job 'nobody'" in nobody.stderr
    run.release(1)
    assert_nothing_lost(run, run.finish())
    gone = ask("status")
    assert gone.returncode == 1 and "no flotilla answers" in gone.stderr


def test_two_managers_do_not_share_a_state_directory(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.start()
    assert run.wait_up()
    second = subprocess.run([binary, "run", "--config", run.config, "--state-dir", run.state_dir,
                             "--plugin-dir", plugin_dir], capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 1
    assert "in use by another flotilla" in second.stderr
    assert_nothing_lost(run, run.finish())
