"""The ledger is damaged while jobs run: a new one is begun, nothing that runs is lost (hardening R13)."""

import json
import os
import random
import signal
import sqlite3
import subprocess

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from liar import add_neighbour, lie, lying_run, wait_explained
from test_control_socket import say
from test_restart import ledger, states, wait_until
from test_run import assert_nothing_lost, wait_for_trace

PAGE = 4096
FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"


def take_away_damaged(run):
    """What the operator does with what was moved aside; it holds tokens of jobs. Their names."""
    found = sorted(run.state_dir.glob("ledger.db.damaged-*"))
    for path in found:
        path.unlink()
    return [path.name for path in found]


def start_jobs(run, n=2):
    """They run until run.release()."""
    run.coordinator.add(*[run.held_job(i) for i in range(1, n + 1)])
    run.start()
    for i in range(1, n + 1):
        wait_for_trace(run, i, b"line 0002")


def overwrite(path, page, data):
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # a page that the WAL holds, too, is mended by it
    db.close()
    with open(path, "r+b") as file:
        file.seek(page * PAGE)
        file.write(data)


def ask_status(run):
    answer = subprocess.run([run.binary, "status", "--json", "--state-dir", run.state_dir], capture_output=True,
                            timeout=PATIENCE)
    return json.loads(answer.stdout)


def test_jobs_that_run_are_taken_back_into_a_new_ledger(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=2, max_instances=2, max_use_count=3)
    start_jobs(run)
    run.kill()
    overwrite(run.state_dir / "ledger.db", 0, bytes(PAGE))
    run.start(kill_at="provider_list.after:1")  # a second crash, before the workers were heard
    wait_until(run, lambda: run.process.poll() is not None)
    run.start(kill_at="job_row.after:1")  # and one when the first has its row again, and is marked still
    wait_until(run, lambda: run.process.poll() is not None)
    workers = run.workers()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    run.start()
    wait_explained(run, "asks for no job: jobs that run are awaited whose rows were lost with the ledger")
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    wait_until(run, lambda: states(run) == {1: "running", 2: "running"})
    run.release(1, 2)
    run.coordinator.add(make_job(3, str(run.marks)))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert take_away_damaged(run)
    breaches = run.finish()
    assert_nothing_lost(run, breaches)
    assert b"was damaged and is now" in run.daemon_log.read_bytes()


def test_a_group_that_cannot_list_does_not_hold_up_the_others_for_ever(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, max_instances=1)
    start_jobs(run, 1)
    run.kill()
    (run.state_dir / "ledger.db").unlink()
    lie(run, "list 1 - refuse")  # so that the job, whose worker is heard, cannot be taken back
    add_neighbour(run)
    run.environment["FLOTILLA_LIMITS"] += ",lost_ledger=1000"
    run.start()
    run.coordinator.add(make_job(2, str(run.marks)))
    wait_until(run, lambda: run.coordinator.jobs[2].ended)
    lie(run)
    run.release(1)
    assert_nothing_lost(run, run.finish())


def test_who_comes_instead_of_a_worker_is_not_taken_for_it(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, max_instances=1)
    start_jobs(run, 1)
    run.kill()
    (run.state_dir / "ledger.db").unlink()
    lie(run, "list 1 - refuse")  # until somebody else has its place
    run.start()
    wait_until(run, lambda: b"row 1: its worker says who it is" in run.daemon_log.read_bytes())
    impostor = {"type": "attach", "seq": 1, "key": "0" * 32}
    assert b"identify" in say(run.state_dir / "control.sock", impostor, then=lambda: lie(run))
    run.release(1)
    assert_nothing_lost(run, run.finish())


def test_damage_is_shown_by_status(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.start()
    run.wait_up()
    run.kill()
    overwrite(run.state_dir / "ledger.db", 0, random.Random(1).randbytes(PAGE))
    run.start()
    run.wait_up()
    (problem,) = ask_status(run)["problems"]
    (name, *_) = take_away_damaged(run)
    assert f"the ledger was damaged and is now {run.state_dir}/{name}" in problem
    assert_nothing_lost(run, run.finish())


def test_a_job_whose_worker_died_with_the_ledger_keeps_its_log_and_is_named(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    start_jobs(run, 1)
    worker, = run.workers()
    run.kill()
    os.kill(worker, 9)
    (run.state_dir / "ledger.db").unlink()
    (run.state_dir / "spool" / "41.lost").touch()  # of a ledger before that one
    run.start()
    lost = run.state_dir / "spool" / "1.lost"
    wait_until(run, lost.exists)
    assert b"line 0002" in lost.read_bytes()
    wait_until(run, lambda: str(lost).encode() in run.daemon_log.read_bytes())
    wait_until(run, lambda: not run.watch.instances())  # it ran nothing any more
    run.coordinator.add(make_job(2, str(run.marks), lines=1))
    wait_until(run, lambda: [row["seq"] for row in ledger(run)] == [42])  # no log takes the name of another
    wait_until(run, lambda: run.coordinator.jobs[2].finals)
    assert run.stop() == 0


@pytest.mark.parametrize("kind", ["zeros", "random"])
def test_a_manager_starts_whatever_page_is_damaged(folder, binary, plugin_dir, kind):
    run = Run(folder, binary, plugin_dir, max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks), lines=2))
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE)
    assert run.stop() == 0
    ledger, rng = run.state_dir / "ledger.db", random.Random(20261125)
    whole = ledger.read_bytes()
    pages = range(len(whole) // PAGE)
    for page in pages if FULL else sorted(rng.sample(pages, 3)):
        ledger.write_bytes(whole)
        damage = bytes(PAGE) if kind == "zeros" else rng.randbytes(PAGE)
        overwrite(ledger, page, damage)
        damaged = ledger.read_bytes()
        run.start()
        assert run.wait_up() and run.process.poll() is None, f"page {page}\n" + run.log_tail()
        aside = [path for path in run.state_dir.glob("ledger.db.damaged-*Z")]
        assert all(path.read_bytes() == damaged for path in aside), f"page {page} was changed"
        assert wait_for(lambda: ask_status(run)["runners"][0]["ready"]), f"page {page}\n" + run.log_tail()
        assert run.stop() == 0, f"page {page}\n" + run.log_tail()
        take_away_damaged(run)
