"""A manager that is restarted every few seconds under load: by SIGTERM, by kill -9, or by both at once.

scripts/test does that for 40 s, `--full` for an hour, too (scripts/run-tests, step "storm"). One job runs through all of it.
"""

import os
import random
import signal
import time

import pytest

from checker.jobs import make_job
from checker.run import Run
from test_crash import give_again
from test_run import assert_nothing_lost, wait_for_trace

SECONDS = int(os.environ.get("FLOTILLA_STORM_SECONDS", 40))
OPEN_JOBS = 8


def add_load(run, chance, next_id):
    """As many open jobs as there are, some of which fail; returns the number of the next one."""
    while sum(not state.ended for state in run.coordinator.jobs.values()) < OPEN_JOBS:
        run.coordinator.add(make_job(next_id, str(run.marks), lines=chance.randint(1, 60), seconds=chance.uniform(0, 5),
                                     exit_code=chance.choice([0, 0, 0, 7])))
        next_id += 1
    return next_id


def strike(run, chance):
    """Ends the manager; with both signals it is killed somewhere within its stop."""
    how = chance.choice([[signal.SIGTERM], [signal.SIGKILL], [signal.SIGTERM, signal.SIGKILL]])
    for signum in how:
        run.process.send_signal(signum)
        if signum != how[-1]:
            time.sleep(chance.uniform(0, 0.05))
    run.process.wait()
    return run.process.returncode


@pytest.mark.longest
@pytest.mark.timeout(SECONDS + 600)
def test_a_storm_of_restarts_loses_nothing(folder, binary, plugin_dir):
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    run = Run(folder, binary, plugin_dir, capacity=2, max_use_count=6, max_instances=3)
    run.coordinator.poll_seconds = 1.0
    longest = run.held_job(1)
    longest.payload["runner_info"]["timeout"] = SECONDS + 600
    longest.payload["steps"][0]["timeout"] = SECONDS + 600
    run.coordinator.add(longest)
    next_id, ends = 2, []
    run.start()
    wait_for_trace(run, 1, b"line 0020")
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        next_id = add_load(run, chance, next_id)
        time.sleep(chance.uniform(0.2, 4))
        ends.append(strike(run, chance))
        give_again(run)
        run.start()
        run.wait_up()
    run.release(1)
    assert_nothing_lost(run, run.finish(), f"seed {seed}, {next_id - 1} jobs, managers ended with {ends}")
    assert set(ends) <= {0, -signal.SIGKILL}, (ends, run.log_tail())
