"""The ready gate: an instance takes jobs once instance_ready_command has passed there (autoscaler.md 9.1, 11.1)."""

import contextlib
import os
import signal
import sqlite3

import pytest

from checker.jobs import make_job
from checker.processes import processes_of
from checker.run import PATIENCE, Run, wait_for
from liar import explain, lying_run, wait_explained
from scripted import CREATING
from test_operator import told
from test_reload import change, reload
from test_run import assert_nothing_lost, wait_for_trace

TIMEOUT = 4  # as the cloud may call an instance that failed
SECRET = "glpat-abcdefghijklmnopqrst"


def gated_run(folder, binary, plugin_dir, command, timeout="1h", limits="probe_pause=100", autoscaler_extra="", **settings):
    """The command may use single quotes; FOLDER stands for the run's."""
    command = command.replace("FOLDER", str(folder))
    run = Run(folder, binary, plugin_dir,
              autoscaler_extra=f"    instance_ready_command = '''{command}'''\n{autoscaler_extra}", **settings)
    text = run.config.read_text()
    assert text.count('timeout = "30s"') == 1
    run.config.write_text(text.replace('timeout = "30s"', f'timeout = "{timeout}"'))
    run.environment["FLOTILLA_LIMITS"] = limits
    return run


def probes(run):
    return [p.pid for p in processes_of(run.folder) if p.name == "flotilla-probe"]


def rows(run, query):
    if not (run.state_dir / "ledger.db").exists():
        return []
    db = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []  # its tables are still being made
    finally:
        db.close()


def wait_until(run, condition):
    assert wait_for(condition), explain(run) + "\n" + run.log_tail()


def open_descriptors(run):
    return len(os.listdir(f"/proc/{run.process.pid}/fd"))


