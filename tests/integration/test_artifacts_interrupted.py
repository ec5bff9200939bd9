"""What becomes of an upload in whose middle the job is aborted or cancelled, its instance vanishes or the manager dies:
half an archive is never stored, and the job ends as it should.

The coordinator holds each upload behind its first bytes; what is uploaded is more than all buffers on the way take."""

import os
import signal

import pytest

from artifact_jobs import ARCHIVE, Jobs
from checker.artifacts import Hold
from checker.processes import processes_of
from checker.run import PATIENCE, Run, wait_for
from test_run import pull_the_plug

LARGE = "mkdir -p out; head -c 50000000 /dev/urandom > out/large"


def add_held(jobs, name, failed=""):
    """The hold, once the job's upload is in its middle."""
    job = jobs.make(name, script=[LARGE], artifacts=[ARCHIVE], failed=failed)
    job.payload["runner_info"]["timeout"] = 3600
    hold = jobs.run.coordinator.artifacts.holds[job.id] = Hold()
    jobs.run.coordinator.add(job)
    return hold


def transfers(run):
    return [p for p in processes_of(run.folder) if b"\0transfer\0" in p.cmdline + b"\0"]


def noted_sessions(run):
    """Of the processes that the stages under way have noted, by which they are stopped: whether it is their own."""
    noted = [path.read_text().split() for path in run.instances_dir.glob("*/home/builds/**/*.tmp/stage.pid")]
    return [len(fields) > 4 and int(fields[4]) == os.getsid(int(fields[0])) for fields in noted]


def kill_the_helper(run):
    """The one that runs on an instance."""
    (helper,) = [p for p in processes_of(run.folder) if p.cmdline.endswith(b"/flotilla-helper\0stream\0")]
    os.kill(helper.pid, signal.SIGKILL)


def files_of_transfers(run):
    """What they have open beside their log."""
    links = {link for process in transfers(run) for link in process.links()}
    return [link for link in links if os.path.isfile(link) and link != os.fsencode(run.daemon_log) or b"(deleted)" in link]


def kept_bytes(run):
    """By the manager; the instances have a folder of their own."""
    return sum(path.stat().st_size for path in run.state_dir.rglob("*") if path.is_file() and "local" not in path.parts)


@pytest.fixture(scope="module")
def jobs(module_folder, binary, plugin_dir, build):
    if not list((build / "helper" / "static").glob("flotilla-helper-static-*")):
        pytest.skip("a build with sanitizers has no static helper")
    # The instance that vanishes is replaced before it is forgotten.
    run = Run(module_folder, binary, plugin_dir, max_instances=2, concurrent=4, capacity=8, idle_count=1, idle_time="1h")
    run.environment["FLOTILLA_LIMITS"] = "carry_pause=1"
    jobs = Jobs(run)
    run.start()
    torn = add_held(jobs, "helper dies", failed=("script_failure", 137))
    assert torn.begun.wait(PATIENCE), run.log_tail()
    kill_the_helper(run)
    torn.go_on.set()
    run.coordinator.wait_ended(jobs.named["helper dies"].id, PATIENCE)

    aborted = add_held(jobs, "aborted", failed=("job_canceled", 0))
    cancelled = add_held(jobs, "cancelled")
    survives = add_held(jobs, "survives a kill -9")
    for hold in (aborted, cancelled, survives):
        assert hold.begun.wait(PATIENCE), run.log_tail()
    jobs.noted = noted_sessions(run)
    jobs.most_transfers, jobs.open_files, jobs.kept = len(transfers(run)), files_of_transfers(run), kept_bytes(run)

    run.coordinator.cancel(jobs.named["aborted"].id, "canceled")
    jobs.abort_ended_it = wait_for(lambda: len(transfers(run)) == 2)
    aborted.go_on.set()
    run.coordinator.cancel(jobs.named["cancelled"].id, "canceling")
    cancelled.go_on.set()
    run.coordinator.wait_ended(jobs.named["cancelled"].id, PATIENCE)

    run.kill()
    jobs.death_ended_it = wait_for(lambda: not transfers(run))
    survives.go_on.set()
    run.start()
    run.coordinator.wait_ended(jobs.named["survives a kill -9"].id, PATIENCE)

    lost = add_held(jobs, "lost", failed=("runner_system_failure", 0))
    assert lost.begun.wait(PATIENCE), run.log_tail()
    pull_the_plug(run)
    run.coordinator.wait_ended(jobs.named["lost"].id, PATIENCE)
    lost.go_on.set()
    jobs.all_torn = wait_for(lambda: run.coordinator.artifacts.torn == 4)
    jobs.breaches = run.finish()
    return jobs


def uploads(jobs, name):
    return jobs.run.coordinator.artifacts.of(jobs.named[name].id)


def test_nothing_else_went_wrong(jobs):
    assert jobs.breaches == [], "\n".join(map(str, jobs.breaches)) + "\n" + jobs.run.log_tail()


def test_a_helper_can_be_stopped_by_its_session(jobs):
    """Without it that would need `ps`, which a slim instance lacks."""
    assert jobs.noted == [True] * 3


def test_an_abort_ends_the_upload(jobs):
    assert jobs.most_transfers == 3 and jobs.abort_ended_it
    assert uploads(jobs, "aborted") == []


def test_a_cancel_behind_the_script_changes_nothing(jobs):
    """job-execution.md 1.8, 10.5 row 12."""
    (artifact,) = uploads(jobs, "cancelled")
    assert artifact.size > 50_000_000 and jobs.final("cancelled")["state"] == "success"


def test_a_transfer_dies_with_its_manager_and_its_job_tries_again(jobs):
    assert jobs.death_ended_it
    (artifact,) = uploads(jobs, "survives a kill -9")
    assert artifact.size > 50_000_000 and jobs.final("survives a kill -9")["state"] == "success"
    assert "WARNING: Retrying..." in jobs.log("survives a kill -9")


def test_a_lost_instance_is_a_failure_of_the_system(jobs):
    assert uploads(jobs, "lost") == []
    assert jobs.final("lost")["failure_reason"] == "runner_system_failure"
    assert jobs.sections("lost")[-1] == "upload_artifacts_on_success", "nothing more can run there"


def test_what_broke_off_was_never_stored(jobs):
    assert jobs.all_torn and len(jobs.run.coordinator.artifacts.taken) == 2


def test_a_helper_that_dies_leaves_no_half_archive(jobs):
    assert uploads(jobs, "helper dies") == []


def test_nothing_is_stored_on_the_way(jobs):
    assert jobs.open_files == [] and jobs.kept < 32_000_000
