"""Jobs of instances whose shell is PowerShell: every script of theirs by an independent grammar, and what they do by a
real `pwsh` where there is one, else by a stand-in that does what our own lines say (stand_in_powershell.py)."""

import shutil
import sys
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

import stand_in_powershell
from artifact_jobs import ARCHIVE, CACHE, dependency
from checker.jobs import make_job
from checker.run import PATIENCE, Run
from conftest import need_static_helper
from git_server import GitServer, add_commit, make_repository
from stand_in_helper import StandIn
from test_job_scripts import make_git_job
from test_run import assert_nothing_lost, wait_for_trace
from test_shells import begin_sessions, log_of

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
ODD_VALUES = ["", "it's", "';id;'", "`id`;a;id", "$(id)", "$env:HOME `$($env:X) # @'", "a\nid", "a\r\nb\n", "-n", "%s%n",
              "\\", "a\\\"b\\", "~ * {a,b} !x", "\u2018 \u2019 \u201a \u201b \u201c \u201d", "\u2019; Write-Host INJ; \u2018",
              "h\u00e9llo \u4e16\u754c \U0001f600", "\ttab\u00a0", " blanks ", "x'); DROP TABLE jobs;--", "@\"\n$x\n\"@"]


def faults_of(text):
    """What the grammar finds wrong in it."""
    source = text.encode()

    def walk(node):
        if node.type == "ERROR" or node.is_missing:
            yield node.start_point.row + 1, source[node.start_byte:node.end_byte][:200].decode(errors="replace")
        for child in node.children if node.has_error else []:
            yield from walk(child)

    return list(walk(PARSER.parse(source).root_node))


def in_both_shells(run, job):
    """The job with its commands in files, run by a line that PowerShell and sh read alike."""
    for step in job.payload["steps"]:
        for number, text in enumerate(step["script"]):
            file = run.folder / f"{job.id}-{step['name']}-{number}.sh"
            file.write_text(text)
            step["script"][number] = f"sh {file}"
    return job


class Shell:
    """The program of that name."""

    def __init__(self, folder, name, program):
        self.program, self.bin, self.kept = program, folder / "shells", folder / "kept"
        self.bin.mkdir()
        self.kept.mkdir()
        if program == "stand-in":
            (self.bin / name).write_text(f"#!/bin/sh\nexec {sys.executable} -I {stand_in_powershell.__file__} \"$@\"\n")
            (self.bin / name).chmod(0o755)
        else:
            (self.bin / name).symlink_to(shutil.which(program))

    def begin_sessions(self, run, more=""):
        """On each instance of the run."""
        begin_sessions(run, f"PATH='{self.bin}':$PATH KEPT_SCRIPTS='{self.kept}'\nexport PATH KEPT_SCRIPTS\n{more}")

    def scripts(self, kind="script"):
        return [file.read_text() for file in sorted(self.kept.glob(f"*.{kind}.ps1"))]

    def assert_they_parse(self, at_least):
        """Those that the stand-in has kept."""
        assert self.program == "pwsh" or len(self.scripts()) >= at_least
        for text in self.scripts() + self.scripts("loader"):
            assert faults_of(text) == [], text


@pytest.fixture(params=["stand-in", "pwsh"])
def program(request):
    if not shutil.which("pwsh") and request.param == "pwsh":
        pytest.skip("there is no pwsh here")
    return request.param


def start(folder, binary, plugin_dir, name, program):
    run = Run(folder, binary, plugin_dir, shell=name, idle_count=1, max_instances=1, idle_time="1h")
    run.start()
    shell = Shell(folder, name, program)
    shell.begin_sessions(run)
    return run, shell


