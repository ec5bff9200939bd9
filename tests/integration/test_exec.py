"""`flotilla exec` on real local instances, as a person calls it: what it prints, how it ends, and what it leaves."""

import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from checker.processes import processes_of
from checker.run import PATIENCE, wait_for

IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
CONFIG = """
concurrent = 2
check_interval = 1
{runners}
"""
RUNNER = """
[[runners]]
  name = "{name}"
  url = "http://gitlab.invalid"
  token = "glrt-t1_k9XyZ012345abcdefgh"
  executor = "instance"
  [runners.autoscaler]
    plugin = "{plugin}"
    capacity_per_instance = 1
    max_use_count = 1
    max_instances = {max_instances}
    update_interval = "1s"
    update_interval_when_expecting = "100ms"
    [runners.autoscaler.plugin_config]
      name = "{name}"
      {plugin_config}
    [[runners.autoscaler.policy]]
      idle_count = 0
      idle_time = "0s"
"""


def runner(name, plugin="local", plugin_config="", max_instances=2):
    return RUNNER.format(name=name, plugin=plugin, plugin_config=plugin_config, max_instances=max_instances)


class Project:
    """A git repository, and `flotilla exec` in it with temporary files where the test can see them."""

    def __init__(self, folder, binary, plugin_dir):
        self.folder, self.top, self.temporary = folder, folder / "project", folder / "tmp"
        self.command = [binary, "exec", "--plugin-dir", plugin_dir]
        self.top.mkdir()
        self.temporary.mkdir()

    def write(self, name, text):
        (self.top / name).write_text(text)

    def git(self, *arguments):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=self.top, check=True, capture_output=True)

    def commit(self):
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", "all")

    def start(self, *arguments, cwd=None, environment=None):
        return subprocess.Popen([*self.command, *arguments], cwd=cwd or self.top, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "TMPDIR": str(self.temporary), **(environment or {})})

    def run(self, *arguments, left=(), patience=2 * PATIENCE, **options):
        with self.start(*arguments, **options) as child:
            try:
                child.output, child.problems = child.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                child.kill()
                raise
        self.assert_nothing_left(left)
        return child

    def run_file(self, text, *arguments, **options):
        self.write(".gitlab-ci.yml", text)
        self.commit()
        return self.run(*arguments, **options)

    def with_config(self, *runners):
        config = self.folder / "config.toml"
        config.write_text(CONFIG.format(runners="".join(runners)))
        config.chmod(0o600)
        return ["--config", config]

    def assert_nothing_left(self, but=()):
        assert list(self.temporary.iterdir()) == list(but)
        # A killed process may still be about to go.
        assert wait_for(lambda: not processes_of(self.folder)), [str(p) for p in processes_of(self.folder)]


@pytest.fixture
def project(folder, binary, plugin_dir):
    return Project(folder, binary, plugin_dir)


def states(output):
    """Job and state of each row of the closing table."""
    table = output[output.rindex("\njob "):].strip().splitlines()
    assert table[-1].startswith("pipeline ")
    return {row.split("  ")[0]: [cell.strip() for cell in row.split("  ") if cell.strip()][2] for row in table[1:-1]}


def test_a_failed_job_fails_the_pipeline_and_skips_the_next_stage(project):
    run = project.run_file("""
stages: [one, two]
good: {stage: one, script: "echo from good"}
bad: {stage: one, script: ["echo before", "exit 3"]}
later: {stage: two, script: "echo never"}
""")
    assert run.returncode == 1
    assert states(run.output) == {"good": "passed", "bad": "failed, exit code 3", "later": "skipped"}
    assert "good | from good\n" in run.output and "bad | before\n" in run.output
    assert "never" not in run.output
    assert "pipeline failed in" in run.output


def test_an_allowed_failure_fails_nothing(project):
    run = project.run_file("""
stages: [one, two]
shaky: {stage: one, script: "exit 7", allow_failure: {exit_codes: 7}}
later: {stage: two, script: "echo still"}
""")
    assert run.returncode == 0
    assert states(run.output) == {"shaky": "failed (allowed), exit code 7", "later": "passed"}


