"""`flotilla register`, `verify`, `unregister`, `list` and `reset-token`: what GitLab hears, and what the file says then.

GitLab is the checker's, which is held against the vectors of coordinator-protocol.md (V19) and against python-gitlab,
which knows GitLab and nothing of us."""

import json
import os
import re
import signal
import subprocess
import threading
import tomllib

import gitlab as python_gitlab
import pytest

from checker.coordinator import Coordinator
from checker.run import PATIENCE, wait_for
from terminal import Terminal

TOKEN = "glrt-t1_k9XyZ012345abcdefgh"
KEPT = """# mine
concurrent = 7   # so many

[[runners]]
  name = 'old'   # single quotes
  url = "https://gitlab.example"
  token = "glrt-oldOldOld"
  executor = "docker"

# the end
"""
REGISTRATION = {"description": "box", "run_untagged": True, "locked": True, "paused": False}
FLAGS = 31


@pytest.fixture
def gitlab():
    coordinator = Coordinator(TOKEN)
    yield coordinator
    coordinator.close()


@pytest.fixture
def config(folder):
    return folder / "config.toml"


@pytest.fixture
def environment(folder):
    kept = {name: value for name, value in os.environ.items() if not re.match("CI_|RUNNER_|REGIST|FLOTILLA_", name)}
    return {**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder)}


@pytest.fixture
def flotilla(binary, config, environment):
    def call(*words, variables=None, answers=None, program=binary, status=0):
        told = subprocess.run([program, *words], input=answers or "", capture_output=True, text=True, timeout=PATIENCE,
                              env={**environment, "CONFIG_FILE": str(config), **(variables or {})})
        assert told.returncode == status, told.stderr
        return told.stderr + told.stdout
    return call


@pytest.fixture
def register(flotilla, gitlab):
    def call(*words, **options):
        return flotilla("register", "--non-interactive", "--url", gitlab.url, *words, **options)
    return call


def written(config):
    return tomllib.loads(config.read_text())["runners"]


def entry(gitlab, name="a", token=TOKEN, more=""):
    return f'[[runners]]\n  name = "{name}"\n  url = "{gitlab.url}"\n  token = "{token}"\n{more}\n'


def write(config, *entries):
    config.write_text("# kept\n" + "".join(entries))
    config.chmod(0o600)


def calls(gitlab):
    return [f"{request.method} {request.path} {request.status}" for request in gitlab.runners.requests]


# coordinator_V19: verify

def test_a_token_made_at_gitlab_is_verified_and_written(register, gitlab, config, folder):
    said = register("--token", TOKEN, "--name", "box", "--executor", "instance")
    request, = gitlab.runners.requests
    system_id = (folder / ".runner_system_id").read_text()
    assert calls(gitlab) == ["POST runners/verify 200"]
    assert request.headers["RUNNER-TOKEN"] == TOKEN and request.headers["Accept"] == "application/json"
    assert re.fullmatch("[0-9a-f]{32}", request.headers["X-Request-Id"])
    assert set(request.body) == {"info", "token", "system_id"}
    assert (request.body["token"], request.body["system_id"]) == (TOKEN, system_id)
    assert request.body["info"]["executor"] == "instance" and len(request.body["info"]["features"]) == FLAGS
    runner, = written(config)
    assert (runner["id"], runner["token"], runner["name"], runner["executor"]) == (7, TOKEN, "box", "instance")
    assert runner["token_expires_at"].year == 1 and runner["token_obtained_at"].microsecond == 0
    assert "# [runners.autoscaler]" in config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600
    assert "Runner registered successfully" in said and f'was saved in "{config}"' in said
    assert TOKEN not in said


def test_what_is_in_the_file_stays_as_it_is(register, config):
    config.write_text(KEPT)
    config.chmod(0o640)
    register("--token", TOKEN, "--name", "box")
    assert config.read_text().startswith(KEPT + "\n[[runners]]\n")
    assert config.stat().st_mode & 0o777 == 0o640
    assert [runner["name"] for runner in written(config)] == ["old", "box"]


