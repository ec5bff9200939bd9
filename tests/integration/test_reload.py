"""The configuration changes while jobs run: what goes on, what changes at once, what leaves."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from checker.jobs import make_job
from checker.processes import processes_of
from checker.rules import judge
from checker.run import PATIENCE, Run, wait_for
from scripted import UNAVAILABLE
from test_crash import FULL
from test_run import assert_nothing_lost, wait_for_trace


def change(run, *pairs):
    """As an editor does: a new file takes the old one's name."""
    text = run.config.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    put(run, text)


def put(run, text):
    new = run.folder / "config.new"
    new.write_text(text)
    new.chmod(0o600)
    new.rename(run.config)


def ask_reload(run, *words):
    return subprocess.run([run.binary, "reload", "--json", "--state-dir", run.state_dir, *words],
                          capture_output=True, text=True, timeout=60)


def reload(run, *words) -> dict:
    done = ask_reload(run, *words)
    answer = json.loads(done.stdout)
    assert (answer["result"], done.returncode) in [("applied", 0), ("possible", 0)], done.stdout
    return answer


def texts(answer):
    return [c["text"] for c in answer["changes"]]


def wait_until(run, condition):
    assert wait_for(condition), run.log_tail()


def says(run, text) -> int:
    return run.daemon_log.read_text(errors="replace").count(text)


def rows(run, query):
    db = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        db.close()


