"""What the scripts of a job do on an instance: variables from stage to stage, secrets where they belong and nowhere
else."""

import time
from pathlib import Path

import pytest

from checker.jobs import make_job
from checker.run import Run
from checker.watch import processes


def run_job(run, job):
    run.coordinator.add(job)
    run.start()
    breaches = run.finish()
    log = bytes(run.coordinator.jobs[1].trace).decode()
    assert breaches == [], "\n".join(breaches) + "\n\n" + run.log_tail() + "\n" + log
    return log


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_file_variables_and_handed_on_ones_with_the_default_builds_dir(folder, binary, plugin_dir, shell):
    run = Run(folder, binary, plugin_dir, shell=shell)
    out = folder / "out"
    job = make_job(1, str(run.marks), lines=4, script_after=[f"printf 'after %s\\n' \"$LATER\" >> '{out}'"])
    job.payload["variables"] += [{"key": "CONF", "value": "it's $OTHER", "file": True},
                                 {"key": "OTHER", "value": "the content"},
                                 {"key": "WHERE", "value": "$CONF"},
                                 {"key": "BIN", "value": "-I$CI_PROJECT_DIR/bin"}]
    job.payload["steps"][0]["script"] += [
        f"cat \"$CONF\" > '{out}'; echo >> '{out}'", f"cat \"$WHERE\" >> '{out}'; echo >> '{out}'",
        f"echo \"${{BIN#-I}}\" >> '{out}'", f"pwd >> '{out}'", "echo LATER=x=y >> \"$GITLAB_ENV\"",
        f"cd /; ls -d \"$RUNNER_TEMP_PROJECT_DIR\" >> '{out}'"]
    run_job(run, job)
    content, reference, bin_dir, project, tmp_dir, after = out.read_text().splitlines()
    assert content == reference == "it's the content"
    assert Path(project).is_absolute() and bin_dir == project + "/bin" and tmp_dir == project + ".tmp"
    assert after == "after x=y"


def test_a_worker_never_sees_the_runner_token(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    out, go_on = folder / "out", folder / "go-on"
    job = make_job(1, str(run.marks), lines=4)
    job.payload["steps"][0]["script"] += [f"echo > '{out}'; while ! [ -e '{go_on}' ]; do sleep 0.05; done"]
    run.coordinator.add(job)
    run.start()
    deadline = time.monotonic() + 30
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert out.exists(), run.log_tail()
    memories = [memory_of(pid) for pid, _, _, name in processes() if name == "flotilla-job"]
    ours = [memory for memory in memories if job.token.encode() in memory]
    assert len(ours) == 1, "the worker was not found: nothing was tested"
    assert run.coordinator.runner_token.encode() not in ours[0]
    go_on.touch()
    assert run.finish() == [], run.log_tail()


def memory_of(pid):
    """The writable memory of a process; empty when it is gone."""
    try:
        return b"".join(writable_parts(pid))
    except OSError:
        return b""


def writable_parts(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                yield memory.read(end - start)