def test_everything_can_come_from_the_environment(flotilla, gitlab, config):
    flotilla("register", variables={"CI_SERVER_URL": gitlab.url, "CI_SERVER_TOKEN": TOKEN, "RUNNER_NAME": "by variable",
                                    "RUNNER_EXECUTOR": "instance", "REGISTER_NON_INTERACTIVE": "true",
                                    "RUNNER_LIMIT": "3"})
    runner, = written(config)
    assert (runner["name"], runner["limit"]) == ("by variable", 3)


def test_a_token_can_come_from_a_file(register, config, folder):
    (folder / "token").write_text(TOKEN + "\n")
    register("--token-file", folder / "token")
    assert written(config)[0]["token"] == TOKEN


def test_a_token_of_the_command_line_is_not_seen_there(binary, gitlab, config, environment):
    gitlab.runners.held = threading.Event()
    command = subprocess.Popen([binary, "register", "-n", "-u", gitlab.url, "-t", TOKEN, "-c", config], env=environment,
                               stderr=subprocess.PIPE)
    assert wait_for(lambda: gitlab.runners.requests)
    with open(f"/proc/{command.pid}/cmdline", "rb") as file:
        assert TOKEN.encode() not in file.read()
    gitlab.runners.held.set()
    assert command.wait(PATIENCE) == 0
    command.stderr.close()


@pytest.mark.parametrize("option", ["--locked=false", "--access-level=ref_protected", "--run-untagged",
                                    "--maximum-timeout=600", "--paused", "--tag-list=a", "--maintenance-note=x"])
def test_what_is_said_at_gitlab_cannot_be_said_here(register, gitlab, config, option):
    said = register("--token", TOKEN, option, status=1)
    assert f"{option.split('=')[0]} is said at GitLab" in said
    assert not gitlab.runners.requests and not config.exists()


def test_as_a_registration_token_it_is_ignored_with_a_warning(register, gitlab):
    said = register("--registration-token", TOKEN, "--tag-list", "a")
    assert "WARNING: --tag-list is said at GitLab" in said
    assert calls(gitlab) == ["POST runners/verify 200"]


def test_another_token_is_only_verified_with_a_hint(register, gitlab, config):
    gitlab.runner_token = "aLegacyToken"
    said = register("--token", "aLegacyToken")
    assert "use the '-r' instead of '-t'" in said
    assert written(config)[0]["token"] == "aLegacyToken"


def test_a_runner_that_is_there_is_no_second_time(register, gitlab, config):
    register("--token", TOKEN, "--name", "box")
    before = config.read_text()
    assert f"{config} has this runner already, as 'box'; " in register("--token", TOKEN, "--name", "other", status=1)
    assert calls(gitlab) == ["POST runners/verify 200"]  # GitLab was not asked
    gitlab.runner_token = "glrt-t1_renewedRenewed000000"
    said = register("--token", gitlab.runner_token, status=1)
    assert f"{config} has this runner already, as 'box' with another token; put this one there" in said
    # The entry goes on being this manager's: nothing was taken back.
    assert calls(gitlab) == ["POST runners/verify 200"] * 2 and config.read_text() == before


def test_a_token_file_without_one_is_told(register, gitlab, folder):
    assert "flotilla register: --token-file cannot be read: " in register("--token-file", folder / "none", status=2)
    (folder / "token").write_text("\n")
    assert "holds no token in its first line" in register("--token-file", folder / "token", status=2)
    assert not gitlab.runners.requests


def test_what_is_still_to_be_said_is_a_warning(register):
    assert "WARNING: no manager can use that file before the entry's [runners.autoscaler]" in register("--token", TOKEN)


