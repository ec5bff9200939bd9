"""`flotilla ssh`: the system's ssh logs in as the manager does, to a real sshd; in a job's directory, in its VM."""

import getpass
import os
import re
import shutil
import signal
import subprocess

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from machines import Machine
from terminal import Terminal
from test_host_keys import change_host_key, new_run, only_instance, run_job, shown_key
from test_operator import begin, finish, instance_of, refused, status
from vm_run import VmRun

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="there is no ssh here")


def enter(run, where, *command):
    """A command by `flotilla ssh`."""
    return subprocess.run([run.binary, "ssh", where, "--state-dir", run.state_dir, "--", *command],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)


def test_a_command_runs_where_the_job_works_over_a_restart(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    begin(run, run.held_job(1))
    name = instance_of(run, 1)
    run.kill()
    run.start()
    assert run.wait_up()
    assert wait_for(lambda: [job["worker_connected"] for job in status(run)["jobs"]] == [True])
    assert wait_for(lambda: run.daemon_log.read_text().count("plugin initialized") == 2), run.log_tail()
    result = enter(run, "job:1", "pwd; echo $FLOTILLA_LOCAL_INSTANCE; exit 7")
    assert (result.returncode, result.stderr) == (7, "")
    assert result.stdout.splitlines() == [run.marks.read_text().split()[4], name]
    there = enter(run, name, "pwd")
    assert there.returncode == 0 and "/builds/" not in there.stdout
    log = run.daemon_log.read_text()
    assert re.search(rf"an operator's command: user {os.getuid()} \(process \d+\) was told how to log in to instance "
                     rf"{name} of runner 'checker'\n", log)
    assert "PRIVATE KEY" not in log
    run.release(1)
    finish(run)


def test_a_shell_has_a_terminal_and_begins_where_the_job_works(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    begin(run, run.held_job(1))
    terminal = Terminal([binary, "ssh", "1", "--state-dir", run.state_dir], columns=200)
    terminal.type(b"echo at $(tty) in $PWD.; exit 5\n")
    assert terminal.ended() == 5
    assert re.search(rf"^at /dev/pts/\d+ in {run.marks.read_text().split()[4]}\.$", terminal.text(), re.M), terminal.text()
    run.release(1)
    finish(run)


@pytest.mark.parametrize("policy,enters", [("tofu", False), ("pin", False), ("accept", True)])
def test_an_instance_that_shows_another_key_is_entered_only_where_all_are(policy, enters, folder, binary, plugin_dir):
    run = new_run(folder, binary, plugin_dir, f'host_key_policy = "{policy}"')
    run.start()
    run_job(run, 1)
    name = only_instance(run)
    assert enter(run, name, "echo in").stdout == "in\n"
    change_host_key(run, name)
    result = enter(run, name, "echo in")
    assert (result.stdout, result.returncode) == (("in\n", 0) if enters else ("", 255)), result.stderr
    finish(run)


def test_the_key_that_an_instance_showed_first_is_the_right_one(folder, binary, build):
    """Where no provider vouches for it, the ledger does."""
    machine = Machine(folder, "east")
    run = Run(folder, binary, build / "plugins" / "static", plugin="static", plugin_extra=machine.toml(),
              coordinator=Coordinator(poll_seconds=0.5), max_instances=1, idle_count=1, idle_time="1h")
    run.start()
    run_job(run, 1)
    assert enter(run, "east", "echo on $MACHINE").stdout == "on east\n"
    first = shown_key(machine.port)
    for file in ("host_key", "host_key.pub"):
        (machine.home / file).unlink()
    machine.make_key("host_key")
    machine.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: shown_key(machine.port) not in (None, first))
    result = enter(run, "east", "echo on $MACHINE")
    assert (result.returncode, result.stdout) == (255, "")
    assert "Host key verification failed" in result.stderr or "HOST IDENTIFICATION HAS CHANGED" in result.stderr
    assert run.stop() == 0
    machine.close()


def test_a_person_says_whether_a_key_that_nobody_knows_is_right(folder, binary, build):
    """And is asked at the terminal; where there is none, the answer is no."""
    machine = Machine(folder, "east")
    run = Run(folder, binary, build / "plugins" / "static", plugin="static", plugin_extra=machine.toml(),
              coordinator=Coordinator(poll_seconds=0.5), max_instances=1, idle_count=1, idle_time="1h")
    run.start()
    assert run.wait_up() and wait_for(lambda: status(run)["instances"])
    result = enter(run, "east", "echo in")
    assert (result.returncode, result.stdout) == (255, ""), result.stderr
    for said, code in ((b"no", 255), (b"yes", 7)):
        terminal = Terminal([binary, "ssh", "east", "--state-dir", run.state_dir, "--", "exit 7"], columns=200)
        terminal.expect("(yes/no")
        terminal.type(said + b"\n")
        assert terminal.ended() == code, terminal.text()
    assert run.stop() == 0
    machine.close()


def test_a_job_in_a_vm_is_entered_by_way_of_its_instance(folder, binary, build, plugin_dir):
    run = VmRun(folder, binary, build, plugin_dir)
    run.start()
    _, vm = run.start_job(1)
    result = enter(run, "1", "echo $FLOTILLA_LOCAL_INSTANCE; pwd")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"vm:{vm}", run.marks.read_text().split()[4]]
    run.release(1)
    finish(run)
    run.daemon.close()


