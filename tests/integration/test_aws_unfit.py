"""A manager over the strict cloud, of whose idle instances one will never serve again: it is removed by its id, and another
one takes its place."""

import pytest

from aws.run import run_over_strict_cloud
from checker.run import wait_for
from cloud.machines import Machines
from conftest import short_folder

IDLE = 5  # of the first example


def settled(run):
    [group] = run.cloud.scaling.groups.values()
    return len(group.members) == IDLE and run.is_settled(set(group.members))


@pytest.mark.parametrize("lifecycle, health", [("Quarantined", "Healthy"), ("Pending", "Unhealthy")])
def test_an_instance_that_will_never_serve_is_removed_and_replaced(folder, binary, build, lifecycle, health):
    with short_folder() as path:
        machines = Machines(path)
        with run_over_strict_cloud(folder, binary, build, "aws-1-job.toml", machines) as run:
            run.cloud.group()
            run.config.write_text(run.config.read_text().replace(
                "max_instances = 10", 'max_instances = 10\n    update_interval = "1s"\n    update_interval_when_expecting = "100ms"'))
            run.start()
            assert wait_for(lambda: settled(run)), run.log_tail()
            [group] = run.cloud.scaling.groups.values()
            bad, member = sorted(group.members.items())[0]
            member.looks, member.health, member.lifecycle = 10 ** 6, health, lifecycle
            assert wait_for(lambda: bad not in group.members and settled(run)), run.log_tail()
            ended = [call.form for call in run.cloud.endpoint.calls_of("TerminateInstanceInAutoScalingGroup")]
            assert {form["InstanceId"] for form in ended} == {bad}
            assert {form["ShouldDecrementDesiredCapacity"] for form in ended} == {"true"}
            assert run.stop() == 0
        machines.close()
