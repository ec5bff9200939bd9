"""A manager that runs out of file descriptors asks for no more jobs, and loses none (hardening.md section 9)."""

import contextlib
import json
import os
import resource
import socket

import pytest

from checker.jobs import make_job
from checker.processes import processes_of
from checker.run import PATIENCE, Run, wait_for
from liar import control, lie, lying_run, told, wait_explained
from test_liar import end_job, endless_job
from test_run import assert_nothing_lost

SHORT = "asks for no job: too few file descriptors are left"


def running(run) -> int:
    """Jobs that have begun on an instance and not ended."""
    lines = run.marks.read_text().splitlines() if run.marks.exists() else []
    return sum(1 if line.startswith("begin") else -1 for line in lines)


def problems(run) -> list[str]:
    return json.loads(control(run, "status", "--json"))["problems"]


@pytest.mark.sample
def test_polling_stops_at_the_reserve_and_goes_on(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=20, max_instances=1, concurrent=30)
    run.prefix = ["prlimit", "--nofile=30:56"]  # the second is what it may raise the first to
    run.coordinator.add(*[endless_job(run, i) for i in range(1, 16)])
    run.start()
    wait_explained(run, SHORT)
    assert wait_for(lambda: running(run) >= 2, PATIENCE), run.log_tail()
    # The reserve is there to be used: a report may hold a descriptor of it for a moment.
    wait_explained(run, SHORT)
    assert wait_for(lambda: "too few file descriptors are left" in " ".join(problems(run))), run.log_tail()
    assert wait_for(lambda: len(os.listdir(f"/proc/{run.process.pid}/fd")) <= 56 - 16), run.log_tail()
    end_job(run)
    assert_nothing_lost(run, run.finish())
    log = run.daemon_log.read_text()
    assert "file descriptors are free again, jobs are asked for" in log
    assert log.count("file descriptors are left, the limit is 56") == log.count("are free again")


@contextlib.contextmanager
def no_descriptor_free(pid):
    """That process can open nothing more."""
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def spawner(run) -> int:
    return next(p.pid for p in processes_of(run.folder) if p.name == "flotilla-spawn")


@pytest.mark.skipif(os.geteuid() != 0, reason="the limits of a process that is closed to others are root's to change")
@pytest.mark.parametrize("who, text", [
    (lambda run: run.process.pid, "its worker could not be started: spool of job row 1: Too many open files"),
    (spawner, "its worker could not be started: the request came without its descriptors")])
def test_a_worker_that_cannot_be_started_is_tried_again(folder, binary, plugin_dir, fakes, who, text):
    run = lying_run(folder, binary, plugin_dir, fakes, "connect_info 1 - cancelled", max_instances=1)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert wait_for(lambda: told(run, "connect_info"), PATIENCE), run.log_tail()
    with no_descriptor_free(who(run)):
        lie(run)
        assert wait_for(lambda: text in run.daemon_log.read_text(), PATIENCE), run.log_tail()
    assert_nothing_lost(run, run.finish())


@pytest.mark.skipif(os.geteuid() != 0, reason="the limits of a process that is closed to others are root's to change")
def test_a_connection_that_cannot_be_accepted_waits_and_the_log_of_a_job_is_whole(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=1)
    run.coordinator.add(endless_job(run, 1))
    run.start()
    assert wait_for(run.marks.exists, PATIENCE), run.log_tail()
    with no_descriptor_free(run.process.pid), socket.socket(socket.AF_UNIX) as operator:
        operator.connect(str(run.state_dir / "control.sock"))
        assert wait_for(lambda: "control socket: Too many open files" in run.daemon_log.read_text()), run.log_tail()
        end_job(run)
        assert wait_for(lambda: "job 1: success" in run.daemon_log.read_text(), PATIENCE), run.log_tail()
        assert run.daemon_log.read_text().count("control socket: Too many open files") == 1
    assert_nothing_lost(run, run.finish())
