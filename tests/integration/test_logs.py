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
    assert wait_for(lambda: run.coordinator.jobs[1].ended)  # the file is read to its end before GitLab has it
    assert seen + rest == run.coordinator.jobs[1].trace
    wait_closed(run, 1)
    finish(run)


def wait_closed(run, job_id):
    assert wait_for(lambda: not (run.state_dir / "spool" / f"{job_id}.log").exists())


def kept(run):
    return {int(path.stem): path.stat() for path in (run.state_dir / "spool").glob("*.kept")}


GONE = r"flotilla: job \d has ended \(success\) and GitLab has its log; it is not kept here any more \(keep_logs\)\n"


def test_the_log_of_a_job_that_has_ended_is_kept(folder, binary, plugin_dir):
    """Over a restart, as GitLab has it; the oldest make way, and all when there is to be no room."""
    run = Run(folder, binary, plugin_dir, max_instances=1, idle_time="1h")
    run.config.write_text("keep_logs = 1\n" + run.config.read_text())
    run.start()
    for job in (make_job(1, str(run.marks), exit_code=3), large(run, 2), large(run, 3)):
        run.coordinator.add(job)
        assert run.coordinator.wait_ended(job.id, PATIENCE), run.log_tail()
        wait_closed(run, job.id)
        if job.id == 1:
            run.kill()
            run.start()
            assert run.wait_up()
        if job.id == 2:
            assert set(kept(run)) == {1, 2}
            assert {status.st_mode & 0o777 for status in kept(run).values()} == {0o400}
            assert printed(run, "logs", "1", "--raw") == run.coordinator.jobs[1].trace
            with follow(run, "--raw") as reader:
                assert reader.communicate(timeout=PATIENCE)[0] == run.coordinator.jobs[1].trace
            assert reader.returncode == 3
    assert set(kept(run)) == {3} and sum(status.st_blocks for status in kept(run).values()) <= 2048
    assert re.fullmatch(GONE, refused(run, "logs", "2"))
    run.config.write_text(run.config.read_text().replace("keep_logs = 1\n", "keep_logs = 0\n"))
    told(run, "reload")
    assert wait_for(lambda: kept(run) == {})
    assert re.fullmatch(GONE, refused(run, "logs", "3"))
    finish(run)


def test_a_log_goes_with_the_row_of_its_job(folder, binary, plugin_dir):
    """After seven days, however much room there is: nobody can ask for it any more. A step of the system's clock within a boot
    makes neither old."""
    run = Run(folder, binary, plugin_dir)
    clock = folder / "clock-is-wrong-by"
    run.environment = {"FLOTILLA_WALL_CLOCK": str(clock)}
    for job_id, days, boots in ((1, 0, False), (2, 7.5, False), (3, 6.5, True), (4, 7.5, True)):
        clock.write_text(str(int(days * 24 * 3600 * 1000)))
        if boots:
            (run.state_dir / "clock").unlink()
        run.coordinator.add(make_job(job_id, str(run.marks)))
        run.start()
        assert run.coordinator.wait_ended(job_id, PATIENCE), run.log_tail()  # behind the first look for what is old
        wait_closed(run, job_id)
        if job_id < 4:
            assert set(kept(run)) == set(range(1, job_id + 1))
            assert b"line 0020" in printed(run, "logs", "1")
        else:
            assert set(kept(run)) == {3, 4}
            assert "job 1 is not known here" in refused(run, "logs", "1")
        assert run.stop() == 0


def test_a_debug_trace_is_not_kept(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks))
    job.payload["variables"].append({"key": "CI_DEBUG_TRACE", "value": "true", "public": True, "masked": False})
    run.coordinator.add(job)
    run.start()
    assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
    wait_closed(run, 1)
    assert kept(run) == {}
    assert re.fullmatch(GONE, refused(run, "logs", "1"))
    assert run.stop() == 0


def large(run, job_id):
    """Two of them do not fit."""
    job = make_job(job_id, str(run.marks))
    line = "x" * 999
    job.payload["steps"][0]["script"].append(f"for i in $(seq 700); do echo $i {line}; done")
    job.lines += [f"{i} {line}" for i in range(1, 701)]
    return job


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