def heeds_hangup(pid) -> bool:
    """Whether the process is past the loader: it holds SIGHUP back, or has a handler for it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk", "SigCgt"))]
    return Path(f"/proc/{pid}/comm").read_text() == "flotilla\n" and any(mask & 1 for mask in masks)


def judge_of(run):
    breaches = judge(run.evidence())
    run.coordinator.close()
    return breaches


class Manager(Run):
    """It looks at its file when it is told to, so that no change is taken before it is asked for."""

    def __init__(self, *args, look=3600_000, **settings):
        super().__init__(*args, **settings)
        self.environment["FLOTILLA_LIMITS"] = f"config_look={look}"


# Real jobs.


def test_a_reload_under_load_loses_no_job_and_holds_for_those_that_begin_after_it(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, max_instances=2, update_interval="500ms")
    noted = 'printf "%s" "${FROM_CONFIG:-none}" > ' + str(folder)
    run.coordinator.add(run.held_job(1, script_after=[noted + "/one"]), run.held_job(2),
                        make_job(3, str(run.marks), script_after=[noted + "/three"]))
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    wait_for_trace(run, 2, b"line 0003")
    change(run, ("max_instances = 2", "max_instances = 3"), ("concurrent = 10", "concurrent = 20"),
           ('name = "checker"\n  url', 'name = "checker"\n  environment = ["FROM_CONFIG=new"]\n  url'))
    run.limits["max_instances"] = 3
    assert set(texts(reload(run))) == {"concurrent: 10 → 20", "runner 'checker': environment: changed",
                                       "runner 'checker': autoscaler.max_instances: 2 → 3"}
    wait_for_trace(run, 3, b"line 0001")  # on a third instance, since the others are held
    run.release(1, 2)
    assert_nothing_lost(run, run.finish())
    assert ((folder / "one").read_text(), (folder / "three").read_text()) == ("none", "new")


def test_autoscaler_V46_a_file_that_cannot_be_used_changes_nothing(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, look=100)
    run.start()
    run.wait_up()
    whole = run.config.read_text()
    half = whole[:whole.index("[runners.autoscaler]") + 20]
    for text, why in [(half, "is missing"), (whole + "zone = [\n", "config.toml:"), ("", "no [[runners]] entry"),
                      (whole.replace('"checker"', '"a"') + '\n[[runners]]\n  limit = -1\n', "limit")]:
        put(run, text)
        refused = ask_reload(run)
        assert refused.returncode == 1
        assert any(why in finding for finding in json.loads(refused.stdout)["findings"]), refused.stdout
    known = says(run, "everything stays as it is")
    put(run, half)
    wait_until(run, lambda: says(run, "everything stays as it is") > known)  # by the watch
    run.process.send_signal(signal.SIGHUP)
    wait_until(run, lambda: says(run, "everything stays as it is") > known + 1)
    shown = subprocess.run([binary, "reload", "--state-dir", run.state_dir], capture_output=True, text=True)
    assert shown.returncode == 1 and "everything stays as it is" in shown.stdout and "is missing" in shown.stdout
    where = f'state_dir = "{run.state_dir}"\n'
    for text, status, why in [(where + "nonsense = 1\n[[runners]]\n  limit = -1\n", 0, "checker: 0 of 3 instances"),
                              ('state_dir = 3\n', 1, "config.toml:1:13"), ("state_dir = \n", 1, "config.toml:1:13")]:
        put(run, text)
        fleet = subprocess.run([binary, "fleet", "--config", run.config], capture_output=True, text=True)
        assert fleet.returncode == status and why in fleet.stdout + fleet.stderr, fleet
    run.coordinator.add(make_job(1, str(run.marks)))
    assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
    put(run, whole)
    assert ask_reload(run).returncode == 3
    assert says(run, "policy: runner 'checker'") == 1  # it is the same one
    assert_nothing_lost(run, run.finish())


def test_autoscaler_V67_a_token_rotates_and_the_busy_instance_stays(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, max_instances=2, idle_time="1h")
    run.coordinator.poll_seconds = 2 * PATIENCE
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    wait_until(run, lambda: run.coordinator.parked == 1)
    old, new = run.coordinator.runner_token, "glrt-t1_rotatedRunner987654"
    asked = []
    run.coordinator.fault = lambda command, path, body: asked.append(body) if path.endswith("/request") else None
    run.coordinator.runner_token = new
    change(run, (old, new))
    assert texts(reload(run)) == ["runner 'checker': token: changed"]
    # The parked request would go on for longer than this test.
    wait_until(run, lambda: any(new.encode() in body for body in asked))
    run.release(1)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert_nothing_lost(run, run.finish())
    assert rows(run, "SELECT count(*) FROM groups") == [(1,)]
    assert rows(run, "SELECT DISTINCT remove_reason FROM instances") == [("shutdown",)]
    assert old not in run.daemon_log.read_text() and new not in run.daemon_log.read_text()


def test_capacity_is_lowered_under_running_jobs(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, capacity=3, max_instances=1, idle_time="1h")
    run.coordinator.add(*[run.held_job(i) for i in (1, 2, 3)])
    run.start()
    for i in (1, 2, 3):
        wait_for_trace(run, i, b"line 0003")
    change(run, ("capacity_per_instance = 3", "capacity_per_instance = 1"))
    reload(run)
    run.coordinator.add(run.held_job(4), make_job(5, str(run.marks)))
    run.release(1, 2)
    assert run.coordinator.wait_these([1, 2], PATIENCE), run.log_tail()
    assert not wait_for(lambda: "begin 4 " in run.marks.read_text(), 1), "a slot too many was given"
    run.release(3)
    wait_for_trace(run, 4, b"line 0001")
    run.release(4)
    assert_nothing_lost(run, run.finish())
    marks = [line.rsplit(" ", 3)[0] for line in run.marks.read_text().splitlines()]
    assert marks[-4:] == ["begin 4", "end 4", "begin 5", "end 5"], marks


def test_max_instances_below_what_there_is_removes_nobody_busy(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, max_instances=3, idle_time="1h", update_interval="500ms")
    run.coordinator.add(run.held_job(1), run.held_job(2), make_job(3, str(run.marks)))
    run.start()
    assert run.coordinator.wait_ended(3, PATIENCE)
    wait_for_trace(run, 1, b"line 0003")
    wait_for_trace(run, 2, b"line 0003")
    wait_until(run, lambda: rows(run, "SELECT count(*) FROM slots") == [(2,)])  # the third job has left its own
    change(run, ("max_instances = 3", "max_instances = 1"))
    (plan,) = reload(run)["instances"]
    assert [r["reason"] for r in plan["remove"]] == ["above_maximum"]
    run.release(1, 2)
    assert_nothing_lost(run, run.finish())


def test_plugin_settings_open_the_plugin_anew_and_touch_no_instance(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, max_instances=2, idle_time="1h", update_interval="300ms",
              plugin_extra='      boot_delay = "0s"\n')
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0003")

    def provider():
        return [p.pid for p in processes_of(folder) if p.name == "flotilla-prov"]

    before = provider()
    change(run, ('boot_delay = "0s"', 'boot_delay = "10ms"'), ('timeout = "30s"', 'timeout = "40s"'),
           ('plugin_host = "worker"', 'plugin_host = "worker" # as it was'))
    assert set(texts(reload(run))) == {"runner 'checker': autoscaler.plugin_config.boot_delay: changed",
                                       "runner 'checker': autoscaler.connector_config.timeout: 30s → 40s"}
    wait_until(run, lambda: len(provider()) == 1 and provider() != before)
    run.release(1)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert run.coordinator.wait_ended(2, PATIENCE)
    change(run, ('plugin_host = "worker"', 'plugin_host = "inline"'))
    reload(run)
    run.coordinator.add(make_job(3, str(run.marks)))
    assert_nothing_lost(run, run.finish())
    assert rows(run, "SELECT DISTINCT remove_reason FROM instances") == [("shutdown",)]


def test_the_end_of_a_worker_is_told_though_its_spawner_was_replaced(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, max_instances=2, idle_time="1h")
    job = run.held_job(1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job, run.held_job(2))
    run.start()
    wait_for_trace(run, 1, b"line 0001")
    wait_for_trace(run, 2, b"line 0001")
    spawners = [p.pid for p in processes_of(folder) if p.name == "flotilla-spawn"]
    change(run, ("concurrent = 10", "concurrent = 9\nworker_seccomp = false"))
    reload(run)
    wait_until(run, lambda: len([p for p in processes_of(folder) if p.name == "flotilla-spawn"]) == 2)
    ((pid,),) = rows(run, "SELECT worker_pid FROM jobs WHERE job_id = 1")
    os.kill(pid, signal.SIGKILL)
    assert run.coordinator.wait_ended(1, PATIENCE)
    assert b"killed by signal 9" in run.coordinator.jobs[1].trace
    run.release(2)
    assert run.coordinator.wait_ended(2, PATIENCE)
    wait_until(run, lambda: not {p.pid for p in processes_of(folder)} & set(spawners))
    run.coordinator.add(make_job(3, str(run.marks)))
    assert_nothing_lost(run, run.finish())


@pytest.mark.sample
def test_thirty_reloads_under_jobs_leave_nothing_behind(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, capacity=2, max_instances=2, idle_time="1h", update_interval="300ms")
    run.coordinator.add(*[make_job(i, str(run.marks), lines=30, seconds=2) for i in (1, 2, 3)])
    run.start()
    for i in (1, 2, 3):
        wait_for_trace(run, i, b"line 0001")

    def held():
        return len(list(Path(f"/proc/{run.process.pid}/fd").iterdir())), len(processes_of(folder))

    text = run.config.read_text()
    for turn in range(30):
        put(run, text.replace("concurrent = 10", f"concurrent = {11 + turn}")
            .replace('timeout = "30s"', f'timeout = "{31 + turn}s"'))
        if turn % 3:
            reload(run)
        else:
            run.process.send_signal(signal.SIGHUP)
            wait_until(run, lambda: says(run, f"→ {11 + turn}\n") == 1)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    wait_until(run, lambda: held()[1] == 3 + 2)  # manager, spawner, provider; two instances
    quiet = held()
    run.coordinator.add(make_job(4, str(run.marks)))
    assert run.coordinator.wait_ended(4, PATIENCE)
    wait_until(run, lambda: held() <= quiet)
    assert_nothing_lost(run, run.finish())


def test_an_entry_that_comes_back_after_a_restart_takes_back_its_jobs(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir, update_interval="200ms")
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    whole = run.config.read_text()
    put(run, whole.replace('"checker"', '"another"'))
    run.kill()
    run.start()

    def jobs():
        shown = subprocess.run([binary, "status", "--json", "--state-dir", run.state_dir], capture_output=True)
        return shown.stdout and [j["runner_configured"] for j in json.loads(shown.stdout)["jobs"]]

    wait_until(run, lambda: jobs() == [False])
    put(run, whole)
    reload(run)
    assert jobs() == [True]
    run.release(1)
    assert run.coordinator.wait_ended(1, PATIENCE)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("point", ["reload.after", "reload.before"] if FULL else ["reload.after"])
def test_a_manager_that_dies_while_it_reloads_loses_nothing(folder, binary, plugin_dir, point):
    run = Manager(folder, binary, plugin_dir, max_instances=2, idle_time="1h")
    run.coordinator.add(make_job(1, str(run.marks), lines=20, seconds=1))
    run.start(kill_at=point + ":1")
    wait_for_trace(run, 1, b"line 0003")
    change(run, ("max_instances = 2", "max_instances = 3"),
           ('url = ', 'environment = ["A=B"]\n  url = '))
    run.limits["max_instances"] = 3
    assert ask_reload(run).returncode == 1
    assert run.wait_dead(PATIENCE)
    run.start()
    run.coordinator.add(make_job(2, str(run.marks)))
    assert_nothing_lost(run, run.finish())


def test_a_hangup_while_the_manager_starts_or_stops_ends_nothing(folder, binary, plugin_dir):
    run = Manager(folder, binary, plugin_dir)
    run.start()
    wait_until(run, lambda: heeds_hangup(run.process.pid))
    run.process.send_signal(signal.SIGHUP)  # once at least: it may listen already
    while not run.listens():
        run.process.send_signal(signal.SIGHUP)
        assert run.process.poll() is None, run.log_tail()
    wait_until(run, lambda: says(run, "the configuration was read again"))
    run.coordinator.add(make_job(1, str(run.marks), lines=20, seconds=1))
    wait_for_trace(run, 1, b"line 0001")
    run.process.send_signal(signal.SIGQUIT)
    while run.process.poll() is None:
        run.process.send_signal(signal.SIGHUP)
        ask_reload(run)
    assert run.process.wait() == 0
    run.wait_no_processes()
    assert_nothing_lost(run, judge_of(run))


# A scripted cloud: entries, groups and what is planned.


def ready(run, n, cloud="cloud"):
    """n instances, through the gate."""
    run.show(*[f"{cloud}-{i}" for i in range(n)], cloud=cloud)
    run.wait(lambda: len(run.rows(f"SELECT 1 FROM instances WHERE id LIKE '{cloud}-%' AND ready_ms > 0")) == n,
             f"{n} instances are ready")


@pytest.fixture
def manager(scripted):
    def make(**settings):
        run = scripted(**settings)
        run.environment = {"FLOTILLA_LIMITS": "config_look=3600000"}
        run.start(**run.environment)
        run.wait_lists(2)
        return run
    return make


def runner(run, name="scripted"):
    return next(r for r in run.status()["runners"] if r["name"] == name)


def test_autoscaler_V47_a_policy_grows_at_the_next_evaluation_and_removes_nothing(manager):
    run = manager(idle_count=1, idle_time="0s")
    ready(run, 1)
    run.wait(lambda: runner(run)["reserved"] == 0, "an idle instance is needed, not promised")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.told("connected"), "the job has it")
    before = sum(map(int, run.told("increased")))
    run.configure(idle_count=3)
    answer = reload(run)
    assert texts(answer) == ["runner 'scripted': autoscaler.policy[0].idle_count: 1 → 3"]
    run.wait(lambda: sum(map(int, run.told("increased"))) >= before + 2, "it grows")
    assert run.told("decreased") == []


def test_autoscaler_V48_polling_goes_on_under_the_other_mode(manager):
    """I1 with preemption: no job without a ready slot; I0 without: any that there can be one for."""
    run = manager(idle_count=1)
    assert runner(run)["reserved"] == 0  # none is ready
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait_lists(2)
    assert run.rows("SELECT * FROM jobs") == []
    run.configure(idle_count=0)
    reload(run)
    run.wait(lambda: run.rows("SELECT 1 FROM jobs"), "the job is asked for")
    run.configure(idle_count=1)
    reload(run)
    run.wait(lambda: runner(run)["reserved"] == 0, "no request is stuck")


def test_a_dry_run_tells_the_difference_and_makes_none(manager):
    run = manager(idle_count=2, max_instances=4)
    ready(run, 2)
    orders = run.told("increased")
    run.configure(idle_count=0, idle_time="0s", concurrent=7)
    answer = reload(run, "--dry-run")
    assert texts(answer) == ["concurrent: 10 → 7", "runner 'scripted': autoscaler.policy[0].idle_count: 2 → 0",
                             "runner 'scripted': autoscaler.policy[0].idle_time: 1h0m0s → 0s"]
    assert sorted(r["id"] for r in answer["instances"][0]["remove"]) == ["cloud-0", "cloud-1"]
    shown = run.ask("reload", "--dry-run")
    assert "removed: cloud-0 (instance exceeded max idle time), cloud-1 (" in shown.stdout, shown.stdout
    run.configure(idle_count=4, idle_time="1h")
    assert [(p["order"], p["remove"]) for p in reload(run, "--dry-run")["instances"]] == [(2, [])]
    shown = run.ask("reload", "--dry-run")
    assert "instances: 2 ordered" in shown.stdout and "Nothing was changed." in shown.stdout
    run.wait_lists(3)
    assert (run.told("increased"), run.told("decreased")) == (orders, [])
    assert run.ask("drain", "scripted").returncode == 0
    assert [p["order"] for p in reload(run, "--dry-run")["instances"]] in ([], [0])  # drained it stays
    assert run.ask("undrain", "scripted").returncode == 0
    run.configure(idle_count=2, concurrent=10)
    assert ask_reload(run).returncode == 3


def test_what_cannot_hold_at_once_is_named(manager):
    run = manager()
    run.config.write_text("state_dir = \"/srv/elsewhere\"\n" + run.config.read_text())
    answer = reload(run)
    assert [(c["key"], c["live"]) for c in answer["changes"]] == [("state_dir", False)]
    assert "state_dir: holds from the next start on" in run.log.read_text()


def test_an_entry_that_is_added_begins_and_one_that_is_removed_goes_with_its_last_instance(manager):
    run = manager(idle_count=1)
    ready(run, 1)
    (run.folder / "second").mkdir()
    run.others = [{"name": "second", "idle_count": 2}]
    run.configure()
    answer = reload(run)
    assert texts(answer) == ["runner 'second': added"]
    assert [(p["runner"], p["order"]) for p in answer["instances"]] == [("second", 2)]
    run.wait(lambda: sum(map(int, run.told("increased", cloud="second"))) == 2, "its idle instances are ordered")
    ready(run, 2, cloud="second")
    run.others = []
    run.configure()
    (plan,) = reload(run)["instances"]
    assert (plan["runner"], len(plan["remove"])) == ("second", 2)
    assert {removal["reason"] for removal in plan["remove"]} == {"leaving"}
    run.wait(lambda: set(run.told("decreased", cloud="second")) == {"second-0", "second-1"}, "they are removed")
    assert "second" in [r["name"] for r in run.status()["runners"] if r["leaving"]]
    for command in ("drain", "undrain"):  # neither gives it back what it had
        assert run.ask(command, "second").returncode == 0
    run.wait_lists(2)
    assert sum(map(int, run.told("increased", cloud="second"))) == 2
    run.show(cloud="second")
    run.wait(lambda: [r["name"] for r in run.status()["runners"]] == ["scripted"], "the entry is gone")
    assert run.told("decreased") == []
    assert run.stop() == 0


def test_an_entry_that_left_waits_for_the_answer_to_its_order(manager):
    """The cloud may have made what nobody else would remove."""
    run = manager()
    (run.folder / "second").mkdir()
    run.script("increase_code", UNAVAILABLE, cloud="second")
    run.others = [{"name": "second", "idle_count": 1}]
    run.configure()
    reload(run)
    run.wait(lambda: run.told("increased", cloud="second"), "an order is made")
    run.others = []
    run.configure()
    reload(run)
    run.wait(lambda: runner(run, "second")["leaving"], "its entry leaves")
    run.wait_lists(5)
    assert runner(run, "second")["leaving"]
    run.script("increase_code", 0, cloud="second")
    run.wait(lambda: run.rows("SELECT count(*) FROM intents WHERE kind = 'increase' AND state = 'done'") == [(1,)], "it is answered")
    run.show("late", cloud="second")
    run.wait(lambda: run.told("decreased", cloud="second") == ["late"], "what was ordered is removed")
    run.show(cloud="second")
    run.wait(lambda: [r["name"] for r in run.status()["runners"]] == ["scripted"], "the entry is gone")


def test_an_entry_that_comes_back_goes_on_with_what_it_has(manager):
    run = manager(max_instances=1, others=[{"name": "second", "max_instances": 9}])
    ready(run, 1, cloud="second")
    run.coordinator.add(make_job(1, str(run.folder)), make_job(2, str(run.folder)))
    run.wait(lambda: run.rows("SELECT 1 FROM slots"), "a job is on an instance of the second")
    run.others, others = [], run.others
    run.configure()
    reload(run)
    run.wait(lambda: runner(run, "second")["leaving"], "it leaves")
    assert "left the configuration" in run.ask("explain", "second").stdout
    assert run.ask("drain", "second").returncode == 0
    assert run.ask("undrain", "second").stdout == ("runner 'second' is not drained any more; it left the configuration "
                                                   "and asks for no job\n")
    run.others = others
    run.configure()
    reload(run)
    run.wait_lists(2)
    assert not runner(run, "second")["leaving"]
    assert run.told("decreased", cloud="second") == []
    assert run.rows("SELECT count(*), max(epoch) - min(epoch) >= 0 FROM groups") == [(2, 1)]


def test_a_job_that_waits_goes_on_though_its_entry_left(manager):
    run = manager(max_instances=1, others=[{"name": "second", "max_instances": 9}])
    run.coordinator.add(make_job(1, str(run.folder)), make_job(2, str(run.folder)))
    run.wait(lambda: run.told("increased", cloud="second"), "a job of the second waits for an instance")
    run.others = []
    run.configure()
    reload(run)
    run.show("late", cloud="second")
    run.wait(lambda: run.rows("SELECT 1 FROM slots WHERE instance_id = 'late'"), "the job gets its instance")


def test_another_group_of_the_cloud_is_another_group(manager):
    """The same runner with other instances: the old ones leave, and a name alone changes nothing of that."""
    run = manager(idle_count=1)
    ready(run, 1)
    (run.folder / "other").mkdir()
    key = run.rows("SELECT key FROM groups")
    text = run.config.read_text()
    put(run, text.replace(f'dir = "{run.cloud}"', f'dir = "{run.folder}/other"\n      name = "other"'))
    assert "runner 'scripted': another instance group" in "\n".join(texts(reload(run)))
    run.wait(lambda: run.told("decreased") == ["cloud-0"], "the old one's instance goes")
    run.wait(lambda: run.told("increased", cloud="other") == ["1"], "the new one grows")
    run.show()
    run.wait(lambda: [r["leaving"] for r in run.status()["runners"]] == [False], "the old one is gone")
    assert len(run.rows("SELECT key FROM groups")) == 2 and key


def test_an_entry_for_the_same_cloud_waits_until_its_predecessor_is_done(manager):
    run = manager(idle_count=1)
    ready(run, 1)
    run.configure(name="renamed")
    reload(run)
    run.wait(lambda: run.told("decreased") == ["cloud-0"], "the old one's instance goes")
    assert "still held for an entry that left" in runner(run, "renamed")["problem"]
    orders = len(run.told("increased"))
    run.show()
    run.wait(lambda: len(run.told("increased")) > orders, "then it begins")
    assert [r["name"] for r in run.status()["runners"]] == ["renamed"]


def test_a_provider_that_refuses_a_number_refuses_the_configuration(manager):
    run = manager()
    run.configure(max_instances=20000)
    refused = ask_reload(run)
    assert refused.returncode == 1 and "20000 > 10000" in refused.stdout
    assert run.status()["runners"][0]["ready"]
    run.configure(max_instances=10000)
    reload(run)


def says_log(run, text) -> int:
    return run.log.read_text().count(text)


def edit_slowly(run) -> float:
    """As an editor that writes a file bit by bit, for two looks; the longest pause between two bits."""
    began = last = time.monotonic()
    longest = 0.0
    with open(run.config, "a") as config:
        while last - began < 1.8:
            config.write("[")
            config.flush()
            time.sleep(0.02)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
    return longest


def test_a_file_is_taken_once_it_stays_as_it_is(manager, scripted):
    run = scripted()
    run.start(FLOTILLA_LIMITS="config_look=700")
    run.wait_lists(2)
    refused = "everything stays as it is"
    while True:
        before, longest = says_log(run, refused), edit_slowly(run)
        if longest < 0.5:  # else this machine stood still, and the manager was right to read it
            break
    assert says_log(run, refused) == before
    run.configure(concurrent=11)
    run.wait(lambda: "concurrent: 10 → 11" in run.log.read_text(), "the change is seen")
    run.config.unlink()
    run.wait_lists(10)
    run.configure(concurrent=12)
    run.wait(lambda: "concurrent: 11 → 12" in run.log.read_text(), "a file that was away is seen")
    assert says_log(run, refused) == before
