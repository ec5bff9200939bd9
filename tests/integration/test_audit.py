"""`flotilla audit`: what is in the cloud alone, and what is in the ledger alone, is found, and left as it is."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from checker.jobs import make_job
from checker.processes import processes_of
from checker.run import Run, wait_for
from scripted import CREATING, UNAVAILABLE
from test_operator import status
from test_run import assert_nothing_lost

PLANTED = "local-00000000000000ff"


def audit(run, *options):
    return subprocess.run([run.binary, "audit", "--state-dir", run.state_dir, *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def refusal(run):
    """Of an audit that does not wait for the cloud."""
    try:
        return subprocess.run([run.binary, "audit", "--state-dir", run.state_dir], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=5).stderr
    except subprocess.TimeoutExpired:
        return ""


def agrees(run):
    return audit(run).returncode == 0


def plant_instance(run):
    """One that boots for ever, made by hand from the files of another."""
    [name] = [entry for entry in run.instances_dir.iterdir() if entry.name != PLANTED]
    planted = run.instances_dir / PLANTED
    planted.mkdir(mode=0o700)
    meta = json.loads((name / "meta.json").read_text())
    meta.update(id=PLANTED, ready_boottime_ms=2**50)
    (planted / "meta.json").write_text(json.dumps(meta, separators=(",", ":")))
    (planted / "meta.json").chmod(0o600)
    return planted


def test_an_instance_that_the_ledger_does_not_know_is_found(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=3, idle_count=1, idle_time="1h", update_interval="1h")
    run.start()
    assert run.wait_up()
    assert wait_for(lambda: [i["condition"] for i in status(run)["instances"]] == ["ready"]), run.log_tail()
    assert agrees(run), audit(run).stdout
    planted = plant_instance(run)
    before = ledger(run)
    result = audit(run)
    assert (result.returncode, result.stderr) == (1, "")
    assert f"checker: instance {PLANTED} is in the cloud and not in the ledger\n" in result.stdout
    assert result.stdout.endswith("checker: 2 instances in the cloud\ncloud and ledger differ\n")
    assert [d["kind"] for d in json.loads(audit(run, "--json").stdout)["differences"]] == ["unknown"]
    assert ledger(run) == before and planted.exists()
    shutil.rmtree(planted)
    assert agrees(run)
    assert_nothing_lost(run, run.finish())


@pytest.mark.sample  # what would be used after it was freed, sanitizers see
def test_whoever_asked_may_leave_before_the_cloud_answers(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=1)
    run.start()
    assert run.wait_up() and wait_for(lambda: agrees(run)), run.log_tail()
    (provider,) = [p.pid for p in processes_of(folder) if p.name == "flotilla-prov"]
    os.kill(provider, signal.SIGSTOP)
    first = subprocess.Popen([run.binary, "audit", "--state-dir", run.state_dir], stdout=subprocess.DEVNULL)
    assert wait_for(lambda: "an audit is under way" in refusal(run)), run.log_tail()
    first.kill()
    first.wait()
    assert status(run)["runners"]  # the manager has seen it go
    os.kill(provider, signal.SIGCONT)
    assert wait_for(lambda: agrees(run)), run.log_tail()
    assert_nothing_lost(run, run.finish())


def ledger(run):
    db = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    try:
        return [db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for table in ("instances", "jobs", "intents", "slots", "drains")]
    finally:
        db.close()


def test_a_row_that_the_cloud_does_not_have_is_found(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=3, idle_time="24h", expecting_interval="1h", update_interval="1h")
    run.start()
    assert run.wait_up()
    assert wait_for(lambda: agrees(run)), run.log_tail()
    run.kill()
    db = sqlite3.connect(run.state_dir / "ledger.db")
    db.execute("INSERT INTO groups (key, epoch) VALUES ('nobody', 1)")
    now = int(time.time() * 1000)
    for group, instance in [(1, PLANTED), (2, "i-left")]:
        db.execute("INSERT INTO instances (group_id, id, life, state, cause, uses, first_seen_ms, ready_ms, idle_since_ms, "
                   f"remove_reason, gone_ms) VALUES ({group}, '{instance}', 'present', 'running', 'requested', 0, {now}, "
                   f"{now}, {now}, '', 0)")
    db.execute("INSERT INTO intents VALUES ('11111111-1111-4111-8111-111111111111', 1, 9999999999999, 'increase', 2, NULL, "
               "'open', 1000, 0, '')")
    db.commit()
    db.close()
    run.start()
    assert run.wait_up()
    assert wait_for(lambda: audit(run).returncode == 1), audit(run).stdout + run.log_tail()
    shown = audit(run).stdout
    assert f"checker: instance {PLANTED} is in the ledger and not in the cloud\n" in shown
    assert re.search(r"checker: the call to increase 2 instances \(1{8}-.*\) has had no answer for \d+ minutes\n", shown)
    assert "instance i-left is in the ledger for a runner entry that is not in the configuration" in shown
    run.kill()


def test_what_is_under_way_is_no_difference(scripted):
    """An order that has not been seen, jobs that run, an instance that goes; then what lists alone can tell."""
    run = scripted(max_instances=3, interval="1h", update_interval="1h")

    def found():
        answer = json.loads(run.ask("audit", "--json").stdout)
        assert all(runner["asked"] for runner in answer["runners"]), answer
        return [(d["kind"], d["instance"]) for d in answer["differences"]]

    run.start()
    run.wait(lambda: run.ask("audit").returncode == 0, "the group has answered")
    listed = len(run.told("listed"))
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.told("increased") == ["1"] and len(run.told("listed")) > listed, "the list behind the order has begun")
    assert found() == []  # and has ended
    run.show("new")
    assert found() == []
    run.show("new", "second")
    assert len(found()) == 1
    run.kill()
    run.configure(interval="50ms", update_interval="100ms")
    run.show("new")
    run.start()
    run.wait(lambda: run.rows("SELECT 1 FROM jobs WHERE state = 'assigned'"), "the job is on the instance")
    run.wait(lambda: run.ask("audit").returncode != 2, "the manager answers")
    assert found() == []
    run.show("new", "odd")
    run.wait(lambda: run.life("odd") == ["present"], "somebody else's instance is taken in")
    assert found() == [("unexpected", "odd")]
    run.show("new")
    run.wait(lambda: run.life("odd") == ["gone"], "it is gone again")
    run.write("UPDATE instances SET uses = uses + 3 WHERE id = 'new'")
    assert found() == [("ledger", "new")]
    assert "the ledger has it as running, used 4 times, the fleet as running, used 1 time" in run.ask("audit").stdout
    run.kill()
    run.configure(interval="1h", update_interval="1h")
    run.start()
    run.wait(lambda: run.ask("audit").returncode == 0, "the group has answered")
    run.show("new", state=CREATING)
    assert found() == [("state", "new")]
    run.show()
    assert found() == [("missing", "new"), ("job", "new")]
    assert "scripted: job 1 runs on instance new, which is not in the cloud\n" in run.ask("audit").stdout
    run.write("DELETE FROM instances")
    assert found() == [("missing", "new"), ("job", "new"), ("ledger", "new")]
    run.script("list_code", UNAVAILABLE)
    result = run.ask("audit")
    assert result.returncode == 2 and "scripted: could not be asked: " in result.stdout
    run.stop()
    result = run.ask("audit")
    assert (result.returncode, result.stdout) == (2, "")
    assert "no flotilla answers at" in result.stderr
