"""What the scripts of a job do on an instance: sources from a real git server, variables from stage to stage, secrets
where they belong and nowhere else."""

from pathlib import Path

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from git_server import GitServer, make_repository
from test_run import assert_nothing_lost


def make_git_job(run, url, sha, commands, variables=(), job_id=1, **git_info):
    """A job that clones g/p from `url`, with its token in the URL as GitLab sends it, and runs these commands, too."""
    job = make_job(job_id, str(run.marks), lines=4)
    job.payload["git_info"] = {
        "repo_url": url.replace("://", f"://gitlab-ci-token:{job.token}@") + "/g/p.git", "ref": "main", "sha": sha,
        "before_sha": "0" * len(sha), "ref_type": "branch", "depth": 1,
        "refspecs": [f"+{sha}:refs/pipelines/1", "+refs/heads/main:refs/remotes/origin/main"], **git_info}
    job.payload["variables"] = [v for v in job.payload["variables"] if v["key"] != "GIT_STRATEGY"]
    job.payload["variables"] += [{"key": key, "value": value} for key, value in variables]
    job.payload["steps"][0]["script"] += commands
    return job


def run_job(run, job):
    run.coordinator.add(job)
    run.start()
    breaches = run.finish()
    log = bytes(run.coordinator.jobs[1].trace).decode()
    assert_nothing_lost(run, breaches, log)
    return log


@pytest.mark.parametrize("object_format,shell", [("sha1", "bash"), ("sha256", "sh")])
def test_clone_by_the_credential_helper(folder, binary, plugin_dir, object_format, shell):
    sha = make_repository(folder / "git", "g/p", object_format)
    run = Run(folder, binary, plugin_dir, shell=shell)
    out = folder / "out"
    # Were these variables heard by the git of the stage, it would find no server.
    hostile = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:1/.insteadOf"),
               ("GIT_CONFIG_VALUE_0", "http://"), ("GIT_SSH_COMMAND", "false")]
    server = GitServer(folder / "git")
    job = make_git_job(run, server.url, sha, [f"cat README .git/config .git/HEAD > '{out}'",
                                              f"printf '%s\\n' \"$GIT_CONFIG_KEY_0\" >> '{out}'"],
                       hostile, repo_object_format=object_format)
    server.password = job.token
    run_job(run, job)
    server.close()

    text = out.read_text()
    assert text.startswith("hello\n") and sha in text
    assert "url.http://127.0.0.1:1/.insteadOf" in text, "the job's own script sees all of its variables"
    assert job.token not in text and "@" not in text and "credential.helper" not in text
    assert f"url = {server.url}/g/p.git" in text
    assert server.requests[-1].credentials() == f"gitlab-ci-token:{job.token}"
    assert not any(job.token in request.path for request in server.requests)


def test_a_server_that_redirects_elsewhere_gets_that_one_no_credentials(folder, binary, plugin_dir):
    sha = make_repository(folder / "git", "g/p")
    elsewhere = GitServer(folder / "git")
    server = GitServer(folder / "git", redirect_to=elsewhere.url)
    run = Run(folder, binary, plugin_dir)
    job = make_git_job(run, server.url, sha, [])
    job.lost_as, job.expect_exit_code = "script_failure", 128
    run_job(run, job)
    server.close()
    elsewhere.close()
    assert run.coordinator.jobs[1].finals[0]["state"] == "failed"
    assert elsewhere.requests, "the redirect was not followed: nothing was tested"
    assert [r for r in elsewhere.requests if r.authorization] == []


