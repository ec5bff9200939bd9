"""host_key_policy: the right instance gets its jobs, another one gets nothing (hardening.md N1, N2)."""

import os
import signal
import sqlite3
import subprocess
import time

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run
from test_run import assert_nothing_lost


def new_run(folder, binary, plugin_dir, connector):
    """One instance that serves job after job."""
    run = Run(folder, binary, plugin_dir, max_instances=1, idle_count=1, idle_time="1m")
    text = run.config.read_text()
    assert text.count('timeout = "30s"') == 1
    run.config.write_text(text.replace('timeout = "30s"', 'timeout = "30s"\n' + connector))
    return run


def run_job(run, job_id, lost_as=""):
    job = make_job(job_id, str(run.marks))
    job.lost_as = lost_as
    run.coordinator.add(job)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    state = run.coordinator.jobs[job_id]
    assert state.finals[0].get("failure_reason", "") == lost_as, run.log_tail()
    return state


def only_instance(run):
    deadline = time.monotonic() + PATIENCE
    while not run.watch.instances():
        assert time.monotonic() < deadline, run.log_tail()
        time.sleep(0.05)
    [name] = run.watch.instances()
    return name


def shown_key(port):
    out = subprocess.run(["ssh-keyscan", "-T", "2", "-t", "ed25519", "-p", str(port), "127.0.0.1"],
                         capture_output=True, text=True).stdout.split()
    return out[2] if len(out) == 3 else None


def change_host_key(run, name):
    """As if another machine answered at the instance's address; the provider still vouches for the first."""
    home = run.instances_dir / name
    port = next(line.split()[1] for line in (home / "sshd_config").read_text().splitlines()
                if line.startswith("Port"))
    vouched = (home / "host_key.pub").read_text()
    (home / "host_key").unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "host_key"], input="y\n",
                   text=True, stdout=subprocess.DEVNULL, check=True)
    (home / "host_key.pub").write_text(vouched)
    os.kill(int((home / "sshd.pid").read_text()), signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE
    while (key := shown_key(port)) in (None, vouched.split()[1]):
        assert time.monotonic() < deadline, "sshd does not show its new key"
        time.sleep(0.05)
    return key


def ledger(run, question):
    db = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    try:
        return db.execute(question).fetchall()
    finally:
        db.close()


def wait_replaced(run, name):
    deadline = time.monotonic() + PATIENCE
    while name in run.watch.instances():
        assert time.monotonic() < deadline, run.log_tail()
        time.sleep(0.05)
    assert ledger(run, f"SELECT remove_reason FROM instances WHERE id = '{name}'") == [("host_key_changed",)]


def finish(run):
    breaches = run.finish()
    assert_nothing_lost(run, breaches)


@pytest.mark.parametrize("policy", ["tofu", "pin"])
def test_an_instance_with_another_key_gets_nothing_and_is_replaced(policy, folder, binary, plugin_dir):
    run = new_run(folder, binary, plugin_dir, f'host_key_policy = "{policy}"')
    run.start()
    name = only_instance(run)
    run_job(run, 1)
    run_job(run, 2)
    known = ledger(run, "SELECT instance_id, type FROM host_keys")
    assert known == ([(name, "ssh-ed25519")] if policy == "tofu" else [])
    change_host_key(run, name)
    state = run_job(run, 3, lost_as="runner_system_failure")
    assert b"nothing was sent to it" in state.trace
    assert "begin 3 " not in run.marks.read_text()
    wait_replaced(run, name)
    run_job(run, 4)
    finish(run)


def test_accept_takes_any_key_and_says_so_once(folder, binary, plugin_dir):
    run = new_run(folder, binary, plugin_dir, 'host_key_policy = "accept"')
    run.start()
    run_job(run, 1)
    change_host_key(run, only_instance(run))
    run_job(run, 2)
    finish(run)
    assert run.daemon_log.read_text().count('(host_key_policy "accept")') == 1


def test_a_password_for_a_stranger_is_warned_of_once(folder, binary, plugin_dir):
    run = new_run(folder, binary, plugin_dir, 'host_key_policy = "tofu"\npassword = "not-needed"')
    run.start()
    run_job(run, 1)
    run_job(run, 2)
    finish(run)
    assert run.daemon_log.read_text().count("whoever shows it gets the password") == 1
