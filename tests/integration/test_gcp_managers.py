"""Which manager holds a group of plugins/gcp: the one that has ordered its instances, as their names tell each of them."""

from cloud import provider as flt
from gcp_group import cloud, fill, group_of, new_worker  # noqa: F401

FIRST, SECOND = "s_0a1b2c3d4e5f.11111111@one", "s_5f4e3d2c1b0a.22222222@two"


def test_a_group_that_another_manager_holds_is_left_alone(cloud, new_worker):
    """Whatever its epoch: a newer ledger has a newer one, and knows nothing of the first manager's instances."""
    first, late = new_worker(manager=FIRST), new_worker(manager=SECOND)
    assert first.increase(1, epoch=7)["code"] == flt.OK
    [name] = group_of(cloud).members
    for other in (SECOND, ""):
        refused = new_worker(opened=False, manager=other).opened
        assert refused["code"] == flt.STALE and name in refused["message"], refused
    for reply in (late.call("list"), late.increase(1, epoch=8), late.decrease(*first.states(), epoch=8)):
        assert reply["code"] == flt.STALE and not reply.get("instances") and not reply.get("accepted"), reply
    assert first.increase(1, epoch=7)["code"] == flt.OK and group_of(cloud).target_size == 2


def test_a_manager_goes_on_with_its_own_group(cloud, new_worker):
    """After a restart, and on a machine of another name. What was there before any manager is nobody's."""
    fill(cloud, 1)
    first = new_worker(manager=FIRST)
    assert first.increase(1, epoch=7)["code"] == flt.OK
    later = new_worker(manager=FIRST.replace("@one", "@renamed"))
    assert len(later.states()) == 2 and later.increase(1, epoch=9)["code"] == flt.OK
    assert first.increase(1, epoch=7)["code"] == flt.STALE
    assert group_of(cloud).target_size == 3


def test_what_a_tool_has_ordered_is_nobody_s(cloud, new_worker):
    """Its epoch is of no ledger."""
    tool = new_worker()
    assert tool.increase(1, epoch=99)["code"] == flt.OK
    manager = new_worker(manager=FIRST)
    assert manager.increase(1, epoch=7)["code"] == flt.OK
    assert tool.call("list")["code"] == flt.STALE


def test_a_group_is_free_when_the_instances_of_its_manager_are_gone(cloud, new_worker):
    first = new_worker(manager=FIRST)
    assert first.increase(2, epoch=7)["code"] == flt.OK
    group_of(cloud).boot_looks = 0
    first.states()
    first.decrease(*first.states(), epoch=7)
    assert new_worker(manager=SECOND).increase(1, epoch=5)["code"] == flt.OK
    assert first.increase(1, epoch=7)["code"] == flt.STALE


def test_a_group_is_taken_over_when_a_person_says_so(cloud, new_worker):
    first = new_worker(manager=FIRST)
    assert first.increase(1, epoch=7)["code"] == flt.OK
    second = new_worker(manager=SECOND, take_over=True)
    assert any("is taken over from the manager" in line for line in second.logs), second.logs
    assert len(second.states()) == 1 and second.increase(1, epoch=8)["code"] == flt.OK
    assert first.call("list")["code"] == flt.STALE and first.increase(1, epoch=7)["code"] == flt.STALE
    assert new_worker(opened=False, take_over=True).opened["code"] == flt.STALE, "a tool takes nothing"