@pytest.mark.parametrize("answer, asked, told", [
    ((403, {}, b""), 1, "Verifying runner... is not valid"),
    ((500, {}, b""), 5, "Verifying runner... failed: status 500"),
    ((200, {"Content-Type": "text/plain"}, b"200"), 2, "GitLab did not say which runner it is"),
    ((200, {"Content-Type": "application/json"}, b'{"id":"x"}'), 2, "GitLab did not say which runner it is"),
])
def test_a_token_that_is_not_vouched_for_is_not_written(register, gitlab, config, answer, asked, told):
    gitlab.runners.answers = [answer] * asked
    assert told in register("--token", TOKEN, status=1)
    assert len(gitlab.runners.requests) == asked and not config.exists()


def test_an_old_gitlab_that_only_says_200_is_asked_once_more(register, flotilla, gitlab, config):
    gitlab.runners.answers = [(200, {"Content-Type": "text/plain"}, b"200")] * 2
    register("--token", "aLegacyToken", "--name", "box")
    first, second = gitlab.runners.requests
    assert first.body == second.body and "Accept" in first.headers and second.headers.get("Accept") != "application/json"
    assert written(config)[0]["token"] == "aLegacyToken" and "id" not in written(config)[0]
    gitlab.runners.answers = [(200, {"Content-Type": "text/plain"}, b"200"), (403, {}, b"")]
    assert "Verifying runner... is removed" in flotilla("verify", status=1)


@pytest.mark.parametrize("url, told", [("ftp://h", "must begin with http"), ("http://127.0.0.1:1", "failed")])
def test_a_url_that_leads_nowhere_is_told(flotilla, config, url, told):
    assert told in flotilla("register", "-n", "--url", url, "--token", TOKEN, status=1)
    assert not config.exists()


# coordinator_V19: register

def test_a_registration_token_makes_a_runner(register, gitlab, config):
    gitlab.runners.expires = "2030-01-01T00:00:00Z"
    register("-r", gitlab.runners.registration_token, "--name", "box", "--tag-list", "a,b", "--run-untagged=false",
             "--locked=false", "--access-level", "ref_protected", "--maximum-timeout", "600", "--paused",
             "--maintenance-note", "mine")
    request, = gitlab.runners.requests
    info = request.body.pop("info")
    assert request.body == {"token": gitlab.runners.registration_token, "description": "box", "tag_list": "a,b",
                            "run_untagged": False, "locked": False, "access_level": "ref_protected",
                            "maximum_timeout": 600, "paused": True, "maintenance_note": "mine"}
    assert info["name"] == "flotilla"
    runner, = written(config)
    assert runner["token"] == gitlab.runners.runners[8].token and runner["id"] == 8
    assert runner["token_expires_at"].isoformat() == "2030-01-01T00:00:00+00:00"


def test_only_what_was_said_is_told(register, gitlab):
    register("-r", gitlab.runners.registration_token, "--name", "box")
    body = gitlab.runners.requests[0].body
    assert {key: value for key, value in body.items() if key not in ("info", "token")} == REGISTRATION


@pytest.mark.parametrize("answer, told", [
    ((403, {}, b""), "Registering runner... forbidden (check registration token)"),
    ((400, {"Content-Type": "application/json"}, b'{"message":{"runner.base":["too many","of \\u001b them"]}}'),
     "failed: status 400: runner.base: too many; of \\x1b them"),
    ((201, {"Content-Type": "application/json"}, b'{"id":3}'), "failed: the answer names no token"),
    ((201, {"Content-Type": "application/json"}, b'{"id":3,"token":"a b"}'), "failed: the answer names no token"),
])
def test_why_no_runner_was_made_is_told(register, gitlab, config, answer, told):
    gitlab.runners.answers = [answer]
    assert told in register("-r", "bad", status=1)
    assert not config.exists()


def test_a_gitlab_without_registration_tokens_is_told(register, gitlab, config):
    gitlab.runners.registration_token = None
    assert "make the runner there and give its token by --token" in register("-r", "any", status=1)
    assert not config.exists()


