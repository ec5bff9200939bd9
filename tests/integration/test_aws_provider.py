"""plugins/aws in a provider worker, call by call, over the strict cloud: what it lists, how it grows and shrinks when
answers are lost and workers die, and what it says when AWS refuses."""

import copy
import dataclasses
import datetime
import itertools
import json
import os
import re
import subprocess
import threading
import time
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aws.account import Key, Words
from aws.scaling import Member
from aws.wire import refusal
from aws_group import KEY, NAME, cloud, fill, group_of, new_worker  # noqa: F401
from checker.run import PATIENCE, wait_for
from cloud import provider as flt
from cloud.endpoint import Answer, Fault
from cloud.provider import CREATING, DELETING, RUNNING, SUSPENDED, SUSPENDING, Died, calls_of, dies_at
from conftest import ROOT

RIGHTS = sorted(action for part in json.loads((ROOT / "docs" / "aws-policy.json").read_text())["Statement"]
                for action in part["Action"])

# Lists


@pytest.mark.sample
def test_a_list_shows_every_life_cycle_as_a_state(cloud, new_worker):
    wanted = {"Pending": CREATING, "Pending:Wait": CREATING, "Pending:Proceed": CREATING, "InService": RUNNING,
              "Terminating:Wait": DELETING, "Terminating:Proceed": DELETING, "Terminated": DELETING,
              "Detaching": DELETING, "EnteringStandby": SUSPENDING, "Standby": SUSPENDED, "Quarantined": CREATING}
    group, expected = group_of(cloud), {}
    for lifecycle, state in wanted.items():
        machine = cloud.compute.launch(state="running")
        group.members[machine.id] = Member(machine, 9, lifecycle)
        expected[machine.id] = state
    assert new_worker().states() == expected


def test_three_thousand_instances_are_all_there(cloud, new_worker):
    fill(cloud, 3000)
    cloud.compute.empty_pages = 1
    worker = new_worker()
    for cloud.scaling.member_page in (0, 700):
        states = worker.states()
        assert len(states) == 3000 and set(states.values()) == {RUNNING}


FAULTS = {"cut": lambda call: Fault(), "done and cut": lambda call: Fault(done=True), "half": lambda call: Fault(cut_at=200),
          "500": lambda call: refused(call, "broken"), "throttled": lambda call: refused(call, "throttled")}


def refused(call, how):
    return Fault(answer=refusal(call.service, getattr(Words(call.service), how)()))


@pytest.mark.parametrize("fault", ["cut", "done and cut", "half", "500"])  # throttling is waited for: another test
def test_a_list_that_broke_never_says_that_it_is_complete(cloud, new_worker, fault):
    ids = fill(cloud, 30)
    cloud.scaling.member_page = 12
    worker = new_worker()
    before = len(cloud.endpoint.calls)
    assert set(worker.states()) == set(ids)
    pages = len(cloud.endpoint.calls) - before
    assert pages == 3
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


def test_a_list_that_cannot_be_right_is_not_complete(cloud, new_worker):
    """Without its instances, with one that no instance can be, or with pages that lead back to themselves."""
    [instance] = fill(cloud, 1)
    worker, asked = new_worker(), len(cloud.endpoint.calls)
    name = instance.encode()
    for spoil in (lambda body: re.sub(rb"<Instances>.*</Instances>", b"", body, flags=re.DOTALL),
                  lambda body: body.replace(name, b"i-" + 70 * b"0"), lambda body: body.replace(name, b"i-0 1"),
                  lambda body: body.replace(name, b""),
                  lambda body: body.replace(b"</AutoScalingGroups>", b"</AutoScalingGroups><NextToken>on</NextToken>")):
        def fault(call):
            first = copy.copy(call)
            first.form = {name: value for name, value in call.form.items() if name != "NextToken"}
            made = cloud.ask(first)
            return Fault(answer=dataclasses.replace(made, body=spoil(made.body)))

        cloud.endpoint.fault = fault
        reply = worker.call("list")
        assert reply["code"] == flt.PARTIAL and not reply["complete"] and reply["message"], reply
        assert {found["id"] for found in reply["instances"]} <= {instance}
    assert len(cloud.endpoint.calls) - asked <= 2 * 5, "nobody goes round in circles"
    cloud.endpoint.fault = lambda call: None
    assert worker.states() == {instance: RUNNING}