def make_full_job(run, server, sha, job_id, out, *commands):
    """With something in every stage, and variables by which git would find no server, were they heard in ours."""
    strategy = [("GIT_STRATEGY", "clone")] if job_id == 1 else []
    job = make_git_job(run, server.url, sha, [f"cat README >> '{out}'", *commands],
                       [("CI_DEBUG_TRACE", "true" if job_id == 3 else "false"), ("FF_SCRIPT_SECTIONS", "true"),
                        ("GIT_SUBMODULE_STRATEGY", "recursive"), ("GIT_CONFIG_COUNT", "1"), *strategy,
                        ("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:1/.insteadOf"), ("GIT_CONFIG_VALUE_0", "http://")],
                       job_id=job_id)
    job.payload["allow_git_fetch"] = True
    job.payload["variables"] += [{"key": "CONF", "value": "it\u2019s the content\n", "file": True}]
    job.payload["hooks"] = [{"name": "pre_get_sources_script", "script": [f"sh -c 'echo pre >> {out}'"]},
                            {"name": "post_get_sources_script", "script": [f"sh -c 'echo post >> {out}'"]}]
    job.payload["steps"][0]["script"] += [f"cat \"$CONF\" >> '{out}'; echo \"$GIT_CONFIG_VALUE_0\" >> '{out}'", "echo LATER=handed=on >> \"$GITLAB_ENV\""]
    job.payload["steps"].append({"name": "after_script", "timeout": 300, "when": "always", "allow_failure": True,
                                 "script": [f"echo \"after $CI_JOB_STATUS $LATER\" >> '{out}'"]})
    job.payload["artifacts"], job.payload["cache"] = [{**ARCHIVE, "name": "it's \"a\" \u2019"}], [CACHE]
    job.payload["dependencies"] = [dependency(70)]
    server.password = job.token
    return in_both_shells(run, job)


def test_all_stages_with_a_clone_a_fetch_and_a_cancel(folder, binary, plugin_dir, program):
    part = make_repository(folder / "git", "g/part")
    server, out = GitServer(folder / "git"), folder / "out"
    first = make_repository(folder / "git", "g/p", submodules={"part": (f"{server.url}/g/part.git", part)})
    second = add_commit(folder / "git", "g/p", "hello again\n")
    run, shell = start(folder, binary, plugin_dir, "powershell", program)
    helpers = [StandIn(folder), StandIn(folder, "flotilla-helper")]

    jobs = [make_full_job(run, server, first, 1, out), make_full_job(run, server, second, 2, out),
            make_full_job(run, server, second, 3, out,
                          "n=0; while sleep 0.05; do n=$((n + 1)); echo running $n; done")]
    jobs[2].lost_as = "job_canceled"
    for job, helper in zip(jobs, [*helpers, helpers[0]]):
        helper.use(job)
        server.password = job.token
        run.coordinator.add(job)
        if job.id < 3:
            assert run.coordinator.wait_ended(job.id, PATIENCE), run.log_tail()
    wait_for_trace(run, 3, b"O running 1\n")
    run.coordinator.cancel(3)
    expected = ("log_is_whole: job 3 ", "log_is_in_order: job 3: lines twice")
    breaches = [breach for breach in run.finish() if not breach.startswith(expected)]
    server.close()

    logs = {job.id: log_of(run, job.id) for job in jobs}
    assert_nothing_lost(run, breaches, "".join(logs.values()))
    shell.assert_they_parse(30)
    whole = "pre\npost\n{}it\u2019s the content\nhttp://\nafter success handed=on\n"
    assert out.read_text() == whole.format("hello\n") + whole.format("hello again\n") + "pre\npost\nhello again\nafter canceled \n"
    assert "Created fresh repository." in logs[1] and "Reinitialized existing Git repository in" in logs[2]
    assert "Updated submodules" in logs[1] and "Updated submodules" in logs[2]
    assert f"Checking out {second[:8]} as detached HEAD (ref is main)..." in logs[2]
    assert "may still run" not in logs[3], "what was cancelled is stopped"
    stages = ["artifacts-downloader", "cache-extractor", "cache-archiver", "artifacts-uploader"]
    for job, helper in zip(jobs, helpers):
        calls = {call.words[0]: call for call in helper.calls(job)}
        assert set(calls) == set(stages)
        assert calls["artifacts-uploader"].option("--name") == "it's \"a\" \u2019"
    assert {call.words[0]: call.token for call in helpers[0].calls(jobs[0])}["artifacts-uploader"] == jobs[0].token
    ours = {call.words[0]: call for call in helpers[1].calls(jobs[1])}
    assert ours["artifacts-uploader"].stdin == jobs[1].token and "--token-stdin" in ours["artifacts-uploader"].words


