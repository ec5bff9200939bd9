"""plugins/gcp in a provider worker, call by call, over the cloud of the tests: what it lists, how it grows and shrinks
when answers are lost and workers die, and what it says when Google refuses."""

import dataclasses
import itertools
import json
import os
import re
import subprocess
import threading
import uuid

import pytest
import yaml

from checker.run import PATIENCE
from cloud import provider as flt
from cloud.endpoint import Answer, Fault
from cloud.provider import CREATING, DELETING, RESUMING, RUNNING, SUSPENDED, SUSPENDING, Died, calls_of, dies_at
from conftest import ROOT
from gcp import errors
from gcp.cloud import PROJECT, ZONE
from gcp.operations import stamp
from gcp.run import write_credentials
from gcp_group import NAME, PLUGIN, cloud, fill, group_of, id_of, new_worker  # noqa: F401

CREATE, DELETE = "instanceGroupManagers.createInstances", "instanceGroupManagers.deleteInstances"
LIST = "instanceGroupManagers.listManagedInstances"

# Lists


@pytest.mark.sample
def test_a_list_shows_every_action_and_status_as_a_state(cloud, new_worker):
    wanted = {("NONE", "RUNNING"): RUNNING, ("VERIFYING", "RUNNING"): RUNNING, ("REFRESHING", "RUNNING"): RUNNING,
              ("CREATING", "PROVISIONING"): CREATING, ("CREATING_WITHOUT_RETRIES", "STAGING"): CREATING,
              ("RECREATING", "STAGING"): CREATING, ("RESTARTING", "STAGING"): CREATING, ("NONE", "REPAIRING"): CREATING,
              ("DELETING", "STOPPING"): DELETING, ("ABANDONING", "RUNNING"): DELETING,
              ("SUSPENDING", "SUSPENDING"): SUSPENDING, ("STOPPING", "RUNNING"): SUSPENDING,
              ("NONE", "SUSPENDED"): SUSPENDED, ("RESUMING", "STAGING"): RESUMING}
    ids, expected = fill(cloud, len(wanted)), {}
    for (instance, member), ((action, status), state) in zip(zip(ids, group_of(cloud).members.values()), wanted.items()):
        member.action, member.machine.status, member.looks = action, status, 99
        expected[instance] = state
    assert new_worker().states() == expected


def test_a_machine_that_has_stopped_is_told_as_unfit(cloud, new_worker):
    """A spot machine that was preempted, one that shut itself down: nobody will use it, and it is still to be removed."""
    stopped, fit = fill(cloud, 2)
    group_of(cloud).members[stopped.partition("/")[0]].machine.status = "TERMINATED"
    worker = new_worker()
    states = worker.states()
    assert states[fit] == RUNNING and states[stopped] not in (RUNNING, CREATING), states
    assert {signal["instance"]: signal["code"] for signal in worker.call("signals")["signals"]} == {stopped: flt.UNHEALTHY}
    assert worker.decrease(stopped)["accepted"] == [stopped] and group_of(cloud).target_size == 1


@pytest.mark.parametrize("paginated", [False, True])
def test_three_thousand_instances_are_all_there(cloud, new_worker, paginated):
    group_of(cloud).paginated = paginated
    ids, worker = fill(cloud, 3000), new_worker()
    states = worker.states()
    assert set(states) == set(ids) and set(states.values()) == {RUNNING}
    assert worker.decrease(*ids[:2500])["code"] == flt.OK
    assert group_of(cloud).target_size == 500
    assert {m.action for m in group_of(cloud).members.values() if id_of(m) in ids[2500:]} == {"NONE"}


FAULTS = {"cut": lambda call: Fault(), "done and cut": lambda call: Fault(done=True), "half": lambda call: Fault(cut_at=200),
          "500": lambda call: Fault(answer=errors.broken().answer()), "503": lambda call: Fault(answer=errors.unavailable().answer()),
          "403 rate": lambda call: Fault(answer=errors.rate().answer()), "429": lambda call: Fault(answer=errors.rate(429).answer())}