def test_a_list_does_not_wait_for_what_rides_along(cloud, new_worker):
    """AWS is silent when instances are to be protected."""
    [instance] = fill(cloud, 1)
    group_of(cloud).members[instance].protected = False
    worker, listed, waited = new_worker(), threading.Event(), []

    def hold(call):
        if call.action == "SetInstanceProtection":
            waited.append(listed.wait(30))

    cloud.endpoint.fault = hold
    assert worker.states() == {instance: RUNNING}
    listed.set()
    assert wait_for(lambda: waited) and waited == [True]


def test_a_cloud_that_stays_broken_is_told_as_such(cloud, new_worker):
    fill(cloud, 3)
    worker = new_worker()
    for fault, code in (("500", flt.UNAVAILABLE), ("cut", flt.UNAVAILABLE), ("throttled", flt.THROTTLED)):
        cloud.endpoint.fault = FAULTS[fault]
        reply = worker.call("list", deadline_ms=3000)
        assert reply["code"] in (code, flt.TIMEOUT), (fault, reply)
    cloud.endpoint.fault = lambda call: None
    assert len(worker.states()) == 3


# Growth


@pytest.mark.sample
def test_the_same_request_is_the_same_growth(cloud, new_worker):
    worker, request = new_worker(), str(uuid.uuid4())
    for _ in range(3):
        reply = worker.increase(3, request)
        assert (reply["code"], reply["accepted"]) == (flt.OK, 3)
    assert group_of(cloud).desired == cloud.compute.launched == 3
    assert worker.increase(2)["accepted"] == 2
    assert group_of(cloud).desired == cloud.compute.launched == 5
    [honors] = {call.form["HonorCooldown"] for call in cloud.endpoint.calls_of("SetDesiredCapacity")}
    assert honors == "false"


@pytest.mark.parametrize("fault", FAULTS)
def test_growth_whose_answer_is_lost_does_not_double(cloud, new_worker, fault):
    worker, request = new_worker(), str(uuid.uuid4())
    broken = iter([True])
    cloud.endpoint.fault = lambda call: FAULTS[fault](call) if call.action == "SetDesiredCapacity" and next(broken, None) \
        else None
    replies = [worker.increase(3, request) for _ in range(2)]
    assert replies[-1]["code"] == flt.OK and replies[-1]["accepted"] == 3, replies
    assert group_of(cloud).desired == cloud.compute.launched == 3


def test_a_worker_that_dies_at_any_call_of_a_growth_does_not_double_it(cloud, new_worker):
    """The kill falls between any two calls: before the cloud has heard of one, and after it has done it."""
    group_of(cloud).max_size = 100
    worker = new_worker()
    steps = calls_of(cloud, lambda: worker.increase(2))
    assert steps >= 3, "it looks, writes its epoch, and sets"
    for epoch, (nth, side) in enumerate(itertools.product(range(1, steps + 1), ("before", "after")), start=2):
        request, worker = str(uuid.uuid4()), new_worker()
        dies_at(cloud, worker, nth, side)
        with pytest.raises(Died):
            worker.increase(2, request, epoch)
        cloud.endpoint.fault = lambda call: None
        reply = new_worker().increase(2, request, epoch)
        assert (reply["code"], reply["accepted"]) == (flt.OK, 2), (nth, side, reply)
        assert group_of(cloud).desired == cloud.compute.launched == 2 * epoch, (nth, side)


