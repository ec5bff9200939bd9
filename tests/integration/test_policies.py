"""Policies by period in a manager: what changes at a minute's border, and when the clock is set. The wall clock is that
of FLOTILLA_WALL_CLOCK (docs/design/processes.md), so that no test waits for minutes."""

import subprocess
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from test_run import assert_nothing_lost

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY, FRIDAY = datetime(2026, 3, 30, 8, tzinfo=BERLIN), datetime(2026, 4, 3, 16, tzinfo=BERLIN)
BEFORE, LONG_BEFORE = timedelta(seconds=1), timedelta(hours=1)

# The managers' own policy is A of the reference: idle 0, at all times.
POLICY_B = """
    [[runners.autoscaler.policy]]
      periods = ["* 8-15 * * mon-fri"]
      timezone = "Europe/Berlin"
      idle_count = 1
      idle_time = "30m"
"""
A_HOLDS, B_HOLDS = "policy[0] holds until", "policy[1] (* 8-15 * * mon-fri in Europe/Berlin) holds until"


def add_policy_b(manager):
    manager.config.write_text(manager.config.read_text() + POLICY_B)


def set_clock(folder, when: datetime):
    """The managers' wall clock shows `when`, and goes on from there."""
    new = folder / "new-clock"
    new.write_text(str(int((when.timestamp() - time.time()) * 1000)))
    new.rename(folder / "clock-is-wrong-by")


def clock_of(folder):
    return {"FLOTILLA_WALL_CLOCK": str(folder / "clock-is-wrong-by")}


def log_lines(path, text):
    return [line for line in path.read_text().splitlines() if text in line]


@pytest.mark.sample
def test_an_empty_fleet_grows_and_shrinks_at_the_borders(scripted, folder):
    """autoscaler_V37 to V40."""
    run = scripted(idle_time="0s")
    add_policy_b(run)
    set_clock(folder, MONDAY - LONG_BEFORE)
    run.start(**clock_of(folder))
    run.wait(lambda: log_lines(run.log, A_HOLDS + " 2026-03-30T06:00:00Z: idle_count 0, idle_time 0s"), "A holds")
    run.wait_lists(2)
    assert run.told("increased") == []
    set_clock(folder, MONDAY - BEFORE)
    run.wait(lambda: run.told("increased") == ["1"], "one is ordered at 08:00")
    assert log_lines(run.log, B_HOLDS + " 2026-03-30T14:00:00Z: idle_count 1, idle_time 30m0s, preemptive_mode on")
    assert any(B_HOLDS in line for line in run.ask("explain").stdout.splitlines())
    run.show("x")
    run.wait(lambda: run.life("x") == ["present"], "it is there")

    set_clock(folder, FRIDAY - LONG_BEFORE)
    run.wait_lists(2)
    assert run.told("decreased") == []
    set_clock(folder, FRIDAY - BEFORE)
    run.wait(lambda: run.told("decreased") == ["x"], "it is removed at 16:00")
    assert log_lines(run.log, A_HOLDS + " 2026-04-06T06:00:00Z")


def test_the_clock_may_be_set_back(scripted, folder):
    """And a step of it, whichever way, is not time that an instance was idle."""
    run = scripted(idle_time="0s")
    add_policy_b(run)
    set_clock(folder, FRIDAY)
    run.start(**clock_of(folder))
    run.wait(lambda: log_lines(run.log, A_HOLDS), "A holds")
    set_clock(folder, MONDAY)
    run.wait(lambda: run.told("increased") == ["1"], "one is ordered")
    run.show("x")
    run.wait(lambda: run.life("x") == ["present"], "it is there")
    set_clock(folder, FRIDAY - timedelta(hours=7))
    run.wait_lists(2)
    assert run.told("decreased") == []
    assert len(log_lines(run.log, "policy: runner")) == 2


def test_a_job_goes_on_when_the_policy_ends(folder, binary, plugin_dir):
    """autoscaler_V41."""
    run = Run(folder, binary, plugin_dir, idle_count=0, idle_time="0s", max_use_count=0, update_interval="100ms")
    add_policy_b(run)
    job = make_job(1, str(run.marks))
    job.payload["steps"][0]["script"].append(f"while [ ! -e {folder}/go ]; do sleep 0.05; done")
    run.coordinator.add(job)
    run.environment = clock_of(folder)
    run.start()
    assert run.wait_up()
    set_clock(folder, MONDAY)  # only now: the ledger's time began with the true one, which the checker compares
    assert wait_for(lambda: log_lines(run.daemon_log, B_HOLDS)), run.log_tail()
    assert wait_for(lambda: run.marks.exists() and "end 1" in run.marks.read_text()), run.log_tail()
    busy = run.marks.read_text().split()[3]
    assert wait_for(lambda: len(run.watch.instances()) == 2), run.log_tail()
    set_clock(folder, FRIDAY)
    assert wait_for(lambda: log_lines(run.daemon_log, A_HOLDS)), run.log_tail()
    # What was idle beside it goes at once, which shows that the fleet was judged anew.
    assert wait_for(lambda: run.watch.instances() == {busy}), run.log_tail()
    (folder / "go").touch()
    assert wait_for(lambda: not run.watch.instances()), run.log_tail()
    breaches = run.finish()
    assert_nothing_lost(run, breaches)


def test_what_does_not_parse_stops_the_start(folder, binary):
    """autoscaler_V46, with the place in the file."""
    config = folder / "config.toml"
    config.write_text('[[runners]]\nname = "a"\nurl = "https://gitlab.invalid"\ntoken = "glrt-abc"\n'
                      'executor = "instance"\n[runners.autoscaler]\nplugin = "local"\n'
                      '[[runners.autoscaler.policy]]\n[[runners.autoscaler.policy]]\n'
                      'periods = ["61 * * * *"]\ntimezone = "Mars/Base"\n')
    config.chmod(0o600)
    where = f"{config}:10:12: [[runners.autoscaler.policy]] 'periods' of policy[1]: \"61 * * * *\" is no period: " \
            "minute \"61\" is not in 0-59"
    for command in (["run", "--config", config, "--state-dir", folder / "state"], ["config", "check", config]):
        ran = subprocess.run([binary, *command], capture_output=True, text=True, timeout=PATIENCE)
        assert ran.returncode == 1
        said = ran.stdout + ran.stderr
        assert "error: " + where in said
        assert f"error: {config}:11:12: [[runners.autoscaler.policy]] 'timezone' of policy[1]: there is no time zone " \
               "\"Mars/Base\" in " in said
