"""FF_USE_FLEETING_ACQUIRE_HEARTBEATS: jobs are put on instances that have just answered (autoscaler.md 9.2)."""

import os
import signal

from checker.jobs import make_job
from checker.run import Run, wait_for
from liar import explain, lying_run, told, wait_explained
from test_run import assert_nothing_lost

FLAG = "  [runners.feature_flags]\n    FF_USE_FLEETING_ACQUIRE_HEARTBEATS = true\n"


def beating_run(folder, binary, plugin_dir, threshold, **settings):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1h",
              runner_extra=FLAG,
              autoscaler_extra=f"    failure_threshold = {threshold}\n", **settings)
    run.environment["FLOTILLA_LIMITS"] = "heartbeat=200,heartbeat_valid=200,heartbeat_limit=1000"
    run.start()
    wait_explained(run, "is running, 0 of 1 slots busy")
    (name,) = run.watch.instances()
    return run, name


def test_the_provider_is_asked_first_and_what_it_cannot_say_is_no_verdict(folder, binary, plugin_dir, fakes):
    """Its silence leaves it to the connection; its word that an instance is unhealthy replaces that one."""
    run = lying_run(folder, binary, plugin_dir, fakes, "heartbeat 1 1 cancelled", "heartbeat 2 3 unhealthy", max_instances=2,
                    runner_extra=FLAG, autoscaler_extra="    failure_threshold = 2\n", idle_time="1h")
    run.environment["FLOTILLA_LIMITS"] = "heartbeat=3600000,heartbeat_valid=100"
    run.start()
    for job_id in range(1, 4):  # what has just passed its gate needs no heartbeat for its first job
        run.coordinator.add(make_job(job_id, str(run.marks)))
        assert run.coordinator.wait_all_ended(30), run.log_tail()
    assert_nothing_lost(run, run.finish())
    assert told(run, "heartbeat")[:3] == ["cancelled", "unhealthy", "unhealthy"]
    assert "heartbeat failed (2 of 2 in a row that replace it): its disk is full" in run.daemon_log.read_text()


def signal_sshd(run, name, number):
    os.kill(int((run.instances_dir / name / "sshd.pid").read_text()), number)


def test_autoscaler_V55_an_instance_that_is_not_well_gets_no_job_until_it_is(folder, binary, plugin_dir):
    run, name = beating_run(folder, binary, plugin_dir, threshold=1000, max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    assert run.coordinator.wait_all_ended(30), run.log_tail()
    signal_sshd(run, name, signal.SIGSTOP)
    wait_explained(run, "heartbeats failed in a row")
    run.coordinator.add(make_job(2, str(run.marks)))
    wait_explained(run, "2 heartbeats failed in a row")
    assert "begin 2 " not in run.marks.read_text()
    signal_sshd(run, name, signal.SIGCONT)
    assert_nothing_lost(run, run.finish())
    assert f"instance {name} of runner 'checker' is well again" in run.daemon_log.read_text()


def test_autoscaler_V55_one_that_fails_often_enough_is_replaced(folder, binary, plugin_dir):
    run, name = beating_run(folder, binary, plugin_dir, threshold=2, max_instances=2)
    signal_sshd(run, name, signal.SIGSTOP)
    run.coordinator.add(make_job(1, str(run.marks)))
    assert run.coordinator.wait_all_ended(30), explain(run) + run.log_tail()
    assert wait_for(lambda: name not in run.watch.instances()), run.log_tail()
    assert_nothing_lost(run, run.finish())
    log = run.daemon_log.read_text()
    assert "heartbeat failed (2 of 2 in a row that replace it)" in log
    assert f"instance marked for removal: {name} of runner 'checker', reason it cannot be connected to" in log
