"""The policies of the seed examples, with real jobs on local instances. Of their text the provider is replaced, with
what it is told, and the minutes are: twenty of them, or a day, take one second. The Mac example runs its jobs on the
instance itself: what VMs are made with is not in question."""

import re
import sqlite3
import time
from pathlib import Path

import pytest

from checker.evidence import read_marks
from checker.jobs import make_job
from checker.rules import judge
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost

DATA = Path(__file__).parents[1] / "data"
IDLE_MS = 1000
REPLACED = [
    (r'plugin = "fleeting-plugin-\w+"', 'plugin = "local"'),
    (r"(\[runners\.autoscaler\.plugin_config\]).*?(?=\n\s*\[|\Z)", r'\1\n      name = "checker"\n'),
    (r"\n *key_path *=.*", ""),
    (r"(\[runners\.autoscaler\.vm_isolation\]\s+enabled = )true", r"\1false"),
    (r'(idle_time *= *)"(20m0s|24h)"', rf'\1"{IDLE_MS}ms"'),
]


class Example(Run):
    def __init__(self, name, folder, binary, plugin_dir):
        text = (DATA / name).read_text()
        numbers = {key: int(re.search(rf"{key} *= *(\d+)", text)[1])
                   for key in ("capacity_per_instance", "max_use_count", "max_instances", "idle_count")}
        super().__init__(folder, binary, plugin_dir, capacity=numbers["capacity_per_instance"],
                         max_use_count=numbers["max_use_count"], max_instances=numbers["max_instances"])
        self.idle_count = numbers["idle_count"]
        for pattern, replacement in REPLACED:
            text = re.sub(pattern, replacement, text, flags=re.S if "plugin_config" in pattern else 0)
        text = re.sub(r'url = "[^"]*"', f'url = "{self.coordinator.url}"', text)
        self.config.write_text(re.sub(r'token = "[^"]*"', f'token = "{self.coordinator.runner_token}"', text))

    def await_that(self, condition, what):
        assert wait_for(condition), f"never: {what}\n{self.log_tail()}"

    def instances(self) -> dict:
        """The rows of the ledger by id."""
        db = sqlite3.connect(f"file:{self.state_dir}/ledger.db?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        try:
            return {row["id"]: dict(row) for row in db.execute("SELECT * FROM instances")}
        finally:
            db.close()

    def idle(self) -> dict:
        """Those that are ready, had no job yet and are not told to go."""
        return {key: row for key, row in self.instances().items()
                if row["life"] == "present" and row["ready_ms"] and row["uses"] == 0}

    def run_together(self, count):
        """Jobs that end only when all have begun and the test says so."""
        for number in range(1, count + 1):
            job = make_job(number, str(self.marks))
            job.payload["steps"][0]["script"].insert(0, f"while [ ! -e {self.folder}/go ]; do sleep 0.05; done")
            job.payload["steps"][0]["script"].insert(0, f"echo begun >> {self.folder}/begun")
            self.coordinator.add(job)
        begun = self.folder / "begun"
        self.await_that(lambda: begun.exists() and len(begun.read_text().splitlines()) == count,
                        "all jobs run at one time")

    def let_end(self):
        (self.folder / "go").touch()
        assert self.coordinator.wait_all_ended(PATIENCE), self.log_tail()
        return {mark.job_id: mark.instance for mark in read_marks(self.marks)}

    def verdict(self):
        """None of the examples deletes its instances at the end."""
        assert self.stop() == 0
        evidence = self.evidence()
        self.coordinator.close()
        return evidence, [breach for breach in judge(evidence) if not breach.startswith("nothing_left_over")]


@pytest.mark.parametrize("name", ["aws-1-job.toml", "gcp-1-job.toml"])
def test_each_instance_has_one_job_and_goes_with_it(folder, binary, plugin_dir, name):
    run = Example(name, folder, binary, plugin_dir)
    assert (run.limits, run.idle_count) == ({"capacity": 1, "max_use_count": 1, "max_instances": 10}, 5)
    run.start()
    assert run.wait_up()
    run.await_that(lambda: len(run.idle()) == 5, "five are idle")
    run.run_together(5)
    run.await_that(lambda: len(run.idle()) == 5, "five are idle beside those that work")
    on = run.let_end()
    assert len(set(on.values())) == 5
    run.await_that(lambda: all(run.instances()[key]["life"] == "gone" for key in on.values()), "what was used goes")
    rows = run.instances()
    assert {(rows[key]["uses"], rows[key]["remove_reason"]) for key in on.values()} == {(1, "uses_spent")}
    kept = run.idle()
    run.await_that(lambda: time.time() * 1000 > max(row["idle_since_ms"] for row in kept.values()) + IDLE_MS + 500,
                   "the five that are left were idle for longer than idle_time")
    assert sorted(run.idle()) == sorted(kept) and len(kept) == 5, run.log_tail()
    _, breaches = run.verdict()
    assert_nothing_lost(run, breaches)


@pytest.mark.parametrize("name, together, limits", [
    ("aws-5-jobs.toml", 5, {"capacity": 5, "max_use_count": 0, "max_instances": 10}),
    ("gcp-5-jobs.toml", 5, {"capacity": 5, "max_use_count": 0, "max_instances": 10}),
    ("aws-mac-vm-isolation.toml", 2, {"capacity": 2, "max_use_count": 0, "max_instances": 4}),
])
def test_jobs_share_an_instance_and_idle_capacity_is_let_go(folder, binary, plugin_dir, name, together, limits):
    run = Example(name, folder, binary, plugin_dir)
    assert (run.limits, run.idle_count) == (limits, together)
    run.start()
    assert run.wait_up()
    run.await_that(lambda: len(run.idle()) == 1, "one is idle")
    [first] = run.idle()
    run.run_together(together)
    run.await_that(lambda: len(run.idle()) == 1, "there is room for as many again")
    [second] = run.idle()
    on = run.let_end()
    assert set(on.values()) == {first} and len(on) == together
    run.await_that(lambda: "gone" in [row["life"] for row in run.instances().values()], "one of the two goes")
    evidence, breaches = run.verdict()
    assert_nothing_lost(run, breaches)
    rows = {row["id"]: row for row in evidence.ledger_instances}
    assert sorted(rows) == sorted([first, second])
    [surplus] = evidence.deletions
    assert rows[surplus.instance]["remove_reason"] == "idle_too_long"
    assert surplus.time * 1000 >= rows[surplus.instance]["idle_since_ms"] + IDLE_MS
