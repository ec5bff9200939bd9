"""A run of real jobs, decided again from the journals in its ledger: the scaler of `flotilla simulate` is the daemon's."""

import json
import sqlite3
import subprocess

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost


def replay(run, *arguments):
    return subprocess.run([run.binary, "simulate", "--replay", "--state-dir", run.state_dir, *arguments],
                          capture_output=True, text=True, timeout=60, check=False)


def lines(run):
    db = sqlite3.connect(run.state_dir / "ledger.db")
    with db:
        return [line for (line,) in db.execute("SELECT line FROM journal ORDER BY id")]


def groups(run):
    db = sqlite3.connect(run.state_dir / "ledger.db")
    with db:
        return {group for (group,) in db.execute("SELECT DISTINCT group_id FROM journal")}


def run_jobs(run, first, last):
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(first, last + 1)])
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()


def test_a_run_of_real_jobs_is_decided_again(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=2, max_use_count=3, max_instances=3, idle_count=1, idle_time="1s")
    run_jobs(run, 1, 8)
    assert wait_for(lambda: any(line.startswith("release ") for line in lines(run))), run.log_tail()
    run.kill()  # a second of the journal may be lost with it, and the next start begins another
    run_jobs(run, 9, 14)
    assert_nothing_lost(run, run.finish())

    answer = json.loads(replay(run, "--json").stdout)
    assert [group["same"] for group in answer["groups"]] == [True]
    told = lines(run)
    assert answer["groups"][0]["lines"] == len(told)
    assert told.count("begin") == 2
    assigned = [line.split()[2] for line in told if line.startswith("assign ")]
    assert len(assigned) == len(set(assigned)) and len(assigned) >= 6
    assert any(line.startswith("plan ") and "," in line for line in told)  # a removal was decided
    assert any(line.startswith("request ") for line in told)
    assert "all as recorded" in replay(run).stdout

    db = sqlite3.connect(run.state_dir / "ledger.db")
    with db:
        (at,) = db.execute("SELECT max(id) FROM journal WHERE line LIKE 'wait %'").fetchone()
        db.execute("DELETE FROM journal WHERE id = ?", (at,))
    db.close()
    other = replay(run)
    assert other.returncode == 3
    assert "recorded was " in other.stdout and "decided is " in other.stdout


def test_a_group_s_older_journals_make_way(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=1)
    for i in range(1, 4):
        run_jobs(run, i, i)
        if i < 3:
            assert wait_for(lambda: any(line.startswith("release ") for line in lines(run))), run.log_tail()
            run.kill()
    assert_nothing_lost(run, run.finish())
    assert lines(run).count("begin") == 2
    assert replay(run).returncode == 0


def test_a_journal_begins_anew_when_much_follows_its_beginning(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=2, max_instances=6, idle_count=12, idle_time="1h")
    run.environment["FLOTILLA_LIMITS"] = "journal_bytes=600"  # less than what these instances take to begin with
    run_jobs(run, 1, 12)
    assert_nothing_lost(run, run.finish())
    told = lines(run)
    assert told.count("begin") == 2
    assert replay(run).returncode == 0
    whole = told[:told.index("begin", 1)]
    behind = next(i for i, line in enumerate(whole) if line.startswith("counts ")) + 1
    assert sum(map(len, whole[behind:])) >= 600


def test_the_journals_of_an_entry_that_left_go(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run_jobs(run, 1, 1)
    assert wait_for(lambda: any(line.startswith("release ") for line in lines(run))), run.log_tail()
    assert run.stop() == 0
    before = groups(run)
    run.config.write_text(run.config.read_text().replace('name = "checker"\n  url', 'name = "other"\n  url'))
    run.start()
    assert wait_for(lambda: groups(run) and not groups(run) & before), run.log_tail()
    assert_nothing_lost(run, run.finish())


def test_a_ledger_without_decisions(folder, binary):
    answer = subprocess.run([binary, "simulate", "--replay", "--state-dir", folder], capture_output=True, text=True,
                            timeout=60, check=False)
    assert answer.returncode == 1
    assert f"there is no ledger at {folder}/ledger.db" in answer.stderr
