"""What a group of plugins/aws does of its own accord over the strict cloud: instances that it takes out are told with the
cause, those that flotilla takes out are not; instance refreshes are warned of."""

import pytest

from aws_group import cloud, fill, group_of, new_worker  # noqa: F401
from cloud import provider as flt
from cloud.provider import DELETING

CAUSE = ("At 2026-11-26T08:30:00Z a monitor alarm quiet in state ALARM triggered policy shrink changing the desired capacity "
         "from 3 to 2.")


def told(worker):
    reply = worker.call("signals")
    assert reply["code"] == flt.OK, reply
    return {signal["instance"]: signal["text"] for signal in reply["signals"]}


@pytest.mark.sample
def test_an_instance_that_the_group_takes_is_told_with_the_cause_before_a_list_shows_it(cloud, new_worker):
    ids, worker = fill(cloud, 3), new_worker()
    cloud.scaling.take(group_of(cloud), ids[1], CAUSE)
    found = told(worker)
    assert set(found) == {ids[1]} and CAUSE in found[ids[1]]


def test_the_cause_is_asked_for_as_soon_as_a_list_shows_that_one_goes(cloud, new_worker):
    """Not at the next time that AWS would be asked."""
    group_of(cloud).end_looks = 99
    ids, worker = fill(cloud, 3), new_worker()
    assert told(worker) == {}
    cloud.scaling.take(group_of(cloud), ids[1], CAUSE)
    assert worker.states()[ids[1]] == DELETING
    for _ in range(3):
        assert CAUSE in told(worker)[ids[1]]
        worker.states()


@pytest.mark.parametrize("restarts", [False, True])
def test_an_instance_that_flotilla_removes_is_not_told(cloud, new_worker, restarts):
    group_of(cloud).end_looks = 99
    ids, worker = fill(cloud, 3), new_worker()
    assert worker.decrease(ids[1])["accepted"] == [ids[1]]
    if restarts:
        worker.kill()
        worker = new_worker()
    assert worker.states()[ids[1]] == DELETING and told(worker) == {}


@pytest.mark.parametrize("lifecycle", ["Terminating", "Terminating:Wait", "Terminating:Proceed"])
def test_an_instance_that_goes_without_a_cause_is_told_all_the_same(cloud, new_worker, lifecycle):
    """Also while a life-cycle hook holds it."""
    ids, worker = fill(cloud, 3), new_worker()
    cloud.account.denied = {"autoscaling:DescribeScalingActivities"}
    member = group_of(cloud).members[ids[1]]
    member.lifecycle, member.looks = lifecycle, 9
    assert worker.states()[ids[1]] == DELETING
    found = told(worker)
    assert set(found) == {ids[1]} and "out of the group" in found[ids[1]]


def refresh(name, status, protected="Ignore"):
    return {"InstanceRefreshId": name, "AutoScalingGroupName": "my-linux-asg", "Status": status,
            "Preferences": {"ScaleInProtectedInstances": protected}}


def test_an_instance_refresh_is_warned_of_once(cloud, new_worker):
    group = group_of(cloud)
    group.refreshes = [refresh("one", "InProgress"), refresh("zero", "Successful")]
    worker = new_worker()
    [warning] = [text for text in worker.warnings if "instance refresh" in text]
    assert "cancel-instance-refresh" in warning and "not protected" in warning and "one" in warning
    told(worker)
    assert len(worker.warnings) == 1
    worker = new_worker()
    group.refreshes = []
    told(worker)
    group.refreshes = [refresh("two", "Pending", "Refresh")]
    worker = new_worker()
    [warning] = [text for text in worker.warnings if "instance refresh" in text]
    assert "not protected" not in warning


def test_an_instance_refresh_that_begins_later_is_warned_of_with_the_signals(cloud, new_worker):
    worker = new_worker()
    assert worker.warnings == []
    group_of(cloud).refreshes = [refresh("one", "InProgress")]
    told(worker)
    assert ["instance refresh" in text for text in worker.warnings] == [True]


def test_a_cloud_that_knows_no_refreshes_does(cloud, new_worker):
    """Simulators: it is asked no more for a while, and nothing else is the worse for it."""
    ask = cloud.scaling.DescribeInstanceRefreshes
    cloud.scaling.DescribeInstanceRefreshes = lambda asked: ask({**asked, "AutoScalingGroupName": "other"})
    worker = new_worker()
    assert told(worker) == {}
    assert len(cloud.endpoint.calls_of("DescribeInstanceRefreshes")) == 1
