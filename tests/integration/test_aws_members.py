"""The members of a group of plugins/aws over the strict cloud: which count, which are protected, which are fit, what they
cost, and how they go when there are more than the group wants."""

import pytest

from aws.scaling import Member, invalid
from aws.wire import refusal
from aws_group import NAME, cloud, fill, group_of, new_worker  # noqa: F401
from cloud import provider as flt
from cloud.endpoint import Fault
from cloud.provider import CREATING, RUNNING

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


def test_one_member_that_aws_will_not_protect_leaves_no_other_without(cloud, new_worker):
    """It is on its way out by the time AWS is asked, and AWS refuses the call as a whole."""
    group_of(cloud).protects = False
    ids, worker = fill(cloud, 40), new_worker()
    gone = ids[17]
    refused = Fault(answer=refusal("autoscaling", invalid(f"The instance {gone} is not in InService or EnteringStandby or "
                                                          "Standby.")))
    cloud.endpoint.fault = lambda call: refused if call.action == "SetInstanceProtection" and gone in call.form.values() \
        else None
    worker.states()
    assert [i for i, member in group_of(cloud).members.items() if not member.protected] == [gone]
    calls = len(cloud.endpoint.calls_of("SetInstanceProtection"))
    worker.states()
    assert len(cloud.endpoint.calls_of("SetInstanceProtection")) == calls, "it is not asked for at each list"


def refuses(action, holds=lambda call: True):
    """A failure that is not tried again at once."""
    return lambda call: Fault(answer=refusal(call.service, invalid("not today"))) \
        if call.action == action and holds(call) else None


def test_signals_leave_a_cloud_alone_that_fails(cloud, new_worker):
    [instance], worker = fill(cloud, 1), new_worker()
    cloud.endpoint.fault = refuses("DescribeScalingActivities")
    group_of(cloud).members[instance].health = "Unhealthy"
    worker.states()
    told = [worker.call("signals")]
    asked = len(cloud.endpoint.calls)
    told += [worker.call("signals") for _ in range(3)]
    assert len(cloud.endpoint.calls) == asked
    for reply in told:
        assert reply["code"] == flt.PARTIAL and "not today" in reply["message"]
        assert [signal["instance"] for signal in reply["signals"]] == [instance], "what is known is told on"


def test_heartbeats_leave_a_cloud_alone_that_fails(cloud, new_worker):
    """The second page does not come, so there never was a complete look."""
    ids = fill(cloud, 20)
    cloud.scaling.member_page = 12
    cloud.endpoint.fault = refuses("DescribeAutoScalingGroups", lambda call: "NextToken" in call.form)
    worker = new_worker()
    told = [worker.call("heartbeat", instance=ids[0])]
    asked = len(cloud.endpoint.calls)
    told += [worker.call("heartbeat", instance=i) for i in ids]
    assert len(cloud.endpoint.calls) == asked
    assert {reply["code"] for reply in told} == {flt.UNAVAILABLE} and all("not today" in reply["message"] for reply in told)
    cloud.endpoint.fault = lambda call: None
    worker.states()
    assert {worker.call("heartbeat", instance=i)["code"] for i in ids} == {flt.OK}, "a list that came is believed"



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


@pytest.mark.parametrize("lifecycle, health, why", [("Pending", "Unhealthy", "health check"),
                                                    ("Quarantined", "Healthy", "quarantine")])
def test_a_member_that_will_be_of_no_use_is_told_so_that_it_is_removed(cloud, new_worker, lifecycle, health, why):
    """As timed out the host would take it for gone, and it would stay in the group."""
    [bad], worker = fill(cloud, 1), new_worker()
    member = group_of(cloud).members[bad]
    member.health, member.lifecycle, member.looks = health, lifecycle, 99
    assert worker.states()[bad] == CREATING
    [told] = worker.call("signals")["signals"]
    assert (told["instance"], told["code"]) == (bad, flt.UNHEALTHY) and why in told["text"]
    assert worker.decrease(bad)["accepted"] == [bad]


@pytest.mark.parametrize("settings, connector, price, life, recycle", [
    ({}, {}, 0, 60 * 1000, 0),
    ({"price_per_hour": "0.0416", "minimum_life": "2h"}, {}, 41600, 2 * HOUR_MS, 0),
    ({}, {"os": "darwin"}, 0, 24 * HOUR_MS, 200 * 60 * 1000),
    ({"minimum_life": "48h", "recycle_time": "1h"}, {"os": "darwin"}, 0, 48 * HOUR_MS, HOUR_MS)])
def test_what_a_member_costs_is_told(cloud, new_worker, settings, connector, price, life, recycle):
    told = new_worker(connector=connector, **settings).opened
    assert (told["price_micros_hour"], told["minimum_life_ms"], told["recycle_ms"]) == (price, life, recycle)
    assert told["max_size"] == 10 and told["identity"] == "aws/us-east-1/my-linux-asg"


MIXED = {"MixedInstancesPolicy": {"LaunchTemplate": {
    "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-0123456789abcdef0", "Version": "1"}, "Overrides": []}}}
MAC_OVERRIDE = {"MixedInstancesPolicy": {"LaunchTemplate": {
    **MIXED["MixedInstancesPolicy"]["LaunchTemplate"], "Overrides": [{"InstanceType": "mac2.metal"}]}}}


@pytest.mark.parametrize("settings, launches, connector, hours, asked", [
    ({}, "mac2.metal", {}, 24, ["DescribeLaunchTemplateVersions"]),
    ({}, "t3.medium", {}, 0, ["DescribeLaunchTemplateVersions"]),
    ({"extra": MIXED}, "mac2-m2.metal", {}, 24, ["DescribeLaunchTemplateVersions"]),
    ({"extra": MAC_OVERRIDE}, "t3.medium", {}, 24, []),
    ({"launch_configuration": "ci"}, "mac1.metal", {}, 24, ["DescribeLaunchConfigurations"]),
    ({}, "mac2.metal", {"os": "linux"}, 0, [])])
def test_a_group_of_macs_is_known_while_it_is_empty(cloud, new_worker, settings, launches, connector, hours, asked):
    cloud.group(NAME, **settings)
    cloud.compute.launches = launches
    assert new_worker(connector=connector).opened["minimum_life_ms"] == (hours * HOUR_MS or 60 * 1000)
    assert [action for action in cloud.endpoint.actions() if action.startswith("DescribeLaunch")] == asked