def test_an_order_that_comes_late_is_not_made_twice_when_its_repetition_is_refused(cloud, new_worker):
    """The first attempt is still on its way when the second is refused, and arrives then."""
    worker, request, late = new_worker(), str(uuid.uuid4()), []

    def fault(call):
        if call.action != "SetDesiredCapacity":
            return None
        if not late:
            late.append(call)
            return Fault()
        cloud.ask(late[0])
        return Fault(answer=refusal(call.service, Words(call.service).denied(call.action)))

    cloud.endpoint.fault = fault
    assert [worker.increase(3, request)["code"] for _ in range(2)] == [flt.UNAVAILABLE, flt.AUTH]
    cloud.endpoint.fault = lambda call: None
    assert worker.increase(3, request)["accepted"] == 3
    assert group_of(cloud).desired == cloud.compute.launched == 3


def test_what_something_in_between_answers_is_no_answer(cloud, new_worker):
    """A page to sign in, with status 200: nothing was done, and nothing is known."""
    [instance] = fill(cloud, 1)
    worker, request = new_worker(), str(uuid.uuid4())
    page = Fault(answer=Answer(200, b"<html><body>Sign in</body></html>", "text/html"))
    cloud.endpoint.fault = lambda call: page if call.action.startswith(("SetDesired", "Terminate")) else None
    grown, shrunk = worker.increase(2, request), worker.decrease(instance)
    assert (grown["code"], grown["accepted"]) == (flt.UNAVAILABLE, 0) and "<html>" in grown["message"], grown
    assert (shrunk["code"], shrunk["accepted"]) == (flt.UNAVAILABLE, []), shrunk
    cloud.endpoint.fault = lambda call: page
    assert worker.call("list")["code"] == flt.UNAVAILABLE
    cloud.endpoint.fault = lambda call: None
    assert worker.increase(2, request)["accepted"] == 2 and cloud.compute.launched > 1


def test_an_order_beyond_any_number_is_read_again(cloud, new_worker):
    group_of(cloud).max_size, group_of(cloud).desired, group_of(cloud).launch_looks = 2**31 - 1, 2**31 - 3, 10**6
    assert new_worker().increase(2)["accepted"] == 2
    assert new_worker().opened["max_size"] == 2**31 - 1


def test_an_order_without_an_answer_that_nobody_repeats_is_not_made_twice(cloud, new_worker):
    """A new supervisor looks whether its predecessor's order comes, gives it up, and orders anew under another name.
    AWS was slow: what the first order wanted is still owed, and nothing more may be asked for."""
    group, worker = group_of(cloud), new_worker()
    group.launch_looks = 1000
    cloud.endpoint.fault = lambda call: Fault(done=True) if call.action == "SetDesiredCapacity" else None
    worker.increase(3, str(uuid.uuid4()), epoch=1)
    cloud.endpoint.fault = lambda call: None
    assert group.desired == 3
    worker.kill()
    worker = new_worker()
    for _ in range(3):
        assert worker.states() == {}
    reply = worker.increase(3, str(uuid.uuid4()), epoch=2)
    assert (reply["code"], reply["accepted"], group.desired) == (flt.OK, 3, 3)
    assert worker.increase(2, str(uuid.uuid4()), epoch=2)["accepted"] == 2, "what is new is asked for"
    assert group.desired == 5


def test_an_order_whose_answer_nobody_wrote_down_is_not_made_twice(cloud, new_worker):
    """The supervisor is killed between the answer and its ledger: its successor gives the order up."""
    group, worker = group_of(cloud), new_worker()
    group.launch_looks = 1000
    assert worker.increase(3, str(uuid.uuid4()), epoch=1)["accepted"] == 3
    worker.kill()
    reply = new_worker().increase(3, str(uuid.uuid4()), epoch=2)
    assert (reply["code"], reply["accepted"], group.desired) == (flt.OK, 3, 3)


def arrive(cloud, n):
    for _ in range(n):
        machine = cloud.compute.launch(state="running")
        group_of(cloud).members[machine.id] = Member(machine, 9, "InService")


@pytest.mark.parametrize("seen, gone", [(True, 0), (False, 0), (True, 2)],
                         ids=["before the worker died", "by the next worker", "and went again"])
