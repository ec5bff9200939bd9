"""`flotilla coordinator`: the embedded coordinator alone. Its runners are a client by the protocol page, `flotilla run`, and,
where FOREIGN_RUNNER names a binary, a runner that shares no code with ours."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from checker.run import PATIENCE, wait_for
from test_embedded_coordinator import Client
from test_exec import CONFIG, Project, runner, states

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILE = """
stages: [build, test]
one: {stage: build, script: "echo from one"}
two: {stage: test, script: "echo from two; exit 3", allow_failure: true}
"""
LOG = b"hello\x1b[2J\n"


class Served(Project):
    """`flotilla coordinator` in a project, and what it prints."""

    def __init__(self, folder, binary, plugin_dir):
        super().__init__(folder, binary, plugin_dir)
        self.binary, self.plugin_dir = binary, plugin_dir
        self.command = [binary, "coordinator"]
        self.lines = []

    def serve(self, *arguments, text=FILE):
        if text:
            self.write(".gitlab-ci.yml", text)
        self.commit()
        self.child = self.start(*arguments)
        while len(self.lines) < 3:
            line = self.child.stdout.readline()
            assert line, self.child.stderr.read()
            self.lines.append(line)
        self.url = re.fullmatch(r'url = "(http://\S+)"\n', self.lines[1])[1]
        self.token = re.fullmatch(r'token = "(glrt-\S+)"\n', self.lines[2])[1]
        return Client(self.url.removeprefix("http://"), self.token)

    def ended(self):
        """The exit status; output and problems are whole then."""
        self.output, self.problems = self.child.communicate(timeout=PATIENCE)
        self.output = "".join(self.lines) + self.output
        self.assert_nothing_left()
        return self.child.returncode

    def config(self, text):
        config = self.folder / "config.toml"
        config.write_text(text)
        config.chmod(0o600)
        return config


@pytest.fixture
def served(folder, binary, plugin_dir):
    return Served(folder, binary, plugin_dir)


def take(client):
    answer = client.request()
    assert answer.status == 201
    job = json.loads(answer.body)
    assert client.put(job, state="running", output={}).status == 200
    return job


def test_a_client_by_the_protocol_page_runs_the_pipeline(served):
    client = served.serve("--listen", "127.0.0.1:0")
    assert served.lines[0].startswith("serving 2 jobs of main at ")
    one = take(client)
    source = one["git_info"]
    shown = subprocess.run(["git", "--git-dir", source["repo_url"].removeprefix("file://"), "show",
                            f"{source['sha']}:.gitlab-ci.yml"], capture_output=True, text=True, check=True)
    assert shown.stdout == FILE
    assert client.patch(one, 0, LOG).status == 202
    assert client.end(one, LOG).status == 200
    two = take(client)
    # Whoever waits for a job when the pipeline ends is told that there is none.
    cursor = client.request().headers["X-GitLab-Last-Update"]
    waiting = http.client.HTTPConnection(client.host, timeout=60)
    waiting.request("POST", "/api/v4/jobs/request", json.dumps({"token": served.token, "last_update": cursor}))
    assert client.put(two, state="running").status == 200  # so the request before has been read, too
    assert client.end(two, b"", state="failed", failure_reason="script_failure", exit_code=3).status == 200
    assert served.ended() == 0, served.problems
    assert waiting.getresponse().status == 204
    waiting.close()
    for line in ("job one running\n", "one | hello\n", "job one passed\n", "job two running\n",
                 "job two failed (allowed): script_failure, exit code 3\n"):
        assert line in served.output
    assert "\x1b" not in served.output
    assert states(served.output) == {"one": "passed", "two": "failed (allowed), exit code 3"}
    assert re.search(r"^one  build  passed +\d+\.\d +\d+\.\d  -$", served.output, re.M)


def test_flotilla_run_takes_the_jobs(served):
    served.serve()
    config = served.config(CONFIG.format(runners=runner("x")).replace("http://gitlab.invalid", served.url)
                           .replace("glrt-t1_k9XyZ012345abcdefgh", served.token))
    manager = subprocess.Popen([served.binary, "run", "--config", config, "--state-dir", served.folder / "state",
                                "--plugin-dir", served.plugin_dir], stderr=subprocess.DEVNULL)
    try:
        output, _ = served.child.communicate(timeout=PATIENCE)
    finally:
        manager.send_signal(signal.SIGQUIT)
        manager.wait(PATIENCE)
    assert served.child.returncode == 0
    assert "one | from one\n" in output and "two | from two\n" in output
    assert states(output) == {"one": "passed", "two": "failed (allowed), exit code 3"}


def test_a_foreign_runner_runs_the_demo(served):
    foreign = os.environ.get("FOREIGN_RUNNER")
    if not foreign:
        pytest.skip("FOREIGN_RUNNER names no runner")
    shutil.copytree(os.path.join(ROOT, "examples", "ring"), served.top, dirs_exist_ok=True)
    served.serve(text=None)
    config = served.config(f"""
