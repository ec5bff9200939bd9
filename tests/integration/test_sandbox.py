"""What confines job workers, seen on real ones (hardening.md X2 to X6). What each denial is worth: tests/unit/job."""

from pathlib import Path

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost


@pytest.fixture(autouse=True)
def has_a_sandbox(sanitized):
    if sanitized:
        pytest.skip("workers have no sandbox in a build with sanitizers")


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def limits_of(pid):
    """The hard limits, by their names."""
    return {line[:26].strip(): line[47:68].strip() for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]}


def worker_of(run):
    run.coordinator.add(run.held_job(1))
    run.start()
    assert wait_for(run.marks.exists), run.log_tail()
    (worker,) = run.workers()
    return worker


def test_a_job_runs_in_a_worker_that_is_confined(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, runner_extra="  output_limit = 64")
    worker = worker_of(run)
    status, limits = status_of(worker), limits_of(worker)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert int(status["CapPrm"], 16) in (0, 1 << 2), "CAP_DAC_READ_SEARCH at most"
    assert limits["Max open files"] == "128"
    assert limits["Max processes"] == "0"
    assert limits["Max core file size"] == "0"
    assert limits["Max address space"] == str(256 << 20)
    assert limits["Max file size"] == str((64 << 10) + (1 << 20))
    run.release(1)
    assert_nothing_lost(run, run.finish())
    assert "job workers: system calls are filtered, files" in run.daemon_log.read_text()


def test_the_filter_can_be_switched_off(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.config.write_text("worker_seccomp = false\n" + run.config.read_text())
    status = status_of(worker_of(run))
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("0", "1")
    run.release(1)
    assert_nothing_lost(run, run.finish())
    assert "system calls are not filtered (worker_seccomp is off)" in run.daemon_log.read_text()


def test_a_worker_that_breaks_out_ends_its_job_and_three_end_their_instance(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=1, idle_count=1, idle_time="1h")
    run.environment = {"FLOTILLA_BREACH": "1"}
    run.start()
    for job_id in range(1, 4):
        assert "workers of its jobs crashed" not in run.daemon_log.read_text()
        job = make_job(job_id, str(run.marks))
        job.lost_as = "runner_system_failure"
        run.coordinator.add(job)
        assert run.coordinator.wait_ended(job_id, PATIENCE), run.log_tail()
        assert (b"Job failed (system failure): the job's worker was killed by signal 31: it made a system call that "
                b"its sandbox forbids") in run.coordinator.jobs[job_id].trace
    replaced = "reason three workers of its jobs crashed within an hour"
    assert wait_for(lambda: replaced in run.daemon_log.read_text()), run.log_tail()
    assert wait_for(lambda: len({name for _, names in run.watch.history for name in names}) == 2), run.log_tail()
    assert_nothing_lost(run, run.finish())


def start_with_file_rules(run):
    run.start()
    run.wait_lists(1)
    if "providers: files not limited" in run.log.read_text():
        pytest.skip("this kernel has no Landlock")
    assert "providers: files limited by Landlock (level " in run.log.read_text()


def test_a_provider_reads_neither_the_ledger_nor_the_configuration(scripted):
    """X5"""
    run = scripted()
    start_with_file_rules(run)
    for path in (run.state_dir / "ledger.db", run.config, run.state_dir / "spool", run.cloud / "list"):
        run.show()
        before = len(run.told("opened"))
        run.script("open_path", path)
        run.wait_lists(1)
        run.wait(lambda: len(run.told("opened")) > before, "it has tried")
        assert run.told("opened")[-1] == ("opened" if path == run.cloud / "list" else "Permission denied"), path


def test_a_provider_is_opened_anew_when_a_file_that_it_may_read_is_replaced(scripted):
    run = scripted()
    token = run.folder / "token"
    token.write_text("first")
    run.config.write_text(run.config.read_text().replace(f'dir = "{run.cloud}"', f'dir = "{run.cloud}"\n      token = "{token}"'))
    start_with_file_rules(run)
    run.script("open_path", token)
    run.wait(lambda: "opened" in run.told("opened"), "it may read its token")
    run.script("token", "second")
    (run.cloud / "token").rename(token)
    run.wait(lambda: "a file that it may open was replaced, so it is opened anew" in run.log.read_text(), "that is noticed")
    tried = len(run.told("opened"))
    run.wait(lambda: "opened" in run.told("opened")[tried:], "it may read the new one")
