"""`flotilla run-single`: one runner of the file, one job after the other, until there were enough or none came."""

import os
import re
import signal
import subprocess

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run
from test_run import wait_for_trace

OTHER = """
[[runners]]
  name = "another"  # for Docker
  url = "https://gitlab.example"
  token = "glrt-another"
  executor = "docker"
"""


class Single(Run):
    def call(self, *words):
        self.environment["TMPDIR"] = str(self.folder)
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", self.binary, "run-single", "--config", self.config, "--state-dir",
             self.state_dir, "--plugin-dir", self.plugin_dir, *words], stderr=subprocess.PIPE, text=True,
            env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL)

    def end(self, command, status=0):
        said = command.communicate(timeout=PATIENCE)[1]
        assert command.returncode == status, said
        return said

    def finals(self):
        return {job_id: [final["state"] for final in state.finals] for job_id, state in self.coordinator.jobs.items()}


@pytest.fixture
def single(folder, binary, plugin_dir):
    made = Single(folder, binary, plugin_dir, max_instances=1)
    yield made
    made.coordinator.close()


def test_it_ends_after_as_many_jobs_as_it_is_told(single):
    single.config.write_text(single.config.read_text() + OTHER)
    before = single.config.read_text()
    single.coordinator.add(*[make_job(i, str(single.marks)) for i in (1, 2, 3)])
    said = single.end(single.call("--runner", "checker", "--max-builds", "2"))
    assert "This runner has processed its build limit, so now exiting" in said
    assert single.finals() == {1: ["success"], 2: ["success"], 3: []}
    marks = [line.split()[:2] for line in single.marks.read_text().splitlines()]
    assert [mark for mark in marks if mark[0] in ("begin", "end")] == [["begin", "1"], ["end", "1"],
                                                                       ["begin", "2"], ["end", "2"]]
    assert single.config.read_text() == before and single.coordinator.runner_token not in said


def test_url_and_token_of_the_command_line_go_before(single, folder):
    text = single.config.read_text()
    single.config.write_text(re.sub('url = "[^"]*"', 'url = "https://gitlab.example"',
                                    text.replace(single.coordinator.runner_token, "glrt-wrong")))
    (folder / "token").write_text(single.coordinator.runner_token)
    single.coordinator.add(make_job(1, str(single.marks)))
    single.end(single.call("--url", single.coordinator.url, "--token-file", folder / "token", "--max-builds", "1"))
    assert single.finals() == {1: ["success"]}


def test_it_ends_when_no_job_comes(single):
    assert "has not received a job in 1 seconds" in single.end(single.call("--wait-timeout", "1"))


def test_a_signal_interrupts_the_job(single):
    single.coordinator.add(single.held_job(1))
    command = single.call()
    wait_for_trace(single, 1, b"line 0003")
    command.send_signal(signal.SIGTERM)
    assert "Requested exit: terminated" in single.end(command, 1)
    assert single.finals() == {1: ["failed"]}


@pytest.mark.parametrize("words, text, told", [
    ([], OTHER, "has 2 [[runners]]; say which by --runner"), (["--runner", "x"], OTHER, "no runner is called 'x'"),
    (["--runner", "another"], OTHER, "instance, the only one there is")])
def test_which_runner_must_be_known(single, words, text, told):
    single.config.write_text(single.config.read_text() + text)
    assert told in single.end(single.call(*words), 1)


def test_another_executor_is_refused(single):
    assert "--executor 'docker' is not instance" in single.end(single.call("--executor", "docker"), 2)
