"""The disk that holds the state directory is full: what runs is reported to its end, nothing new begins."""

import subprocess
from pathlib import Path

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from test_damaged_ledger import ask_status
from test_liar import end_job, endless_job
from test_run import assert_nothing_lost, wait_for_trace

MIB = 1 << 20
RESERVE = 4 * MIB


@pytest.fixture
def small_disk(folder):
    """A state directory of 24 MiB."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "flotilla-test", state], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted: that needs root")
    yield state
    subprocess.run(["umount", "--lazy", state], check=True)


def fill(directory: Path) -> Path:
    path = directory.parent / directory.name / "filler"
    with open(path, "wb", buffering=0) as file:
        for size in (MIB, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


def new_run(folder, binary, plugin_dir, **settings):
    cloud = folder / "cloud"
    cloud.mkdir(mode=0o700)
    run = Run(folder, binary, plugin_dir, plugin_extra=f'      state_dir = "{cloud}"\n', **settings)
    run.instances_dir = cloud / "checker" / "instances"
    run.coordinator.poll_seconds = 0.5
    return run


def problems(run):
    return " ".join(ask_status(run)["problems"])


def test_jobs_that_run_are_reported_and_none_is_asked_for(folder, binary, plugin_dir, small_disk):
    run = new_run(folder, binary, plugin_dir, capacity=2, max_instances=1)
    loud = endless_job(run, 1, lines=2000)  # more than the reserve gives back at a time
    loud.lost_as = "runner_system_failure"
    run.coordinator.add(loud, run.held_job(2, lines=4))
    run.start()
    wait_for_trace(run, 2, b"line 0004")
    assert wait_for(lambda: "begin 1 " in run.marks.read_text()), run.log_tail()
    filler = fill(small_disk)
    assert wait_for(lambda: "the disk that holds the state directory is full" in problems(run)), run.log_tail()
    run.coordinator.add(make_job(3, str(run.marks)))
    end_job(run)
    run.release(2)
    for job_id in (1, 2):
        assert run.coordinator.wait_ended(job_id, PATIENCE), run.log_tail()
    assert (small_disk / "ledger.reserve").stat().st_size < RESERVE  # that is what they lived on
    assert run.coordinator.jobs[3].given == 0
    assert b"the manager's disk could not take it: No space left on device" in run.coordinator.jobs[1].trace
    assert b"spool/1.log cannot be written: No space left on device" in run.daemon_log.read_bytes()
    filler.unlink()
    assert wait_for(lambda: problems(run) == ""), run.log_tail()
    assert_nothing_lost(run, run.finish())


def test_logs_that_are_kept_make_room(folder, binary, plugin_dir, small_disk):
    run = new_run(folder, binary, plugin_dir, max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    kept = small_disk / "spool" / "1.kept"
    assert wait_for(kept.exists), run.log_tail()
    filler = fill(small_disk)
    assert wait_for(lambda: not kept.exists()), run.log_tail()
    filler.unlink()
    assert wait_for(lambda: problems(run) == ""), run.log_tail()
    assert_nothing_lost(run, run.finish())


def test_a_manager_starts_on_a_full_disk_and_takes_back_what_runs(folder, binary, plugin_dir, small_disk):
    run = new_run(folder, binary, plugin_dir, max_instances=1)
    run.coordinator.add(run.held_job(1, lines=4))
    run.start()
    wait_for_trace(run, 1, b"line 0004")
    run.kill()
    filler = fill(small_disk)
    run.start()
    assert run.wait_up() and run.process.poll() is None, run.log_tail()
    run.release(1)
    assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
    filler.unlink()
    assert_nothing_lost(run, run.finish())
