"""The members of a group of plugins/aws over the strict cloud: which count, which are protected, which are fit, what they
cost, and how they go when there are more than the group wants."""

import pytest

from aws.scaling import Member
from aws_group import cloud, fill, group_of, new_worker  # noqa: F401
from cloud import provider as flt
from cloud.provider import RUNNING

HOUR_MS = 3600 * 1000


def test_members_that_the_group_does_not_protect_are_protected(cloud, new_worker):
    group_of(cloud).protects = False
    ids, worker = fill(cloud, 60), new_worker()
    assert not any(member.protected for member in group_of(cloud).members.values())
    for _ in range(2):  # fifty at a time
        worker.states()
    assert all(member.protected for member in group_of(cloud).members.values())
    calls = len(cloud.endpoint.calls_of("SetInstanceProtection"))
    assert set(worker.states()) == set(ids) and len(cloud.endpoint.calls_of("SetInstanceProtection")) == calls == 2


def test_members_that_are_too_many_go_without_a_decrement(cloud, new_worker):
    ids, worker = fill(cloud, 3), new_worker()
    group_of(cloud).desired = 1  # a person's; all are protected, so they stay
    assert sorted(worker.decrease(*ids)["accepted"]) == sorted(ids)
    asked = [call.form["ShouldDecrementDesiredCapacity"]
             for call in cloud.endpoint.calls_of("TerminateInstanceInAutoScalingGroup")]
    assert asked == ["false", "false", "true"] and group_of(cloud).desired == 0
    assert cloud.compute.launched == 3, "none was replaced"


def test_a_member_in_standby_goes_without_a_decrement(cloud, new_worker):
    ids, worker = fill(cloud, 2), new_worker()
    group_of(cloud).members[ids[0]].lifecycle, group_of(cloud).desired = "Standby", 1
    assert worker.decrease(ids[0])["accepted"] == [ids[0]]
    assert group_of(cloud).desired == 1 and cloud.compute.launched == 2
    assert worker.states()[ids[1]] == RUNNING


def test_what_waits_in_the_warm_pool_is_not_of_the_fleet(cloud, new_worker):
    ids, worker = fill(cloud, 1), new_worker()
    spare = cloud.compute.launch(state="stopped")
    group_of(cloud).members[spare.id] = Member(spare, 9, "Warmed:Stopped")
    assert set(worker.states()) == set(ids)
    assert worker.decrease(spare.id)["accepted"] == [spare.id]
    assert not cloud.endpoint.calls_of("TerminateInstanceInAutoScalingGroup")


def test_an_unhealthy_member_is_told_and_has_no_heartbeat(cloud, new_worker):
    (sick, well), worker = fill(cloud, 2), new_worker()
    group_of(cloud).members[sick].health = "Unhealthy"
    assert worker.states()[sick] == RUNNING, "its job may go on"
    told = worker.call("signals")["signals"]
    assert [(signal["instance"], signal["code"]) for signal in told] == [(sick, flt.UNHEALTHY)]
    assert [worker.call("heartbeat", instance=i)["code"] for i in (sick, well, "i-00000000000000bad")] == \
        [flt.UNHEALTHY, flt.OK, flt.UNHEALTHY]


@pytest.mark.parametrize("settings, connector, price, life, recycle", [
    ({}, {}, 0, 60 * 1000, 0),
    ({"price_per_hour": "0.0416", "minimum_life": "2h"}, {}, 41600, 2 * HOUR_MS, 0),
    ({}, {"os": "darwin"}, 0, 24 * HOUR_MS, 200 * 60 * 1000),
    ({"minimum_life": "48h", "recycle_time": "1h"}, {"os": "darwin"}, 0, 48 * HOUR_MS, HOUR_MS)])
def test_what_a_member_costs_is_told(cloud, new_worker, settings, connector, price, life, recycle):
    told = new_worker(connector=connector, **settings).opened
    assert (told["price_micros_hour"], told["minimum_life_ms"], told["recycle_ms"]) == (price, life, recycle)
    assert told["max_size"] == 10 and told["identity"] == "aws/us-east-1/my-linux-asg"
