"""What plugins/gcp says of single members of a group over the cloud of the tests: heartbeats, ends and failures that are
far or long ago, and what it does without for want of a right."""

from cloud import provider as flt
from gcp import errors
from gcp.operations import stamp
from gcp_group import cloud, fill, group_of, new_worker  # noqa: F401

HOUR = 3600
MINIMUM = {"compute.instanceGroupManagers.get", "compute.instanceGroupManagers.update", "compute.instances.create",
           "compute.instances.get", "compute.instances.setMetadata"}


def member_of(cloud, instance):
    return group_of(cloud).members[instance.partition("/")[0]]


def test_a_heartbeat_tells_the_fit_from_the_unfit(cloud, new_worker):
    fit, failing, stopped, going, old = fill(cloud, 5)
    member_of(cloud, failing).health = "UNHEALTHY"
    member_of(cloud, stopped).machine.status = "TERMINATED"
    cloud.groups.go(group_of(cloud), member_of(cloud, going))
    member_of(cloud, going).looks = 99
    cloud.groups.recreate(group_of(cloud), old.partition("/")[0])
    worker = new_worker()
    beats = {instance: worker.call("heartbeat", instance=instance) for instance in (fit, failing, stopped, going, old, "ci-no/7")}
    assert {instance: beat["code"] for instance, beat in beats.items()} == \
        {fit: flt.OK, **dict.fromkeys((failing, stopped, going, old, "ci-no/7"), flt.UNHEALTHY)}
    assert "health check" in beats[failing]["message"] and "stopped" in beats[stopped]["message"]


def test_heartbeats_of_many_cost_few_looks(cloud, new_worker):
    ids, worker = fill(cloud, 20), new_worker()
    before = len(cloud.endpoint.calls)
    assert {worker.call("heartbeat", instance=instance)["code"] for instance in ids} == {flt.OK}
    assert len(cloud.endpoint.calls) - before < len(ids), "a look serves for a while"


def test_an_end_is_told_an_hour_ahead(cloud, new_worker):
    soon, later = fill(cloud, 2)
    member_of(cloud, soon).termination = stamp(HOUR - 120)
    member_of(cloud, later).termination = stamp(2 * HOUR)
    worker = new_worker()
    [told] = worker.call("signals")["signals"]
    assert (told["instance"], told["code"]) == (soon, flt.UNHEALTHY) and told["at_ms"] > 0


def test_a_failure_of_long_ago_says_nothing_of_today(cloud, new_worker):
    def failure(when, action="CREATING"):
        return {"error": {"code": "QUOTA_EXCEEDED", "message": f"told {when}"}, "timestamp": stamp(when),
                "instanceActionDetails": {"action": action, "instance": "https://x/zones/z/instances/ci-1"}}

    group_of(cloud).errors = [failure(-HOUR), failure(-60), failure(-300), failure(-1, "DELETING")]
    [told] = new_worker().call("signals")["signals"]
    assert told["code"] == flt.QUOTA and not told.get("instance") and "told -60" in told["text"], told
    group_of(cloud).errors = [failure(-HOUR)]
    assert new_worker().call("signals")["signals"] == []


def test_what_is_not_allowed_is_told_once_and_done_without(cloud, new_worker):
    fill(cloud, 1)
    worker = new_worker(account=cloud.service_account(MINIMUM))
    cloud.operations.looks = 99  # so that the change is asked for
    assert worker.increase(1)["accepted"] == 1
    assert worker.call("signals")["code"] == flt.OK
    for right in ("compute.instances.list", "compute.zoneOperations.get"):
        assert len([line for line in worker.logs if f"missing permission {right}" in line]) == 1, worker.logs


def test_signals_that_could_not_be_heard_are_not_asked_for_in_a_hurry(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker = new_worker()
    member_of(cloud, instance).health = "UNHEALTHY"
    worker.states()
    cloud.endpoint.fault = lambda call: cloud.refused(call, errors.invalid("no")) if call.action.endswith("listErrors") else None
    told = [worker.call("signals") for _ in range(10)]
    assert {reply["code"] for reply in told} == {flt.PARTIAL}
    assert [signal["instance"] for signal in told[-1]["signals"]] == [instance]
    assert len(cloud.endpoint.calls_of("instanceGroupManagers.listErrors")) < 10