def test_a_person_is_asked(flotilla, gitlab, config):
    said = flotilla("register", answers=f"{gitlab.url}\n{gitlab.runners.registration_token}\n\n\nx\nshell\ninstance\n",
                    variables={"RUNNER_NAME": "box"})
    assert re.findall(r"(Enter .*)|\[(\w+)\]: ", said) == [
        ("Enter the GitLab instance URL (for example, https://gitlab.com/):", ""),
        ("Enter the registration token:", ""),
        ("Enter a description for the runner:", ""), ("", "box"),
        ("Enter tags for the runner (comma-separated):", ""),
        ("Enter optional maintenance note for the runner:", ""),
        ("Enter an executor: instance:", ""), ("", "instance"),
        ("Enter an executor: instance:", ""), ("", "instance")]
    assert "Invalid executor specified" in said and gitlab.runners.registration_token not in said
    body = gitlab.runners.requests[0].body
    assert body["description"] == "box" and "tag_list" not in body and body["maintenance_note"] == "x"
    assert written(config)[0]["executor"] == "instance"


def test_a_terminal_does_not_show_the_token(binary, gitlab, config, environment):
    terminal = Terminal([binary, "register", "-c", config, "-u", gitlab.url, "--name", "box"], env=environment)
    for question, answer in (("GitLab instance URL", ""), ("registration token", gitlab.runners.registration_token),
                             ("description", ""), ("tags", ""), ("maintenance note", ""), ("executor", "")):
        assert wait_for(lambda question=question: question in terminal.text()), terminal.text()
        os.write(terminal.master, answer.encode() + b"\n")
    assert terminal.child.wait(PATIENCE) == 0
    assert gitlab.runners.registration_token not in terminal.text()
    assert written(config)[0]["id"] == 8


def test_input_that_ends_is_told(flotilla, config):
    assert "the input ended before --url was answered" in flotilla("register", status=1)
    assert "--url needs to be entered" in flotilla("register", "-n", status=1)
    assert not config.exists()


# What is not to be left behind

@pytest.mark.parametrize("option, text", [(["-t", TOKEN], "runners = []\n"),
                                          (["-r", "GR1348941aRegistration00"], "concurrent = \n")])
def test_a_file_that_cannot_be_changed_is_told_before_gitlab_hears(register, gitlab, config, option, text):
    config.write_text(text)
    assert str(config) in register(*option, status=1)
    assert not gitlab.runners.requests and config.read_text() == text


@pytest.mark.parametrize("token_option, gone", [(("-r", "GR1348941aRegistration00"), ["DELETE runners 204"]),
                                                (("-t", TOKEN), ["DELETE runners/managers 204"]),
                                                (("-t", "aLegacyToken"), [])])  # it was there before
def test_who_is_interrupted_unregisters_again(binary, gitlab, config, environment, token_option, gone):
    if "aLegacyToken" in token_option:
        gitlab.runner_token = "aLegacyToken"
    gitlab.runners.held = threading.Event()
    command = subprocess.Popen([binary, "register", "-n", "-u", gitlab.url, "-c", config, *token_option],
                               env=environment, stderr=subprocess.PIPE, text=True)
    assert wait_for(lambda: gitlab.runners.requests)
    command.send_signal(signal.SIGINT)
    gitlab.runners.held.set()
    said = command.communicate(timeout=PATIENCE)[1]
    assert command.returncode == 1 and "RECEIVED SIGNAL: Interrupt" in said
    assert calls(gitlab)[1:] == gone and not config.exists()


