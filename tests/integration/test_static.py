"""plugins/static: jobs on machines that exist already, whose ids come back again and again."""

import json
import sqlite3

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from machines import Machine


@pytest.fixture
def machines(folder):
    made = [Machine(folder, name) for name in ("east", "west")]
    yield made
    for machine in made:
        machine.close()


@pytest.fixture
def new_run(folder, binary, build, machines):
    made = []

    def make(plugin="static", extra=(), **settings):
        tables = "".join(machine.toml(**dict(extra)) for machine in machines)
        settings = {"max_instances": 2, **settings}
        made.append(Run(folder, binary, build / "plugins" / "static", plugin=plugin, plugin_extra=tables,
                        coordinator=Coordinator(poll_seconds=0.5), **settings))
        made[-1].start()
        return made[-1]

    yield make
    for run in made:
        run.watch.stop()
        run.kill()
        run.coordinator.close()


def run_jobs(run, *ids):
    run.coordinator.add(*(make_job(i, str(run.marks)) for i in ids))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    for i in ids:
        assert run.coordinator.jobs[i].finals[0]["state"] == "success", run.log_tail()


def rows(run, question):
    if not (run.state_dir / "ledger.db").exists():
        return []
    db = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    try:
        return db.execute(question).fetchall()
    except sqlite3.OperationalError:  # not made yet
        return []
    finally:
        db.close()


def claims(run):
    return json.loads((run.state_dir / "static" / "checker" / "claims.json").read_text())["claims"]


@pytest.mark.sample
def test_a_machine_that_was_used_up_comes_back_under_its_id(new_run):
    """Four jobs, two machines, one use each time: a new use begins with a count of its own."""
    run = new_run(plugin="fleeting-plugin-static", max_use_count=1)
    run_jobs(run, *range(1, 5))
    used = dict(rows(run, "SELECT instance_id, count(*) FROM jobs GROUP BY instance_id"))
    assert set(used) == {"east", "west"} and sum(used.values()) == 4
    assert run.stop() == 0
    assert claims(run) == {}
    assert "never appeared" not in run.daemon_log.read_text()


def test_an_idle_machine_is_given_back_and_taken_again(new_run):
    run = new_run(idle_time="0s")
    for i in range(1, 3):
        run_jobs(run, i)
        assert wait_for(lambda: claims(run) == {}), run.log_tail()
    assert {uses for _, uses in rows(run, "SELECT id, uses FROM instances")} == {1}
    assert run.stop() == 0


def test_claims_outlive_the_manager_and_jobs_go_on(new_run):
    run = new_run(idle_count=2, idle_time="1m")
    assert wait_for(lambda: len(rows(run, "SELECT id FROM instances WHERE ready_ms > 0")) == 2)
    run.kill()
    assert set(claims(run)) == {"east", "west"}
    run.start()
    run_jobs(run, 1, 2)
    assert rows(run, "SELECT count(*) FROM instances WHERE life = 'present'") == [(2,)]
    assert rows(run, "SELECT sum(count) FROM intents WHERE kind = 'increase'") == [(2,)]
    assert run.stop() == 0


def test_a_machine_with_another_host_key_gets_nothing(new_run, machines):
    east, west = machines
    run = new_run(extra={"host_keys": [west.host_key]}, max_instances=1)
    job = make_job(1, str(run.marks))
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert b"nothing was sent to it" in run.coordinator.jobs[1].trace
    assert not (east.home / "builds").exists()
    assert run.stop() == 0
