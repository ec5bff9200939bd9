"""What lists, orders and removals do to the fleet over restarts, with a scripted cloud."""

import shutil

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE
from scripted import AUTH, QUOTA, STALE, THROTTLED, UNAVAILABLE


def test_an_unknown_instance_is_not_trusted_after_a_restart(scripted):
    run = scripted()
    run.show("stranger")
    run.script("list_delay_ms", 400)  # the kill comes between the first list and the second
    run.start()
    run.wait(lambda: run.life("stranger"), "the stranger is in the ledger")
    run.kill()
    run.script("list_delay_ms", 0)
    run.coordinator.add(make_job(1, str(run.folder)))
    run.start()
    run.wait(lambda: "stranger" in run.told("decreased"), "the stranger is removed")
    assert run.rows("SELECT uses, cause, remove_reason FROM instances") == \
        [(0, "preexisted", "unknown_at_start")]


def test_ids_that_return_are_not_ordered_while_one_is_awaited_to_go(scripted, fakes):
    """Else the answer could be the id that is about to go, and the order would be taken for its former use."""
    run = scripted(plugin=fakes / "returning_provider.so", idle_count=1)
    run.show("x")
    run.start()
    run.wait(lambda: run.told("decreased") == ["x"], "the stranger is to go")
    run.wait_lists(3)
    assert run.told("increased") == []
    run.show()
    run.wait(lambda: run.told("increased") == ["1"], "the order is made once it went")
    run.show("x")
    run.wait(lambda: run.life("x") == ["present"], "it is back")
    run.wait_lists(3)
    assert run.told("decreased") == ["x"]
    assert run.rows("SELECT uses, cause, remove_reason FROM instances") == [(0, "requested", "")]


def test_an_instance_that_flickers_comes_back_with_its_uses(scripted):
    """hardening_39: missing from two lists, then there again."""
    run = scripted()
    run.show()
    run.start()
    run.wait_lists(2)
    run.show("flicker")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.rows("SELECT uses FROM instances") == [(1,)], "the job is on the instance")
    run.show()
    run.wait(lambda: run.life("flicker") == ["gone"], "the instance is gone")
    run.show("flicker")
    run.wait(lambda: run.life("flicker") == ["present"], "the instance is back")
    assert run.rows("SELECT uses FROM instances") == [(1,)]
    run.kill()
    run.start()
    run.wait_lists(3)
    assert run.life("flicker") == ["present"]


def test_an_instance_that_flickers_while_it_is_deleted_is_deleted_again(scripted):
    run = scripted()
    run.show("stranger")
    run.start()
    run.wait(lambda: "stranger" in run.told("decreased"), "the stranger is removed")
    run.show()
    run.wait(lambda: run.life("stranger") == ["gone"], "the stranger is gone")
    calls = len(run.told("decreased"))
    run.show("stranger")
    run.wait(lambda: len(run.told("decreased")) > calls, "it is removed again")
    assert run.life("stranger") == ["removing"]


def test_an_instance_of_another_entry_is_reported_and_left_alone(scripted):
    run = scripted()
    run.leave_to_another_entry("held")
    run.wait_lists(4)
    assert run.told("decreased") == []
    assert run.life("held") == ["present"]
    assert [i["foreign"] for i in run.status()["instances"]] == [True]
    assert "belongs to another runner entry" in run.ask("explain").stdout


def test_a_removal_of_this_run_is_not_settled_by_its_first_list(scripted):
    """The list is slow, and a removal that the former run left is refused before it is there."""
    run = scripted()
    run.show("stranger")
    run.script("decrease_code", THROTTLED)
    run.start()
    run.wait(lambda: run.told("decreased"), "the stranger is to be removed")
    run.kill()
    run.script("list_delay_ms", 1500)
    run.start()
    run.wait_lists(1)
    states = run.rows("SELECT DISTINCT state FROM intents WHERE epoch = (SELECT min(epoch) FROM intents)")
    assert ("open",) not in states, states


def order(run, n):
    """Makes the manager order n instances; the answer is in the ledger."""
    run.start()
    run.wait_lists(2)
    run.coordinator.add(*[make_job(i, str(run.folder)) for i in range(1, n + 1)])
    run.wait(lambda: sum(r[0] for r in run.rows("SELECT count FROM intents WHERE state = 'done'")) == n,
             f"{n} instances are ordered")


def test_accepted_orders_are_not_made_again_after_a_restart(scripted):
    """hardening R5: the cloud is slow, the manager comes and goes."""
    run = scripted(max_instances=3)
    order(run, 3)
    for _ in range(2):
        run.kill()
        run.start()
        run.wait_lists(4)
    assert sum(map(int, run.told("increased"))) == 3
    run.show("a", "b", "c")
    run.wait(lambda: run.rows("SELECT count(*) FROM jobs WHERE state = 'assigned'") == [(3,)],
             "the jobs have their instances")


