"""Random calls of flotilla-nesting, with crashes and VMs that vanish in between, against a model of what must be there:
never two VMs in a slot, and none that nobody knows of."""

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from checker.run import wait_for
from nesting_served import PATIENCE, Served, failure

FULL = bool(os.environ.get("FLOTILLA_TEST_FULL"))
SEQUENCES, STEPS, SLOTS = (1000 if FULL else 100), 8, (0, 1, -7)


class Model:
    """What the daemon must know: its VMs with their slots, and which of them are really there."""

    def __init__(self, served):
        self.served, self.slots, self.there = served, {}, set()
        self.client = served.initialised()

    def occupant(self, slot):
        return next((vm for vm, place in self.slots.items() if place == slot), None)

    def forget(self, vm):
        self.slots.pop(vm, None)
        self.there.discard(vm)

    def add(self, vm, slot):
        self.slots[vm] = slot
        self.there.add(vm)

    def ask(self, slot):
        return self.client.begin("Create", image="mac", **({} if slot is None else {"slot": slot}))

    def restart(self):
        self.served.kill()
        self.served.start()
        self.client.close()
        self.client = self.served.initialised()
        # What ended by itself while nobody looked, and is in no slot, is of no interest any more.
        for vm in [vm for vm, slot in self.slots.items() if slot is None and vm not in self.there]:
            self.forget(vm)

    def check(self):
        assert self.served.kept() == self.slots
        assert set(self.served.vms()) == self.there
        taken = [slot for slot in self.slots.values() if slot is not None]
        assert len(taken) == len(set(taken))

    # The steps.

    def create(self, pick):
        slot = pick.choice((*SLOTS, None))
        before = self.occupant(slot) if slot is not None else None
        answer = self.ask(slot).result()
        assert answer.stompedVmId == (before or "")
        self.forget(before)
        self.add(answer.vm.id, slot)

    def create_fails(self, pick):
        slot = pick.choice((*SLOTS, None))
        before = self.occupant(slot) if slot is not None else None
        self.served.order("fail-create", "boom")
        assert failure(self.ask(slot))[1] == "starting vm: boom"
        self.served.lift("fail-create")
        self.forget(before)

    def remove(self, pick):
        vm = pick.choice(sorted(self.slots) or ["nesting-00000000"])
        self.client("Delete", id=vm)
        self.forget(vm)

    def remove_fails(self, pick):
        taken = [slot for slot in self.slots.values() if slot is not None]
        if not taken:
            return
        slot = pick.choice(taken)
        self.served.order("fail-remove", "bang")
        assert failure(self.ask(slot))[1] == f"clearing slot: stopping vm ({self.occupant(slot)}): bang"
        self.served.lift("fail-remove")

    def vanish(self, pick):
        if self.there:
            vm = pick.choice(sorted(self.there))
            (self.served.fake / "vms" / vm).unlink()
            self.there.discard(vm)

    def begin_held(self, slot):
        """A call whose VM is just being made, and that VM."""
        before = self.occupant(slot)
        making = len(self.served.noted("making"))
        self.served.order("hold")
        call = self.ask(slot)
        self.served.wait_noted("making", making + 1)
        self.forget(before)
        return call, self.served.noted("making")[-1]

    def cancel(self, pick):
        call, vm = self.begin_held(pick.choice(SLOTS))
        call.cancel()
        assert wait_for(lambda: vm not in self.served.kept(), PATIENCE)
        self.served.lift("hold")

    def crash(self, pick):
        slot = pick.choice(SLOTS)
        call, vm = self.begin_held(slot)
        self.served.kill()
        assert failure(call)[0] in (2, 14)
        self.served.lift("hold")
        self.add(vm, slot)
        self.restart()

    def crash_idle(self, _):
        self.restart()

    def race(self, pick):
        slot = pick.choice(SLOTS)
        before = self.occupant(slot)
        answers = [call.result() for call in [self.ask(slot) for _ in range(3)]]
        made, stomped = {answer.vm.id for answer in answers}, [answer.stompedVmId for answer in answers]
        [last] = made - set(stomped)
        assert sorted(stomped) == sorted([before or "", *(made - {last})])
        self.forget(before)
        self.add(last, slot)


@pytest.fixture
def served(build, folder):
    """In memory, where there is room for it: each step is synced to the disk."""
    quick = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = Path(tempfile.mkdtemp(prefix="flt-", dir=quick))
    made = Served(build, folder, place=place)
    yield made
    made.close()
    shutil.rmtree(place)


def test_random_sequences(served):
    model = Model(served)
    steps = [model.create] * 6 + [model.create_fails, model.remove, model.remove, model.remove_fails, model.vanish,
                                  model.cancel, model.crash, model.race]
    for seed in range(SEQUENCES):
        pick = random.Random(seed)
        told = []
        try:
            for step in [pick.choice(steps) for _ in range(STEPS)] + [model.crash_idle] * (seed % 10 == 0):
                told.append(step.__name__)
                step(pick)
                model.check()
            told.append("end")
            for vm in sorted({*model.slots, *model.client.ids()}):
                model.client("Delete", id=vm)
                model.forget(vm)
            model.check()
        except Exception as error:
            raise AssertionError(f"seed {seed}, after {told}: {error}\n{served.logged()[-2000:]}") from error
        (served.fake / "journal").unlink(missing_ok=True)
    assert served.vms() == []
