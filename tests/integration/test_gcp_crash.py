"""A manager over the cloud of the tests that is killed between any two of its calls: growth never doubles.

scripts/test kills at a fixed sample of calls, `--full` at each. Which there are is what a run without a kill makes.
"""

import os
import signal

import pytest

from checker.run import wait_for
from cloud.endpoint import Fault
from cloud.machines import Machines
from gcp.cloud import Cloud
from gcp.guests import Guests
from gcp.run import GcpRun, write_credentials

FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"
IDLE = 5  # of the first example
MANAGER = "instanceGroupManagers."
# (action, which of its calls, side): until the group is at its idle instances
SAMPLE = [("createInstances", 1, "before"), ("createInstances", 1, "after"), ("listManagedInstances", 2, "after"),
          ("listManagedInstances", 4, "before")]
MORE = [(action, nth, side) for action in ("get", "listManagedInstances", "createInstances", "listErrors")
        for nth in range(1, 7) for side in ("before", "after")]
GIVEN_UP_LOOKS = 100  # a new manager waits less for what its predecessor ordered without an answer


def settled(run):
    members = run.group.members.values()
    return len(members) == IDLE and all(member.machine for member in members) and \
        run.is_settled({Guests.id_of(member.machine) for member in members})


@pytest.fixture
def run(folder, binary, build):
    cloud, machines = Cloud(), Machines(folder)
    write_credentials(folder, cloud.service_account())
    made = GcpRun(folder, binary, build, "gcp-1-job.toml", cloud.url, machines, {})
    # How long a new manager looks out for what its predecessor ordered depends on the second.
    made.config.write_text(made.config.read_text().replace(
        "max_instances = 10", 'max_instances = 10\n    update_interval = "1s"\n    update_interval_when_expecting = "50ms"'))
    made.cloud, made.group = cloud, cloud.group()
    yield made
    if made.watch:
        made.watch.stop()
        made.kill()
    made.coordinator.close()
    machines.close()
    cloud.close()


@pytest.mark.parametrize("action, nth, side", MORE if FULL else SAMPLE)
def test_growth_never_doubles(run, action, nth, side):
    die_and_settle(run, action, nth, side)


def test_growth_never_doubles_where_google_is_slower_than_patience(run):
    run.group.make_looks = GIVEN_UP_LOOKS
    die_and_settle(run, "createInstances", 1, "after")
    assert "given up" in run.daemon_log.read_text(), "the cloud was not slow enough"


def die_and_settle(run, action, nth, side):
    cloud = run.cloud
    died = []

    def fault(call):
        if died or call.action != MANAGER + action or len(cloud.endpoint.calls_of(MANAGER + action)) != nth:
            return None
        died.append(call)
        if side == "after":
            cloud.ask(call)
        run.process.send_signal(signal.SIGKILL)
        return Fault()

    cloud.endpoint.fault = fault
    run.start()
    assert wait_for(lambda: run.process.poll() is not None or settled(run)), run.log_tail()
    cloud.endpoint.fault = lambda call: None
    if died:
        run.process.wait()
        assert run.wait_no_processes(), "the dead manager's provider goes on"
        run.start()
        assert wait_for(lambda: settled(run)), run.log_tail()
    assert died or FULL, f"there is no call {nth} of {action}: {cloud.endpoint.actions()}"
    assert run.stop() == 0
    assert cloud.compute.made == run.group.target_size == IDLE, cloud.endpoint.actions()
    assert len(run.group.members) == IDLE