concurrent = 4
check_interval = 1
[[runners]]
  name = "foreign"
  url = "{served.url}"
  token = "{served.token}"
  executor = "shell"
  shell = "bash"
  builds_dir = "{served.folder}/builds"
  cache_dir = "{served.folder}/cache"
""")
    runner_process = subprocess.Popen([foreign, "run", "--config", config, "--working-directory", served.folder],
                                      stderr=subprocess.DEVNULL)
    try:
        output, problems = served.child.communicate(timeout=240)
    finally:
        runner_process.send_signal(signal.SIGTERM)
        runner_process.wait(60)
    assert served.child.returncode == 0, problems
    assert "pipeline passed in " in output


def test_a_failure_without_a_reason_is_an_unknown_one(served):
    client = served.serve("one", text="one: {script: s, retry: {max: 1, when: unknown_failure}}")
    assert client.end(take(client), b"", state="failed").status == 200
    assert client.end(take(client), b"", state="failed", failure_reason="\x1b[2J").status == 200
    assert served.ended() == 1
    assert "\x1b" not in served.output
    assert "job one failed: unknown_failure; trying again (1 of 1)\n" in served.output
    assert "job one failed: unknown_failure\n" in served.output


def test_an_interrupt_tells_the_runner_and_waits_for_it(served):
    client = served.serve()
    job = take(client)
    served.child.send_signal(signal.SIGINT)
    assert wait_for(lambda: client.put(job, state="running").headers["Job-Status"] == "canceled")
    assert client.request().status == 204
    assert client.end(job, b"", state="failed", failure_reason="job_canceled").status == 200
    assert served.ended() == 130
    assert states(served.output) == {"one": "canceled", "two": "canceled"}


def test_an_interrupt_without_a_job_out_ends_at_once(served):
    served.serve()
    served.child.send_signal(signal.SIGINT)
    assert served.ended() == 130


def test_a_second_interrupt_waits_for_no_runner(served):
    client = served.serve()
    job = take(client)
    served.child.send_signal(signal.SIGINT)
    assert wait_for(lambda: client.put(job, state="running").headers["Job-Status"] == "canceled")
    served.child.send_signal(signal.SIGINT)
    assert served.ended() == 130
    assert served.problems == "flotilla coordinator: stopped at once\n"


def test_other_addresses_of_this_machine(served):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))  # so that nobody else answers there
        port = other.getsockname()[1]
        client = served.serve("--listen", f"[::1]:{port}", "one")
        assert served.url == f"http://[::1]:{port}"
        with socket.create_connection(("::1", port)), pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port))
    job = take(client)
    assert client.end(job, b"").status == 200
    assert served.ended() == 0


BAD = [
    ("no address", ["--listen", "here"],
     "--listen 'here' is no address to listen on: write HOST:PORT with a number for HOST, such as 127.0.0.1:8180 or "
     "[::1]:8180\n"),
    ("an address of another machine", ["--listen", "192.0.2.1:0"],
     "192.0.2.1:0: it can't be listened on: Cannot assign requested address\n"),
    ("a job that is not there", ["three"], ".gitlab-ci.yml: there is no job 'three' in the file\n"),
    ("a file that is not there", ["--file", "none.yml"], "none.yml: No such file or directory\n"),
]


@pytest.mark.parametrize("arguments, problem", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_cannot_be_served_is_told_in_one_sentence(served, arguments, problem):
    run = served.run_file(FILE, *arguments)
    assert (run.returncode, run.output) == (1, "")
    assert run.problems.splitlines(keepends=True) == [f"flotilla coordinator: {problem}"]


def test_a_port_that_is_taken_is_told(served):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        run = served.run_file(FILE, "--listen", address)
    assert (run.returncode, run.output) == (1, "")
    assert run.problems == f"flotilla coordinator: {address}: it can't be listened on: Address already in use\n"


def test_a_broken_file_is_told_with_its_place(served):
    run = served.run_file("a: [\n")
    assert (run.returncode, run.output) == (1, "")
    assert len(run.problems.splitlines()) == 1 and ".gitlab-ci.yml:2:1: " in run.problems


@pytest.mark.parametrize("arguments, problem", [
    (["--listen"], "option --listen needs a value"), (["--config", "x"], "there is no option --config")])
def test_a_wrong_command_line_has_its_own_status(served, arguments, problem):
    run = served.start(*arguments)
    output, problems = run.communicate(timeout=PATIENCE)
    assert (run.returncode, output) == (2, "")
    assert problems == f"flotilla coordinator: {problem}; see `flotilla coordinator --help`\n"