@pytest.mark.parametrize("fault", ["cut", "half", "500"])  # limits are waited for: another test
def test_a_list_that_broke_never_says_that_it_is_complete(cloud, new_worker, fault):
    group_of(cloud).paginated, cloud.groups.page = True, 12
    ids, worker = fill(cloud, 30), new_worker()
    assert calls_of(cloud, lambda: worker.states()) == 3
    for nth, lasts in [(1, 1), (2, 1), (3, 1), (3, 99)]:  # what lasts is not mended by asking again
        first = len(cloud.endpoint.calls) + nth
        cloud.endpoint.fault = lambda call: FAULTS[fault](call) if first <= call.number < first + lasts else None
        reply = worker.call("list")
        found = {instance["id"] for instance in reply["instances"]} if "instances" in reply else set()
        assert found <= set(ids)
        assert reply["code"] != flt.OK or (reply["complete"] and found == set(ids)), (nth, reply)
        assert lasts == 1 or reply["code"] != flt.OK, reply
    cloud.endpoint.fault = lambda call: None
    assert set(worker.states()) == set(ids)


SPOILT = {"no list": lambda text: text.replace('"managedInstances": [', '"managedInstances": {"a": [').replace("]\n}", "]}\n}"),
          "a name of its own": lambda text: re.sub(r'"name": "[^"]+"', '"name": "Ca pital"', text),
          "a number that is none": lambda text: re.sub(r'"id": "\d+"', '"id": "7x"', text),
          "half": lambda text: text[:len(text) // 2], "a page to itself": lambda text: text[:-2] + ', "nextPageToken": "page-1"}',
          "a page of a portal": lambda text: "<html><body>Sign in</body></html>"}


@pytest.mark.parametrize("how", SPOILT)
def test_a_list_that_cannot_be_right_is_not_complete(cloud, new_worker, how):
    [instance] = fill(cloud, 1)
    worker = new_worker()

    def fault(call):
        made = cloud.ask(dataclasses.replace(call, path=call.path.partition("&pageToken")[0]))
        return Fault(answer=dataclasses.replace(made, body=SPOILT[how](made.body.decode()).encode()))

    cloud.endpoint.fault = fault
    before = len(cloud.endpoint.calls)
    reply = worker.call("list")
    assert reply["code"] != flt.OK and not reply.get("complete") and reply["message"], reply
    assert {found["id"] for found in reply.get("instances", [])} <= {instance}
    assert len(cloud.endpoint.calls) - before <= 8, "nobody goes round in circles"
    cloud.endpoint.fault = lambda call: None
    assert worker.states() == {instance: RUNNING}


def test_a_machine_that_is_made_anew_under_its_old_name_is_another_instance(cloud, new_worker):
    [before] = fill(cloud, 1)
    worker, group = new_worker(), group_of(cloud)
    assert worker.states() == {before: RUNNING}
    name = before.partition("/")[0]
    group.make_looks = 1
    cloud.groups.recreate(group, name)
    assert before not in worker.states(), "its machine is gone"
    worker.states()
    worker.states()
    [(after, state)] = worker.states().items()
    assert after.partition("/")[0] == name and after != before and state == RUNNING
    # The old one's removal is not the new one's.
    assert worker.decrease(before)["accepted"] == [before] and group.target_size == 1
    assert worker.states() == {after: RUNNING}
    reply = worker.call("connect_info", instance=before)
    assert reply["code"] == flt.NOT_FOUND, reply


def test_a_machine_that_the_group_is_about_to_replace_is_told(cloud, new_worker):
    [instance] = fill(cloud, 1)
    [member] = group_of(cloud).members.values()
    worker = new_worker()
    assert worker.states() == {instance: RUNNING}
    member.action, member.looks, member.machine.status = "RECREATING", 99, "STOPPING"
    assert worker.states()[instance] != RUNNING
    assert [(signal["instance"], signal["code"]) for signal in worker.call("signals")["signals"]] == [(instance, flt.UNHEALTHY)]
    assert worker.call("heartbeat", instance=instance)["code"] == flt.UNHEALTHY


def test_an_empty_page_is_not_the_last(cloud, new_worker):
    group_of(cloud).paginated = True
    ids, worker = fill(cloud, 3), new_worker()
    empty = iter([Answer(200, b'{"nextPageToken": "page-0"}', "application/json")])
    cloud.endpoint.fault = lambda call: next((Fault(answer=answer) for answer in empty), None) if call.action == LIST else None
    assert set(worker.states()) == set(ids)


def test_an_instance_is_listed_under_one_id_from_its_order_on(cloud, new_worker):
    group, worker = group_of(cloud), new_worker()
    group.make_looks = group.boot_looks = 2
    worker.increase(2)
    seen = [worker.states() for _ in range(9)]
    assert len(seen[-1]) == 2 and set(seen[-1].values()) == {RUNNING}
    assert set().union(*seen) == set(seen[-1]), "no other id was ever shown"


# Growth


@pytest.mark.sample
def test_the_same_request_is_the_same_growth(cloud, new_worker):
    worker, request = new_worker(), str(uuid.uuid4())
    for _ in range(3):
        reply = worker.increase(3, request)
        assert (reply["code"], reply["accepted"]) == (flt.OK, 3)
    assert group_of(cloud).target_size == cloud.compute.made == 3
    assert worker.increase(2)["accepted"] == 2
    assert group_of(cloud).target_size == cloud.compute.made == 5
    assert group_of(cloud).sizes == [], "instances are ordered by their names"
    names = list(group_of(cloud).members)
    assert len(set(names)) == 5 and all(name.startswith(NAME + "-") and len(name) <= 63 for name in names)


@pytest.mark.parametrize("fault", FAULTS)
def test_growth_whose_answer_is_lost_does_not_double(cloud, new_worker, fault):
    worker, request = new_worker(), str(uuid.uuid4())
    broken = iter([True])
    cloud.endpoint.fault = lambda call: FAULTS[fault](call) if call.action == CREATE and next(broken, None) else None
    replies = [worker.increase(3, request) for _ in range(2)]
    assert replies[-1]["code"] == flt.OK and replies[-1]["accepted"] == 3, replies
    assert group_of(cloud).target_size == cloud.compute.made == 3


TAKEN = {"400": None, "409": errors.Refusal(409, "alreadyExists", "The resource is there already")}


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("make_looks", [0, 99])
def test_growth_that_google_has_forgotten_does_not_double(cloud, new_worker, taken, make_looks):
    """Request ids are remembered for a while, names as long as the instances are there. How Google refuses a name that
    is taken is written nowhere."""
    group, worker, request = group_of(cloud), new_worker(), str(uuid.uuid4())
    group.taken, group.make_looks = TAKEN[taken], make_looks

    def fault(call):
        """Done, forgotten, and the answer is lost."""
        if call.action != CREATE or group.members:
            return None
        cloud.ask(call)
        cloud.operations.forget_requests()
        return Fault()

    cloud.endpoint.fault = fault
    replies = [worker.increase(3, request) for _ in range(2)]
    reply = replies[-1]
    assert (reply["code"], reply["accepted"]) == (flt.OK, 3), reply
    assert group.target_size == len(group.members) == 3


@pytest.mark.parametrize("looks", [0, 3])  # of operations that take their time
def test_a_worker_that_dies_at_any_call_of_a_growth_does_not_double_it(cloud, new_worker, looks):
    """The kill falls between any two calls: before the cloud has heard of one, and after it has done it."""
    worker = new_worker()
    cloud.operations.looks = looks
    steps = calls_of(cloud, lambda: worker.increase(2))
    assert steps >= 2, "it looks, and orders"
    for epoch, (nth, side) in enumerate(itertools.product(range(1, steps + 1), ("before", "after")), start=2):
        request, worker = str(uuid.uuid4()), new_worker()
        dies_at(cloud, worker, nth, side)
        with pytest.raises(Died):
            worker.increase(2, request, epoch)
        cloud.endpoint.fault = lambda call: None
        worker = new_worker()
        reply = worker.increase(2, request, epoch)
        assert (reply["code"], reply["accepted"]) == (flt.OK, 2), (nth, side, reply)
        for _ in range(looks + 1):
            worker.states()
        assert group_of(cloud).target_size == cloud.compute.made == 2 * epoch, (nth, side)


def test_an_order_without_an_answer_that_nobody_repeats_is_not_made_twice(cloud, new_worker):
    """A new supervisor looks whether its predecessor's order comes, gives it up, and orders anew under another name.
    Google was slow: what the first order wanted is still being made, and no more may be asked for."""
    group, worker = group_of(cloud), new_worker()
    group.make_looks = 1000
    cloud.endpoint.fault = lambda call: Fault(done=True) if call.action == CREATE else None
    worker.increase(3, str(uuid.uuid4()), epoch=1)
    cloud.endpoint.fault = lambda call: None
    assert group.target_size == 3
    worker.kill()
    worker = new_worker()
    for _ in range(3):
        assert worker.states() == {}
    reply = worker.increase(3, str(uuid.uuid4()), epoch=2)
    assert (reply["code"], reply["accepted"], group.target_size) == (flt.OK, 3, 3)
    assert worker.increase(2, str(uuid.uuid4()), epoch=2)["accepted"] == 2, "what is new is asked for"
    assert group.target_size == 5


def test_an_order_that_google_shows_late_is_not_taken_for_nobodys(cloud, new_worker):
    """Accepted, and in no list when the next one is made."""
    group, worker = group_of(cloud), new_worker()
    group.make_looks, cloud.operations.looks = 1000, 2
    for n in (3, 2, 1):
        assert worker.increase(n)["accepted"] == n
    for _ in range(5):
        worker.states()
    assert worker.increase(1)["accepted"] == 1
    for _ in range(5):
        worker.states()
    assert group.target_size == len(group.members) == 7


def test_an_order_that_could_not_be_written_down_is_not_made(cloud, new_worker, folder):
    worker, request = new_worker(), str(uuid.uuid4())
    assert worker.increase(1)["accepted"] == 1
    [orders] = (folder / "state" / "googlecompute").glob("*.json")
    in_the_way = orders.with_name(orders.name + ".new")
    in_the_way.mkdir()
    reply = worker.increase(2, request)
    assert (reply["code"], reply["accepted"]) == (flt.INTERNAL, 0) and str(orders) in reply["message"], reply
    assert group_of(cloud).target_size == 1
    in_the_way.rmdir()
    orders.write_text("{half")
    assert worker.increase(2, request)["accepted"] == 2 and group_of(cloud).target_size == 3
    assert any(str(orders) in text for text in worker.logs), worker.logs


def test_an_order_that_comes_late_is_not_made_twice_when_its_repetition_is_refused(cloud, new_worker):
    """The first attempt is still on its way when the second is refused, and arrives then."""
    worker, request, late = new_worker(), str(uuid.uuid4()), []

    def fault(call):
        if call.action != CREATE:
            return None
        if not late:
            late.append(call)
            return Fault()
        cloud.ask(late[0])
        return Fault(answer=errors.forbidden("compute.instanceGroupManagers.update", "it").answer())

    cloud.endpoint.fault = fault
    assert worker.increase(3, request)["accepted"] == 0
    cloud.endpoint.fault = lambda call: None
    assert worker.increase(3, request)["accepted"] == 3
    assert group_of(cloud).target_size == cloud.compute.made == 3


def test_one_that_could_be_made_after_all_is_not_lost(cloud, new_worker):
    """It was told as failed under its name alone, and is there before the host has it removed."""
    worker, group = new_worker(), group_of(cloud)
    group.room = 0
    worker.increase(1)
    [failed] = worker.states()
    group.room = 1
    worker.states()
    assert worker.decrease(failed)["accepted"] == [failed]
    [made] = worker.states()
    assert made.startswith(failed + "/") and group.target_size == 1
    assert worker.decrease(made)["accepted"] == [made] and group.target_size == 0


def test_names_stay_within_googles_limit_and_tell_the_epoch(cloud, new_worker):
    cloud.groups.all.clear()
    cloud.group("g" * 63, base="b" * 58)
    worker = new_worker(name="g" * 63)
    assert worker.increase(2, epoch=2**40)["accepted"] == 2
    assert worker.increase(1, epoch=2**40 - 1)["code"] == flt.STALE
    assert group_of(cloud).target_size == 2


def test_a_growth_and_a_removal_whose_answers_are_lost_do_not_undo_each_other(cloud, new_worker):
    """An instance that came by a lost order goes before the order is repeated: it must not be made again."""
    worker, request = new_worker(), str(uuid.uuid4())
    group_of(cloud).boot_looks = 0
    cloud.endpoint.fault = lambda call: Fault(done=True) if call.action == CREATE else None
    worker.increase(2, request)
    cloud.endpoint.fault = lambda call: None
    one, other = worker.states()
    assert worker.decrease(one)["accepted"] == [one]
    for _ in range(3):
        worker.states()
    assert len(group_of(cloud).members) == 1, "it is gone, and its name with it"
    assert worker.increase(2, request)["accepted"] == 2
    assert group_of(cloud).target_size == 1 and cloud.compute.made == 2
    assert other in worker.states()


def test_what_something_in_between_answers_is_no_answer(cloud, new_worker):
    """A page to sign in, with status 200: nothing was done, and nothing is known."""
    [instance] = fill(cloud, 1)
    worker, request = new_worker(), str(uuid.uuid4())
    page = Fault(answer=Answer(200, b"<html><body>Sign in</body></html>", "text/html"))
    cloud.endpoint.fault = lambda call: page if call.action in (CREATE, DELETE) else None
    grown, shrunk = worker.increase(2, request), worker.decrease(instance)
    assert (grown["code"], grown["accepted"]) == (flt.UNAVAILABLE, 0), grown
    assert (shrunk["code"], shrunk["accepted"]) == (flt.UNAVAILABLE, []), shrunk
    cloud.endpoint.fault = lambda call: None
    assert worker.increase(2, request)["accepted"] == 2 and group_of(cloud).target_size == 3


def test_large_orders_are_made_in_pieces(cloud, new_worker):
    worker, request = new_worker(), str(uuid.uuid4())
    lost = iter([False, True])  # the second piece's answer
    cloud.endpoint.fault = lambda call: Fault(done=True) if call.action == CREATE and next(lost, False) else None
    first = worker.increase(2300, request)
    assert first["code"] == flt.OK or first["accepted"] == 1000, first["code"]
    cloud.endpoint.fault = lambda call: None
    assert worker.increase(2300, request)["accepted"] == 2300
    assert group_of(cloud).target_size == cloud.compute.made == 2300


FAILS = [("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded. Limit: 2.0 in region europe-west1."),
         ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", f"The zone '{ZONE}' does not have enough resources available."),
         ("RESOURCE_NOT_FOUND", "The resource 'projects/my-gcp-project/global/images/ci' was not found")]


@pytest.mark.parametrize("fails", FAILS, ids=[code for code, _ in FAILS])
def test_what_the_cloud_cannot_make_is_told_in_its_own_words(cloud, new_worker, fails):
    worker, group = new_worker(), group_of(cloud)
    group.room, group.fails = 1, fails
    assert worker.increase(2)["accepted"] == 2
    states = worker.states()
    told = [signal for signal in worker.call("signals")["signals"] if not signal.get("instance")]
    assert told and {signal["code"] for signal in told} == {flt.QUOTA}, told
    assert fails[0] in told[0]["text"] and fails[1] in told[0]["text"]
    # The one that cannot be made is no instance that is being made for ever: it is there to be removed.
    failed = [instance for instance in states if "/" not in instance or states[instance] != CREATING]
    assert len(failed) == 1, states
    assert worker.decrease(*failed)["accepted"] == failed
    worker.states()
    assert group.target_size == 1 and len(worker.states()) == 1


def test_an_operation_that_fails_is_told(cloud, new_worker):
    worker, group = new_worker(), group_of(cloud)
    cloud.operations.looks = 1
    assert worker.increase(2)["accepted"] == 2
    [operation] = cloud.operations.all.values()
    operation.work = lambda: setattr(operation, "error", {"code": "QUOTA_EXCEEDED", "message": "Quota 'INSTANCES' exceeded."})
    worker.states()
    worker.states()
    told = worker.call("signals")["signals"]
    assert [(signal.get("instance"), signal["code"]) for signal in told] == [(None, flt.QUOTA)], told
    assert "Quota 'INSTANCES' exceeded." in told[0]["text"] and group.target_size == 0


def test_growth_without_the_right_to_create_is_by_size(cloud, new_worker):
    """GitLab's own plugin asks for no more than this."""
    rights = {"compute.instanceGroupManagers.get", "compute.instanceGroupManagers.update", "compute.instances.get",
              "compute.instances.setMetadata"}
    worker, request = new_worker(account=cloud.service_account(rights)), str(uuid.uuid4())
    cloud.endpoint.fault = lambda call: Fault(done=True) if call.action.endswith(".resize") else None
    worker.increase(2, request)
    cloud.endpoint.fault = lambda call: None
    reply = worker.increase(2, request)
    assert (reply["code"], reply["accepted"]) == (flt.OK, 2), reply
    assert group_of(cloud).target_size == len(group_of(cloud).members) == 2
    assert any("compute.instances.create" in text for text in worker.logs), worker.logs
    states = worker.states()
    [one, _] = worker.states()
    assert worker.decrease(one)["accepted"] == [one] and group_of(cloud).target_size == 1, states


# Shrinking


@pytest.mark.sample
def test_instances_go_by_their_ids_and_lower_what_is_wanted(cloud, new_worker):
    ids = fill(cloud, 5)
    worker = new_worker()
    unknown = "ci-gone/7999999999999999999"
    reply = worker.decrease(ids[1], ids[3], unknown)
    assert (reply["code"], sorted(reply["accepted"])) == (flt.OK, sorted([ids[1], ids[3], unknown]))
    assert group_of(cloud).target_size == 3 and group_of(cloud).sizes == []
    assert {id_of(member) for member in group_of(cloud).members.values() if member.action == "NONE"} == {ids[0], ids[2], ids[4]}
    again = worker.decrease(ids[1], ids[3])
    assert (again["code"], sorted(again["accepted"])) == (flt.OK, sorted([ids[1], ids[3]]))
    assert group_of(cloud).target_size == 3


@pytest.mark.parametrize("fault", FAULTS)
def test_a_removal_whose_answer_is_lost_takes_no_other_instance(cloud, new_worker, fault):
    ids, worker, request = fill(cloud, 4), new_worker(), str(uuid.uuid4())
    broken = iter([True])
    cloud.endpoint.fault = lambda call: FAULTS[fault](call) if call.action == DELETE and next(broken, None) else None
    replies = [worker.decrease(*ids[:2], request_id=request) for _ in range(2)]
    assert replies[-1]["code"] == flt.OK and sorted(replies[-1]["accepted"]) == sorted(ids[:2]), replies
    assert group_of(cloud).target_size == 2
    assert {id_of(m) for m in group_of(cloud).members.values() if m.action == "NONE"} == set(ids[2:])


def test_a_worker_that_dies_at_any_call_of_a_removal_takes_no_other_instance(cloud, new_worker):
    group_of(cloud).end_looks = 99
    ids = fill(cloud, 30)
    worker = new_worker()
    steps = calls_of(cloud, lambda: worker.decrease(ids.pop(), ids.pop()))
    assert steps >= 2, "it looks, and ends"
    for epoch, (nth, side) in enumerate(itertools.product(range(1, steps + 1), ("before", "after")), start=2):
        pair, request, worker = [ids.pop(), ids.pop()], str(uuid.uuid4()), new_worker()
        dies_at(cloud, worker, nth, side)
        with pytest.raises(Died):
            worker.decrease(*pair, request_id=request, epoch=epoch)
        cloud.endpoint.fault = lambda call: None
        reply = new_worker().decrease(*pair, request_id=request, epoch=epoch)
        assert (reply["code"], sorted(reply["accepted"])) == (flt.OK, sorted(pair)), (nth, side, reply)
        alive = {id_of(member) for member in group_of(cloud).members.values() if member.action == "NONE"}
        assert alive == set(ids) and group_of(cloud).target_size == len(ids), (nth, side)
    assert cloud.compute.made == 30


def test_one_that_went_by_itself_keeps_no_other_from_going(cloud, new_worker):
    """Between the look and the call."""
    ids, worker = fill(cloud, 3), new_worker()

    def fault(call):
        if call.action == DELETE:
            group_of(cloud).members.pop(ids[0].partition("/")[0])

    cloud.endpoint.fault = fault
    assert sorted(worker.decrease(*ids[:2])["accepted"]) == sorted(ids[:2])
    cloud.endpoint.fault = lambda call: None
    worker.states()
    assert list(worker.states()) == [ids[2]]


def test_instances_are_suspended_and_come_back(cloud, new_worker, folder, build):
    ids, worker, group = fill(cloud, 2), new_worker(), group_of(cloud)

    def ask(what):
        """The host has no use for it yet."""
        done = subprocess.run([build / "tests" / "integration" / "call_slot", build / PLUGIN, json.dumps(worker.config),
                               str(uuid.uuid4()), what, ids[0]], capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert done.stdout.split() == [ids[0], str(flt.OK)], done
        worker.states()
        return worker.states()

    for _ in range(2):
        assert ask("suspend") == {ids[0]: SUSPENDED, ids[1]: RUNNING}
        assert (group.target_size, group.suspended_size) == (1, 1)
    for _ in range(2):
        assert ask("resume") == {ids[0]: RUNNING, ids[1]: RUNNING}
        assert (group.target_size, group.suspended_size) == (2, 0)
    ask("suspend")
    assert worker.decrease(ids[0])["accepted"] == [ids[0]] and (group.target_size, group.suspended_size) == (1, 0)


# The epoch


def test_an_older_supervisor_changes_nothing(cloud, new_worker):
    worker = new_worker()
    assert worker.increase(1, epoch=7)["code"] == flt.OK
    for reply in (worker.increase(1, epoch=6), worker.decrease(*worker.states(), epoch=6)):
        assert reply["code"] == flt.STALE and reply["accepted"] in (0, [])
    assert group_of(cloud).target_size == 1


# Tokens, clocks, limits, rights


def test_a_token_that_is_refused_is_asked_for_anew(cloud, new_worker):
    ids, worker = fill(cloud, 2), new_worker()
    assert set(worker.states()) == set(ids)
    for token in cloud.account.tokens.values():
        token.expires = 0
    assert set(worker.states()) == set(ids) and worker.increase(1)["accepted"] == 1
    assert len(cloud.endpoint.calls_of("token")) == 2


@pytest.mark.parametrize("skew", [3600, -3600])
def test_a_clock_that_is_an_hour_wrong_is_put_right(cloud, new_worker, skew):
    fill(cloud, 2)
    cloud.account.skew_s = skew
    worker = new_worker()
    assert len(worker.states()) == 2 and worker.increase(1)["accepted"] == 1
    assert [call.status for call in cloud.endpoint.calls_of("token")] == [400, 200]


def test_a_project_of_a_domain_is_reached(cloud, new_worker):
    cloud.groups.all.clear()
    cloud.group(NAME, project="example.com:ci")
    worker = new_worker(project="example.com:ci", endpoint=cloud.url + "/")
    assert worker.increase(1)["accepted"] == 1 and len(worker.states()) == 1


def test_a_key_that_nobody_knows_is_told_with_its_file(cloud, new_worker):
    account = cloud.service_account()
    cloud.account.principals.clear()
    worker = new_worker(opened=False, account=account)
    assert worker.opened["code"] == flt.AUTH, worker.opened
    assert "application_default_credentials.json" in worker.opened["message"] and "PRIVATE" not in worker.opened["message"]


@pytest.mark.parametrize("code", [403, 429])
def test_limits_are_waited_for(cloud, new_worker, code):
    worker = new_worker()
    times = iter(range(2))
    cloud.endpoint.fault = lambda call: Fault(answer=errors.rate(code).answer()) if call.action == CREATE and \
        next(times, None) is not None else None
    assert worker.increase(2)["accepted"] == 2 and group_of(cloud).target_size == 2


def test_a_cloud_that_stays_broken_is_told_as_such(cloud, new_worker):
    fill(cloud, 3)
    worker = new_worker()
    for fault, code in (("503", flt.UNAVAILABLE), ("429", flt.THROTTLED)):
        cloud.endpoint.fault = FAULTS[fault]
        reply = worker.call("list", deadline_ms=1000)
        assert reply["code"] in (code, flt.TIMEOUT) and reply["message"], (fault, reply)
    cloud.endpoint.fault = lambda call: None
    assert len(worker.states()) == 3


RIGHTS = set(yaml.safe_load((ROOT / "docs" / "gcp-role.yaml").read_text())["includedPermissions"])


@pytest.mark.parametrize("right", sorted(RIGHTS))
def test_each_right_of_the_documented_role_is_named_where_it_is_missing(cloud, new_worker, right):
    cloud.compute.project_items["enable-guest-attributes"] = "TRUE"
    cloud.operations.looks = 1
    place = {}
    if right == "compute.regionOperations.get":
        cloud.groups.all.clear()
        cloud.group(NAME, region="europe-west1")
        place = {"region": "europe-west1"}
    ids = fill(cloud, 1) + fill(cloud, 1, os="windows")
    worker = new_worker(opened=False, account=cloud.service_account(RIGHTS - {right}), **place)
    said = [worker.opened["message"]]
    if worker.opened["code"] == flt.OK:
        replies = [worker.call("list"), worker.increase(1), worker.call("signals")]
        replies += [worker.call("connect_info", instance=instance) for instance in [*ids, *ids]]
        replies += [worker.decrease(*ids)]
        said += [reply["message"] for reply in replies]
    assert any(right in text for text in said + worker.logs), said + worker.logs


GROUPS = [  # settings of a group; whether it is refused; what is said
    ({"status": {"autoscaler": "https://www.googleapis.com/compute/v1/projects/p/zones/z/autoscalers/a"}}, True, "stop-autoscaling"),
    ({"extra": {"statefulPolicy": {"preservedState": {"disks": {"data": {"autoDelete": "NEVER"}}}}}}, True, "stateful"),
    ({"extra": {"updatePolicy": {"type": "PROACTIVE"}}}, False, "opportunistic"),
    ({"extra": {"autoHealingPolicies": [{"healthCheck": "https://www.googleapis.com/compute/v1/projects/p/global/healthChecks/h",
                                         "initialDelaySec": 60}]}}, False, "--clear-autohealing"),
    ({"extra": {"standbyPolicy": {"mode": "SCALE_OUT_POOL"}}}, False, "--standby-policy-mode manual"),
]


@pytest.mark.parametrize("settings, refused, sentence", GROUPS, ids=[sentence for _, _, sentence in GROUPS])
def test_a_group_that_would_take_instances_by_itself_is_told_with_the_remedy(cloud, new_worker, settings, refused, sentence):
    cloud.group(NAME, **settings)
    worker = new_worker(opened=False)
    assert (worker.opened["code"] == flt.INVALID) == refused, worker.opened
    assert sentence in (worker.opened["message"] if refused else "\n".join(worker.logs)), worker.logs


def test_a_group_as_it_should_be_is_told_nothing(cloud, new_worker):
    worker = new_worker()
    assert worker.opened["identity"] == f"gcp/{PROJECT}/{ZONE}/{NAME}"
    assert [text for text in worker.logs if NAME in text] == []


def test_a_group_that_is_not_there_is_told_with_its_place(cloud, new_worker):
    worker = new_worker(opened=False, name="other")
    assert worker.opened["code"] in (flt.INVALID, flt.NOT_FOUND), worker.opened
    assert "other" in worker.opened["message"] and ZONE in worker.opened["message"]
    cloud.groups.all.clear()
    cloud.group(NAME, region="europe-west1")
    worker = new_worker(opened=False)
    assert worker.opened["code"] != flt.OK and "region" in worker.opened["message"], "the peer stops here with a 404"


# A regional group


def test_a_regional_group_is_as_good(cloud, new_worker):
    cloud.groups.all.clear()
    group = cloud.group(NAME, region="europe-west1", boot_looks=0)
    worker = new_worker(region="europe-west1")
    assert worker.increase(6)["accepted"] == 6
    ids = list(worker.states())
    assert len(ids) == 6 and {member.zone for member in group.members.values()} == set(group.zones)
    assert sorted(worker.decrease(*ids[:4])["accepted"]) == sorted(ids[:4])
    worker.states()
    assert list(worker.states()) == ids[4:] and group.target_size == 2
    told = worker.call("signals")
    assert told["code"] == flt.OK and told["signals"] == [], told
    assert {call.action.partition(".")[0] for call in cloud.endpoint.calls} <= {
        "token", "regionInstanceGroupManagers", "regionOperations", "instances"}


# Signals


def test_what_google_is_going_to_take_is_told(cloud, new_worker):
    ends, worked_on, moved, unfit, quiet = fill(cloud, 5)
    members = {id_of(member): member for member in group_of(cloud).members.values()}
    members[ends].termination, members[unfit].health = "2026-01-01T00:00:00.000-08:00", "UNHEALTHY"
    group_of(cloud).errors.append({"error": {"code": "QUOTA_EXCEEDED", "message": "Of last year."}, "instanceActionDetails": {
        "action": "CREATING", "instance": "x"}, "timestamp": "2025-01-01T00:00:00.000-08:00"})
    work = {"type": "SCHEDULED", "maintenanceStatus": "PENDING", "windowStartTime": stamp(3600), "canReschedule": True}
    for instance, way in ((worked_on, "TERMINATE"), (moved, "MIGRATE")):
        members[instance].machine.scheduling = {"onHostMaintenance": way}
        members[instance].machine.resource_status = {"upcomingMaintenance": work}
    worker = new_worker()
    worker.states()
    found = {signal["instance"]: signal["code"] for signal in worker.call("signals")["signals"]}
    assert found == dict.fromkeys((ends, worked_on, unfit), flt.UNHEALTHY)
    for instance, code in ((quiet, flt.OK), (unfit, flt.UNHEALTHY), ("ci-gone/1", flt.UNHEALTHY)):
        assert worker.call("heartbeat", instance=instance)["code"] == code, instance


def test_a_call_that_is_cancelled_ends_while_the_cloud_is_silent(cloud, new_worker):
    worker, asked, go_on = new_worker(), threading.Event(), threading.Event()

    def hold(call):
        asked.set()
        go_on.wait(PATIENCE)

    cloud.endpoint.fault = hold
    threading.Thread(target=lambda: asked.wait(PATIENCE) and worker.send("cancel", cancel_id=worker.number)).start()
    assert worker.call("list")["code"] == flt.CANCELLED
    go_on.set()
    cloud.endpoint.fault = lambda call: None
    assert worker.states() == {}


@pytest.mark.sample
def test_the_plugin_keeps_the_contract(cloud, folder, binary, build):
    key = write_credentials(folder, cloud.service_account())
    (folder / "check.json").write_text(json.dumps({"name": NAME, "project": PROJECT, "zone": ZONE, "endpoint": cloud.url,
                                                   "credentials_file": str(key)}))
    done = subprocess.run([binary, "plugin", "check", build / PLUGIN, "--config",
                           folder / "check.json"], env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=2 * PATIENCE)
    assert done.returncode == 0 and " 0 failed, " in done.stdout, done.stdout + done.stderr
    assert group_of(cloud).target_size == 0