def test_what_has_come_for_an_order_is_known_after_a_restart(cloud, new_worker, seen, gone):
    """Two orders of two, the second without an answer; the first one's come, and AWS owes the other two: a new order
    takes these over, and nothing more is asked for."""
    group, worker = group_of(cloud), new_worker()
    group.launch_looks = 10**6
    assert worker.increase(2)["accepted"] == 2
    cloud.endpoint.fault = lambda call: Fault(done=True) if call.action == "SetDesiredCapacity" else None
    worker.increase(2)
    cloud.endpoint.fault = lambda call: None
    assert group.desired == 4
    if not seen:
        worker.kill()
    arrive(cloud, 2)
    if seen:
        assert len(worker.states()) == 2
        worker.kill()
    for instance in list(group.members)[:gone]:  # a person's removal
        del group.members[instance]
        group.desired -= 1
    assert new_worker().increase(2)["accepted"] == 2 and group.desired == 4 - gone


@pytest.mark.parametrize("changes, desired", [
    ({"wall_ms": -3600_000}, 3), ({"wall_ms": 3600_000}, 3), ({"boot": "other", "wall_ms": -60_000}, 3),
    ({"boot": "other", "wall_ms": -3600_000}, 2), ({"boot": "other", "mono_ms": 10**9, "wall_ms": 3600_000}, 3)],
    ids=["a step forward", "a step back", "a quick boot", "a long night", "a boot and a step back"])
def test_an_order_ages_by_the_clock_of_the_machine(cloud, new_worker, folder, changes, desired):
    """One that is waited for is not taken over by the next; after a quarter of an hour it is."""
    group, worker = group_of(cloud), new_worker()
    group.launch_looks = 10**6
    worker.increase(2)
    assert worker.states() == {}, "the supervisor has the answer"
    worker.kill()
    [orders] = (folder / "state" / "aws").glob("*.json")
    kept = json.loads(orders.read_text())
    kept.update({name: kept[name] + by if isinstance(by, int) else by for name, by in changes.items()})
    kept["orders"][0]["made_ms"] += changes.get("mono_ms", 0)
    orders.write_text(json.dumps(kept))
    assert new_worker().increase(1)["accepted"] == 1 and group.desired == desired


def test_growth_starts_from_what_the_group_wants_now(cloud, new_worker):
    worker = new_worker()
    assert worker.increase(4)["accepted"] == 4
    group_of(cloud).desired = 1  # a person's
    assert worker.increase(2)["accepted"] == 2
    assert group_of(cloud).desires == [4, 3]


def test_growth_stops_at_the_maximum_and_says_so(cloud, new_worker):
    fill(cloud, 9)
    worker = new_worker()
    reply = worker.increase(3)
    assert reply["accepted"] == 1 and group_of(cloud).desired == 10
    reply = worker.increase(3)
    assert reply["accepted"] == 0 and reply["code"] == flt.QUOTA and "10" in reply["message"]
    assert f"--auto-scaling-group-name '{NAME}' --max-size N" in reply["message"]
    assert group_of(cloud).desired == 10 and max(group_of(cloud).desires) == 10


def test_what_the_cloud_cannot_launch_is_told_in_its_own_words(cloud, new_worker):
    worker = new_worker()
    group_of(cloud).fails = ("We currently do not have sufficient t3.medium capacity in the Availability Zone you requested "
                             "(us-east-1a). Launching EC2 instance failed.")
    assert worker.increase(2)["accepted"] == 2
    told = worker.call("signals")["signals"]
    assert [signal["code"] for signal in told] == [flt.QUOTA] and "sufficient t3.medium capacity" in told[0]["text"]
    for activity in group_of(cloud).activities:
        activity["EndTime"] -= datetime.timedelta(minutes=11)
    group_of(cloud).fails, group_of(cloud).launch_looks = "", 10**6
    assert new_worker().call("signals")["signals"] == [], "it says nothing of now"


# Shrinking


