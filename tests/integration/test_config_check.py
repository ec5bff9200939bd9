"""`flotilla config check`: what an editor, a pipeline and a person get of it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"
GOOD = """concurrent = 2
[[runners]]
  name = "only"
  url = "http://127.0.0.1:1"
  token = "glrt-t1_k9XyZ012345abcdefgh"
  executor = "instance"
  [runners.autoscaler]
    plugin = "local"
    max_instances = 2
    [runners.autoscaler.plugin_config]
      name = "cli"
"""
ISOLATED = """    [runners.autoscaler.vm_isolation]
      enabled = true
      nesting_host = "unix:///run/nesting.sock"
"""


@pytest.fixture
def check(folder, binary, plugin_dir):
    def run(text, *options):
        if isinstance(text, Path):
            shutil.copy(text, folder / "config.toml")
        elif text is not None:
            (folder / "config.toml").write_text(text)
        if text is not None:
            (folder / "config.toml").chmod(0o600)
        return subprocess.run([binary, "config", "check", "config.toml", "--plugin-dir", plugin_dir, *options],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder, timeout=60,
                              env={**os.environ, "PATH": "/nowhere", "FLOTILLA_PLUGIN_PATH": ""})
    return run


@pytest.mark.parametrize("example", sorted(path.name for path in DATA.glob("*.toml")))
def test_the_examples_pass_as_they_are_written_with_notes_at_most(check, example):
    result = check(DATA / example, "--strict")
    assert (result.returncode, result.stderr) == (0, "")
    *notes, summary = result.stdout.splitlines()
    assert all(re.match(r"note: config\.toml:\d+:\d+: ", line) for line in notes)
    assert summary.startswith("config.toml: 0 errors, 0 warnings, ")


def test_there_are_five_examples():
    assert len(list(DATA.glob("*.toml"))) == 5


def test_nothing_to_say(check):
    result = check(GOOD)
    assert (result.returncode, result.stdout) == (0, "config.toml: 0 errors, 0 warnings, 0 notes\n")


def test_an_unknown_key_is_a_warning_and_strictly_an_error(check):
    text = GOOD.replace("max_instances", "max_instance")
    for options, status in [((), 0), (("--strict",), 1)]:
        result = check(text, *options)
        assert result.returncode == status
        assert result.stdout.splitlines()[0] == (
            "warning: config.toml:9:5: [runners.autoscaler] has no setting 'max_instance', ignoring; did you mean "
            "'max_instances'?")


def test_the_plugin_is_asked_for_its_keys(check):
    result = check(GOOD + "      max_sise = 3\n      boot_delay = 5\n")
    assert result.returncode == 1
    assert result.stdout.splitlines()[:2] == [
        "warning: config.toml:12:7: [runners.autoscaler.plugin_config] has no setting 'max_sise', ignoring; did you "
        "mean 'max_size'?",
        "error: config.toml:13:20: [runners.autoscaler.plugin_config] 'boot_delay' must be a duration such as "
        "\"1m30s\", not a whole number"]


def test_a_plugin_that_is_no_plugin_is_a_warning(check, folder):
    rubbish = folder / "rubbish.so"
    rubbish.write_text("no ELF")
    result = check(GOOD.replace('"local"', f'"{rubbish}"'))
    assert result.returncode == 0
    assert re.match(r"warning: config\.toml:8:14: \[runners\.autoscaler\] 'plugin': .*rubbish\.so.*; 'flotilla run' refuses "
                    "the runner here, and 'plugin_config' is not checked$", result.stdout.splitlines()[0])


def test_json_is_one_document(check):
    result = check(GOOD.replace("max_instances = 2", "max_instance = -1\n    max_use_count = -1"), "--json")
    assert (result.returncode, result.stderr) == (1, "")
    document = json.loads(result.stdout)
    assert document["usable"] is False
    assert document["findings"] == [
        {"file": "config.toml", "line": 9, "column": 5, "level": "warning", "key": "runners[0].autoscaler.max_instance",
         "sentence": "[runners.autoscaler] has no setting 'max_instance', ignoring; did you mean 'max_instances'?"},
        {"file": "config.toml", "line": 10, "column": 21, "level": "error",
         "key": "runners[0].autoscaler.max_use_count",
         "sentence": "[runners.autoscaler] 'max_use_count' must be 0 to 1000000, not -1"}]


def test_json_of_a_good_file_and_of_none(check, folder):
    assert json.loads(check(GOOD, "--json").stdout) == {"usable": True, "findings": []}
    (folder / "config.toml").unlink()
    result = check(None, "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout) == {"usable": False, "findings": [
        {"file": "config.toml", "line": 1, "column": 1, "level": "error", "key": None,
         "sentence": "config.toml: No such file or directory"}]}


@pytest.mark.parametrize("plugin, told", [("nowhere", "vm_isolation: plugin 'nowhere' is not installed: neither "),
                                          ("local", "vm_isolation: plugin 'local' makes instances and no VMs")])
def test_a_runner_without_the_plugin_that_makes_its_vms_takes_no_jobs(folder, binary, plugin_dir, plugin, told):
    config = folder / "config.toml"
    config.write_text(f'state_dir = "{folder}/state"\n{GOOD}{ISOLATED}      plugin = "{plugin}"\n')
    config.chmod(0o600)
    result = subprocess.run([binary, "run", "--config", config, "--plugin-dir", plugin_dir], capture_output=True,
                            text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert result.returncode == 1
    assert told in result.stderr


@pytest.mark.parametrize("plugin, level, told", [
    ("nesting", None, ""),
    ("nowhere", "note", "plugin 'nowhere' is not installed: neither "),
    ("local", "warning", "plugin 'local' makes instances and no VMs; 'flotilla run' takes no jobs for the runner here"),
])
def test_the_plugin_that_makes_vms_is_looked_for(check, build, plugin_dir, plugin, level, told):
    result = check(f'{GOOD}{ISOLATED}      plugin = "{plugin}"\n      image = "i"\n'
                   '      [runners.autoscaler.vm_isolation.connector_config]\n        username = "u"\n        password = "p"\n',
                   "--json", "--plugin-dir", f"{plugin_dir}:{build / 'plugins' / 'nesting'}")
    found = [f for f in json.loads(result.stdout)["findings"] if "vm_isolation" in f["sentence"]]
    assert [f["level"] for f in found] == ([level] if level else [])
    assert all(told in f["sentence"] for f in found)
