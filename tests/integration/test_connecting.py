"""A job between its slot and its worker: the provider says how to reach the instance, or does not."""

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE
from liar import lying_run, told
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