@pytest.mark.sample
def test_instances_go_by_their_ids_and_lower_what_is_wanted(cloud, new_worker):
    ids = fill(cloud, 5)
    worker = new_worker()
    reply = worker.decrease(ids[1], ids[3], "i-00000000000000bad")
    assert (reply["code"], sorted(reply["accepted"])) == (flt.OK, sorted([ids[1], ids[3], "i-00000000000000bad"]))
    assert group_of(cloud).desired == 3 and group_of(cloud).desires == []
    assert {i for i, member in group_of(cloud).members.items() if member.lifecycle == "InService"} == \
        {ids[0], ids[2], ids[4]}
    again = worker.decrease(ids[1], ids[3])
    assert (again["code"], sorted(again["accepted"])) == (flt.OK, sorted([ids[1], ids[3]]))
    assert group_of(cloud).desired == 3


def test_a_worker_that_dies_at_any_call_of_a_removal_takes_no_other_instance(cloud, new_worker):
    group_of(cloud).end_looks = 99
    ids = fill(cloud, 40)
    worker = new_worker()
    steps = calls_of(cloud, lambda: worker.decrease(ids.pop(), ids.pop()))
    assert steps >= 4, "it looks, writes its epoch, and ends each"
    for epoch, (nth, side) in enumerate(itertools.product(range(1, steps + 1), ("before", "after")), start=2):
        pair, request, worker = [ids.pop(), ids.pop()], str(uuid.uuid4()), new_worker()
        dies_at(cloud, worker, nth, side)
        with pytest.raises(Died):
            worker.decrease(*pair, request_id=request, epoch=epoch)
        cloud.endpoint.fault = lambda call: None
        reply = new_worker().decrease(*pair, request_id=request, epoch=epoch)
        assert (reply["code"], sorted(reply["accepted"])) == (flt.OK, sorted(pair)), (nth, side, reply)
        alive = {i for i, member in group_of(cloud).members.items() if member.lifecycle == "InService"}
        assert alive == set(ids) and group_of(cloud).desired == len(ids), (nth, side)
    assert cloud.compute.launched == 40


def test_a_removal_that_comes_late_is_one_removal(cloud, new_worker):
    """A call that was cut off arrives behind the look of its repetition: AWS says that it is at it."""
    group_of(cloud).end_looks = 99
    ids, worker = fill(cloud, 3), new_worker()
    late = iter([True])

    def fault(call):
        if call.action.startswith("Terminate") and next(late, None):
            cloud.ask(call)
            cloud.endpoint.fault = lambda call: None
            return Fault(answer=cloud.ask(call))
        return None

    cloud.endpoint.fault = fault
    reply = worker.decrease(ids[1])
    assert (reply["code"], reply["accepted"]) == (flt.OK, [ids[1]]), reply
    assert group_of(cloud).desired == 2
    assert len(cloud.endpoint.calls_of("TerminateInstanceInAutoScalingGroup")) == 1, "no time is spent on waiting"


def test_a_removal_that_could_not_be_written_down_changes_no_order(cloud, new_worker, folder):
    [instance] = fill(cloud, 1)
    worker, request = new_worker(), str(uuid.uuid4())
    cloud.endpoint.fault = lambda call: Fault() if call.action == "SetDesiredCapacity" else None
    assert worker.increase(2, request)["code"] == flt.UNAVAILABLE
    cloud.endpoint.fault = lambda call: None
    [orders] = (folder / "state" / "aws").glob("*.json")
    in_the_way = orders.with_name(orders.name + ".new")
    in_the_way.mkdir()
    reply = worker.decrease(instance)
    assert (reply["code"], reply["accepted"]) == (flt.INTERNAL, []) and str(orders) in reply["message"], reply
    in_the_way.rmdir()
    assert worker.increase(2, request)["accepted"] == 2 and group_of(cloud).desired == 3