def test_hardening_1_to_8_values_arrive_byte_for_byte_and_jobs_run_without_sources(folder, binary, plugin_dir, program):
    """But that an empty one is none: Windows has no empty variables."""
    run, shell = start(folder, binary, plugin_dir, "pwsh", program)
    job, out = make_job(1, str(run.marks), lines=4), folder / "out"
    names = [f"ODD_{number}" for number in range(len(ODD_VALUES))]
    job.payload["variables"] += [{"key": key, "value": value, "raw": True} for key, value in zip(names, ODD_VALUES)]
    job.payload["variables"] += [{"key": "HOST", "value": "mine", "raw": True}, {"key": "PID", "value": "1", "raw": True}]
    printed = " ".join(f'"${{{name}-}}"' for name in [*names, "HOST", "PID"])
    job.payload["steps"][0]["script"].append(f"printf '%s\\0' {printed} > '{out}'")
    run.coordinator.add(in_both_shells(run, job))
    empty = make_job(2, str(run.marks), lines=4)
    empty.payload["variables"] += [{"key": "GIT_STRATEGY", "value": "empty"},
                                   {"key": "FF_ENABLE_JOB_CLEANUP", "value": "true"}]
    run.coordinator.add(in_both_shells(run, empty))
    assert_nothing_lost(run, run.finish(), log_of(run, 1) + log_of(run, 2))
    shell.assert_they_parse(9)
    for job_id in (1, 2):
        assert "Skipping Git checkout" in log_of(run, job_id)
    assert out.read_bytes().decode().split("\0")[:-1] == [*ODD_VALUES, "mine", "1"]


def make_jobs_with_files(run, out):
    """The second has what the first made, which it shows in a file."""
    first, second = make_job(1, str(run.marks), lines=4), make_job(2, str(run.marks), lines=4)
    report = {**ARCHIVE, "paths": ["made/report"], "artifact_type": "junit", "artifact_format": "gzip"}
    first.payload["artifacts"] = [{**ARCHIVE, "paths": ["$MADE/**"], "exclude": ["**/*.o"], "name": "it's"}, report]
    first.payload["cache"] = [{**CACHE, "paths": ["made/a file"]}]
    first.payload["variables"].append({"key": "MADE", "value": "made"})
    first.payload["steps"][0]["script"].append("mkdir made; echo content > 'made/a file'; echo x > made/x.o; echo r > made/report")
    second.payload["dependencies"] = [{**dependency(1), "token": first.token}]
    second.payload["cache"] = [{**CACHE, "policy": "pull"}]
    for job in (first, second):
        job.payload["variables"].append({"key": "GIT_STRATEGY", "value": "empty"})
    second.payload["steps"][0]["script"].append(f"ls made > '{out}'; cat 'made/a file' >> '{out}'")
    return first, second


@pytest.mark.parametrize("machine", ["", "Windows AMD64"])
def test_files_pass_through_the_connection_by_a_helper_or_packed_by_powershell(folder, binary, build, plugin_dir, machine, program):
    """A helper is brought to Linux alone; on what calls itself Windows, PowerShell packs and unpacks."""
    if machine and program == "pwsh":
        pytest.skip("a real pwsh here does not call itself Windows")
    if not machine:
        need_static_helper(build)
    run, shell = start(folder, binary, plugin_dir, "pwsh", program)
    begin_sessions(run, f"KEPT_MACHINE='{machine}'\nexport KEPT_MACHINE\n")
    out = folder / "out"
    jobs = [*make_jobs_with_files(run, out)]
    if machine:  # which is a format too many there
        jobs.append(make_job(3, str(run.marks), lines=4))
        jobs[2].payload["artifacts"] = [{**ARCHIVE, "paths": ["."], "artifact_format": "tarzstd"}]
        jobs[2].lost_as, jobs[2].expect_exit_code = "script_failure", 1
    for job in jobs:
        run.coordinator.add(in_both_shells(run, job))
        assert run.coordinator.wait_ended(job.id, PATIENCE), run.log_tail()
    assert_nothing_lost(run, run.finish(), "".join(log_of(run, job.id) for job in jobs))
    shell.assert_they_parse(12)
    assert not machine or "the format tarzstd needs flotilla-helper or gitlab-runner on the instance" in log_of(run, 3)
    how = "packed by PowerShell and carried" if machine else "carried"
    assert f"Artifacts and caches are {how} through this connection" in log_of(run, 1)
    assert out.read_text() == "a file\nreport\ncontent\n"
    assert "Created cache" in log_of(run, 1) and "Successfully extracted cache" in log_of(run, 2)