def test_passwords_are_told_to_ssh_alone(folder, binary):
    """Which asks for them by a question that names the host."""
    (folder / "a").write_text("of the instance")
    (folder / "b").write_text("of the VM")
    environment = {"FLOTILLA_ASKPASS": str(folder / "a"), "FLOTILLA_ASKPASS_VM": str(folder / "b")}

    def ask(question, **extra):
        return subprocess.run([binary, question], env={**environment, **extra}, capture_output=True, text=True, check=False)

    assert ask("runner@flotilla-instance's password: ").stdout == "of the instance\n"
    assert ask("(runner@flotilla-vm) Password: ").stdout == "of the VM\n"
    for result in (ask("Are you sure you want to continue connecting (yes/no)? "),
                   ask("Allow use of key? password", SSH_ASKPASS_PROMPT="confirm"),
                   ask("Enter passphrase for key '/proc/1/fd/3': ")):
        assert (result.returncode, result.stdout) == (1, "")


def test_what_cannot_be_entered_is_told(scripted):
    run = scripted()
    run.start()
    run.wait_lists(2)
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: [job["state"] for job in run.status()["jobs"]] == ["acknowledged"], "the job waits")
    for word, why in {"1": "job 1 has no instance; `flotilla explain job:1` says why\n",
                      "job:2": "job '2' does not run here, and no instance is held for it\n",
                      "scripted": "'scripted' is a runner, and no job or instance; `flotilla status` lists both\n",
                      "nobody": "there is no job or instance 'nobody'; `flotilla fleet` lists them\n"}.items():
        result = run.ask("ssh", word)
        assert (result.returncode, result.stdout, result.stderr) == (1, "", "flotilla: " + why)


def test_an_instance_by_winrm_is_not_entered_by_ssh(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1h")
    run.start()
    name = only_instance(run)
    assert run.wait_up() and wait_for(lambda: status(run)["instances"])
    run.config.write_text(run.config.read_text().replace('timeout = "30s"', 'timeout = "30s"\nprotocol = "winrm"\n'
                                                         f'username = "{getpass.getuser()}"'))
    assert subprocess.run([binary, "reload", "--state-dir", run.state_dir], capture_output=True).returncode == 0
    assert refused(run, "ssh", name).startswith(f"flotilla: instance {name} is reached by winrm and not by ssh; enter it "
                                                f"as '{getpass.getuser()}' at ")
    finish(run)