def test_a_growth_and_a_removal_whose_answers_are_lost_do_not_undo_each_other(cloud, new_worker):
    """An instance that came by a lost order goes before the order is repeated: it must not be made again."""
    worker, request = new_worker(), str(uuid.uuid4())
    group_of(cloud).boot_looks = 0
    cloud.endpoint.fault = lambda call: Fault(done=True) if call.action == "SetDesiredCapacity" else None
    worker.increase(2, request)
    cloud.endpoint.fault = lambda call: None
    one, other = worker.states()
    assert worker.decrease(one)["accepted"] == [one]
    assert worker.increase(2, request)["accepted"] == 2
    assert group_of(cloud).desired == 1 and cloud.compute.launched == 2
    assert other in worker.states()


# The epoch


def test_an_older_supervisor_changes_nothing(cloud, new_worker):
    worker = new_worker()
    assert worker.increase(1, epoch=7)["code"] == flt.OK
    for reply in (worker.increase(1, epoch=6), worker.decrease(*worker.states(), epoch=6)):
        assert reply["code"] == flt.STALE and reply["accepted"] in (0, [])
    assert group_of(cloud).desired == 1
    assert any(value == "7" for value in group_of(cloud).tags.values())


def test_an_epoch_that_is_left_over_is_told_with_what_holds_it(cloud, new_worker, folder):
    """A clock that was ahead made it, and the ledger is lost: it is in the tag, and in a file."""
    assert new_worker().increase(1, epoch=9)["code"] == flt.OK
    [file] = (folder / "state" / "aws").glob("*.json")
    both = new_worker().increase(1, epoch=7)
    assert both["code"] == flt.STALE and "delete-tags" in both["message"] and f"rm {file}" in both["message"], both
    group_of(cloud).tags.clear()
    left = new_worker().increase(1, epoch=7)
    assert left["code"] == flt.STALE and "delete-tags" not in left["message"] and f"rm {file}" in left["message"], left
    file.unlink()
    assert new_worker().increase(1, epoch=7)["code"] == flt.OK


FIRST, SECOND = "s_0a1b2c3d4e5f.11111111@one", "s_5f4e3d2c1b0a.22222222@two"


def test_a_group_that_another_manager_holds_is_left_alone(cloud, new_worker):
    """Whatever its epoch: a newer ledger has a newer one, and knows nothing of the first manager's instances."""
    first, late = new_worker(manager=FIRST), new_worker(manager=SECOND)
    assert first.increase(1, epoch=7)["code"] == flt.OK
    for other in ({"manager": SECOND}, {"manager": ""}):
        refused = new_worker(opened=False, **other).opened
        assert refused["code"] == flt.STALE and FIRST in refused["message"] and "delete-tags" in refused["message"], refused
    for reply in (late.call("list"), late.increase(1, epoch=8), late.decrease(*first.states(), epoch=8)):
        assert reply["code"] == flt.STALE and not reply.get("instances") and not reply.get("accepted"), reply
    assert group_of(cloud).desired == 1 and list(group_of(cloud).tags.values()) == [f"7/{FIRST}"]
    assert first.increase(1, epoch=7)["code"] == flt.OK


def test_a_manager_goes_on_with_its_own_group(cloud, new_worker):
    """After a restart, on a machine of another name, and with nothing left of what it had noted."""
    assert new_worker(manager=FIRST).increase(1, epoch=7)["code"] == flt.OK
    assert new_worker(manager=FIRST.replace("@one", "@renamed")).increase(1, epoch=9)["code"] == flt.OK
    assert group_of(cloud).desired == 2
    assert list(group_of(cloud).tags.values()) == [f"9/{FIRST.replace('@one', '@renamed')}"]


@pytest.mark.parametrize("how", ["without the tag", "take_over"])
def test_a_group_is_taken_over_when_a_person_says_so(cloud, new_worker, how):
    first = new_worker(manager=FIRST)
    assert first.increase(1, epoch=7)["code"] == flt.OK
    if how == "without the tag":
        group_of(cloud).tags.clear()
    second = new_worker(manager=SECOND, take_over=how == "take_over")
    assert len(second.states()) == 1 and second.increase(1, epoch=8)["code"] == flt.OK
    assert list(group_of(cloud).tags.values()) == [f"8/{SECOND}"]
    assert any(f"taken over from manager {FIRST}" in line for line in second.logs) == (how == "take_over")
    assert first.call("list")["code"] == flt.STALE and first.increase(1, epoch=7)["code"] == flt.STALE