def test_unless_the_runner_is_to_stay(binary, gitlab, config, environment):
    gitlab.runners.held = threading.Event()
    # Tests that run in the background of a shell inherit that the signal is ignored.
    command = subprocess.Popen(["env", "--default-signal=INT", binary, "register", "-n", "-u", gitlab.url, "-c", config,
                                "--leave-runner", "-r", gitlab.runners.registration_token], env=environment)
    assert wait_for(lambda: gitlab.runners.requests)
    command.send_signal(signal.SIGINT)
    assert command.wait(PATIENCE) == -signal.SIGINT
    gitlab.runners.held.set()
    assert calls(gitlab) == ["POST runners 201"]


def test_a_template_fills_what_was_not_said(register, flotilla, gitlab, config, folder):
    (folder / "template.toml").write_text('concurrent = 9\n[[runners]]\n  # why\n  name = "of the template"\n'
                                          '  token = "not this"\n  limit = 4\n  executor = "instance"\n'
                                          '  [runners.autoscaler]\n    plugin = "local"  # here\n')
    register("-t", TOKEN, "--template-config", folder / "template.toml", "--limit", "5")
    text = config.read_text()
    runner, = written(config)
    assert (runner["name"], runner["limit"], runner["token"]) == ("of the template", 5, TOKEN)
    assert "  # why\n" in text and 'plugin = "local"  # here\n' in text and "concurrent = 9" not in text
    assert runner["autoscaler"] == {"plugin": "local"} and "# [runners.autoscaler]" not in text


def test_a_template_has_one_entry(register, gitlab, folder):
    (folder / "template.toml").write_text("[[runners]]\n[[runners]]\n")
    assert "must contain exactly one [[runners]]" in register("-t", TOKEN, "--template-config",
                                                               folder / "template.toml", status=1)
    assert not gitlab.runners.requests


# The other commands

def test_list_shows_no_more_of_a_token_than_a_log(flotilla, gitlab, config):
    write(config, entry(gitlab, more='  executor = "instance"\n'))
    said = json.loads(flotilla("list", "--log-format", "json").splitlines()[1])
    assert (said["msg"], said["Executor"], said["URL"], said["Token"]) == ("a", "instance", gitlab.url, "k9XyZ012")


def test_verify_tells_who_is_valid_and_who_was_removed(flotilla, gitlab, config):
    write(config, entry(gitlab), entry(gitlab, "b", "glrt-gone"))
    before = config.read_text()
    said = flotilla("verify", status=1)
    assert "Verifying runner... is valid" in said and "Verifying runner... is not valid" in said
    assert "Failed to verify runners" in said and config.read_text() == before
    assert "Updated" in flotilla("verify", "--delete")
    assert config.read_text() == "# kept\n" + entry(gitlab)


def test_whom_gitlab_does_not_deny_stays(flotilla, gitlab, config):
    write(config, entry(gitlab))
    gitlab.runners.answers = [(500, {}, b"")] * 5
    assert "Verifying runner... failed" in flotilla("verify", "--delete")
    assert len(written(config)) == 1


@pytest.mark.parametrize("words, asked", [
    (["--name", "b"], ["glrt-gone"]), (["--token", TOKEN], [TOKEN]), (["--url", "*", "--token", TOKEN], [TOKEN])])
def test_verify_asks_for_whom_it_is_told(flotilla, gitlab, config, words, asked):
    write(config, entry(gitlab), entry(gitlab, "b", "glrt-gone"))
    flotilla("verify", *words, status=1 if "b" in words else 0)
    assert [request.body["token"] for request in gitlab.runners.requests] == asked


@pytest.mark.parametrize("words", [["--name", "c"], ["--url", "*", "--token", "x"], ["--token", "x"], ["--url", "*"]])
def test_verify_of_nobody_fails(flotilla, gitlab, config, words):
    write(config, entry(gitlab))
    assert "no runner matches the filtering parameters" in flotilla("verify", *words, status=1)
    assert not gitlab.runners.requests


