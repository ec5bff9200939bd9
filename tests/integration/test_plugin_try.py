"""`flotilla plugin try RUNNER`: each step is told, a failure in one sentence, and nothing stays behind."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from checker.run import PATIENCE, wait_for
from machines import Machine
from nesting_daemon import TYPES, Daemon
from scripted import QUOTA

CONFIG = """\
[[runners]]
  name = "cloud"
  url = "http://127.0.0.1:1"
  token = "glrt-t1_notHere0123456789"
  executor = "instance"
  [runners.autoscaler]
    plugin = "{plugin}"
    update_interval_when_expecting = "50ms"
    [runners.autoscaler.connector_config]
      timeout = "{timeout}"
      {connector}
    [runners.autoscaler.plugin_config]
{plugin_config}
"""


class Try:
    def __init__(self, folder, binary, plugins, plugin_config="", plugin="local", connector="", timeout="20s"):
        self.folder, self.state = folder, folder / "tmp"
        self.state.mkdir()
        config = folder / "config.toml"
        config.write_text(CONFIG.format(plugin=plugin, plugin_config=plugin_config, connector=connector,
                                        timeout=timeout))
        config.chmod(0o600)
        self.command = [binary, "plugin", "try", "cloud", "--config", config, "--plugin-dir", plugins]
        self.environment = {**os.environ, "TMPDIR": str(self.state)}

    def start(self, *more):
        return subprocess.Popen([*self.command, *more], env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def run(self, *more):
        process = self.start(*more)
        output = process.communicate(timeout=PATIENCE)[0]
        return process.returncode, output

    def leaves_nothing(self):
        """No directory, and no process that names one below it."""
        assert list(self.state.iterdir()) == []
        # A killed process may still be about to go.
        assert wait_for(lambda: subprocess.run(["pgrep", "-f", str(self.state)], capture_output=True).stdout == b"")


def steps(output):
    return re.findall(r"^(ok|FAIL) +(\w+) +[0-9.]+ s  ", output, re.M)


@pytest.fixture
def new_try(folder, binary, plugin_dir):
    return lambda *config, plugins=plugin_dir, **settings: Try(folder, binary, plugins, *config, **settings)


@pytest.mark.sample
def test_a_group_that_works(new_try):
    attempt = new_try('boot_delay = "200ms"')
    status, output = attempt.run()
    assert status == 0, output
    assert [name for _, name in steps(output)] == ["plugin", "open", "list", "increase", "boot", "address", "connect",
                                                   "command", "remove"]
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert f"s  {user} on {os.uname().sysname} {os.uname().release}" in output
    assert "as the provider says" in output and output.endswith("runner 'cloud' works\n")
    attempt.leaves_nothing()


def isolated(folder, plugin="nesting"):
    return (f'[runners.autoscaler.vm_isolation]\nenabled = true\nplugin = "{plugin}"\n'
            f'nesting_host = "unix://{folder}/nesting.sock"\n')


def test_with_vm_isolation_the_daemon_is_asked_and_its_vms_are_left_alone(new_try, folder, plugin_dir, build):
    daemon = Daemon(f"unix:{folder}/nesting.sock")
    daemon.vms["nesting-1"] = TYPES["VirtualMachine"](id="nesting-1")
    attempt = new_try(isolated(folder), plugins=f"{plugin_dir}:{build / 'plugins' / 'nesting'}")
    status, output = attempt.run()
    daemon.close()
    assert status == 0, output
    assert [name for _, name in steps(output)][-3:] == ["command", "vms", "remove"]
    assert "s  plugin 'nesting' reaches what makes VMs, there is 1\n" in output
    assert daemon.names() == ["List", "Init", "List"]
    attempt.leaves_nothing()


@pytest.mark.parametrize("plugin, step, sentence", [("nesting", "vms", "nesting.sock"),
                                                    ("local", "plugin", "plugin 'local' makes instances and no VMs")])
def test_without_a_daemon_or_its_plugin_vm_isolation_does_not_work(new_try, folder, plugin_dir, build, plugin, step, sentence):
    attempt = new_try(isolated(folder, plugin), plugins=f"{plugin_dir}:{build / 'plugins' / 'nesting'}")
    status, output = attempt.run()
    (failed,) = [line for line in output.splitlines() if line.startswith("FAIL")]
    assert status == 1 and failed.split()[1] == step and sentence in failed, output
    attempt.leaves_nothing()


@pytest.mark.parametrize("settings, step, sentence", [
    (dict(plugin="not-there"), "plugin", "plugin 'not-there' is not installed"),
    (dict(plugin_config='max_size = "many"'), "open", "plugin_config.max_size must be an integer"),
    (dict(plugin_config='increase_error = "quota"'), "increase", "plugin_config.increase_error says so"),
    (dict(plugin_config='failure = "never_boots"\nboot_timeout = "100ms"'), "boot", "failed before it ran"),
    (dict(plugin_config='boot_delay = "1h"'), "boot", "does not run within the time; --timeout gives it more"),
    (dict(plugin_config='failure = "dead_end"', timeout="1s"), "connect", "127.0.0.1"),
    (dict(connector='key_path = "/not/there"'), "plugin", "/not/there"),
])
def test_a_failure_is_one_sentence_and_what_was_ordered_is_removed(new_try, settings, step, sentence):
    attempt = new_try(**settings)
    status, output = attempt.run("--timeout", "1s")
    assert status == 1
    failed = [line for line in output.splitlines() if line.startswith("FAIL")]
    assert len(failed) == 1 and failed[0].split()[1] == step and sentence in failed[0], output
    order = [name for _, name in steps(output)]
    assert ("remove" in order) == (order.index(step) > order.index("increase") if "increase" in order else False)
    attempt.leaves_nothing()


@pytest.mark.parametrize("at_ms, told", [(0, True), (1, False)])
def test_an_order_that_brings_nothing_is_told_with_what_the_cloud_says_of_growth_since(new_try, folder, build, at_ms, told):
    cloud = folder / "cloud"
    cloud.mkdir()
    (cloud / "signals").write_text(f"{QUOTA} - {at_ms} no machines are left in this zone\n")
    attempt = new_try(f'dir = "{cloud}"', plugin=build / "tests" / "fakes" / "scripted_provider.so")
    status, output = attempt.run("--timeout", "1s")
    assert status == 1 and ("FAIL", "boot") in steps(output), output
    assert "(none appeared) does not run within the time; --timeout gives it more" in output, output
    assert ("; the cloud says: no machines are left in this zone" in output) == told, output


def read_until(process, text):
    seen = ""
    while text not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    return seen


@pytest.mark.parametrize("config, after", [
    ('boot_delay = "1h"', " increase "),  # while it boots
    ('failure = "dead_end"', " address "),  # while it connects
])
def test_an_interrupt_removes_what_was_ordered(new_try, config, after):
    attempt = new_try(config)
    process = attempt.start()
    output = read_until(process, after)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output += process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1
    assert "interrupted" in output and ("ok", "remove") in steps(output), output
    attempt.leaves_nothing()


def test_what_the_instance_says_is_read_in_a_confined_process(new_try, sanitized):
    if sanitized:
        pytest.skip("sanitizers need what the sandbox takes away")
    process = new_try('failure = "dead_end"').start()
    read_until(process, " address ")

    def confined():
        pid = subprocess.run(["pgrep", "-P", str(process.pid), "-x", "flotilla-probe"], capture_output=True,
                             text=True).stdout.strip()
        status = Path(f"/proc/{pid}/status") if pid else None
        return status and status.exists() and re.search(r"^NoNewPrivs:\t1\nSeccomp:\t2$", status.read_text(), re.M)

    assert wait_for(confined)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)


def test_an_interrupt_before_the_order_ends_it(folder, new_try, binary):
    attempt = new_try()
    process = attempt.start()
    read_until(process, " plugin ")
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=PATIENCE)[0]
    assert "increase" not in output or ("ok", "remove") in steps(output)
    attempt.leaves_nothing()


def test_a_provider_that_crashes_is_told(new_try, fakes):
    attempt = new_try(plugin=fakes / "wrong_crashes.so")
    status, output = attempt.run()
    assert status == 1
    assert [name for result, name in steps(output) if result == "FAIL"] == ["list"]
    assert "signal" in output
    attempt.leaves_nothing()


def test_an_order_without_an_answer_is_looked_after(new_try):
    """The cloud may have acted, or not: here it did not."""
    attempt = new_try('increase_error = "unavailable"')
    status, output = attempt.run("--timeout", "300ms")
    assert status == 1
    assert [step for step in steps(output) if step[0] == "FAIL"] == [("FAIL", "increase"), ("FAIL", "remove")]
    assert "the order had no answer and no instance appeared; look whether one does" in output


def test_a_host_key_that_is_not_the_pinned_one_ends_it(folder, build, new_try):
    machine, other = Machine(folder, "m"), Machine(folder, "other")
    try:
        table = machine.toml(host_keys=[other.host_key])
        attempt = new_try(table, plugin="static", plugins=build / "plugins" / "static")
        status, output = attempt.run()
        assert status == 1 and "none of those that the provider vouches for; nothing was sent" in output
        assert ("ok", "remove") in steps(output)
        attempt.leaves_nothing()
    finally:
        machine.close()
        other.close()


def test_an_unknown_runner_is_named_with_those_there_are(new_try):
    attempt = new_try()
    attempt.command[3] = "clout"
    status, output = attempt.run()
    assert status == 1
    assert "has no [[runners]] entry named 'clout'; it has 'cloud'" in output