def test_a_tag_that_was_taken_away_is_put_back_by_the_manager_that_still_runs(cloud, new_worker):
    first = new_worker(manager=FIRST)
    assert first.increase(1, epoch=7)["code"] == flt.OK
    group_of(cloud).tags.clear()
    assert first.increase(1, epoch=7)["code"] == flt.OK
    assert new_worker(manager=SECOND, opened=False).opened["code"] == flt.STALE


# Keys, clocks, limits


@pytest.mark.parametrize("skew", [3600, -3600, 150, -150])  # AWS refuses more than five minutes
def test_a_clock_that_is_wrong_is_told_and_allowed_for(cloud, new_worker, skew):
    fill(cloud, 2)
    cloud.account.skew_s = skew
    worker = new_worker()
    assert len(worker.states()) == 2 and worker.increase(1)["accepted"] == 1
    assert len([call for call in cloud.endpoint.calls if call.status != 200]) == (abs(skew) > 300), "it is seen once"
    [told] = [text for text in worker.warnings if "this machine's clock is" in text]
    assert ("behind" if skew > 0 else "ahead of") in told
    group_of(cloud).fails = "You have requested more vCPU capacity than your limit"
    assert worker.increase(1)["accepted"] == 1
    [failure] = worker.call("signals")["signals"]
    assert abs(failure["at_ms"] / 1000 - time.time()) < 120, "by the clock of this machine"


def test_keys_that_expired_are_read_anew(cloud, new_worker, folder):
    def write(name):
        cloud.account.keys[name] = Key("secret-of-" + name, "token-of-" + name)
        (folder / "credentials").write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret-of-{name}\n"
                                            f"aws_session_token = token-of-{name}\n")
        (folder / "credentials").chmod(0o600)

    write("ASIAFIRST")
    (folder / "config").write_text("")
    fill(cloud, 2)
    worker = new_worker(environment={}, credentials_file=str(folder / "credentials"), config_file=str(folder / "config"))
    assert len(worker.states()) == 2
    cloud.account.keys["ASIAFIRST"].expired = True
    write("ASIASECOND")
    assert len(worker.states()) == 2 and worker.increase(1)["accepted"] == 1
    assert cloud.endpoint.calls[-1].access_key == "ASIASECOND"


def test_keys_that_nobody_knows_are_told_with_their_source(cloud, new_worker):
    worker = new_worker(environment={**KEY, "AWS_SECRET_ACCESS_KEY": "wrong"}, opened=False)
    assert worker.opened["code"] == flt.AUTH, worker.opened
    assert "wrong" not in worker.opened["message"]


def test_throttling_is_waited_for(cloud, new_worker):
    worker = new_worker()
    cloud.throttled["SetDesiredCapacity"] = 2
    assert worker.increase(2)["accepted"] == 2 and group_of(cloud).desires == [2]


def test_the_groups_of_an_account_pay_for_repeated_calls_together(cloud, new_worker, folder):
    cloud.group("other")
    one, other = new_worker(), new_worker(name="other")
    [budget] = (folder / "state" / "aws").glob("retries-*")
    assert budget.name == "retries-us-east-1-123456789012"
    for worker in (one, other):
        budget.write_bytes(b"")
        cloud.throttled["DescribeAutoScalingGroups"] = 1
        assert worker.states() == {}
        assert len(budget.read_bytes()) == 16, "it was paid for there"


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_of_the_documented_policy_is_named_where_it_is_missing(cloud, new_worker, right):
    if right.endswith("LaunchConfigurations"):
        group_of(cloud).launch_configuration = "ci"
    if "DescribeLaunch" in right:  # of an empty group
        cloud.account.denied = {right}
        assert any(right in text for text in new_worker().warnings)
        return
    ids = fill(cloud, 1)
    ids += fill(cloud, 2, platform="windows", key_name="ci")[1:]
    group_of(cloud).members[ids[0]].protected = False
    cloud.account.denied = {right}
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    worker = new_worker(opened=False, connector={"key": key})
    said = [worker.opened["message"]]
    if worker.opened["code"] == flt.OK:
        replies = [worker.call("list"), worker.call("signals"), worker.increase(1)]
        replies += [worker.call("connect_info", instance=instance) for instance in ids]
        replies += [worker.decrease(ids[0])]
        said += [reply["message"] for reply in replies]
    assert any(right in text for text in said + worker.logs), said + worker.logs


