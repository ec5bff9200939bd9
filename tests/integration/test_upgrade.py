"""The program is replaced and the manager restarted while jobs run: none is lost.

The older version is this build under another version number; with --full it is one that is built from the commit below.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from conftest import ROOT
from test_run import assert_nothing_lost, wait_for_trace

FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"
OLDER_COMMIT = "4db0dcc"  # before a worker said its protocol
JOBS = 20


def version_of(binary) -> bytes:
    return subprocess.run([binary, "--version"], capture_output=True, check=True).stdout.split()[-1]


def renumbered(binary, folder) -> Path:
    """The same program, whose version number is another one."""
    version, contents = version_of(binary), binary.read_bytes()
    older = bytes(b"0"[0] if byte in b"123456789" else byte for byte in version)
    assert older != version and version + b"\0" in contents
    made = folder / "older"
    made.write_bytes(contents.replace(version + b"\0", older + b"\0"))
    made.chmod(0o755)
    return made


def built_from_older_commit(folder) -> Path:
    source = folder / "source"
    subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", source, OLDER_COMMIT], check=True)
    try:
        project = source / "meson.build"  # the number has not changed since, and the test tells versions by it
        project.write_text(re.sub(r"^  version: '.*'", "  version: '0.0.9'", project.read_text(), flags=re.M))
        subprocess.run(["meson", "setup", source / "build", source, "-Dtests=false"], check=True)
        subprocess.run(["ninja", "-C", source / "build", "core/flotilla"], check=True)
        return Path(shutil.copy(source / "build" / "core" / "flotilla", folder / "older"))
    finally:
        subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", source], check=True)


def status_of(run, binary):
    said = subprocess.run([binary, "status", "--json", "--state-dir", run.state_dir], capture_output=True, timeout=PATIENCE)
    return json.loads(said.stdout)


def replace_program(run, binary):
    """As a package does it: another file under the same name."""
    new = run.binary.with_suffix(".new")
    shutil.copy(binary, new)
    new.replace(run.binary)


def upgrade_while_jobs_run(run, older, binary):
    run.binary = run.folder / "flotilla"
    shutil.copy(older, run.binary)
    run.coordinator.add(*[run.held_job(i) for i in range(1, JOBS + 1)])
    run.start()
    for job_id in range(1, JOBS + 1):
        wait_for_trace(run, job_id, b"line 0020")
    workers = sorted(run.workers())
    before = status_of(run, binary)["version"]
    replace_program(run, binary)
    # The spawner is started anew, from the new program: it serves the old manager.
    run.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: "the configuration was read again" in run.daemon_log.read_text()), run.log_tail()
    run.coordinator.add(run.held_job(JOBS + 1))
    wait_for_trace(run, JOBS + 1, b"line 0020")
    run.process.terminate()
    assert run.process.wait(PATIENCE) == 0, run.log_tail()
    run.start()
    run.wait_up()
    assert wait_for(lambda: run.daemon_log.read_text().count("its worker is back, the job goes on") == JOBS + 1), run.log_tail()
    assert before != status_of(run, binary)["version"] == version_of(binary).decode()
    assert set(workers) <= set(run.workers())
    run.release(*range(1, JOBS + 2))
    run.coordinator.add(make_job(JOBS + 2, str(run.marks)))
    assert_nothing_lost(run, run.finish())


def test_an_upgrade_costs_no_job(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=7, max_instances=3, concurrent=JOBS + 2)
    upgrade_while_jobs_run(run, renumbered(binary, folder), binary)


def knows_older_commit() -> bool:
    return subprocess.run(["git", "-C", ROOT, "cat-file", "-e", OLDER_COMMIT], capture_output=True).returncode == 0


@pytest.mark.skipif(not FULL or not knows_older_commit(), reason="builds an older commit: with --full, where git has it")
@pytest.mark.timeout(3600)
def test_an_upgrade_from_an_older_commit_costs_no_job(folder, binary, plugin_dir, sanitized):
    if sanitized:
        pytest.skip("a program without sanitizers opens no plugin with them")
    run = Run(folder, binary, plugin_dir, capacity=7, max_instances=3, concurrent=JOBS + 2)
    upgrade_while_jobs_run(run, built_from_older_commit(folder), binary)


@pytest.mark.parametrize("protocol,understood", [(0, True), (1, True), (99, False)])
def test_a_worker_of_another_protocol_is_taken_or_ends_with_a_sentence(folder, binary, plugin_dir, protocol, understood):
    """0: one of a version that said none."""
    run = Run(folder, binary, plugin_dir)
    run.environment["FLOTILLA_LIMITS"] = f"worker_protocol={protocol}"
    job = run.held_job(1)
    job.lost_as = "" if understood else "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    run.kill()
    run.start()
    if understood:
        assert wait_for(lambda: "its worker is back, the job goes on" in run.daemon_log.read_text()), run.log_tail()
        run.release(1)
    assert_nothing_lost(run, run.finish())
    if not understood:
        assert b"Job failed (system failure): the manager was replaced by a version that cannot go on with this job" \
            in run.coordinator.jobs[1].trace
        assert "its worker speaks protocol 99 and this manager 1 to 1" in run.daemon_log.read_text()
        assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "runner_system_failure"
