"""All of a job's stages in each shell that an instance's `bash` or `sh` may be, over a real sshd; and sources that are
fetched into the clone of an earlier job."""

import os
import shutil

import pytest

from artifact_jobs import ARCHIVE
from checker.jobs import make_job
from checker.rules import script_lines
from checker.run import PATIENCE, Run, wait_for
from git_server import GitServer, add_commit, make_repository
from stand_in_helper import StandIn
from test_job_scripts import make_git_job, run_job
from test_run import assert_nothing_lost, wait_for_trace

SHELLS = {"bash": ("bash", "bash", "bash"), "dash": ("sh", "sh", "dash"), "busybox": ("sh", "sh", "busybox")}


def log_of(run, job_id):
    return bytes(run.coordinator.jobs[job_id].trace).decode()


def traces(run, job_id, text):
    """Whether a line of the script's output holds it. dash writes its xtrace piece by piece, so that what it
    prints otherwise may come between."""
    return any(text in line.text for line in script_lines(bytes(run.coordinator.jobs[job_id].trace)))


def begin_sessions(run, lines, instances=1):
    """With these lines, each session of so many instances."""
    # Written last of all.
    assert wait_for(lambda: len(list(run.instances_dir.glob("*/meta.json"))) == instances), run.log_tail()
    for session in run.instances_dir.glob("*/session"):
        new = run.folder / "session"
        new.write_text(lines + session.read_text())
        new.rename(session)


def use_shell(run, name, program, instances=1):
    """Each session of so many instances finds this program under this name first."""
    bin_dir = run.folder / "bin"
    bin_dir.mkdir()
    (bin_dir / name).symlink_to(shutil.which(program))
    begin_sessions(run, f"PATH='{bin_dir}':$PATH\nexport PATH\n", instances)


def make_full_job(run, server, sha, job_id, out, *commands):
    job = make_git_job(run, server.url, sha, [f"readlink /proc/$$/exe >> '{out}'", f"cat README >> '{out}'", *commands],
                       [("CI_DEBUG_TRACE", "true" if job_id == 3 else "false"),
                        ("FF_SCRIPT_SECTIONS", "true" if job_id == 3 else "false"),
                        ("GET_SOURCES_ATTEMPTS", "two"), ("GIT_SUBMODULE_DEPTH", "few")], job_id=job_id)
    job.payload["allow_git_fetch"] = True
    job.payload["variables"] += [{"key": "CONF", "value": "it's the content\n", "file": True}]
    job.payload["hooks"] = [{"name": "pre_get_sources_script", "script": [f"echo pre >> '{out}'"]},
                            {"name": "post_get_sources_script", "script": [f"echo post $(ls) >> '{out}'"]}]
    job.payload["steps"][0]["script"] += [f"cat \"$CONF\" >> '{out}'", "echo LATER=handed on >> \"$GITLAB_ENV\""]
    job.payload["steps"].append({"name": "after_script", "timeout": 300, "when": "always", "allow_failure": True,
                                 "script": [f"echo \"after $CI_JOB_STATUS $LATER\" >> '{out}'"]})
    server.password = job.token
    return job


