"""kill -9 of the manager at every named effect: after a restart nothing is lost.

scripts/test kills at a fixed sample of points, `--full` at every one. The points are those that a run
without a kill passes (FLOTILLA_EFFECTS_LOG), so a new effect is covered as soon as it exists.
"""

import collections
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost

EFFECTS = ["job_row", "settle", "acknowledge", "assign_slot", "provider_increase", "provider_decrease",
           "provider_list", "provider_connect_info", "instance_row", "worker_spawn", "worker_start",
           "payload_drop", "patch", "result_row", "result_stored", "final_update", "job_close",
           "spool_unlink", "slot_free"]
POINTS = [f"{name}.{side}" for name in EFFECTS for side in ("before", "after")]
# Those of an operator's commands: what is asked, with what beside it.
COMMANDS = {"drain_row": ["drain", "checker"], "undrain_row": ["undrain", "checker"],
            "remove_by_hand": ["remove", "--force"], "hold_row": ["hold"], "release_row": ["release"]}
BEFORE = {"undrain_row": ["drain", "checker"], "release_row": ["hold", "1"]}
FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"
COMMAND_POINTS = [(effect, side) for effect in COMMANDS for side in ("before", "after")
                  if FULL or (side == "after") == (effect not in BEFORE)]
LATER = [(point, nth) for i, point in enumerate(POINTS) for nth in (2, 3, 5) if FULL or (i + nth) % 9 == 0]


def add_jobs(run):
    run.coordinator.add(make_job(1, str(run.marks), lines=20),
                        make_job(2, str(run.marks), lines=40, seconds=1.5),
                        make_job(3, str(run.marks), lines=10, exit_code=7))


def new_run(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=1, max_use_count=1, max_instances=2)
    run.coordinator.poll_seconds = 1.0
    add_jobs(run)
    return run


def crash_and_recover(run, point, nth=1):
    """Starts the manager, lets it die at the point, starts it again; returns the breaches."""
    run.start(kill_at=f"{point}:{nth}")
    wait_for(lambda: run.process.poll() is not None or run.coordinator.all_ended())
    status = run.stop()  # all that is left is the removal of instances; it may die there too
    give_again(run)
    run.start()
    breaches = run.finish()
    if status not in (0, -signal.SIGKILL):
        breaches.append(f"the first manager ended with status {status}")
    return status != 0, breaches


def give_again(run):
    """What GitLab does with a job whose acknowledgement never came; a job that has a row is not forgotten."""
    for job_id, state in run.coordinator.jobs.items():
        if state.state == "pending" and not has_row(run, job_id):
            run.coordinator.requeue(job_id)


def has_row(run, job_id):
    return rows(run, f"SELECT 1 FROM jobs WHERE job_id = {job_id}") != []


def rows(run, query):
    db = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def ask(run, *arguments):
    return subprocess.run([run.binary, *arguments, "--state-dir", run.state_dir], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def test_a_run_passes_every_named_effect(folder, binary, plugin_dir):
    run = new_run(folder, binary, plugin_dir)
    log = folder / "effects"
    run.start(effects_log=log)
    breaches = run.finish()
    assert_nothing_lost(run, breaches)
    passed = collections.Counter(log.read_text().split())
    assert set(POINTS) <= set(passed), sorted(set(POINTS) - set(passed))


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_an_effect_loses_nothing(point, folder, binary, plugin_dir):
    run = new_run(folder, binary, plugin_dir)
    died, breaches = crash_and_recover(run, point)
    assert died, f"the run never passed {point}"
    assert_nothing_lost(run, breaches)


@pytest.mark.parametrize("point,nth", LATER)
def test_a_kill_at_a_later_passing_loses_nothing(point, nth, folder, binary, plugin_dir):
    run = new_run(folder, binary, plugin_dir)
    _, breaches = crash_and_recover(run, point, nth)
    assert_nothing_lost(run, breaches)


@pytest.mark.parametrize("effect,side", COMMAND_POINTS)
def test_a_kill_at_an_operators_command_leaves_it_done_or_undone(effect, side, folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1h", max_instances=2)
    gate = folder / "gate"
    job = make_job(1, str(run.marks), gate=str(gate))
    run.coordinator.add(job)
    run.start()
    assert wait_for(lambda: b"line 0020" in run.coordinator.jobs[1].trace), run.log_tail()
    if effect in BEFORE:
        assert ask(run, *BEFORE[effect]).returncode == 0
    run.kill()
    run.start(kill_at=f"{effect}.{side}:1")
    assert run.wait_up()
    [name] = {row[0] for row in rows(run, "SELECT instance_id FROM jobs")}
    command = COMMANDS[effect] + ([] if "checker" in COMMANDS[effect] else [name])
    done = side == "after"
    assert ask(run, *command).returncode == 1
    assert run.wait_dead(PATIENCE) and run.process.returncode == -signal.SIGKILL
    if effect == "remove_by_hand":
        job.lost_as = "runner_system_failure" if done else ""
        assert rows(run, f"SELECT life FROM instances WHERE id = '{name}'") == [("removing" if done else "present",)]
    else:
        table = "holds" if effect in ("hold_row", "release_row") else "drains"
        assert len(rows(run, f"SELECT * FROM {table}")) == (done == (effect not in BEFORE))
    run.start()
    if (effect, done) in (("hold_row", True), ("release_row", False)):
        assert run.wait_up() and ask(run, "release", "1").returncode == 0
    if not job.lost_as:
        gate.touch()
    breaches = run.finish()
    assert_nothing_lost(run, breaches)
    assert run.coordinator.jobs[1].finals[0]["state"] == ("failed" if job.lost_as else "success")


def test_kills_at_random_moments_lose_nothing(folder, binary, plugin_dir):
    rng = random.Random(20261124)
    run = Run(folder, binary, plugin_dir, capacity=2, max_use_count=3, max_instances=3)
    run.coordinator.poll_seconds = 1.0
    run.coordinator.add(*[make_job(i, str(run.marks), lines=30, seconds=rng.uniform(0, 2))
                          for i in range(1, 11)])
    for _ in range(20 if FULL else 6):
        run.start()
        time.sleep(rng.uniform(0.05, 1.2))
        run.kill()
        give_again(run)
    run.start()
    breaches = run.finish()
    assert_nothing_lost(run, breaches)


def test_a_stop_right_after_a_restart_deletes_what_the_killed_manager_left(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=2, idle_time="1h", max_instances=2)
    run.start()
    assert wait_for(lambda: len(run.watch.instances()) == 2), run.log_tail()
    run.kill()
    run.start()
    breaches = run.finish()
    assert_nothing_lost(run, breaches)
