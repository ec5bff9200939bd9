"""A manager over the strict cloud that is killed between any two of its calls: growth never doubles.

And two managers of one group, of which the second is a stranger.

scripts/test kills at a fixed sample of calls, `--full` at each. Which there are is what a run without a kill makes.
"""

import os
import signal
import subprocess

import pytest

from aws.cloud import Cloud
from aws.run import AwsRun, write_keys
from checker.run import PATIENCE, wait_for
from cloud.endpoint import Fault
from cloud.machines import Machines

FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"
IDLE = 5  # of the first example
# (action, which of its calls, side): until the group is at its idle instances
SAMPLE = [("SetDesiredCapacity", 1, "before"), ("SetDesiredCapacity", 1, "after"), ("DescribeAutoScalingGroups", 2, "after"),
          ("DescribeAutoScalingGroups", 3, "before")]
MORE = [(action, nth, side) for action in ("DescribeAutoScalingGroups", "CreateOrUpdateTags", "SetDesiredCapacity",
                                           "DescribeInstances", "DescribeScalingActivities", "DescribeInstanceStatus")
        for nth in range(1, 7) for side in ("before", "after")]


def settled(run):
    [group] = run.cloud.scaling.groups.values()
    return len(group.members) == IDLE and run.is_settled(set(group.members))


@pytest.fixture
def run(folder, binary, build):
    cloud, machines = Cloud(), Machines(folder)
    cloud.group()
    write_keys(folder, {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
                        "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, "us-east-1")
    made = AwsRun(folder, binary, build, "aws-1-job.toml", cloud.url, machines, {})
    # How long a new manager looks out for what its predecessor ordered depends on the second.
    made.config.write_text(made.config.read_text().replace(
        "max_instances = 10", 'max_instances = 10\n    update_interval = "1s"\n    update_interval_when_expecting = "50ms"'))
    made.cloud = cloud
    yield made
    if made.watch:
        made.watch.stop()
        made.kill()
    made.coordinator.close()
    machines.close()
    cloud.close()


@pytest.mark.parametrize("action, nth, side", MORE if FULL else SAMPLE)
def test_growth_never_doubles(run, action, nth, side):
    cloud = run.cloud
    died = []

    def fault(call):
        if died or call.action != action or len(cloud.endpoint.calls_of(action)) != nth:
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
    [group] = cloud.scaling.groups.values()
    assert cloud.compute.launched == group.desired == IDLE, (group.desires, cloud.endpoint.actions())
    assert len(group.members) == IDLE


def test_only_its_own_successor_takes_a_group_over(run, binary):
    """A manager whose ledger was lost removes what it does not know; one with another state directory is refused."""
    def tag():
        return group.tags["flotilla:epoch"]

    [group] = run.cloud.scaling.groups.values()
    run.start()
    assert wait_for(lambda: settled(run)), run.log_tail()
    epoch, holder = tag().split("/")
    run.process.kill()
    run.process.wait()
    assert run.wait_no_processes(), "the dead manager's provider goes on"
    strangers = set(group.members)
    for path in run.state_dir.glob("ledger*"):
        path.unlink()
    run.start()
    assert wait_for(lambda: settled(run) and not strangers & set(group.members)), run.log_tail()
    assert tag().split("/")[1] == holder and int(tag().split("/")[0]) > int(epoch)
    mine, launched = set(group.members), run.cloud.compute.launched
    second = subprocess.run([binary, "run", "--config", run.config, "--state-dir", run.folder / "second",
                             "--plugin-dir", run.plugin_dir], capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 1 and f"held by another manager, {holder}" in second.stderr, second.stderr
    assert run.stop() == 0
    assert set(group.members) == mine and run.cloud.compute.launched == launched