@pytest.mark.parametrize("name", SHELLS)
def test_all_stages_with_a_clone_a_fetch_and_a_cancel(folder, binary, plugin_dir, name):
    setting, command, program = SHELLS[name]
    first = make_repository(folder / "git", "g/p")
    second = add_commit(folder / "git", "g/p", "hello again\n")
    server, out = GitServer(folder / "git"), folder / "out"
    run = Run(folder, binary, plugin_dir, shell=setting, idle_count=1, max_instances=1, idle_time="1h")
    run.start()
    use_shell(run, command, program)

    run.coordinator.add(make_full_job(run, server, first, 1, out))
    assert run.coordinator.wait_ended(1, PATIENCE), run.log_tail()
    requests = len(server.requests)
    run.coordinator.add(make_full_job(run, server, second, 2, out))
    assert run.coordinator.wait_ended(2, PATIENCE), run.log_tail()
    job = make_full_job(run, server, second, 3, out, "n=0; while sleep 0.05; do n=$((n + 1)); echo running $n; done")
    job.lost_as = "job_canceled"
    run.coordinator.add(job)
    wait_for_trace(run, 3, b"O running 1\n")
    run.coordinator.cancel(3)
    traced = ("log_is_whole: job 3 ", "log_is_in_order: job 3: lines twice")  # what xtrace adds
    breaches = [breach for breach in run.finish() if not breach.startswith(traced)]
    server.close()

    logs = {job_id: log_of(run, job_id) for job_id in (1, 2, 3)}
    assert_nothing_lost(run, breaches, "".join(logs.values()))
    shell = os.path.realpath(shutil.which(program))
    whole = "pre\npost README\n{}\n{}it's the content\nafter success handed on\n"
    assert out.read_text() == (whole.format(shell, "hello\n") + whole.format(shell, "hello again\n") +
                               f"pre\npost README\n{shell}\nhello again\nafter canceled \n")
    assert "Fetching changes with git depth set to 1..." in logs[1] and "Created fresh repository." in logs[1]
    for job_id in (2, 3):
        assert "Reinitialized existing Git repository in" in logs[job_id]
        assert "Created fresh repository." not in logs[job_id]
        assert f"Checking out {second[:8]} as detached HEAD (ref is main)..." in logs[job_id]
        assert "Skipping Git submodules setup" in logs[job_id]
    assert traces(run, 3, b"+ cat README") and not traces(run, 2, b"+ cat README"), "CI_DEBUG_TRACE"
    assert ":section_script_step_0[hide_duration=true,collapsed=true]" in logs[3]
    assert "section_script_step_0" not in logs[2]
    assert 'GET_SOURCES_ATTEMPTS: expected int got "two", using default value: 1' in logs[1]
    assert 'GIT_SUBMODULE_DEPTH: expected int got "few", using default value: 1' in logs[1]
    assert len(server.requests) > requests and "replaced by a clone" not in "".join(logs.values())


@pytest.mark.parametrize("name", SHELLS)
def test_a_profile_that_prints_much_hides_no_answer(folder, binary, plugin_dir, name):
    """Where its login directory is, and which helper it has. The profile's last line is open."""
    setting, command, program = SHELLS[name]
    run = Run(folder, binary, plugin_dir, shell=setting, idle_count=1, max_instances=1, idle_time="1h")
    helper, job = StandIn(folder), make_job(1, str(run.marks), lines=4)
    helper.use(job)
    job.payload["artifacts"] = [ARCHIVE]
    run.start()
    use_shell(run, command, program)
    begin_sessions(run, "yes hello | head -c 102400; printf 'none Linux x86_64\\nWelcome. '\n")
    run.coordinator.add(job)
    printed = ("log_is_whole: job 1: ", "log_is_in_order: job 1: lines twice")  # of what the profile adds to the log
    assert_nothing_lost(run, [breach for breach in run.finish() if not breach.startswith(printed)])
    assert run.coordinator.jobs[1].finals[0]["state"] == "success", log_of(run, 1)[-2000:]
    assert "Artifacts and caches are carried by gitlab-runner of the instance" in log_of(run, 1)
    assert [call.words[0] for call in helper.calls(job)] == ["artifacts-uploader"]


def test_sources_are_tried_again(folder, binary, plugin_dir):
    sha = make_repository(folder / "git", "g/p")
    out, server = folder / "out", GitServer(folder / "git")
    run = Run(folder, binary, plugin_dir)
    job = make_git_job(run, server.url, sha, [f"cat README > '{out}'"],
                       [("GET_SOURCES_ATTEMPTS", "20"), ("GIT_STRATEGY", "bogus"),
                        ("FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY", "false")])
    server.refuse, server.password = 2, job.token  # as a server that is overloaded
    log = run_job(run, job)
    server.close()
    assert out.read_text() == "hello\n"
    assert "GET_SOURCES_ATTEMPTS: number of attempts out of the range [1, 10], clamping to: 10" in log
    assert ("GIT_STRATEGY: expected either 'clone', 'fetch', 'none' or 'empty' got \"bogus\", using default value "
            "'clone'") in log
    assert log.count("WARNING: Retrying...") == 2
    assert log.count("section_start:") - log.count("section_end:") == 0
    assert log.count(":get_sources\r") == 6 and log.count(":clear_worktree\r") == 2
    assert "Deleting all tracked and untracked files due to source fetch failure" in log
