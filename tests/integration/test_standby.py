"""The process of a probe that has passed keeps its connection and becomes the worker of the instance's next job
(architecture.md 2); where it cannot, an ordinary worker is started and nothing is lost."""

import contextlib
import os
import re
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest

from artifact_jobs import ARCHIVE, Jobs
from checker.jobs import make_job
from checker.processes import processes_of
from checker.run import PATIENCE
from test_artifacts_interrupted import kept_bytes
from test_gate import gated_run, probes, rows, wait_until
from test_operator import told
from test_reload import change, reload
from test_run import assert_nothing_lost

WAITING = "flotilla-wait"
STARTED_ANEW = "its worker ended before it began, starting another"


def waiting(run):
    return [p.pid for p in processes_of(run.folder) if p.name == WAITING]


def idle_run(folder, binary, plugin_dir, instances=1, limits="", **settings):
    """Returns the pids of those that wait, one for each instance."""
    run = gated_run(folder, binary, plugin_dir, "exit 0", limits=limits, max_instances=instances,
                    idle_count=instances, idle_time="1h", **settings)
    run.effects = folder / "effects"
    run.start(effects_log=run.effects)
    wait_until(run, lambda: len(waiting(run)) == instances)
    return run, waiting(run)


def run_job(run, job_id=1, **options):
    run.coordinator.add(make_job(job_id, str(run.marks), **options))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()


def logins(run):
    """How often sshd let somebody in, on all instances that there are."""
    return sum(log.read_text().count("Accepted publickey") for log in run.instances_dir.glob("*/sshd.log"))


def sessions(run):
    """The processes by which sshd serves its connections, and all below them."""
    servers = [int(file.read_text()) for file in run.instances_dir.glob("*/sshd.pid")]
    found = list(servers)
    for parent in found:
        found += map(int, subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True).stdout.split())
    return found[len(servers):]


def cut(run):
    pids = sessions(run)
    assert pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_passed(run, point):
    wait_until(run, lambda: point in run.effects.read_text().split())


def test_one_connection_serves_the_ready_command_and_the_first_job(folder, binary, plugin_dir):
    """Its log may be as long as any other's."""
    run = gated_run(folder, binary, plugin_dir, "exit 0", max_instances=1, idle_count=1, idle_time="1h")
    run.coordinator.add(make_job(1, str(run.marks), lines=30000))
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert len(run.coordinator.jobs[1].trace) > 1 << 20
    assert logins(run) == 1
    run_job(run, 2)
    assert logins(run) == 2
    assert_nothing_lost(run, run.finish())


def test_it_is_its_workers_own_process_and_confined_as_any(folder, binary, plugin_dir):
    """The second job, beside it, connects itself."""
    run, (pid,) = idle_run(folder, binary, plugin_dir, capacity=2)
    run.coordinator.add(run.held_job(1))
    wait_until(run, lambda: run.workers() == [pid])
    run.coordinator.add(run.held_job(2))
    wait_until(run, lambda: len(rows(run, "SELECT 1 FROM jobs WHERE state = 'running'")) == 2)
    assert rows(run, "SELECT worker_pid FROM jobs WHERE job_id = 1") == [(pid,)]
    (other,) = set(run.workers()) - {pid}

    def confinement(worker):
        status = dict(re.findall(r"(\w+):\s*(.*)", Path(f"/proc/{worker}/status").read_text()))
        names = "Seccomp", "NoNewPrivs", "CapEff", "CapPrm", "CapBnd", "SigIgn"
        return [status[name] for name in names], Path(f"/proc/{worker}/limits").read_text()

    assert confinement(pid) == confinement(other)
    run.release(1, 2)
    assert_nothing_lost(run, run.finish())


def test_it_brings_the_helper_to_the_instance(folder, binary, plugin_dir, build):
    """Whose file it has opened before its sandbox closed."""
    if not list((build / "helper" / "static").glob("flotilla-helper-static-*")):
        pytest.skip("a build with sanitizers has no static helper")
    run, _ = idle_run(folder, binary, plugin_dir, runner_extra='  helper = "stream"\n')
    jobs = Jobs(run)
    run.coordinator.add(jobs.make("upload", script=["mkdir -p out; echo content > out/file"], artifacts=[ARCHIVE]))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert logins(run) == 1
    (archive,) = run.coordinator.artifacts.taken
    assert zipfile.ZipFile(archive.path).read("out/file") == b"content\n"
    assert_nothing_lost(run, run.finish())