def test_an_ordered_instance_is_no_stranger_after_a_restart(scripted):
    run = scripted(max_instances=3)
    order(run, 1)
    run.kill()
    run.show("ours")
    run.start()
    run.wait_lists(4)
    assert run.told("decreased") == []
    assert run.rows("SELECT id, life, cause FROM instances") == [("ours", "present", "requested")]


def test_what_had_appeared_before_a_restart_is_waited_for_no_more(scripted):
    run = scripted(max_instances=3)
    order(run, 2)
    run.show("a", "b")
    run.wait(lambda: run.life("b"), "both have appeared")
    run.kill()
    run.start()
    run.wait_lists(2)
    assert run.status()["runners"][0]["pending"] == 0


def test_an_instance_of_an_older_order_is_not_taken_for_one_of_a_later(scripted):
    """The first order was answered 20 minutes ago, the second 10, the one instance came 9 minutes ago."""
    run = scripted(max_instances=3)
    order(run, 1)
    run.coordinator.add(make_job(2, str(run.folder)))
    run.wait(lambda: len(run.rows("SELECT 1 FROM intents WHERE state = 'done'")) == 2, "a second one is ordered")
    run.show("a")
    run.wait(lambda: run.life("a") == ["present"], "one has appeared")
    run.kill()
    for age, row in [(20, "min"), (10, "max")]:
        run.write(f"UPDATE intents SET created_ms = created_ms - {age * 60000}, ended_ms = ended_ms - {age * 60000} "
                  f"WHERE created_ms = (SELECT {row}(created_ms) FROM intents)")
    run.write(f"UPDATE instances SET first_seen_ms = first_seen_ms - {9 * 60000}")
    run.start()
    run.wait_lists(3)
    assert sum(map(int, run.told("increased"))) == 2
    assert run.status()["runners"][0]["pending"] == 1


def test_a_list_is_one_transaction(scripted):
    run = scripted()
    run.show("a", "b", "c")
    run.start(FLOTILLA_KILL_AT="instance_row.after:3")
    run.process.wait(PATIENCE)
    assert run.rows("SELECT count(*) FROM groups") == [(1,)]
    assert run.rows("SELECT id FROM instances") == []


def test_ten_thousand_instances_are_taken_in_and_shown(scripted):
    """hardening.md section 9"""
    run = scripted(max_instances=10000, idle_count=10000)
    run.show(*[f"i-0123456789{i:08x}" for i in range(10000)])
    run.start()
    run.wait(lambda: run.rows("SELECT count(*) FROM instances WHERE ready_ms > 0") == [(10000,)],
             "all are ready")
    assert len(run.status()["instances"]) == 10000


@pytest.mark.parametrize("call", ["increase", "decrease"])
def test_a_group_with_a_newer_epoch_is_left_alone(scripted, call):
    """hardening R9"""
    run = scripted()
    run.script(f"{call}_code", STALE)
    run.start()
    run.wait_lists(2)
    if call == "increase":
        run.coordinator.add(make_job(1, str(run.folder)))
    else:
        run.kill()
        run.show("stranger")
        run.start()
    run.wait(lambda: run.told(f"{call}d"), "the refused call")
    run.wait(lambda: "another flotilla holds" in run.status()["runners"][0].get("problem", ""), "it is said")
    run.wait_lists(4)  # still looking
    assert len(run.told(f"{call}d")) == 1
    assert "takes no jobs: another flotilla holds this group" in run.ask("explain").stdout
    if call == "decrease":
        assert "another flotilla holds this group" in run.ask("remove", "stranger").stderr


def test_a_group_that_a_list_calls_another_managers_is_left_alone(scripted):
    run = scripted()
    run.show("mine")
    run.start()
    run.wait(lambda: run.life("mine") == ["removing"], "the group is in use")
    run.script("list_code", STALE)
    run.wait(lambda: "another flotilla holds" in run.problem(), "it is said")
    assert "takes no jobs: another flotilla holds this group" in run.ask("explain").stdout
    run.script("list_code", 0)  # a person has put that right
    run.wait(lambda: run.problem() == "", "it is in use again")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.told("increased"), "it grows")


def test_autoscaler_V61_nothing_is_ordered_while_lists_fail(scripted):
    run = scripted()
    run.show("stranger")
    run.script("decrease_code", THROTTLED)
    run.start()
    run.wait(lambda: run.told("decreased"), "the stranger is to be removed")
    run.script("list_code", THROTTLED)
    run.wait(lambda: "list fails" in run.status()["runners"][0].get("problem", ""), "the failure is shown")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.status()["runners"][0]["requested"] == 1, "an instance is wanted")
    listed, decreased = len(run.told("listed")), len(run.told("decreased"))
    run.wait(lambda: "trying again in" in run.log.read_text(), "the back-off is said")
    run.wait(lambda: len(run.told("decreased")) > decreased, "the removal is tried all the same")
    assert run.told("increased") == []
    assert run.life("stranger") == ["removing"]  # nothing is dropped
    assert len(run.told("listed")) - listed < 10  # not each 50 ms
    run.script("list_code", 0)
    run.wait(lambda: run.told("increased") == ["1"], "the order is made once a list came")