def test_only_the_named_jobs_run(project):
    run = project.run_file("""
a: {script: "echo from a"}
b: {script: "echo from b"}
c: {script: "echo from c", needs: [b]}
d: {script: "echo from d", when: manual}
""", "c", "a", "d")
    assert run.returncode == 0
    assert states(run.output) == {"a": "passed", "c": "passed", "d": "passed"}
    assert "from b" not in run.output


EVERYTHING = {
    ".gitlab-ci.yml": """
include:
  - ci/*.yml
  - {local: never.yml, rules: [{if: $CI_COMMIT_TAG}]}
workflow:
  rules: [{if: '$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH', variables: {FROM_WORKFLOW: w}}]
stages: [build, test, deploy]
variables: {GLOBAL: g, OTHER: o}
default: {before_script: 'echo "before $CI_JOB_NAME"', retry: 0}

compile:
  extends: .compile
  stage: build
  script: [!reference [.compile, script], 'echo "made $KIND for $FROM_WORKFLOW"']

checks:
  <<: &quick {needs: [compile], timeout: 1 minute}
  parallel: {matrix: [{CC: [gcc, clang], MODE: fast}]}
  script: 'echo "$CC $MODE $CI_NODE_INDEX/$CI_NODE_TOTAL $GLOBAL<$OTHER>"'
  inherit: {variables: [GLOBAL]}

fast:
  needs: [{job: checks, parallel: {matrix: [{CC: gcc, MODE: fast}]}}, {job: tagged, optional: true}]
  script: echo after gcc

numbered: {stage: test, parallel: 2, script: 'echo "part $CI_NODE_INDEX of $CI_NODE_TOTAL"'}
tagged: {script: x, rules: [{if: $CI_COMMIT_TAG}]}
ruled:
  script: 'echo "$HOW"'
  rules: [{exists: [gone]}, {if: '$GLOBAL =~ /^G$/i && $CI_COMMIT_TAG == null', exists: ['ci/**/*'], variables: {HOW: ruled}}]
old: {script: x, only: [tags]}
again: {script: ['test -e $MARK || { touch $MARK; exit 9; }'], retry: {max: 1, exit_codes: [9]}}
slow: {script: sleep 100, timeout: 1s, allow_failure: true}
coded: {script: exit 5, allow_failure: {exit_codes: [4, 5]}}
hooked: {script: 'echo in the job', hooks: {pre_get_sources_script: 'echo before the sources'}}
mended: {stage: test, when: on_failure, script: x}
release: {stage: deploy, when: manual, script: x}
finally: {stage: .post, when: always, script: 'echo "the end of $CI_PIPELINE_SOURCE by $GITLAB_USER_NAME"'}
""",
    "ci/compile.yml": """
.base: {variables: {KIND: base, EXTRA: e}, tags: [any]}
.compile: {extends: .base, variables: {KIND: lib}, script: ['echo "compiling with $EXTRA"']}
""",
}


def test_a_pipeline_of_many_keywords_runs_as_it_says(project):
    (project.top / "ci").mkdir()
    for name, text in EVERYTHING.items():
        project.write(name, text.replace("$MARK", str(project.folder / "mark")))
    project.commit()
    project.git("config", "user.name", "A Person")
    run = project.run()
    assert run.returncode == 0, run.output + run.problems
    assert run.problems == ("warning: ci/compile.yml:2:44: job 'compile': 'tags' is not supported, ignoring: there is one "
                            "runner, and it takes every job\n")
    assert states(run.output) == {
        "compile": "passed", "checks: [gcc, fast]": "passed", "checks: [clang, fast]": "passed", "fast": "passed",
        "numbered 1/2": "passed", "numbered 2/2": "passed", "ruled": "passed", "again": "passed",
        "slow": "failed (allowed), job_execution_timeout", "coded": "failed (allowed), exit code 5", "hooked": "passed",
        "mended": "skipped", "release": "skipped, manual", "finally": "passed"}
    for line in ("compile | before compile", "compile | compiling with e", "compile | made lib for w",
                 "checks: [gcc, fast] | gcc fast 1/2 g<>", "checks: [clang, fast] | clang fast 2/2 g<>",
                 "numbered 2/2 | part 2 of 2", "ruled | ruled", "hooked | before the sources",
                 "finally | the end of push by A Person",
                 "job again failed: script_failure; trying again (1 of 1)"):
        assert line + "\n" in run.output, line


