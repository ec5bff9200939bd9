"""FF_USE_FLEETING_ACQUIRE_HEARTBEATS: jobs are put on instances that have just answered (autoscaler.md 9.2)."""

import os
import signal

from checker.evidence import read_ledger
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from liar import explain, lying_run, told, wait_explained
from test_run import assert_nothing_lost

FLAG = "  [runners.feature_flags]\n    FF_USE_FLEETING_ACQUIRE_HEARTBEATS = true\n"


def beating_run(folder, binary, plugin_dir, threshold, **settings):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1h",
              runner_extra=FLAG,
              autoscaler_extra=f"    failure_threshold = {threshold}\n", **settings)
    run.environment["FLOTILLA_LIMITS"] = "heartbeat=200,heartbeat_valid=200,heartbeat_limit=1500"
    run.start()
    wait_explained(run, "is running, 0 of 1 slots busy")
    (name,) = run.watch.instances()
    return run, name


def test_the_provider_is_asked_first_and_what_it_cannot_say_is_no_verdict(folder, binary, plugin_dir, fakes):
    """Its silence leaves it to the connection; its word that an instance is unhealthy replaces that one."""
    run = lying_run(folder, binary, plugin_dir, fakes, "heartbeat 1 1 cancelled", "heartbeat 2 3 unhealthy", max_instances=2,
                    runner_extra=FLAG, autoscaler_extra="    failure_threshold = 2\n", idle_time="1h")
    run.environment["FLOTILLA_LIMITS"] = "heartbeat=3600000,heartbeat_valid=300"
    run.start()
    for job_id in range(1, 4):  # each lasts longer than the answer that let it begin counts
        run.coordinator.add(make_job(job_id, str(run.marks), lines=4, seconds=0.5))
        assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    replaced = "heartbeat failed (2 of 2 in a row that replace it): its disk is full"
    # The third job may have been served by a new instance before the second question.
    assert wait_for(lambda: replaced in run.daemon_log.read_text()), run.log_tail()
    assert_nothing_lost(run, run.finish())
    assert told(run, "heartbeat")[:3] == ["cancelled", "unhealthy", "unhealthy"]


def signal_sshd(run, name, number):
    os.kill(int((run.instances_dir / name / "sshd.pid").read_text()), number)


def wait_failed(run, n):
    """Until n more heartbeats have failed. What was answered before counts for a while."""
    text = "heartbeat failed ("
    n += run.daemon_log.read_text().count(text)
    assert wait_for(lambda: run.daemon_log.read_text().count(text) >= n), run.log_tail()


def test_autoscaler_V55_an_instance_that_is_not_well_gets_no_job_until_it_is(folder, binary, plugin_dir):
    run, name = beating_run(folder, binary, plugin_dir, threshold=1000, max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    signal_sshd(run, name, signal.SIGSTOP)
    wait_failed(run, 1)
    run.coordinator.add(make_job(2, str(run.marks)))
    wait_failed(run, 2)
    assert "failed in a row" in explain(run)
    assert [row["uses"] for row in read_ledger(run.state_dir / "ledger.db")["instances"]] == [1]
    signal_sshd(run, name, signal.SIGCONT)
    assert_nothing_lost(run, run.finish())
    assert f"instance {name} of runner 'checker' is well again" in run.daemon_log.read_text()


def test_autoscaler_V55_one_that_fails_often_enough_is_replaced(folder, binary, plugin_dir):
    run, name = beating_run(folder, binary, plugin_dir, threshold=2, max_instances=2)
    signal_sshd(run, name, signal.SIGSTOP)
    wait_failed(run, 1)
    run.coordinator.add(make_job(1, str(run.marks)))
    assert run.coordinator.wait_all_ended(PATIENCE), explain(run) + run.log_tail()
    assert wait_for(lambda: name not in run.watch.instances()), run.log_tail()
    assert_nothing_lost(run, run.finish())
    log = run.daemon_log.read_text()
    assert "heartbeat failed (2 of 2 in a row that replace it)" in log
    assert f"instance marked for removal: {name} of runner 'checker', reason it cannot be connected to" in log
