"""What the cloud does to instances by itself: it interrupts them, deletes them, lets them vanish. Their jobs are told
with the cause, end as failures of the system, and others take their place."""

from datetime import datetime, timedelta

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from liar import lie, lying_run, told, wait_explained
from scripted import QUOTA, UNAVAILABLE, UNHEALTHY
from test_liar import begun, end_job, endless_job
from test_policies import clock_of, set_clock
from test_run import assert_nothing_lost, pull_the_plug, wait_for_trace

TAKES = b"WARNING: the cloud takes this instance away"
DELETES = b"WARNING: the cloud is deleting this instance; the job goes on as long as it is there"


def interrupt(run, instance, line):
    """As an operator of plugins/local would."""
    new = run.folder / "interrupt"
    new.write_text(line + "\n")
    new.rename(run.instances_dir / instance / "interrupt")


def instance_of(run, job_id) -> str:
    words = next(line.split() for line in run.marks.read_text().splitlines() if line.startswith(f"begin {job_id} "))
    return words[3]


def log_of(run, job_id) -> bytes:
    return bytes(run.coordinator.jobs[job_id].trace)


def test_an_interrupted_instance_is_drained_and_its_job_told_before_it_goes(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=2, capacity=2, update_interval="100ms")
    lost = make_job(1, str(run.marks), lines=300, seconds=120)
    lost.lost_as = "runner_system_failure"
    run.coordinator.add(lost)
    run.start()
    wait_for_trace(run, 1, b"line 0002")
    gone = instance_of(run, 1)
    interrupt(run, gone, "3s \x1b[31mthe host is retired")
    wait_for_trace(run, 1, TAKES + b" in ")
    run.coordinator.add(make_job(2, str(run.marks)))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert instance_of(run, 2) != gone, "a job was put on the instance that goes"
    log = log_of(run, 1)
    assert log.count(TAKES) == 1
    assert b"ERROR: Job failed (system failure): the cloud has taken the instance: " in log
    assert b"the host is retired" not in log  # hardening M11: what providers say goes to the manager's log
    said = [line for line in run.daemon_log.read_text().splitlines() if "the cloud takes it in " in line]
    assert len(said) == 1 and gone in said[0] and said[0].endswith(": \\x1b[31mthe host is retired"), said
    run.killed_instances = {gone}
    assert_nothing_lost(run, run.finish())


@pytest.mark.sample
def test_a_job_that_ends_in_time_succeeds_and_its_instance_goes_at_once(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_time="1h", update_interval="100ms")
    run.coordinator.add(endless_job(run, 1))
    run.start()
    assert wait_for(lambda: begun(run)), run.log_tail()
    going = instance_of(run, 1)
    interrupt(run, going, "2h maintenance")
    wait_for_trace(run, 1, TAKES + b" in 1h59m")
    wait_explained(run, "it gets no new jobs: the cloud is about to take it")
    end_job(run)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert wait_for(lambda: going not in run.watch.instances()), run.log_tail()
    assert f"{going} of runner 'checker', reason the cloud is about to take it" in run.daemon_log.read_text()
    assert_nothing_lost(run, run.finish())


def test_autoscaler_V58_an_instance_that_the_cloud_deletes_gets_no_job_and_is_replaced(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, max_instances=2, capacity=2)
    run.coordinator.add(endless_job(run, 1))
    run.start()
    assert wait_for(lambda: begun(run)), run.log_tail()
    going = instance_of(run, 1)
    (run.folder / "liar" / "going").write_text(going + "\n")
    lie(run, "list 1 - going")
    wait_for_trace(run, 1, DELETES)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert wait_for(lambda: run.coordinator.jobs[2].finals), run.log_tail()
    assert instance_of(run, 2) != going, "a job was put on the instance that goes"
    end_job(run)  # the first one went on
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert log_of(run, 1).count(DELETES) == 1
    lie(run)
    assert_nothing_lost(run, run.finish())