@pytest.mark.parametrize("command", ["exec", "coordinator"])
def test_a_pipeline_in_which_nothing_can_start_ends(project, binary, command):
    if command == "coordinator":
        project.command = [binary, command]
    run = project.run_file("release: {script: x, when: manual}\nmended: {stage: .post, script: x, when: on_failure}\n")
    assert (run.returncode, run.problems) == (0, "")
    assert states(run.output) == {"release": "skipped, manual", "mended": "skipped"}


def test_rules_see_what_changed(project):
    project.write("a", "old\n")
    project.run_file("""
one: {script: x, rules: [{changes: {paths: [a], compare_to: main}}]}
two: {script: x, rules: [{changes: {paths: [b], compare_to: main}}]}
""")
    project.write("a", "changed and not committed\n")
    run = project.run()
    assert states(run.output).keys() == {"one"}


REFUSED = [
    ("a job that is not there", "a: {script: x}\n", ["b"],
     "flotilla exec: .gitlab-ci.yml: there is no job 'b' in the file\n"),
    ("a keyword that is not supported", "a:\n  script: x\n  secrets: {}\n", [],
     "error: .gitlab-ci.yml:3:3: job 'a': 'secrets' is not supported: there is no store of secrets here; use "
     "variables\n"),
    ("a file of which rules leave nothing", "a:\n  script: x\n  rules: []\n", [],
     "flotilla exec: .gitlab-ci.yml has no job for this: their rules leave all of them out; name the jobs to run them "
     "all the same\n"),
    ("a pipeline that the file does not want", "workflow: {rules: [{if: $CI_COMMIT_TAG}]}\na: {script: x}\n", [],
     "flotilla exec: .gitlab-ci.yml makes no pipeline of this: its workflow:rules say so; name the jobs to run them "
     "all the same\n"),
    ("an included file that is not there", "include: ci/x.yml\na: {script: x}\n", [],
     "error: .gitlab-ci.yml:1:10: 'include': git tracks no file 'ci/x.yml' in the repository; git add it\n"),
    ("a file that is no YAML", "a: [\n", [],
     "error: .gitlab-ci.yml:2:1: this is no valid YAML: did not find expected node content while parsing a flow "
     "node\n"),
    ("a key that would drive the terminal", 'a:\n  script: x\n  "sc\\e[2Jript": y\n', [],
     "error: .gitlab-ci.yml:3:3: job 'a': 'sc\\x1b[2Jript' is no keyword\n"),
    ("a job's name that would", '"\\e]0;x\\a": {script: x, needs: ["\\e]0;x\\a"]}\n', [],
     "flotilla exec: .gitlab-ci.yml: jobs wait for each other: '\\x1b]0;x\\x07' (.gitlab-ci.yml:1) needs "
     "'\\x1b]0;x\\x07' (.gitlab-ci.yml:1)\n"),
    ("another file that is not there", "a: {script: x}\n", ["--file", "other.yml"],
     "flotilla exec: other.yml: No such file or directory\n"),
    ("a configuration that is not there", "a: {script: x}\n", ["--config", "other.toml"],
     "flotilla exec: other.toml: No such file or directory\n"),
    ("a mistyped name among jobs with mistakes", "a: {scrpt: x}\n", ["b"],
     "flotilla exec: .gitlab-ci.yml: there is no job 'b' in the file\n"),
]