def test_unregister_takes_the_manager_of_a_made_token(flotilla, gitlab, config, folder):
    write(config, entry(gitlab), entry(gitlab, "b", "glrt-other"))
    flotilla("verify", "--name", "a")
    said = flotilla("unregister", "--name", "a")
    assert "Unregistering runner manager from GitLab succeeded" in said
    assert gitlab.runners.requests[-1].body == {"token": TOKEN,
                                                "system_id": (folder / ".runner_system_id").read_text()}
    assert gitlab.runners.runners[7].managers == set()
    assert config.read_text() == "# kept\n" + entry(gitlab, "b", "glrt-other")


def test_unregister_takes_another_runner_whole(flotilla, gitlab, config):
    gitlab.runner_token = "aLegacyToken"
    write(config, entry(gitlab, token="aLegacyToken"))
    flotilla("unregister", "--token", "aLegacyToken")
    assert calls(gitlab) == ["DELETE runners 204"] and config.read_text() == "# kept\n"


def test_what_gitlab_keeps_stays_in_the_file(flotilla, gitlab, config):
    gitlab.runner_token = "aLegacyToken"
    write(config, entry(gitlab, "b", "unknown"), entry(gitlab, token="aLegacyToken"))
    assert "Unregistering runner from GitLab forbidden" in flotilla("unregister", "--name", "b", status=1)
    assert "Failed to unregister runner b" in flotilla("unregister", "--all-runners", status=1)
    assert config.read_text() == "# kept\n" + entry(gitlab, "b", "unknown")


def test_reset_token_writes_the_new_one(flotilla, gitlab, config):
    gitlab.runners.expires = "2031-02-03T04:05:06Z"
    write(config, entry(gitlab))
    said = flotilla("reset-token", "--name", "a")
    request, = gitlab.runners.requests
    assert request.body == {"token": TOKEN} and "RUNNER-TOKEN" not in request.headers
    runner, = written(config)
    assert runner["token"] == gitlab.runner_token != TOKEN and runner["token"] not in said
    assert runner["token_expires_at"].isoformat() == "2031-02-03T04:05:06+00:00"
    assert config.read_text().startswith("# kept\n[[runners]]\n  name")


def test_reset_token_by_a_person(flotilla, gitlab, config, folder):
    write(config, entry(gitlab, more="  id = 7\n"))
    (folder / "pat").write_text(gitlab.runners.personal_token + "\n")
    flotilla("reset-token", "--url", gitlab.url, "--id", "7", "--pat-file", folder / "pat")
    request, = gitlab.runners.requests
    assert request.path == "runners/7/reset_authentication_token" and request.body is None
    assert request.headers["PRIVATE-TOKEN"] == gitlab.runners.personal_token
    assert written(config)[0]["token"] == gitlab.runner_token


def test_a_token_that_cannot_be_written_is_not_reset(flotilla, gitlab, config):
    write(config, f"runners = [{{ name = 'a', url = '{gitlab.url}', token = '{TOKEN}' }}]\n")
    assert "by hand" in flotilla("reset-token", "--name", "a", status=1)
    assert not gitlab.runners.requests


# Entries whose token is elsewhere, or the same

def of_file(gitlab, file, name="f"):
    return entry(gitlab, name, more=f'  token_file = "{file}"').replace("token =", "# ")


def test_a_token_of_a_file_is_reset_there(flotilla, gitlab, config, folder):
    gitlab.runners.expires = "2031-02-03T04:05:06Z"
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "token").chmod(0o640)
    write(config, of_file(gitlab, folder / "token"))
    flotilla("reset-token", "--name", "f")
    assert (folder / "token").read_text() == gitlab.runner_token + "\n" != TOKEN + "\n"
    assert (folder / "token").stat().st_mode & 0o777 == 0o640
    runner, = written(config)
    assert "token" not in runner and runner["token_expires_at"].year == 2031
    assert "is valid" in flotilla("verify")