def test_a_command_that_fails_at_first_is_tried_again(folder, binary, plugin_dir):
    """What it prints is told, without its tokens and its control bytes."""
    run = gated_run(folder, binary, plugin_dir, f"printf 'a line\\n\\033[31m{SECRET}\\nno disk yet\\n'; test -e FOLDER/ok",
                    max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    wait_explained(run, "and not ready")
    wait_explained(run, ": exit status 1")
    wait_explained(run, ": a line / \\x1b[31mglpat-[MASKED] / no disk yet")
    assert not run.marks.exists()
    (folder / "ok").touch()
    assert_nothing_lost(run, run.finish())
    gate = [line for line in run.daemon_log.read_text().splitlines() if " info " in line and "ready" in line]
    assert len(gate) == 2 and " is not ready yet: ready command: exit status 1" in gate[0] and gate[1].endswith(" is ready")
    assert SECRET not in run.daemon_log.read_text()
    assert [row[0] for row in rows(run, "SELECT uses FROM instances")] == [1]


def test_a_reload_takes_the_gate_away(folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, "sleep 600", max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    wait_until(run, lambda: probes(run))
    change(run, ("instance_ready_command", "# instance_ready_command"))
    reload(run)
    wait_until(run, lambda: not probes(run))
    assert_nothing_lost(run, run.finish())


def test_a_command_that_is_put_right_is_tried_at_once(folder, binary, plugin_dir):
    """On the instances that there are, too: they would be tried with the former one until the connector's timeout."""
    run = gated_run(folder, binary, plugin_dir, "echo wrong; false", limits="", max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    wait_explained(run, ": exit status 1")
    change(run, ("echo wrong; false", "true"))
    reload(run)
    assert_nothing_lost(run, run.finish())
    assert len(rows(run, "SELECT id FROM instances")) == 1


FIRST_HANGS = "mkdir FOLDER/first 2>&- && exec sleep 600; exit 0"  # the others' commands end at once


def test_gates_stand_side_by_side(folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, FIRST_HANGS, max_instances=2, idle_count=2, idle_time="1h")
    run.config.write_text(run.config.read_text().replace('timeout = "1h"', 'timeout = "1h"\nhost_key_policy = "tofu"'))
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    wait_until(run, lambda: len(probes(run)) == 1)  # the job ran beside it
    wait_until(run, lambda: len(rows(run, "SELECT 1 FROM host_keys")) == 2)  # a probe asks for the key as a job does
    assert_nothing_lost(run, run.finish())


def test_a_gate_that_hangs_ends(folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, FIRST_HANGS, timeout="3s", max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    wait_until(run, lambda: "not_booted" in [row[0] for row in rows(run, "SELECT remove_reason FROM instances")])
    assert "is not ready: ready command: it did not end in time" in run.daemon_log.read_text()
    assert_nothing_lost(run, run.finish())


def test_autoscaler_V70_instances_that_never_become_ready_are_made_with_growing_pauses(folder, binary, plugin_dir):
    flood = f"i=0; while [ $i -lt 3000 ]; do printf '\\033[2J{SECRET} %099d' $i; i=$((i+1)); done; exit 7"
    run = gated_run(folder, binary, plugin_dir, flood, timeout="3s", limits="probe_pause=5000", max_instances=2, idle_count=2)
    run.start()
    wait_explained(run, "checker: instances do not become ready: ")
    before = open_descriptors(run)
    wait_until(run, lambda: len(rows(run, "SELECT 1 FROM intents WHERE kind = 'increase'")) >= 3)
    wait_explained(run, "instances in a row did not become ready; the next is ordered in ")
    orders = [row[0] for row in rows(run, "SELECT created_ms FROM intents WHERE kind = 'increase' ORDER BY created_ms")]
    assert orders[1] - orders[0] >= 1000 and orders[2] - orders[1] >= 2000, orders
    wait_until(run, lambda: open_descriptors(run) <= before)
    assert_nothing_lost(run, run.finish())  # also that there were never more than two
    log = run.daemon_log.read_bytes()
    told = [line for line in log.splitlines() if b"is not ready: ready command: exit status 7: " in line]
    assert told and max(map(len, told)) < 400
    assert SECRET.encode() not in log and b"\033[2J" not in log


def test_instances_that_go_before_they_are_ready_are_made_with_pauses(scripted):
    """The cloud reports them as `timeout`; without a command nothing else would say that they are of no use."""
    run = scripted()
    run.coordinator.add(make_job(1, str(run.folder)))
    run.start()
    run.wait(lambda: run.told("increased") == ["1"], "the first order")
    run.show("one", state=CREATING)
    run.wait(lambda: run.life("one") == ["present"], "it is made")
    run.show("one", state=TIMEOUT)
    run.wait(lambda: "the last instance did not become ready; the next is ordered in " in run.log.read_text(), "it is said")
    run.wait(lambda: "asks for no job: the group cannot grow: instances do not become ready" in run.ask("explain").stdout,
             "no job is asked for")
    assert "the last instance did not become ready" in run.problem()
    run.show()
    run.wait(lambda: len(run.told("increased")) == 2, "the second order")
    (first,), (second,) = run.rows("SELECT created_ms FROM intents ORDER BY created_ms")
    (gone,), *_ = run.rows("SELECT gone_ms FROM instances")
    assert first < gone <= second - 1000
    run.show("two")
    run.wait(lambda: run.problem() == "", "one is ready")


def test_an_instance_that_is_removed_while_it_boots_is_no_failure(folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, "until test -e FOLDER/ok; do sleep 0.05; done", max_instances=1, idle_count=1)
    run.start()
    wait_until(run, lambda: probes(run))
    ((first,),) = rows(run, "SELECT id FROM instances")
    told(run, "remove", first)
    wait_until(run, lambda: rows(run, f"SELECT life FROM instances WHERE id = '{first}'") == [("gone",)])
    wait_until(run, lambda: rows(run, "SELECT count(*) FROM instances") == [(2,)])
    assert "did not become ready" not in explain(run) + run.daemon_log.read_text()
    (folder / "ok").touch()
    assert_nothing_lost(run, run.finish())


def test_an_instance_that_its_first_job_does_not_reach_is_one_that_did_not_boot(folder, binary, plugin_dir):
    """Its port answers, and nobody is there: without a ready command the job finds out."""
    run = Run(folder, binary, plugin_dir, max_instances=1, plugin_extra='      failure = "dead_end"\n')
    run.config.write_text(run.config.read_text().replace('timeout = "30s"', 'timeout = "1s"'))
    job = make_job(1, str(run.marks))
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    wait_explained(run, "could not be connected to by its first job")
    wait_until(run, lambda: rows(run, "SELECT remove_reason FROM instances") == [("not_booted",)])
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("lies", ["connect_info 1 2 never_ready", "connect_info 1 1 segfault"])
def test_a_provider_that_does_not_say_how_to_reach_an_instance(lies, folder, binary, plugin_dir, fakes):
    """One that says for too long that it boots costs the instance; one that fails does not."""
    run = lying_run(folder, binary, plugin_dir, fakes, lies, max_instances=1, idle_count=1, idle_time="1h",
                    autoscaler_extra='    instance_ready_command = "true"\n')
    run.config.write_text(run.config.read_text().replace('timeout = "30s"', 'timeout = "3s"'))
    run.environment["FLOTILLA_LIMITS"] += ",not_ready=3000"
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert_nothing_lost(run, run.finish())
    removed = [row[0] for row in rows(run, "SELECT remove_reason FROM instances ORDER BY first_seen_ms")]
    assert removed == (["not_booted", "shutdown"] if "never_ready" in lies else ["shutdown"])


def test_a_probe_that_is_killed_is_started_again_and_none_outlives_its_manager(folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, "until test -e FOLDER/ok; do sleep 0.05; done", max_instances=1,
                    idle_count=1, idle_time="1h")
    run.start()
    wait_until(run, lambda: probes(run))
    (first,) = probes(run)
    os.kill(first, signal.SIGKILL)
    wait_until(run, lambda: probes(run) not in ([], [first]))
    run.kill()
    wait_until(run, lambda: not probes(run))  # long before its time is over
    run.start()
    wait_until(run, lambda: probes(run))
    (folder / "ok").touch()
    run.coordinator.add(make_job(1, str(run.marks)))
    assert_nothing_lost(run, run.finish())
    assert len(rows(run, "SELECT 1 FROM instances")) == 1


def test_a_probe_that_hangs_is_given_up_and_its_instance_with_it(folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, "until test -e FOLDER/ok; do sleep 0.05; done", timeout="2s",
                    limits="probe_grace=100", max_instances=1, idle_count=1, idle_time="1h")
    run.start()
    hung = set()

    def send(pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def given_up():
        """One that ends before it is stopped has a successor."""
        for probe in probes(run):
            send(probe, signal.SIGSTOP)
            hung.add(probe)
        return "its probe did not end in time" in run.daemon_log.read_text()

    wait_until(run, given_up)
    (folder / "ok").touch()
    for probe in hung:
        send(probe, signal.SIGCONT)
    wait_until(run, lambda: not hung & set(probes(run)))
    wait_explained(run, "is running, 0 of 1 slots busy")
    assert_nothing_lost(run, run.finish())


def test_no_more_than_32_gates_stand_open_at_once(scripted):
    run = scripted(max_instances=50, idle_count=50)
    run.config.write_text(run.config.read_text().replace("max_instances", 'instance_ready_command = "true"\nmax_instances'))
    run.script("addresses", "192.0.2.1")  # where nobody answers
    run.start()
    run.wait(lambda: run.told("increased"), "the order")
    run.show(*[f"i-{i}" for i in range(50)])
    run.wait(lambda: len(probes(run)) == 32, "as many as may be")
    run.wait_lists(2)
    assert len(probes(run)) == 32
    assert len(run.told("connected")) == 32


def test_a_probe_of_an_instance_that_goes_is_ended(folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, "sleep 600", max_instances=1, idle_count=1, idle_time="1h")
    run.start()
    wait_until(run, lambda: probes(run))
    (name,) = run.watch.instances()
    run.killed_instances.add(name)
    (probe,) = probes(run)
    os.kill(int((run.instances_dir / name / "sshd.pid").read_text()), signal.SIGKILL)
    wait_until(run, lambda: probe not in probes(run))
    run.limits["max_instances"] = 2  # what is dead stays in the cloud's books for a while
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("keep", ["false", "true"])
def test_autoscaler_V65_an_instance_whose_job_was_lost_over_a_restart(keep, folder, binary, plugin_dir):
    """Beside one whose job goes on, which is not touched."""
    run = gated_run(folder, binary, plugin_dir, 'echo "$FLOTILLA_LOCAL_INSTANCE" >> FOLDER/gates', max_instances=2,
                    idle_count=2, idle_time="1h",
                    autoscaler_extra=f"    [runners.autoscaler.state_storage]\n      keep_instance_with_acquisitions = {keep}\n")
    lost = make_job(1, str(run.marks), lines=1000, seconds=1000)
    lost.lost_as = "runner_system_failure"
    run.coordinator.add(lost)
    run.start()
    wait_for_trace(run, 1, b"line 0001")
    (worker,) = run.workers()
    living = make_job(2, str(run.marks))
    script = living.payload["steps"][0]["script"]
    script[0] = script[0].replace("\n", f"\nuntil [ -e '{folder}/end' ]; do sleep 0.05; done\n", 1)
    run.coordinator.add(living)
    wait_until(run, lambda: len(run.workers()) == 2 and "begin 2 " in run.marks.read_text())
    run.kill()
    os.kill(worker, signal.SIGKILL)
    wait_until(run, lambda: len(run.workers()) == 1)
    run.start()
    (held,) = rows(run, "SELECT instance_id FROM jobs WHERE job_id = 1")[0]
    gates = lambda name: (folder / "gates").read_text().split().count(name)
    if keep == "true":
        wait_until(run, lambda: gates(held) == 2)
        wait_explained(run, f"instance {held} is running, 0 of 1 slots busy, used 1 time")
    else:
        wait_until(run, lambda: ("job_lost",) in rows(run, f"SELECT remove_reason FROM instances WHERE id = '{held}'"))
        wait_until(run, lambda: held not in run.watch.instances())
        assert "pre-existing instance has acquisition so removing for safety" in run.daemon_log.read_text()
    (other,) = rows(run, "SELECT instance_id FROM jobs WHERE job_id = 2")[0]
    assert gates(other) == 1
    (folder / "end").touch()
    assert_nothing_lost(run, run.finish())