@pytest.mark.parametrize("text,arguments,problems", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_run_is_refused_in_one_line_with_its_place(project, text, arguments, problems):
    run = project.run_file(text, *arguments)
    assert (run.returncode, run.output, run.problems) == (1, "", problems)


def test_a_broken_configuration_is_told_once_and_first(project):
    option, config = project.with_config(runner("only"))
    config.write_text(config.read_text().replace("concurrent = 2", 'concurrent = "many"'))
    run = project.run_file("a: {script: x}\n", option, config)
    assert (run.returncode, run.output) == (1, "")
    assert run.problems.count("\n") == 1 and run.problems.startswith(f"error: {config}:2:14: ")


def test_without_a_file_the_top_of_the_repository_is_asked(project):
    project.write(".gitlab-ci.yml", "a: {script: 'echo from the top of $CI_CONFIG_PATH'}\n")
    (project.top / "below").mkdir()
    project.commit()
    run = project.run(cwd=project.top / "below")
    assert run.returncode == 0, run.problems
    assert "a | from the top of .gitlab-ci.yml\n" in run.output


def test_without_any_file_the_option_is_named(project):
    run = project.run()
    assert run.returncode == 1
    assert run.problems == ("flotilla exec: there is no .gitlab-ci.yml here nor at the top of a git repository; --file "
                            "FILE names another file\n")


def test_a_named_job_runs_in_spite_of_what_the_others_need(project):
    run = project.run_file("a: {script: 'echo from a', rules: []}\nb: {script: x, extends: .c}\n", "a")
    assert run.returncode == 0, run.problems
    assert run.problems == ""
    assert states(run.output) == {"a": "passed"}


def test_a_temporary_directory_that_is_too_deep_is_refused_with_advice(project):
    deep = project.temporary / ("d" * 80)
    deep.mkdir()
    run = project.run_file("a: {script: x}\n", environment={"TMPDIR": str(deep)}, left=[deep])
    assert run.returncode == 1
    assert run.problems == (f"flotilla exec: {deep} is too long a path for the sockets in it; set a shorter one, as in "
                            "TMPDIR=/tmp\n")
    assert list(deep.iterdir()) == []


@contextlib.contextmanager
def small_disk(project, size):
    disk = project.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_is_told_with_advice(project):
    with small_disk(project, "300k") as disk:
        (disk / "rest").write_bytes(bytes(220 * 1024))
        run = project.run_file("a: {script: x}\n", environment={"TMPDIR": str(disk)})
        assert (run.returncode, run.problems.count("\n")) == (1, 1)
        assert run.problems.startswith(f"flotilla exec: the disk of {disk}/flotilla-exec-")
        assert " is full; make room there or name another place, as in TMPDIR=/var/tmp: " in run.problems
        assert list(disk.iterdir()) == [disk / "rest"]


def test_a_disk_that_fills_ends_what_runs(project):
    with small_disk(project, "20m") as disk:
        run = project.run_file(f"a: {{script: 'dd if=/dev/zero of={disk}/rest bs=64k || sleep 600'}}\n",
                               environment={"TMPDIR": str(disk)})
        assert run.returncode == 1
        assert " is full; make room there or name another place, as in TMPDIR=/var/tmp\n" in run.problems
        assert "\njob a canceled: job_canceled\n" in run.output
        assert list(disk.iterdir()) == [disk / "rest"]


def test_the_last_line_needs_no_end(project):
    run = project.run_file("a: {script: ['printf abc', 'printf def']}\n")
    assert run.returncode == 0, run.problems
    assert "a | def\n" in run.output


def test_jobs_know_what_they_run_for(project):
    run = project.run_file("""
look:
  script:
    - echo "<$CI_DEFAULT_BRANCH|$CI_PIPELINE_SOURCE|$CI_COMMIT_TITLE|$CI_PROJECT_NAMESPACE|$CI_COMMIT_BRANCH>"
    - umask
""")
    assert run.returncode == 0, run.problems
    assert "look | <main|push|all|local|main>\n" in run.output
    assert "look | 0022\n" in run.output
    project.git("checkout", "--quiet", "--detach")
    run = project.run()
    assert "look | <|push|all|local|>\n" in run.output


def test_outside_of_a_repository_nothing_can_run(project):
    project.write(".gitlab-ci.yml", "a: {script: x}\n")
    run = project.run()
    assert run.returncode == 1
    assert run.problems.count("\n") == 1 and "git repository" in run.problems


def test_jobs_see_changes_of_tracked_files_and_no_untracked_ones(project):
    project.write("tracked", "old\n")
    project.write("deleted", "")
    project.write(".gitlab-ci.yml", """
look:
  script: ["cat tracked added", "test ! -e deleted", "test ! -e untracked"]
""")
    project.commit()
    project.write("tracked", "new\n")
    project.write("added", "index\n")
    project.git("add", "added")
    (project.top / "deleted").unlink()
    project.write("untracked", "")
    run = project.run()
    assert run.returncode == 0, run.output
    assert "with uncommitted changes\n" in run.output.splitlines(True)[0]
    assert "look | new\n" in run.output and "look | index\n" in run.output


def test_an_interrupt_ends_jobs_and_instances_and_leaves_nothing(project):
    project.write(".gitlab-ci.yml", 'long: {script: ["echo it runs", "sleep 600"]}\nnext: {stage: deploy, script: x}\n')
    project.commit()
    with project.start() as child:
        while (line := child.stdout.readline()) != "long | it runs\n":
            assert line, child.stderr.read()
        assert processes_of(project.folder)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130
    assert "interrupted: ending jobs and removing instances" in output
    assert states(output)["long"].startswith("canceled") and states(output)["next"] == "canceled"
    assert "pipeline interrupted in" in output
    project.assert_nothing_left()


def test_a_second_interrupt_waits_for_nothing_and_leaves_nothing(project):
    project.write(".gitlab-ci.yml", 'long: {script: ["echo it runs", "setsid sleep 600 & sleep 600"]}\n')
    project.commit()
    with project.start() as child:
        for wanted in ("long | it runs\n", "interrupted: "):
            while wanted not in (line := child.stdout.readline()):
                assert line, child.stderr.read()
            # The first interrupt would have ended all before the second one came, were the job not held.
            for worker in (p.pid for p in processes_of(project.folder) if p.name == "flotilla-job"):
                os.kill(worker, signal.SIGSTOP)
            child.send_signal(signal.SIGINT)
        _, problems = child.communicate(timeout=PATIENCE)  # ends when nobody holds the pipes any more
    assert child.returncode == 130
    assert problems.endswith("flotilla exec: stopped at once\n")
    project.assert_nothing_left()


def test_an_interrupt_during_the_snapshot_leaves_nothing(project):
    tools = project.folder / "bin"
    tools.mkdir()
    (tools / "git").write_text(f"""#!/bin/sh
case " $* " in *" write-tree "*) kill -INT $PPID ;; esac
exec {shutil.which("git")} "$@"
""")
    (tools / "git").chmod(0o755)
    run = project.run_file("a: {script: x}\n", environment={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert (run.returncode, run.problems) == (130, "flotilla exec: interrupted\n")
    assert "instance" not in run.output


REFUSALS = [
    ("an option that the plugin refuses", runner("only", plugin_config='sshd = "/nonexistent"'),
     "flotilla exec: runner 'only' can't run jobs: /nonexistent is no OpenSSH server"),
    ("a plugin that is not there", runner("only", plugin="nowhere"),
     "flotilla exec: runner 'only' can't run jobs: loading fleeting plugin: plugin 'nowhere' is not installed"),
    ("more instances than the group allows", runner("only", plugin_config="max_size = 1"),
     "flotilla exec: runner 'only' can't run jobs: max size option exceeds instance group's max size: 2 > 1"),
]


@pytest.mark.parametrize("config,problem", [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_group_that_can_never_open_ends_it(project, config, problem):
    run = project.run_file("a: {script: x}\n", *project.with_config(config))
    assert run.returncode == 1
    assert problem in run.problems
    assert "a | " not in run.output


def test_one_refused_runner_does_not_stop_the_others(project):
    config = project.with_config(runner("broken", plugin="nowhere"), runner("sound"))
    run = project.run_file('a: {script: "echo on the sound one"}\n', *config)
    assert run.returncode == 0, run.problems
    assert "runner 'broken' can't run jobs" in run.problems
    assert "a | on the sound one\n" in run.output
