"""The commands as a person calls them: one line says what is wrong, and the exit status means it."""

import os
import subprocess
import time

import pytest

from checker.run import PATIENCE

CONFIG = """
state_dir = "{state}"
check_interval = 1
[[runners]]
  name = "only"
  url = "http://127.0.0.1:1"
  token = "glrt-t1_k9XyZ012345abcdefgh"
  executor = "instance"
  [runners.autoscaler]
    plugin = "{plugin}"
    max_instances = {max_instances}
    [runners.autoscaler.plugin_config]
      name = "cli"
      max_size = {max_size}
"""


@pytest.fixture
def call(folder, binary):
    def run(*arguments, timeout=60, **environment):
        return subprocess.run([binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=folder, timeout=timeout, env={**os.environ, "HOME": str(folder), **environment})
    return run


def write_config(folder, plugin="local", max_instances=2, max_size=4):
    config = folder / "config.toml"
    config.write_text(CONFIG.format(state=folder / "state", plugin=plugin, max_instances=max_instances,
                                    max_size=max_size))
    config.chmod(0o600)
    return config


WRONG = [
    ("an unknown option", ["exec", "--fast"], "flotilla exec: there is no option --fast"),
    ("an unknown letter", ["status", "-x"], "flotilla status: there is no option -x"),
    ("a missing value", ["run", "--config"], "flotilla run: option --config needs a value"),
    ("a missing value of a letter", ["explain", "-c"], "flotilla explain: option -c needs a value"),
    ("a value too much", ["exec", "--verbose=2"], "flotilla exec: option --verbose=2 takes no value"),
    ("an argument too much", ["status", "extra"], "flotilla status: there is no argument 'extra'"),
    ("two of them", ["explain", "one", "two"], "flotilla explain: there is no argument 'two'"),
    ("a drain of nothing", ["drain"], "flotilla drain: the name of a runner or the id of an instance is missing"),
    ("a removal of nothing", ["remove"], "flotilla remove: the id of an instance is missing"),
    ("force where it has no meaning", ["drain", "x", "--force"], "flotilla drain: there is no option --force"),
    ("a fleet of two", ["fleet", "a", "b"], "flotilla fleet: there is no argument 'b'"),
    ("an audit of one", ["audit", "x"], "flotilla audit: there is no argument 'x'"),
    ("an argument of run", ["run", "extra"], "flotilla run: there is no argument 'extra'"),
    ("a log as JSON", ["logs", "1", "--json"], "flotilla logs: there is no option --json"),
    ("a shell as JSON", ["ssh", "1", "--json"], "flotilla ssh: there is no option --json"),
    ("a log of no level", ["run", "--log-level", "loud"], "flotilla run: --log-level 'loud' is none of error, warning, notice, info, debug"),
    ("a log of no form", ["run", "--log-format", "xml"], "flotilla run: --log-format 'xml' is none of text, json, runner"),
    ("no verb", ["plugin"], "flotilla plugin: one of list, info, check and try is missing"),
    ("an unknown verb", ["plugin", "bogus"], "flotilla plugin: 'bogus' is none of list, info, check and try"),
    ("a list of something", ["plugin", "list", "x"], "flotilla plugin: list takes no argument 'x'"),
    ("no verb of config", ["config"], "flotilla config: check is missing"),
    ("an unknown verb of config", ["config", "lint"], "flotilla config: 'lint' is not check"),
    ("a check of nothing", ["config", "check"], "flotilla config: check needs the name of a file"),
    ("a check of two", ["config", "check", "a", "b"], "flotilla config: there is no argument 'b'"),
    ("info of nothing", ["plugin", "info"], "flotilla plugin: info needs the name or the file of a plugin"),
]


@pytest.mark.parametrize("arguments,problem", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_command_line_is_one_line_that_names_it(call, arguments, problem):
    result = call(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"{problem}; see `flotilla {arguments[0]} --help`\n"


@pytest.mark.parametrize("command", ["run", "exec", "status", "explain", "fleet", "drain", "undrain", "remove", "audit", "plugin", "config"])
def test_help_is_on_stdout(call, command):
    result = call(command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: flotilla {command} ")


@pytest.mark.parametrize("command", ["status", "explain", "fleet", "logs", "ssh", "audit", "drain", "undrain", "remove", "hold",
                                     "release", "reload", "doctor"])
def test_each_option_of_who_asks_the_manager_has_its_line(call, command):
    told = call(command, "--help").stdout
    shared = {"--config", "--state-dir", "--json"} - ({"--json"} if command in ("logs", "ssh") else set())
    assert {line.split()[0] for line in told.splitlines() if line.startswith("  --")} >= shared
    assert "/config.toml" in told


@pytest.mark.parametrize("command", ["spawner", "provider"])
def test_what_flotilla_starts_itself_says_so(call, command):
    result = call(command)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (f"flotilla: '{command}' is started by flotilla itself; `flotilla --help` lists the "
                             "commands\n")


@pytest.mark.parametrize("command", [["status"], ["explain"], ["fleet"], ["drain", "x"], ["undrain", "x"], ["remove", "x"],
                                     ["audit"]], ids=lambda command: command[0])
def test_a_command_without_a_manager_says_so(call, folder, command):
    (folder / "state").mkdir()
    result = call(*command, "--state-dir", "state")
    assert (result.returncode, result.stdout) == (2 if command == ["audit"] else 1, "")
    assert result.stderr.startswith("flotilla: no flotilla answers at state/control.sock (is `flotilla run` running")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "explain"])
def test_a_configuration_that_is_named_must_be_there_and_whole(call, folder, command):
    result = call(command, "--config", "nowhere.toml")
    assert (result.returncode, result.stderr) == (1, "flotilla: nowhere.toml: No such file or directory\n")
    (folder / "broken.toml").write_text("concurrent = [\n")
    result = call(command, "--config", "broken.toml")
    assert result.returncode == 1
    assert result.stderr.startswith("flotilla: broken.toml:") and result.stderr.count("\n") == 1


def test_run_without_a_configuration_names_the_option(call):
    result = call("run", "--config", "nowhere.toml")
    assert result.returncode == 1
    assert result.stderr == "error: nowhere.toml: No such file or directory; --config FILE names another one\n"


def test_plugin_folders_and_files_have_to_be_there(call, folder, plugin_dir):
    result = call("plugin", "list", "--plugin-dir", f"{plugin_dir}:/nonexistent")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "flotilla: --plugin-dir /nonexistent: No such file or directory\n"
    result = call("plugin", "info", str(plugin_dir))
    assert result.returncode == 1
    assert result.stderr == f"flotilla: {plugin_dir} is a folder; name a file in it, or give it with --plugin-dir\n"
    result = call("plugin", "info", "folder/absent.so")
    assert (result.returncode, result.stderr) == (1, "flotilla: folder/absent.so: No such file or directory\n")
    result = call("plugin", "list", PATH="/nowhere", FLOTILLA_PLUGIN_PATH="")
    assert ".so\n" in result.stdout or (  # somebody may have installed one
        result.stderr == "flotilla: no plugin is in the plugin path; --plugin-dir DIR adds a folder\n")
    result = call("plugin", "check", f"{plugin_dir}/local.so", "--config", "nowhere.json")
    assert (result.returncode, result.stderr) == (1, "flotilla: nowhere.json: No such file or directory\n")
    (folder / "list.json").write_text("[]")
    result = call("plugin", "check", f"{plugin_dir}/local.so", "--config", "list.json")
    assert (result.returncode, result.stderr) == (1, "flotilla: list.json: it holds no JSON object\n")


def test_a_full_plugin_name_is_looked_for_as_it_is(call):
    result = call("plugin", "info", "aws")
    assert "no fleeting-plugin-aws.so is in " in result.stderr
    assert ("neither nowhere.so nor fleeting-plugin-nowhere.so is in --plugin-dir (not given), "
            in call("plugin", "info", "nowhere").stderr)


UNUSABLE = [
    ("a plugin that is not there", {"plugin": "nowhere"}, "plugin 'nowhere' is not installed"),
    ("more instances than the group allows", {"max_instances": 9}, "max size option exceeds instance group's max size"),
    ("a value of the wrong type", {"max_size": '"many"'}, "max_size"),
]


@pytest.mark.parametrize("settings,problem", [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_a_manager_that_can_never_run_a_job_ends(call, folder, plugin_dir, settings, problem):
    result = call("run", "--config", str(write_config(folder, **settings)), "--plugin-dir", str(plugin_dir))
    assert result.returncode == 1
    assert problem in result.stderr
    assert "no runner can take jobs, stopping" in result.stderr


def test_a_manager_without_runners_ends(call, folder):
    (folder / "empty.toml").write_text("concurrent = 1\n")
    (folder / "empty.toml").chmod(0o600)
    result = call("run", "--config", "empty.toml")
    assert result.returncode == 1
    assert result.stderr.endswith("error: empty.toml has no [[runners]], so no job would ever come\n")


def test_explaining_a_runner_that_is_not_there_is_an_error(call, folder, binary, plugin_dir):
    config = str(write_config(folder))
    with subprocess.Popen([binary, "run", "--config", config, "--plugin-dir", plugin_dir], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as manager:
        try:
            deadline = time.monotonic() + PATIENCE
            while call("status", "--config", config).returncode != 0:
                assert time.monotonic() < deadline and manager.poll() is None
            assert call("explain", "only", "--config", config).returncode == 0
            result = call("explain", "nosuch", "--config", config)
            assert (result.returncode, result.stdout) == (1, "")
            assert result.stderr == "flotilla: there is no runner, instance or job 'nosuch'; `flotilla fleet` lists them\n"
        finally:
            manager.terminate()
    assert manager.returncode == 0
