"""A manager over the strict cloud that is killed between any two of its calls: growth never doubles, and no instance is
lost or removed in place of another.

And two managers of one group, of which the second is a stranger.

scripts/test kills at a fixed sample of calls, `--full` at each. Which there are is what a run without a kill makes.
"""

import os
import signal
import subprocess

import pytest

from aws.moto import KEY_LIFE_S
from aws.run import run_over_strict_cloud
from checker.evidence import read_marks
from checker.jobs import make_job
from checker.processes import processes_of
from checker.run import PATIENCE, wait_for
from cloud.endpoint import Fault
from cloud.machines import Machines
from conftest import short_folder

FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"
IDLE = 5  # of the first example
# (action, which of its calls, side): until the group is at its idle instances
SAMPLE = [("SetDesiredCapacity", 1, "before"), ("SetDesiredCapacity", 1, "after"), ("DescribeAutoScalingGroups", 2, "after"),
          ("DescribeAutoScalingGroups", 3, "before")]
MORE = [(action, nth, side) for action in ("DescribeAutoScalingGroups", "CreateOrUpdateTags", "SetDesiredCapacity",
                                           "DescribeInstances", "DescribeScalingActivities", "DescribeInstanceStatus")
        for nth in range(1, 7) for side in ("before", "after")]
JOBS = 3
# While jobs log in and their instances are removed behind them.
SAMPLE_OF_JOBS = [("TerminateInstanceInAutoScalingGroup", 1, "after"), ("SendSSHPublicKey", 2, "before")]
MORE_OF_JOBS = [(action, nth, side) for action in ("TerminateInstanceInAutoScalingGroup", "SendSSHPublicKey",
                                                   "GetConsoleOutput", "DescribeInstances")
                for nth in range(1, JOBS + 1) for side in ("before", "after")]


def settled(run):
    [group] = run.cloud.scaling.groups.values()
    return len(group.members) == IDLE and run.is_settled(set(group.members))


@pytest.fixture
def machines():
    with short_folder() as path:  # not the manager's: what runs there outlives it
        made = Machines(path)
        yield made
        made.close()


@pytest.fixture
def run(folder, binary, build, machines):
    with run_over_strict_cloud(folder, binary, build, "aws-1-job.toml", machines) as made:
        made.cloud.group()
        # How long a new manager looks out for what its predecessor ordered depends on the second.
        made.config.write_text(made.config.read_text().replace(
            "max_instances = 10", 'max_instances = 10\n    update_interval = "1s"\n    update_interval_when_expecting = "50ms"'))
        yield made


def run_with_a_death(run, ended, action, nth, side):
    """A manager until it is killed at that call, and another one until `ended`; in one go where there is no such call."""
    endpoint, died = run.cloud.endpoint, []

    def fault(call):
        if died or call.action != action or len(endpoint.calls_of(action)) != nth:
            return None
        died.append(call)
        if side == "after":
            endpoint.ask(call)
        run.process.send_signal(signal.SIGKILL)
        return Fault()

    endpoint.fault = fault
    run.start()
    assert wait_for(lambda: run.process.poll() is not None or ended()), run.log_tail()
    endpoint.fault = lambda call: None
    if died:
        run.process.wait()
        assert wait_for(lambda: {p.name for p in processes_of(run.folder)} <= {"flotilla-job"}), \
            "the dead manager's provider goes on"  # as jobs do, on purpose
        run.start()
        assert wait_for(ended), run.log_tail()
    assert died or FULL, f"there is no call {nth} of {action}: {endpoint.actions()}"
    assert run.stop() == 0


@pytest.mark.parametrize("action, nth, side", MORE if FULL else SAMPLE)
def test_growth_never_doubles(run, action, nth, side):
    cloud = run.cloud
    run_with_a_death(run, lambda: settled(run), action, nth, side)
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


def give_machines(cloud, machines):
    """What the cloud launches can be logged in to, with the keys that are pushed."""
    def ask(call):
        pushed = len(cloud.compute.pushed)
        answer = cloud.ask(call)
        if call.action in ("SetDesiredCapacity", "TerminateInstanceInAutoScalingGroup"):
            machines.follow(lambda: {machine.id: (machine.private_address, machine.public_address)
                                     for machine in list(cloud.compute.machines.values())
                                     if machine.state in ("pending", "running")})
        for key in cloud.compute.pushed[pushed:] if call.action == "SendSSHPublicKey" else []:
            machines.push(key.instance, key.user, key.key, KEY_LIFE_S)
        return answer

    cloud.endpoint.ask = ask


@pytest.mark.parametrize("action, nth, side", MORE_OF_JOBS if FULL else SAMPLE_OF_JOBS)
def test_no_instance_is_lost_or_removed_in_place_of_another(run, action, nth, side):
    cloud, coordinator = run.cloud, run.coordinator
    give_machines(cloud, run.machines)
    coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, JOBS + 1)])
    run_with_a_death(run, lambda: coordinator.all_ended() and settled(run), action, nth, side)
    [group] = cloud.scaling.groups.values()
    removed = [call.form for call in cloud.endpoint.calls_of("TerminateInstanceInAutoScalingGroup")]
    gone = set(cloud.compute.machines) - set(group.members)
    assert {form["InstanceId"] for form in removed} == gone, "each that is gone was named, and no other was"
    assert {mark.instance for mark in read_marks(run.marks)} <= gone, "what had a job is used no more"
    alive = {machine.id for machine in cloud.compute.machines.values() if machine.state == "running"}
    assert alive == set(group.members) and len(alive) == group.desired == IDLE, (group.desires, removed)