@pytest.mark.parametrize("content, told", [(None, "No such file or directory"), ("\n", "is empty")])
def test_an_entry_without_its_token_stops_no_other(flotilla, gitlab, config, folder, content, told):
    file = folder / "token"
    if content:
        file.write_text(content)
    write(config, of_file(gitlab, file), entry(gitlab))
    for words in (["list"], ["verify", "--delete"], ["reset-token", "--all-runners"], ["unregister", "--all-runners"]):
        said = flotilla(*words, status=1)
        assert re.search(f"{config}:2: .*'token_file': {file}.*{told}", said), said
    assert calls(gitlab) == ["POST runners/verify 200", "POST runners/reset_authentication_token 201",
                             "DELETE runners/managers 204"]
    assert config.read_text() == "# kept\n" + of_file(gitlab, file)
    assert f"runner 'f': {config}:2: " in flotilla("unregister", "--name", "f", status=1)


def test_entries_of_one_runner_are_one(flotilla, gitlab, config):
    write(config, entry(gitlab), entry(gitlab, "b", "glrt-gone"), entry(gitlab, "c"), entry(gitlab, "d", "glrt-gone"))
    flotilla("reset-token", "--name", "c")
    assert [runner["token"] for runner in written(config)] == [gitlab.runner_token, "glrt-gone"] * 2
    flotilla("verify", "--delete")
    assert [runner["name"] for runner in written(config)] == ["a", "c"]
    flotilla("unregister", "--token", gitlab.runner_token)
    assert calls(gitlab)[1:] == ["POST runners/verify 200", "POST runners/verify 403", "DELETE runners/managers 204"]
    assert config.read_text() == "# kept\n"


def test_where_no_file_is_there_is_no_runner(flotilla, config):
    for words in (["list"], ["verify"], ["unregister", "--all-runners"], ["reset-token", "--all-runners"]):
        assert f"WARNING: {config}: No such file or directory; so there is no runner" in flotilla(*words)
    assert "no such runner" in flotilla("unregister", "--name", "a", status=1) and not config.exists()


def test_unregister_takes_the_token_of_the_environment(flotilla, gitlab, config):
    write(config, entry(gitlab), entry(gitlab, "b", "glrt-other"))
    assert "no runner matches" not in flotilla("verify", variables={"CI_SERVER_TOKEN": "glrt-none"}, status=1)
    flotilla("unregister", variables={"CI_SERVER_TOKEN": TOKEN})
    assert config.read_text() == "# kept\n" + entry(gitlab, "b", "glrt-other")


@pytest.mark.parametrize("words, told", [
    (["unregister"], "say which runner by --name or --token"), (["reset-token"], "say which runner"),
    (["register", "--locked=maybe"], "--locked 'maybe' is neither true nor false"),
    (["register", "--limit", "x"], "--limit 'x' is no number"), (["verify", "x"], "there is no argument 'x'"),
    (["list", "--log-level", "loud"], "--log-level 'loud' is none of"), (["list", "--nothing"], "no option --nothing")])
def test_wrong_words_are_told(flotilla, words, told):
    assert told in flotilla(*words, status=2)


# As `gitlab-runner`

@pytest.fixture
def runner(binary, folder):
    (folder / "gitlab-runner").symlink_to(binary)
    return folder / "gitlab-runner"


def test_scripts_find_the_version(flotilla, runner):
    assert re.match(r"Version: +\d+\.\d+", flotilla("--version", program=runner))


def test_options_before_the_command_hold(flotilla, gitlab, config, runner):
    write(config, entry(gitlab))
    said = flotilla("--log-format", "json", "-l", "info", "verify", "--name", "a", program=runner)
    assert json.loads(said)["msg"] == "Verifying runner... is valid"
    assert "Verifying runner... is valid" in flotilla("--debug", "verify", program=runner)


@pytest.mark.parametrize("command, told", [("status", "systemctl status flotilla"), ("restart", "systemctl restart flotilla"),
                                           ("install", "systemctl enable --now flotilla"),
                                           ("artifacts-uploader", "flotilla-helper")])
