"""A job between its slot and its worker: the provider says how to reach the instance, or does not."""

import time

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE
from liar import lie, lying_run, told, wait_explained
from test_gate import rows
from test_reload import change, reload
from test_restart import ledger, states, wait_until
from test_run import assert_nothing_lost


@pytest.mark.parametrize("how", ["canceling", "canceled"])
@pytest.mark.parametrize("reason", ["job_canceled", "unknown_failure"])
def test_a_cancel_ends_a_job_that_waits_for_its_instance(folder, binary, plugin_dir, fakes, how, reason):
    run = lying_run(folder, binary, plugin_dir, fakes, "connect_info 1 - never_ready")
    job = make_job(1, str(run.marks))
    job.lost_as = reason
    job.payload["features"]["failure_reasons"] = ["unknown_failure", reason]
    run.coordinator.add(job)
    run.start()
    wait_until(run, lambda: states(run) == {1: "assigned"})
    run.coordinator.cancel(1, how)
    wait_until(run, lambda: states(run) == {1: "closed"})
    assert ledger(run)[0]["failure_reason"] == reason
    assert_nothing_lost(run, run.finish())


def test_what_a_provider_says_is_in_no_job_log(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, "connect_info 1 - refuse")
    job = make_job(1, str(run.marks))
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    trace = run.coordinator.jobs[1].trace
    assert b"the provider could not tell how to reach its instance" in trace
    assert b"a sentence of the provider" not in trace
    assert "a sentence of the provider" in run.daemon_log.read_text()
    assert_nothing_lost(run, run.finish())


def test_a_login_that_expired_while_the_instance_booted_is_asked_for_anew(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, "connect_info 1 2 expired")
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert told(run, "connect_info")[:3] == ["expired", "expired", "truth"]
    assert b"Job succeeded" in run.coordinator.jobs[1].trace
    assert_nothing_lost(run, run.finish())


GATE = {False: "", True: '    instance_ready_command = "true"\n'}


def connecting_run(folder, binary, plugin_dir, fakes, lies, gated=False, timeout="1s", lost_as=""):
    run = lying_run(folder, binary, plugin_dir, fakes, *lies, max_instances=1, idle_time="1h",
                    autoscaler_extra=GATE[gated])
    run.config.write_text(run.config.read_text().replace('timeout = "30s"', f'timeout = "{timeout}"'))
    job = make_job(1, str(run.marks))
    job.lost_as = lost_as
    run.coordinator.add(job)
    return run


def test_a_gate_waits_longer_than_the_connectors_timeout_for_what_it_can_connect_to(folder, binary, plugin_dir, fakes):
    run = connecting_run(folder, binary, plugin_dir, fakes, ["connect_info 1 - booting"], gated=True)
    run.start()
    wait_until(run, lambda: len(told(run, "connect_info")) >= 3)  # they are a second apart
    change(run, ('timeout = "1s"', 'timeout = "30s"'))  # for a slow machine's sshd
    reload(run)
    lie(run)
    assert_nothing_lost(run, run.finish())
    assert "there is nothing to connect to yet: it has no password yet" in run.daemon_log.read_text()
    assert rows(run, "SELECT remove_reason FROM instances") == [("shutdown",)]


def test_a_job_waits_longer_than_the_connectors_timeout_for_what_it_can_connect_to(folder, binary, plugin_dir, fakes):
    """And that time begins no earlier, also for an answer that fails then."""
    run = connecting_run(folder, binary, plugin_dir, fakes, ["connect_info 1 5 booting", "connect_info 6 6 status_42",
                                                             "connect_info 7 - booting"], timeout="4s")
    run.start()
    wait_until(run, lambda: len(told(run, "connect_info")) >= 7)
    change(run, ('timeout = "4s"', 'timeout = "30s"'))  # for a slow machine's sshd
    reload(run)
    lie(run)
    assert_nothing_lost(run, run.finish())
    assert told(run, "connect_info")[:7] == [*5 * ["booting"], "status_42", "booting"]
    assert "there is nothing to connect to yet: it has no password yet" in run.daemon_log.read_text()
    assert rows(run, "SELECT remove_reason FROM instances") == [("shutdown",)]


def test_no_instance_is_waited_for_for_ever(folder, binary, plugin_dir, fakes):
    run = connecting_run(folder, binary, plugin_dir, fakes, ["connect_info 1 - booting"], lost_as="runner_system_failure")
    run.environment["FLOTILLA_LIMITS"] += ",not_ready=1500"
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    wait_until(run, lambda: rows(run, "SELECT remove_reason FROM instances") == [("not_booted",)])
    assert " cannot be reached: it has no password yet" in run.daemon_log.read_text()
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("gated", [False, True])
def test_no_instance_is_replaced_because_of_a_wrong_setting(folder, binary, plugin_dir, fakes, gated):
    """The job that waits goes on as soon as it is mended."""
    run = connecting_run(folder, binary, plugin_dir, fakes, ["connect_info 1 - wrong_key"], gated, "30s")
    run.environment["FLOTILLA_LIMITS"] = ""
    begun = time.monotonic()
    run.start()
    wait_until(run, lambda: len(told(run, "connect_info")) >= 3)
    assert time.monotonic() - begun >= 3, "pauses of one and two seconds lie between them"
    wait_explained(run, "no instance can be connected to: key_path is another's key")
    wait_explained(run, "asks for no job: no instance can be connected to")
    lie(run)
    wait_explained(run, "no instance can be connected to", there=False)
    assert_nothing_lost(run, run.finish())
    assert run.daemon_log.read_text().count("key_path is another's key") == 1
    assert rows(run, "SELECT remove_reason FROM instances") == [("shutdown",)]


@pytest.mark.parametrize("gated", [False, True])
def test_a_reload_asks_anew_for_what_was_refused(folder, binary, plugin_dir, fakes, gated):
    """The pause is longer than the test."""
    run = connecting_run(folder, binary, plugin_dir, fakes, ["connect_info 1 - wrong_key"], gated, "30m")
    run.environment["FLOTILLA_LIMITS"] = "back_off=600000"
    run.start()
    wait_explained(run, "no instance can be connected to: key_path is another's key")
    lie(run)
    change(run, ('idle_time = "1h"', 'idle_time = "2h"'))
    reload(run)
    assert_nothing_lost(run, run.finish())


def test_an_instance_that_boots_does_not_hide_that_another_is_refused(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, "connect_info 1 1 wrong_key", "connect_info 2 - booting",
                    max_instances=2, idle_count=2, idle_time="1h", autoscaler_extra=GATE[True])
    run.environment["FLOTILLA_LIMITS"] = "back_off=600000"
    run.start()
    wait_until(run, lambda: len(told(run, "connect_info")) >= 4)
    wait_explained(run, "asks for no job: no instance can be connected to")
    assert_nothing_lost(run, run.finish())


def test_a_job_that_no_instance_can_be_connected_to_for_ends_and_its_instance_stays(folder, binary, plugin_dir, fakes):
    run = connecting_run(folder, binary, plugin_dir, fakes, ["connect_info 1 - wrong_key"], lost_as="runner_system_failure")
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert "the provider could not tell how to reach its instance" in run.coordinator.jobs[1].trace.decode()
    wait_explained(run, "is running, 0 of 1 slots busy, used 1 time")
    assert_nothing_lost(run, run.finish())
    assert rows(run, "SELECT remove_reason FROM instances") == [("shutdown",)]