def test_files_of_a_job_in_sh_on_windows_are_packed_by_powershell(folder, binary, plugin_dir, program):
    """Which knows the directories by other names than Git's sh; here they lead through a link."""
    run = Run(folder, binary, plugin_dir, shell="sh", idle_count=1, max_instances=1, idle_time="1h")
    run.start()
    shell, out = Shell(folder, "powershell", program), folder / "out"
    (folder / "c:").symlink_to("/")
    for name, text in [("uname", 'if [ "$1" = -s ]; then echo MINGW64_NT-10.0-20348; else echo x86_64; fi'),
                       ("cygpath", f'test "$1 $2" = "-m --" || exit 1\nshift 2\nprintf "{folder}/c:%s\\n" "$@"')]:
        (shell.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (shell.bin / name).chmod(0o755)
    shell.begin_sessions(run)
    first, second = make_jobs_with_files(run, out)
    first.payload["artifacts"][0]["paths"] = ["$CI_PROJECT_DIR/made/**"]
    for job in (first, second):
        run.coordinator.add(job)
        assert run.coordinator.wait_ended(job.id, PATIENCE), run.log_tail()
    assert_nothing_lost(run, run.finish(), log_of(run, 1) + log_of(run, 2))
    shell.assert_they_parse(5)
    assert all(f"flotilla_cd '{folder}/c:/" in text for text in shell.scripts())
    assert "Artifacts and caches are packed by PowerShell and carried through this connection" in log_of(run, 1)
    assert out.read_text() == "a file\nreport\ncontent\n"
    assert "Created cache" in log_of(run, 1) and "Successfully extracted cache" in log_of(run, 2)


@pytest.mark.parametrize("nested", [False, True])
def test_job_execution_10_5_45_a_status_comes_as_it_was(folder, binary, plugin_dir, nested, program):
    """Where sshd's shell is a PowerShell, it makes 1 of any other status unless it is told not to."""
    run, shell = start(folder, binary, plugin_dir, "pwsh", program)
    if nested:
        begin_sessions(run, "exact=\"${SSH_ORIGINAL_COMMAND%; exit \\$LASTEXITCODE}\"\n"
                            "sh -c \"$exact\"; status=$?\n"
                            "[ \"$exact\" = \"$SSH_ORIGINAL_COMMAND\" ] || exit $status\n"
                            "[ $status -eq 0 ] || exit 1\nexit 0\n")
        shell.begin_sessions(run, "cd\n")
    job = make_job(1, str(run.marks), lines=4, exit_code=7)
    job.payload["steps"][0]["script"].append("echo never")
    run.coordinator.add(in_both_shells(run, job))
    assert_nothing_lost(run, run.finish(), log_of(run, 1))
    assert "run exit (exit code: 7)" in log_of(run, 1) and "\nnever" not in log_of(run, 1)


def test_our_functions_parse():
    sources = list((Path(__file__).parents[2] / "core/job/shell").glob("*.ps1"))
    assert len(sources) == 2
    for source in sources:
        assert faults_of(source.read_text(encoding="ascii")) == []


def test_the_grammar_finds_what_is_broken():
    for text in ("flotilla_print 'a", "if ($x) {", "& { exit 0", "flotilla_print ('a'"):
        assert faults_of(text), text