def test_what_others_do_is_said(flotilla, runner, command, told):
    assert told in flotilla(command, program=runner, status=1)


def test_a_unit_of_gitlab_runner_starts_the_manager(flotilla, runner, config):
    said = flotilla("--debug", "run", "--config", config, "--working-directory", "/tmp", "--service", "x",
                    "--user", "nobody", "--syslog", program=runner, status=1)
    assert f"{config}: No such file or directory" in said


# GitLab's API as python-gitlab knows it

@pytest.fixture
def person(gitlab):
    client = python_gitlab.Gitlab(gitlab.url, private_token=gitlab.runners.personal_token, retry_transient_errors=False)
    client.auth()
    return client


def refused(call, *words, **attributes):
    with pytest.raises(python_gitlab.GitlabError) as refusal:
        call(*words, **attributes)
    return refusal.value.response_code, refusal.value.error_message


def test_a_runner_that_a_person_makes_is_registered_renewed_and_removed(flotilla, register, person, config):
    made = person.user.runners.create({"runner_type": "instance_type", "tag_list": ["a", "b"], "description": "of a person"})
    register("--token", made.token, "--name", "box")
    assert written(config)[0]["id"] == made.id and person.runners.get(made.id).description == "of a person"
    person.runners.verify(made.token)
    flotilla("reset-token", "--name", "box")
    token = written(config)[0]["token"]
    person.runners.verify(token)
    assert refused(person.runners.verify, made.token) == (403, "403 Forbidden")
    person.runners.delete(made.id)
    assert "Verifying runner... is not valid" in flotilla("verify", "--delete") and "runners" not in tomllib.loads(config.read_text())


def test_a_runner_that_a_library_registers_is_ours_to_renew(flotilla, gitlab, person, config):
    gitlab.runners.expires = "2031-02-03T04:05:06.789Z"
    runner = person.runners.create({"token": gitlab.runners.registration_token, "description": "box", "tag_list": ["a"],
                                    "run_untagged": False, "maximum_timeout": 600, "info": {"name": "x"}})
    assert runner.token_expires_at == "2031-02-03T04:05:06.789Z"
    write(config, entry(gitlab, token=runner.token))
    assert "Verifying runner... is alive" in flotilla("verify")
    renewed = person.http_post("/runners/reset_authentication_token", post_data={"token": runner.token})
    assert set(renewed) == {"token", "token_expires_at"}
    assert refused(person.http_delete, "/runners", token=runner.token) == (403, "403 Forbidden")
    person.http_delete("/runners", token=renewed["token"])
    assert refused(person.runners.get, runner.id) == (404, "404 Not found")


def test_what_gitlab_refuses_a_library_understands(gitlab, person):
    def create(**attributes):
        return refused(person.runners.create, {"token": gitlab.runners.registration_token, **attributes})

    assert create(token="other") == (403, "403 Forbidden - invalid token supplied")
    assert create(maximum_timeout=599)[1] == {"maximum_timeout": ["needs to be at least 10 minutes"]}
    assert create(run_untagged=False)[0] == 400 and create(maintenance_note="x" * 1025)[0] == 400
    assert create(access_level="no") == (400, "access_level does not have a valid value")
    assert refused(person.http_post, "/runners/verify") == (400, "token is missing")
    assert refused(person.http_delete, "/runners/managers", token=TOKEN) == (400, "system_id is missing")
    assert refused(person.http_delete, "/runners/managers", token=TOKEN, system_id="s") == (
        404, "404 Runner manager not found Not Found")
    gitlab.runners.runners[7].expires = "2020-01-01T00:00:00Z"
    assert refused(person.runners.verify, TOKEN)[0] == 403
    gitlab.runners.registration_token = None
    assert create(token="any") == (410, "410 Gone - runner registration disallowed")
    gitlab.runners.personal_token = "another"
    assert refused(person.http_get, "/user")[0] == 401