GROUPS = [  # settings of a group; whether it is refused; what is said
    ({"min_size": 1}, True, "--min-size 0"),
    ({"max_size": 0}, True, "--max-size N"),
    ({"extra": {"MixedInstancesPolicy": {"LaunchTemplate": {"Overrides": [
        {"InstanceType": "t3.medium", "WeightedCapacity": "2"}]}}}}, True, "weights"),
    ({"extra": {"Status": "Delete in progress"}}, True, "is being deleted"),
    ({"suspended": set(), "extra": {"AvailabilityZones": ["us-east-1a", "us-east-1b"]}}, False,
     "--scaling-processes AZRebalance"),
    ({"suspended": {"AZRebalance", "Launch"}}, False, "resume-processes"),
    ({"protects": False}, False, "--new-instances-protected-from-scale-in"),
    ({"health_check": "ELB"}, False, "--health-check-type EC2"),
    ({"health_check": "EC2,VPC_LATTICE"}, False, "--health-check-type EC2"),
    ({"policies": ["keep-busy"]}, False, "keep-busy"),
    ({"extra": {"MaxInstanceLifetime": 86400}}, False, "--max-instance-lifetime 0"),
    ({"extra": {"CapacityRebalance": True}}, False, "capacity rebalancing"),
]


@pytest.mark.parametrize("settings, refused, sentence", GROUPS, ids=[f"{n} {sentence}" for n, (_, _, sentence) in enumerate(GROUPS)])
def test_a_group_that_would_take_instances_by_itself_is_told_with_the_remedy(cloud, new_worker, settings, refused, sentence):
    cloud.group(NAME, **settings)
    worker = new_worker(opened=False)
    assert (worker.opened["code"] == flt.INVALID) == refused, worker.opened
    assert sentence in (worker.opened["message"] if refused else "\n".join(worker.logs)), worker.logs


def test_a_group_as_it_should_be_is_told_nothing(cloud, new_worker):
    worker = new_worker()
    assert worker.opened["max_size"] == 10 and NAME in worker.opened["identity"]
    assert worker.warnings == []
    assert any("takes 10 instances at most" in text and "--max-size N" in text for text in worker.logs)


def test_a_group_that_is_not_there_is_told_with_its_region(cloud, new_worker):
    worker = new_worker(opened=False, name="other")
    assert worker.opened["code"] in (flt.INVALID, flt.NOT_FOUND), worker.opened
    assert "other" in worker.opened["message"] and "us-east-1" in worker.opened["message"]


@pytest.mark.sample
def test_the_plugin_keeps_the_contract_where_the_cloud_is_strict(cloud, folder, binary, build):
    """tests/integration/test_aws.py has it checked over moto."""
    (folder / "check.json").write_text(json.dumps({"name": NAME, "region": "us-east-1", "endpoint": cloud.url}))
    environment = {**os.environ, **KEY, "AWS_EC2_METADATA_DISABLED": "true", "TMPDIR": str(folder)}
    done = subprocess.run([binary, "plugin", "check", build / "plugins" / "aws" / "fleeting-plugin-aws.so", "--config",
                           folder / "check.json"], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=2 * PATIENCE)
    assert done.returncode == 0 and " 0 failed, " in done.stdout, done.stdout + done.stderr
    assert group_of(cloud).desired == 0


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