def test_one_that_is_killed_costs_nothing(folder, binary, plugin_dir):
    run, (pid,) = idle_run(folder, binary, plugin_dir)
    os.kill(pid, signal.SIGKILL)
    wait_until(run, lambda: "that waited for a job on instance" in run.daemon_log.read_text())
    run_job(run)
    assert logins(run) == 2
    assert_nothing_lost(run, run.finish())


def test_none_outlives_its_manager(folder, binary, plugin_dir):
    run, (pid,) = idle_run(folder, binary, plugin_dir)
    run.kill()
    wait_until(run, lambda: not waiting(run))
    run.start()
    wait_until(run, lambda: waiting(run))
    assert waiting(run) != [pid]
    run_job(run)
    assert logins(run) == 2  # one by each manager
    assert_nothing_lost(run, run.finish())


def test_one_whose_connection_is_cut_ends_and_the_job_connects(folder, binary, plugin_dir):
    run, _ = idle_run(folder, binary, plugin_dir)
    cut(run)
    wait_until(run, lambda: not waiting(run))
    run_job(run)
    assert logins(run) == 2
    assert STARTED_ANEW not in run.daemon_log.read_text()
    assert_nothing_lost(run, run.finish())


def test_a_connection_that_was_cut_unnoticed_costs_the_job_nothing(folder, binary, plugin_dir):
    run, (pid,) = idle_run(folder, binary, plugin_dir)
    os.kill(pid, signal.SIGSTOP)
    cut(run)
    run.coordinator.add(make_job(1, str(run.marks)))
    wait_passed(run, "worker_start.after")
    os.kill(pid, signal.SIGCONT)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert STARTED_ANEW in run.daemon_log.read_text()
    assert logins(run) == 2
    assert rows(run, "SELECT uses FROM instances") == [(1,)]
    assert_nothing_lost(run, run.finish())


def test_a_reload_ends_them_and_an_instance_that_goes_ends_its_own(folder, binary, plugin_dir):
    """What they connected by may be no longer so."""
    run, (pid,) = idle_run(folder, binary, plugin_dir)
    change(run, ('timeout = "1h"', 'timeout = "2h"'))
    reload(run)
    wait_until(run, lambda: not waiting(run))
    run_job(run)
    assert logins(run) == 2
    ((name,),) = rows(run, "SELECT id FROM instances")
    told(run, "remove", name)
    wait_until(run, lambda: waiting(run))  # that of its successor, which is never used
    ((successor,),) = rows(run, "SELECT id FROM instances WHERE life = 'present'")
    gone = waiting(run)
    told(run, "remove", successor)
    wait_until(run, lambda: not set(gone) & set(waiting(run)))
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("limit", ["standbys=1", "standby=1000"])
def test_they_are_not_too_many_and_do_not_wait_for_ever(limit, folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, "exit 0", limits=limit, max_instances=2, idle_count=2, idle_time="1h")
    run.start()
    wait_until(run, lambda: len(rows(run, "SELECT 1 FROM instances WHERE ready_ms > 0")) == 2)
    wait_until(run, lambda: not probes(run) and len(waiting(run)) == (limit == "standbys=1"))
    run_job(run, 1)
    run_job(run, 2)
    assert logins(run) == 4 or limit == "standbys=1"
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("point", ["worker_spawn.before", "worker_spawn.after", "worker_start.before", "worker_start.after"])
def test_a_kill_of_the_manager_while_it_hands_over_loses_nothing(point, folder, binary, plugin_dir):
    run = gated_run(folder, binary, plugin_dir, "exit 0", max_instances=1, idle_count=1, idle_time="1h")
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start(kill_at=f"{point}:1")
    assert run.wait_dead(PATIENCE) and run.process.returncode == -signal.SIGKILL
    assert logins(run) == 1
    run.start()
    assert_nothing_lost(run, run.finish())
