"""`flotilla logs`: the log that GitLab gets, from a manager with real jobs, over its restart and to the job's end."""

import os
import re
import subprocess

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from terminal import Terminal
from test_operator import begin, finish, refused, told


def printed(run, *arguments) -> bytes:
    return subprocess.run([run.binary, *arguments, "--state-dir", run.state_dir], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE, check=True).stdout


def follow(run, *arguments):
    return subprocess.Popen([run.binary, "logs", "1", "-f", *arguments, "--state-dir", run.state_dir],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def refusing_finals(refusing):
    """A GitLab that takes no final state while there is something in `refusing`: the job's log stays here."""
    return Coordinator(fault=lambda method, path, body:
                       (502, {}) if refusing and method == "PUT" and b'"running"' not in body else None)


@pytest.mark.parametrize("exit_code", [0, 3])
def test_a_log_is_followed_over_a_restart_to_the_end(exit_code, folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    begin(run, run.held_job(1, exit_code=exit_code))
    now = printed(run, "logs", "1", "--raw")
    assert b"line 0020" in now and b"s3cr3t" not in now and b"[MASKED]" in now
    with follow(run, "--raw") as reader:
        seen = reader.stdout.read(len(now))  # it follows by now
        run.kill()
        run.start()
        assert run.wait_up()
        run.release(1)
        rest, _ = reader.communicate(timeout=PATIENCE)
    assert reader.returncode == exit_code
    assert seen == now
    assert seen + rest == run.coordinator.jobs[1].trace
    assert wait_for(lambda: run.coordinator.jobs[1].ended)
    assert re.fullmatch(r"flotilla: job 1 has ended \((success|failed, script_failure)\) and GitLab has its log; here it "
                        r"is kept only until then\n", wait_closed(run))
    finish(run)


def wait_closed(run):
    assert wait_for(lambda: not (run.state_dir / "spool" / "1.log").exists())
    return refused(run, "logs", "job:1")


def test_a_follower_of_a_canceled_job_is_told_so(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks), lines=2000, seconds=200)  # GitLab says that it is canceled when it gets lines
    job.expect_state, job.lost_as = "failed", "job_canceled"
    begin(run, job)
    with follow(run) as reader:
        assert reader.stdout.readline()
        run.coordinator.cancel(1)
        out, err = reader.communicate(timeout=PATIENCE)
    assert (reader.returncode, err) == (4, b"") and b"canceled" in out
    finish(run)


def test_what_a_job_prints_does_not_drive_the_terminal(folder, binary, plugin_dir):
    refusing = [True]
    run = Run(folder, binary, plugin_dir, coordinator=refusing_finals(refusing))
    job = make_job(1, str(run.marks), lines=1)
    job.payload["steps"][0]["script"].append(r"printf 'x\033[31mred\033[0m\033]0;title\007\033[2Jy\302\233z\n'")
    job.lines.append("x\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2Jy\x9bz")
    run.coordinator.add(job)
    run.start()
    assert wait_for(lambda: b"Job succeeded" in run.coordinator.jobs[1].trace), run.log_tail()
    assert told(run, "logs", "job:1").count("xred0;titleyz\n") == 1
    raw = printed(run, "logs", "checker/1", "--raw")
    assert raw == run.coordinator.jobs[1].trace and b"x\x1b[31mred\x1b[0m\x1b]0;title\x07" in raw
    terminal = Terminal([binary, "logs", "1", "--state-dir", run.state_dir], columns=200,
                        env=dict(os.environ, TERM="xterm"))
    assert terminal.ended() == 0
    assert b"x\x1b[31mred\x1b[0m0;titleyz" in terminal.bytes() and b"\x1b]" not in terminal.bytes()
    refusing.clear()
    finish(run)


def test_what_has_no_log_is_told_as_such(scripted):
    """A job that waits for an instance that nobody makes."""
    run = scripted()
    run.start()
    run.wait_lists(2)
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: [job["state"] for job in run.status()["jobs"]] == ["acknowledged"], "the job waits")
    result = run.ask("logs", "1")
    assert result.returncode == 1
    assert re.match(r"flotilla: job 1 has no log yet: it is acknowledged; `flotilla explain job:1` says ",
                    result.stderr)
    for word, why in {"77": "job 77 is not known here; ", "scripted": "'scripted' is no job; JOB is the number ",
                      "runner:1": "'1' is no job; ", "job:x": "'x' is no job; "}.items():
        result = run.ask("logs", word)
        assert (result.returncode, result.stdout) == (1, ""), word
        assert result.stderr.startswith("flotilla: " + why), word