def test_autoscaler_V57_an_instance_that_two_lists_lack_is_lost_with_its_cause(folder, binary, plugin_dir, fakes):
    """The connection lives: only the lists tell."""
    run = lying_run(folder, binary, plugin_dir, fakes, max_instances=2)
    job = endless_job(run, 1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    assert wait_for(lambda: begun(run)), run.log_tail()
    lie(run, "list 1 - nothing")
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    lie(run)
    assert wait_for(lambda: not run.watch.instances()), run.log_tail()  # it is known again, and idle
    assert b"Job failed (system failure): its instance is gone: instance unexpectedly removed" in log_of(run, 1)
    assert_nothing_lost(run, run.finish())


def test_autoscaler_V57_a_dead_connection_asks_for_a_list_at_once(folder, binary, plugin_dir):
    """The interval is an hour, and the next job needs the place of the instance that died."""
    run = Run(folder, binary, plugin_dir, max_instances=1, update_interval="1h", idle_time="1h")
    lost = run.held_job(1)
    lost.lost_as = "runner_system_failure"
    run.coordinator.add(lost)
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    pull_the_plug(run)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    run.coordinator.add(make_job(2, str(run.marks)))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert instance_of(run, 2) != instance_of(run, 1)
    run.limits["max_instances"] = 2  # what is dead stays in the cloud's books for a while
    assert_nothing_lost(run, run.finish())


LIES = {
    "nonsense": "",
    "bad_id": "the plugin emitted an id that is not 1 to 255 bytes",
    "flood": "the plugin emitted more than 10,000 signals",
    "long": "the plugin's answer is over the limit of 1 MiB",
    "segfault": "the provider worker was killed by signal 11",
    "hang": "the plugin missed the deadline of a call and was killed",
    "status_42": "the cloud's signals cannot be read: the plugin answered with 42, a status that does not exist",
    "huge_reason": "the cloud's signals cannot be read: \\x1b",
}


def test_lies_in_signals_cost_no_job_and_hold_up_no_list(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, call_ms=2000, max_instances=2)
    run.coordinator.add(endless_job(run, 1))
    run.start()
    assert wait_for(lambda: begun(run)), run.log_tail()
    for name, text in LIES.items():
        lie(run, f"signals 1 - {name}")
        assert wait_for(lambda: name in told(run, "signals")), run.log_tail()
        wait_explained(run, text)
        listed = len(told(run, "list"))
        assert wait_for(lambda: len(told(run, "list")) > listed), run.log_tail()
    lie(run)
    wait_explained(run, "signals cannot be read", there=False)
    end_job(run)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert_nothing_lost(run, run.finish())
    assert TAKES not in log_of(run, 1)


def wait_signals(run, n):
    asked = len(run.told("signalled")) + n + 1
    run.wait(lambda: len(run.told("signalled")) >= asked, f"{n} more answers about signals")


def test_growth_that_the_cloud_says_fails_is_not_tried_while_it_says_so(scripted):
    """sdk-abi.md 9. The pauses of this run are longer than the test."""
    run = scripted(max_instances=3, idle_count=1)
    run.script("signals", f"{QUOTA} - 0 the account is full\n")
    run.start(FLOTILLA_LIMITS="back_off=600000")
    run.wait(lambda: "growth is failing: the account is full; the cloud has no more for this group, tried again in"
             in run.ask("explain").stdout, "it is explained")
    assert run.problem() == "the account is full"
    run.coordinator.add(make_job(1, str(run.folder)))
    wait_signals(run, 3)
    assert run.told("increased") == [] and run.status()["runners"][0]["waiting"] == 0
    assert run.log.read_text().count("increasing instances: runner 'scripted': the account is full") == 1
    run.script("signals", "")
    run.wait(lambda: run.problem() == "", "it is said no more")


def test_a_failure_of_growth_that_has_a_time_counts_once(scripted):
    run = scripted(max_instances=3, idle_count=1)
    run.script("signals", f"{QUOTA} - 1000000000000 no capacity in this zone\n")
    run.start(FLOTILLA_LIMITS="back_off=200")
    run.wait(lambda: run.told("increased") == ["1"], "growth is tried")
    assert run.problem() == "no capacity in this zone"
    wait_signals(run, 3)
    run.wait(lambda: run.rows("SELECT 1 FROM journal WHERE line LIKE 'increased %'"), "the journal is written")
    assert run.rows("SELECT count(*) FROM journal WHERE line LIKE 'failed %'") == [(1,)]


def test_a_failure_of_growth_counts_after_the_clock_was_set_back(scripted, folder):
    def fail(ahead):
        now = datetime.now() + ahead
        run.script("signals", f"{QUOTA} - {int(now.timestamp() * 1000) - 1000} no capacity in this zone\n")
        set_clock(folder, now)

    def failures():
        return run.rows("SELECT count(*) FROM journal WHERE line LIKE 'failed %'")

    run = scripted(max_instances=3, idle_count=1)
    fail(timedelta(days=1))
    run.start(FLOTILLA_LIMITS="back_off=200", **clock_of(folder))
    run.wait(lambda: failures() == [(1,)], "it counts")
    fail(timedelta(0))
    run.wait(lambda: failures() == [(2,)], "the next one, too")


def test_an_interruption_is_known_again_after_a_restart_before_a_job_comes(scripted):
    run = scripted(max_instances=3)
    run.start()
    run.wait_lists(2)
    run.show("going", "staying")
    run.wait(lambda: run.rows("SELECT count(*) FROM instances WHERE ready_ms > 0") == [(2,)], "both are ready")
    run.kill()
    run.script("signals", f"{UNHEALTHY} going 0 scale-in\n{UNHEALTHY} nobody 0 x\n")
    for job_id in (1, 2):
        run.coordinator.add(make_job(job_id, str(run.folder)))
    run.start()
    run.wait(lambda: run.rows("SELECT instance_id FROM jobs WHERE state = 'assigned'") != [], "a job has its place")
    run.wait(lambda: "going" in run.told("decreased"), "the idle instance goes")
    run.wait(lambda: run.told("increased") == ["1"], "it is replaced for the second job")
    assert run.rows("SELECT instance_id FROM jobs WHERE state = 'assigned'") == [("staying",)]


def test_signals_that_cannot_be_asked_for_are_asked_for_with_pauses(scripted):
    run = scripted()
    run.script("signals_code", UNAVAILABLE)
    run.start(FLOTILLA_LIMITS="back_off=600000")
    run.wait(lambda: run.problem() == "signals fails by the script", "it is said")
    asked = len(run.told("signalled"))
    run.wait_lists(8)
    assert len(run.told("signalled")) == asked, "not with each list"
    run.kill()
    run.start(FLOTILLA_LIMITS="back_off=50")
    run.wait(lambda: len(run.told("signalled")) >= asked + 3, "they are asked for again and again")
    assert run.problem() == "signals fails by the script"
    run.script("signals_code", 0)
    run.wait(lambda: run.problem() == "", "it is mended")