def test_hooks_around_a_clone_from_clone_url(folder, binary, plugin_dir):
    sha = make_repository(folder / "git", "mirror/g/p")
    server = GitServer(folder / "git")
    out = folder / "out"
    run = Run(folder, binary, plugin_dir, runner_extra=(
        f'  clone_url = "{server.url}/mirror"\n'
        f"  pre_get_sources_script = \"echo 1 > '{out}'\"\n"
        f"  post_get_sources_script = \"echo 4 $HANDED_ON >> '{out}'\"\n"))
    job = make_git_job(run, "http://nowhere.invalid", sha, [f"cat README >> '{out}'"], [("CI_PROJECT_PATH", "g/p")])
    job.payload["hooks"] = [{"name": "post_get_sources_script", "script": [f"echo 3 $(ls) >> '{out}'"]},
                            {"name": "pre_get_sources_script", "script": [f"echo 2 >> '{out}'", "HANDED_ON=x"]}]
    server.password = job.token
    run_job(run, job)
    server.close()
    assert out.read_text() == "1\n2\n3 README\n4 x\nhello\n"


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


@pytest.mark.parametrize("change,reason,sentence", [
    ({"variables": [{"key": "GIT_STRATEGY", "value": "none"}, {"key": "GIT_CLONE_PATH", "value": "/builds/x"}]},
     "script_failure", "setting GIT_CLONE_PATH is not allowed"),
    ({"variables": [{"key": "A", "value": "x" * 1048576}, {"key": "B", "value": "$A$A"}]},
     "runner_system_failure", "variable B: is longer than 1048576 bytes once it is expanded"),
    ({"steps": [{"name": "script", "script": ["echo a\0b"]}]},
     "runner_system_failure", "steps[0].script[0]: must be text without NUL bytes"),
])
def test_what_cannot_be_done_as_asked_is_refused_with_a_sentence(folder, binary, plugin_dir, change, reason, sentence):
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks), lines=4)
    job.payload.update(change)
    job.lost_as = reason
    assert sentence in run_job(run, job)
    assert run.coordinator.jobs[1].finals[0]["state"] == "failed"


def test_a_worker_never_sees_the_runner_token(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    out, go_on = folder / "out", folder / "go-on"
    job = make_job(1, str(run.marks), lines=4)
    job.payload["steps"][0]["script"] += [f"echo > '{out}'; while ! [ -e '{go_on}' ]; do sleep 0.05; done"]
    run.coordinator.add(job)
    run.start()
    assert wait_for(out.exists), run.log_tail()
    spawners = [child for child in children(run.process.pid) if children(child)]
    workers = [worker for spawner in spawners for worker in children(spawner)]
    memory = b"".join(part for worker in workers for part in writable_parts(worker))
    assert job.token.encode() in memory, "the worker was not found: nothing was tested"
    assert run.coordinator.runner_token.encode() not in memory
    go_on.touch()
    assert run.finish() == [], run.log_tail()


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def writable_parts(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            # What is larger is a sanitizer's address space, not memory.
            if rights.startswith("rw") and end - start < 1 << 28:
                memory.seek(start)
                yield memory.read(end - start)


def test_what_an_earlier_job_left_under_the_names_of_private_files_goes(folder, binary, plugin_dir):
    """A link would take a secret elsewhere, or write over what it leads to (hardening.md S4)."""
    victim = folder / "victim"
    victim.write_text("untouched")
    run = Run(folder, binary, plugin_dir, max_instances=1, concurrent=1, idle_count=1, idle_time="1h")
    first, second = make_job(1, str(run.marks)), make_job(2, str(run.marks))
    first.payload["steps"][0]["script"].append(
        f'cd "$RUNNER_TEMP_PROJECT_DIR"; ln -s "{victim}" CONF; ln -s "{victim}" .gitlab-runner.ext.conf')
    second.payload["variables"].append({"key": "CONF", "value": "the content", "file": True})
    second.payload["steps"][0]["script"].append(f'cp "$CONF" "{folder}/seen"; stat -c "%F %a" "$CONF" >> "{folder}/seen"')
    run.start()
    for job in (first, second):
        run.coordinator.add(job)
        assert run.coordinator.wait_ended(job.id, PATIENCE), run.log_tail()
    assert_nothing_lost(run, run.finish())
    assert victim.read_text() == "untouched"
    assert (folder / "seen").read_text() == "the contentregular file 600\n"
