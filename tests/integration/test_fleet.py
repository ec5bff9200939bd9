"""What lists, orders and removals do to the fleet over restarts, with a scripted cloud."""

import time

import pytest

from checker.jobs import make_job
from scripted import RUNNING, Scripted


@pytest.fixture
def scripted(folder, binary, build):
    made = []

    def make(**settings):
        made.append(Scripted(folder, binary, build, **settings))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


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