def test_what_went_long_ago_is_forgotten(scripted):
    run = scripted()
    run.show("old")
    run.start()
    run.wait(lambda: "old" in run.told("decreased"), "the stranger is removed")
    run.show()
    run.wait(lambda: run.life("old") == ["gone"], "it is gone")
    run.kill()
    run.write("UPDATE instances SET gone_ms = 1")
    run.start()
    run.wait(lambda: run.life("old") == [], "its row is deleted")


def test_a_step_of_the_wall_clock_between_two_runs_removes_nothing(scripted):
    """hardening R12: this boot's time began an hour late, that is, the wall clock was put forward since."""
    hour = 3600 * 1000
    run = scripted(idle_time="30m")
    run.start()
    run.wait_lists(2)
    run.show("idle")
    run.wait(lambda: run.rows("SELECT ready_ms > 0 FROM instances") == [(1,)], "the instance is idle")
    run.kill()
    clock = run.state_dir / "clock"
    boot, base = clock.read_text().split()
    clock.write_text(f"{boot} {int(base) - hour}\n")
    run.write(f"UPDATE instances SET idle_since_ms = idle_since_ms - {hour}")
    run.start()
    run.wait_lists(4)
    assert run.life("idle") == ["present"]


def test_an_entry_without_its_plugin_is_shown_and_stops_nobody(scripted):
    """It has an instance to see to: else a manager that can do nothing ends (test_cli.py)."""
    run = scripted()
    plugin = run.folder / "plugin.so"
    shutil.copy(run.settings["plugin"], plugin)
    run.configure(plugin=plugin)
    run.show()
    run.start()
    run.wait_lists(2)
    run.show("known")
    run.wait(lambda: run.life("known") == ["present"], "the instance is known")
    run.kill()
    plugin.unlink()
    run.start()
    run.wait(lambda: run.ask("status").returncode == 0, "the manager answers")
    run.wait(lambda: "problem" in run.status()["runners"][0], "the problem is shown")
    assert "takes no jobs" in run.ask("explain").stdout


@pytest.mark.parametrize("code, kind, said", [
    (QUOTA, "quota", "the cloud has no more for this group"), (THROTTLED, "rate", "the cloud is asked too often"),
    (UNAVAILABLE, "unreachable", "the cloud does not take orders"), (AUTH, "unreachable", "the cloud does not take orders")])
def test_autoscaler_V20_growth_that_fails_is_tried_in_growing_pauses(scripted, code, kind, said):
    """Each kind has its own words; one line for a distinct error, and no second job that only growth could serve."""
    run = scripted(max_instances=3)
    run.script("increase_code", code)
    run.coordinator.add(make_job(1, str(run.folder)))
    run.start(FLOTILLA_LIMITS="back_off=100")
    run.wait(lambda: run.told("increased"), "an order was made")
    run.wait(lambda: run.status()["runners"][0].get("growth_paused") == kind, "the pause is shown")
    run.coordinator.add(make_job(2, str(run.folder)))  # a request that was parked before is withdrawn
    run.wait(lambda: len(run.told("increased")) >= 4, "it is tried again")
    run.wait(lambda: f"scripted: asks for no job: the group cannot grow: {said}, tried again" in run.ask("explain").stdout,
             "no job is asked for")
    runner = run.status()["runners"][0]
    assert runner["problem"] == "increase fails by the script"
    assert runner["waiting"] == 1, "a second job was asked for"
    assert f"scripted: growth is failing: increase fails by the script; {said}, tried again" in run.ask("explain").stdout
    lines = [line for line in run.log.read_text().splitlines() if "increasing instances: runner" in line and "fails by" in line]
    assert len(lines) == 1 and said in lines[0], lines
    run.script("increase_code", 0)
    run.wait(lambda: "growth is failing" not in run.ask("explain").stdout, "an order was taken")
    run.wait(lambda: run.status()["runners"][0]["waiting"] == 2, "the second job is asked for")


def test_autoscaler_V17_an_order_that_never_appears_is_a_failure_of_growth(scripted):
    run = scripted(max_instances=3)
    run.coordinator.add(make_job(1, str(run.folder)))
    run.start(FLOTILLA_LIMITS="back_off=100,pending=300")
    run.wait(lambda: "1 ordered instances never appeared, given up; the cloud delivers fewer than it was asked for"
             in run.log.read_text(), "the order is given up")
    run.wait(lambda: len(run.told("increased")) >= 2, "it is made again")
