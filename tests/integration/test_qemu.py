"""flotilla-nesting's QEMU back end, with a real QEMU that emulates the processor: guests restored from a frozen one, what
becomes of them when the daemon dies, and what is said when one can't be made."""

import json
import os
import signal
import subprocess
import time

import pytest

from checker.processes import processes_of
from checker.run import wait_for
from guest import guest_folder
from nesting_served import Client, failure

PATIENCE = 300  # a guest is slow without KVM, and others use the machine
UNKNOWN = 2
FULL = pytest.mark.skipif(not os.environ.get("FLOTILLA_TEST_FULL"), reason="boots some guests more: with --full only")
MINE = "cat /etc/machine-id; od -An -N16 -tx1 /dev/urandom; date +%s"


class Daemon:
    """flotilla-nesting, and the images it may use."""

    def __init__(self, build, folder, guest):
        self.build, self.folder, self.guest = build, folder, guest
        self.images, self.state, self.log = folder / "images", folder / "state", folder / "log"
        self.images.mkdir()
        self.child = self.client = None
        self.describe("guest", disk=str(guest / "disk.qcow2"), kernel=str(guest / "vmlinuz"),
                      initrd=str(guest / "initrd.img"), append="root=LABEL=flotilla-guest console=ttyS0 quiet no_timer_check")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.images / "empty.qcow2", "16M"], check=True)

    def describe(self, name, **keys):
        (self.images / f"{name}.json").write_text(json.dumps({"cpus": 1, "memory": "256MiB", **keys}))

    def start(self):
        begin = self.logged().count("listens at")
        with self.log.open("a") as log:
            self.child = subprocess.Popen(
                [self.build / "nestingd/flotilla-nesting", "serve", "-hypervisor", "qemu", "-state", self.state],
                env={**os.environ, "NESTING_SOCKET": str(self.folder / "s")}, stderr=log, stdin=subprocess.DEVNULL)
        assert wait_for(lambda: self.logged().count("listens at") > begin, PATIENCE), self.logged()
        self.client = Client(self.folder / "s")

    def begin(self, method, **fields):
        return self.client.begin(method, timeout=PATIENCE, **fields)

    def init(self, **settings):
        config = {"image_directory": str(self.images), "accel": "tcg", **settings}
        return self.begin("Init", config=json.dumps(config).encode())

    def started(self, **settings):
        self.start()
        self.init(**settings).result()
        return self

    def create(self, image="guest"):
        return self.begin("Create", image=image).result().vm

    def delete(self, vm):
        self.begin("Delete", id=vm).result()

    def listed(self):
        return {vm.id: vm.addr for vm in self.begin("List").result().vms}

    def die(self):
        self.client.close()
        self.child.kill()
        self.child.wait()

    def logged(self):
        return self.log.read_text() if self.log.exists() else ""

    def guests(self):
        """The QEMUs that run."""
        return [process for process in processes_of(self.state) if b"qemu-system" in process.cmdline]

    def commands(self):
        return [process.cmdline.split(b"\0") for process in self.guests()]

    def kill(self, vm):
        """As if it had ended by itself."""
        process, = (process for process in self.guests() if vm.id.encode() in process.cmdline)
        os.kill(process.pid, signal.SIGKILL)

    def left(self):
        """Of VMs, in any state."""
        return [path for kind in ("vms", "gone", "making") for path in (self.state / "qemu" / kind).iterdir()]

    def run(self, vm, command):
        """(what it prints, the host key that the guest showed)"""
        host, port = vm.addr.split(":")
        known = self.folder / f"known-{vm.id}"
        ran = subprocess.run(["ssh", "-i", self.guest / "key", "-o", f"UserKnownHostsFile={known}",
                              "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-p", port, f"ci@{host}",
                              command], capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.split("\n"), known.read_text().split()[2]


@pytest.fixture
def daemon(build, folder):
    daemon = Daemon(build, folder, guest_folder(build))
    yield daemon
    if daemon.child:
        daemon.die()


def looks(daemon, vm):
    """What no two may share, and the guest's clock."""
    before = time.time()
    (machine, seed, clock, *_), key = daemon.run(vm, MINE)
    assert before - 60 < int(clock) < time.time() + 60
    return {machine, seed, key}


@pytest.fixture(scope="module")
def frozen(build, module_folder):
    """A daemon that has frozen a guest, and restored `first` from that."""
    daemon = Daemon(build, module_folder, guest_folder(build)).started()
    daemon.first = daemon.create()
    yield daemon
    daemon.die()


def test_restored_guests_differ_and_leave_nothing(frozen):
    second = frozen.create()
    assert [command.count(b"-incoming") for command in frozen.commands()] == [1, 1]
    assert len(looks(frozen, frozen.first) | looks(frozen, second)) == 6
    frozen.delete(second.id)
    frozen.delete(second.id)
    assert frozen.listed() == {frozen.first.id: frozen.first.addr}
    assert (len(frozen.commands()), len(frozen.left())) == (1, 1)


def test_guests_survive_the_daemon_unless_they_have_ended(frozen):
    first, second = frozen.first, frozen.create()
    frozen.die()
    frozen.started()
    for vm in (first, second):
        assert f"VM {vm.id} of image 'guest' at {vm.addr} goes on" in frozen.logged()
    assert frozen.listed() == {first.id: first.addr, second.id: second.addr}
    frozen.run(first, "true")

    frozen.kill(second)
    assert wait_for(lambda: frozen.listed() == {first.id: first.addr, second.id: ""}, PATIENCE)
    frozen.die()
    frozen.started()
    assert frozen.listed() == {first.id: first.addr}
    assert len(frozen.left()) == 1


def test_a_frozen_guest_that_is_broken_is_thrown_away_and_the_vm_boots(frozen):
    assert "warning" not in frozen.logged()
    os.truncate(frozen.state / "qemu/templates/guest/frozen/state", 1 << 20)
    vm = frozen.create()
    assert "the frozen guest of image 'guest' is of no use (" in frozen.logged()
    assert f"it is thrown away and VM {vm.id} boots" in frozen.logged()
    assert not (frozen.state / "qemu/templates/guest/frozen").exists()
    frozen.run(vm, "true")
    frozen.kill(vm)
    frozen.delete(vm.id)
    assert frozen.listed() == {frozen.first.id: frozen.first.addr}


@FULL
def test_who_comes_while_a_guest_is_being_frozen_boots(daemon):
    daemon.started()
    calls = [daemon.begin("Create", image="guest") for _ in range(2)]
    vms = [call.result().vm for call in calls]
    assert sorted(command.count(b"-incoming") for command in daemon.commands()) == [0, 1]
    assert len(looks(daemon, vms[0]) | looks(daemon, vms[1])) == 6
    for vm in vms:
        daemon.delete(vm.id)
    assert (daemon.commands(), daemon.left()) == ([], [])


@FULL
def test_an_image_whose_guests_cannot_be_told_apart_boots_each_time(daemon):
    # An agent behind a port of another name is none.
    wrapper = daemon.folder / "qemu"
    wrapper.write_text("#!/bin/bash\nexec qemu-system-x86_64 \"${@//org.qemu.guest_agent.0/another}\"\n")
    wrapper.chmod(0o755)
    daemon.started(qemu=str(wrapper))
    vms = [daemon.create(), daemon.create()]
    assert [command.count(b"-incoming") for command in daemon.commands()] == [0, 0]
    assert daemon.logged().count("no guest of image 'guest' can be frozen (the guest's agent: ") == 1
    for vm in vms:
        daemon.run(vm, "true")
        daemon.delete(vm.id)
    assert (daemon.commands(), daemon.left()) == ([], [])


@pytest.mark.parametrize("settings, says", [
    ({"image_directory": "/nowhere"}, "image_directory '/nowhere': No such file or directory"),
    ({"image_directory": "images"}, "'image_directory' must be an absolute path"),
    ({"qemu": "no-such-qemu"}, "QEMU (Debian: packages qemu-system-x86 and qemu-utils): exec: \"no-such-qemu\": executable "
                               "file not found in $PATH"),
    ({"accel": "kvm", "cpu": "no-such-cpu"}, "KVM can't be used: "),
    ({"memory": "much"}, "'memory' must be a size"),
])
def test_settings_that_cannot_work_are_told_at_the_start(daemon, settings, says):
    daemon.start()
    code, text = failure(daemon.init(**settings))
    assert code == UNKNOWN and says in text
    assert daemon.commands() == []
    # What it was told stays, as upstream's does: the next Init is laid over it.
    daemon.init(qemu="qemu-system-x86_64", cpu="max").result()


def test_an_image_that_makes_no_vm_is_told_and_leaves_nothing(daemon):
    daemon.describe("slip", disk="empty.qcow2", memroy="1GiB")
    daemon.describe("nowhere", disk="gone.qcow2")
    daemon.describe("small", disk="empty.qcow2", disk_size="8MiB")
    daemon.describe("odd", disk="empty.qcow2", cpu="no-such-cpu")
    daemon.describe("mute", disk="empty.qcow2", boot_timeout="1s")
    daemon.started()
    for image, says in [
            ("none", f"no image 'none': there is neither none.toml, none.json nor none.qcow2 in {daemon.images}"),
            ("slip", f"{daemon.images}/slip.json: 'memroy' is no key of an image"),
            ("nowhere", f"{daemon.images}/gone.qcow2"),
            ("small", "'disk_size' is less than the image's disk has, 16777216 bytes"),
            ("odd", "QEMU ended with exit status 1 ("),
            ("mute", "it does not answer as SSH does on its port 22 within boot_timeout, 1s")]:
        code, text = failure(daemon.begin("Create", image=image))
        assert code == UNKNOWN and says in text, text
        assert (daemon.listed(), daemon.commands(), daemon.left()) == ({}, [], [])


def hanging(daemon):
    """A creation that waits for a guest that never answers."""
    call = daemon.begin("Create", image="empty")
    assert wait_for(daemon.commands, PATIENCE)
    return call


def test_a_client_that_goes_takes_its_half_made_vm_with_it(daemon):
    daemon.started(boot_timeout="24h", snapshot=False)
    call = hanging(daemon)
    assert set(daemon.listed().values()) == {""}
    call.cancel()
    assert wait_for(lambda: not daemon.listed() and not daemon.left(), PATIENCE), daemon.left()
    assert daemon.commands() == []


@pytest.mark.parametrize("snapshot", [False, True])
def test_what_a_daemon_was_making_when_it_was_killed_goes_at_the_next_start(daemon, snapshot):
    daemon.started(boot_timeout="24h", snapshot=snapshot)
    call = hanging(daemon)  # without anybody who holds it, it would be cancelled
    os.kill(daemon.child.pid, signal.SIGKILL)
    assert call.exception(timeout=PATIENCE)
    daemon.die()
    assert daemon.left() and daemon.commands()
    daemon.started()
    assert (daemon.listed(), daemon.commands(), daemon.left()) == ({}, [], [])
