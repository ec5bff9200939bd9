"""How the manager stops while its providers are busy, and what becomes of the instances."""

import signal

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE
from scripted import DELETING, RUNNING

pytestmark = pytest.mark.sample


def test_an_answer_that_comes_while_providers_close_starts_nothing(scripted):
    """The first group's removal is cut short by the stop, the second one's provider is still closing."""
    run = scripted(others=[{"name": "second"}])
    run.show("stranger")
    run.script("decrease_delay_ms", 1500)
    run.script("close_delay_ms", 500, cloud="second")
    run.start()
    run.wait(lambda: run.rows("SELECT 1 FROM intents WHERE kind = 'decrease'"), "the removal is under way")
    run.wait(lambda: run.told("listed", cloud="second"), "the second group works")
    assert run.stop() == 0, run.tail()


def test_a_job_that_waits_for_its_connection_does_not_hold_up_the_stop(scripted):
    """The provider says "not ready, ask again in a minute"."""
    run = scripted()
    run.start()
    run.wait_lists(2)
    run.show("fresh")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.rows("SELECT 1 FROM jobs WHERE state = 'assigned'"), "the job has its slot")
    run.wait(lambda: run.told("connected"), "the connection was asked for")
    assert run.stop(timeout=50) == 0, run.tail()


def test_only_the_instances_of_the_runner_that_wants_it_are_deleted(scripted):
    run = scripted(delete_at_stop="true", others=[{"name": "second", "delete_at_stop": "false"}])
    run.start()
    run.wait_lists(2)
    run.show("ours")
    run.show("kept", cloud="second")
    run.wait(lambda: run.life("ours") == ["present"] and run.life("kept") == ["present"],
             "both instances are there")
    run.process.send_signal(signal.SIGQUIT)
    run.wait(lambda: "ours" in run.told("decreased"), "ours is deleted")
    run.show()
    assert run.process.wait(PATIENCE) == 0, run.tail()
    assert run.told("decreased", cloud="second") == []
    assert run.life("kept") == ["present"]


def test_autoscaler_V68_deleting_at_the_stop_is_tried_three_times(scripted):
    """The cloud takes the removals and does nothing; what it deletes by itself is not asked for."""
    run = scripted(delete_at_stop="true", autoscaler='    shutdown_deletion_interval = "400ms"\n')
    run.start()
    run.wait_lists(2)
    run.show("a", "b", "c")
    run.wait(lambda: run.life("c") == ["present"], "all are there")
    run.script("list", f"a {RUNNING}\nb {RUNNING}\nc {DELETING}\n")
    run.wait(lambda: run.rows("SELECT state FROM instances WHERE id = 'c'") == [("deleting",)], "one is going")
    assert run.stop(signal.SIGQUIT) == 0, run.tail()
    told = run.told("decreased")
    assert 2 <= told.count("a") == told.count("b") <= 3
    assert "c" not in told
    assert "3 instances are still there at shutdown: a (running, its removal was accepted), b (running, its removal was " \
        "accepted), c (deleting); the next start removes them" in run.log.read_text()
