"""flotilla-nesting: its calls by grpcio, which knows nothing of ours, over a back end that does what a test says. The
numbers are those of the vectors of the protocol."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import grpc
import pytest

from checker.run import wait_for
from nesting_daemon import TYPES
from nesting_served import PATIENCE, Served, failure

CANCELLED, UNKNOWN, INVALID, EXHAUSTED, PRECONDITION = 1, 2, 3, 8, 9


@pytest.fixture
def start(build, folder):
    made = []

    def make(**options):
        made.append(Served(build, folder, **options))
        return made[-1]
    yield make
    for served in made:
        served.close()


@pytest.fixture
def served(start):
    return start()


@pytest.fixture
def client(served):
    return served.initialised()


def test_nesting_N01_N02_N04_N05_the_two_states(served):
    client = served.client()
    for method in ("List", "Create", "Delete"):
        assert client.error(method) == (PRECONDITION, "not initialized")
    assert client.error("Shutdown") == (PRECONDITION, "already initialized")
    client("Init", config=b"{}")
    assert client.error("Init", config=b"{}") == (PRECONDITION, "already initialized")
    client("Shutdown")
    assert client.error("List") == (PRECONDITION, "not initialized")
    client("Init")
    assert client.ids() == []


@pytest.mark.parametrize("config, why", [
    (b"{bad", "invalid config: "),
    (b"[]", "invalid config: settings are an object, not array"),
    (b'"a"', "invalid config: settings are an object, not string"),
    (b"7", "invalid config: settings are an object, not int"),
    (b'{"cpus": "many"}', "invalid config: "),
    (b'{"max_vms": -1}', "invalid config: "),
    (b'{"max_memory": "8 apples"}', "invalid config: max_memory: must be a size, such as \"16GiB\", or 0 for no limit"),
])
def test_nesting_N03_an_init_that_fails_may_be_tried_again(served, config, why):
    client = served.client()
    status, text = client.error("Init", config=config)
    assert (status, text.startswith(why)) == (UNKNOWN, True), text
    assert client.error("List") == (PRECONDITION, "not initialized")
    client("Init", config=b"{}")


@pytest.mark.parametrize("config", [b"", b"null", b" {} \n", b'{"unknown": {"a": [1]}}'])
def test_configurations_that_change_nothing(served, config):
    served.client()("Init", config=config)


def test_a_setting_that_nobody_knows_is_named_in_the_log(start, folder):
    """Of the file and of a client; the others hold."""
    (folder / "config.toml").write_text("max_vm = 1\nmax_vms = 2\ncpus = 1\n")
    served = start(config=folder / "config.toml")
    served.initialised(memroy="1GiB", max_cpus=1).create()
    for key, count in {"max_vm": 1, "memroy": 1, "max_vms": 0, "cpus": 0, "max_cpus": 0}.items():
        assert served.logged().count(f"setting '{key}' is not known with fake, ignoring") == count


@pytest.mark.parametrize("hypervisor, settings", [
    ("qemu", {"image_directory": "/images", "memory": "1GiB", "snapshot": False, "max_memory": "8GiB", "max_disk": 0}),
    ("tart", {"network": "shared", "resolver": "agent", "address_timeout": 60, "insecure": True, "concurrency": 2,
              "prune_limit": 1, "max_vms": 2, "max_cpus": 8}),
])
def test_each_hypervisor_knows_its_settings(build, folder, hypervisor, settings):
    (folder / "settings.json").write_text(json.dumps({**settings, "disk": "d", "imge": 1}))
    child = subprocess.Popen([build / "nestingd" / "flotilla-nesting", "serve", "-hypervisor", hypervisor, "-config",
                              folder / "settings.json", "-state", folder / "state"], stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "NESTING_SOCKET": str(folder / "n.sock")})
    lines = [child.stderr.readline()]
    while lines[-1] and "listens at" not in lines[-1]:
        lines.append(child.stderr.readline())
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=PATIENCE)
    assert child.returncode == 0
    assert [line.split(": ", 1)[1] for line in lines[:-1]] == [
        f"setting '{key}' is not known with {hypervisor}, ignoring\n" for key in ("disk", "imge")]


def test_a_back_end_that_cannot_start_fails_init_alone(served):
    served.order("fail-start", "no hypervisor")
    client = served.client()
    assert client.error("Init") == (UNKNOWN, "no hypervisor")
    served.lift("fail-start")
    client("Init")
    client("Shutdown")
    client("Init")
    assert served.noted("start") == ["", ""]  # it is not started again


def test_nesting_N06_N09_N10_slots(client, served):
    first = client.create(0)
    assert (first.vm.name, first.vm.addr) == ("mac", "192.168.64.1")
    assert not first.HasField("stompedVmId")
    second = client.create(0)
    assert second.stompedVmId == first.vm.id
    assert client.ids() == [second.vm.id]
    client("Delete", id=second.vm.id)
    third = client.create(0)
    assert not third.HasField("stompedVmId")
    loose = client.create()
    assert client.ids() == sorted([third.vm.id, loose.vm.id])
    for slot in (-1, -2**31, 2**31 - 1):
        assert not client.create(slot).HasField("stompedVmId")
    assert client.create(-2**31).HasField("stompedVmId")
    assert client.create(0).stompedVmId == third.vm.id


def test_nesting_N07_a_slot_keeps_the_vm_that_cannot_be_removed(client, served):
    vm = client.create(0).vm.id
    served.order("fail-remove", "deleting image: boom")
    assert client.error("Create", image="mac", slot=0) == (
        UNKNOWN, f"clearing slot: stopping vm ({vm}): deleting image: boom")
    assert client.error("Delete", id=vm) == (UNKNOWN, f"stopping vm ({vm}): deleting image: boom")
    assert client.ids() == [vm]
    served.lift("fail-remove")
    assert client.create(0).stompedVmId == vm


def test_nesting_N08_a_slot_is_empty_when_the_new_vm_cannot_be_made(client, served):
    client.create(0)
    served.order("fail-create", "cloning image a (b): boom")
    assert client.error("Create", image="mac", slot=0) == (UNKNOWN, "starting vm: cloning image a (b): boom")
    assert (client.ids(), served.kept()) == ([], {})
    served.lift("fail-create")
    assert not client.create(0).HasField("stompedVmId")


def test_what_is_left_of_a_failed_create_stays_in_its_slot(client, served):
    served.order("fail-create", "boom")
    served.order("fail-remove", "bang")
    status, text = client.error("Create", image="mac", slot=0)
    [left] = served.kept()
    assert (status, text) == (UNKNOWN, f"starting vm: boom; VM {left} is left over: bang")
    served.lift("fail-create")
    served.lift("fail-remove")
    assert client.create(0).stompedVmId == left


@pytest.mark.parametrize("occupied", [False, True], ids=["empty", "occupied"])
def test_nesting_N11_two_at_once_in_a_slot(client, served, occupied):
    before = [client.create(0).vm.id] if occupied else []
    served.order("hold")
    calls = [served.client().begin("Create", image="mac", slot=0) for _ in range(2)]
    served.wait_noted("making", len(before) + 1)
    served.lift("hold")
    answers = [call.result() for call in calls]
    [last] = client.ids()
    made = {answer.vm.id for answer in answers}
    assert last in made
    assert sorted(answer.stompedVmId for answer in answers) == sorted([*(before or [""]), *(made - {last})])


def test_nesting_N11a_fifty_at_once(client, served):
    """More than HTTP/2 lets through at once; the others wait."""
    calls = [client.begin("Create", image="mac") for _ in range(50)]
    made = [call.result().vm.id for call in calls]
    assert client.ids() == sorted(made)
    calls = [client.begin("Delete", id=vm) for vm in made]
    for call in calls:
        call.result()
    assert (served.vms(), served.kept()) == ([], {})


def test_nesting_N12_a_daemon_that_is_started_again_knows_its_vms(served):
    client = served.initialised()
    first, second = client.create(0).vm.id, client.create().vm.id
    served.kill()
    served.start()
    client = served.client()
    assert client.error("List") == (PRECONDITION, "not initialized")
    client("Init")
    assert client.ids() == sorted([first, second])
    assert client.create(0).stompedVmId == first
    client("Delete", id=second)
    assert second not in client.ids()


def test_a_daemon_that_is_killed_in_a_create_leaves_nothing_unknown(served):
    served.initialised()
    served.order("hold")
    call = served.client().begin("Create", image="mac", slot=0)
    served.wait_noted("making")
    [half] = served.noted("making")
    served.kill()
    assert failure(call)[0] == 14
    assert (served.vms(), served.kept()) == ([half], {half: 0})
    served.lift("hold")
    served.start()
    assert served.initialised().create(0).stompedVmId == half


def test_nesting_N13_leftovers_without_an_address_are_listed(served):
    (served.fake / "vms" / "nesting-abcd1234").write_text("mac ")
    client = served.initialised()
    assert [(vm.id, vm.addr) for vm in client("List").vms] == [("nesting-abcd1234", "")]
    client("Delete", id="nesting-abcd1234")
    assert served.vms() == []


def test_nesting_N13a_a_list_while_a_vm_is_made(client, served):
    served.order("hold")
    call = served.client().begin("Create", image="mac", slot=0)
    served.wait_noted("making")
    assert [(vm.id, vm.addr) for vm in client("List").vms] == [(served.noted("making")[0], "")]
    served.lift("hold")
    assert call.result().vm.id == client.ids()[0]


def test_nesting_N14_a_vm_that_vanished_by_itself_is_stomped(client, served):
    vm = client.create(0).vm.id
    (served.fake / "vms" / vm).unlink()
    assert client.create(0).stompedVmId == vm
    client("Delete", id=vm)  # not there is as good as removed


def test_nesting_N14a_nothing_is_deleted_by_half_a_name(client, served):
    vm = client.create().vm.id
    for wrong in ("", "nesting-", vm[:-1], vm + "a", "mac", vm.upper(), "../" + vm, "--all"):
        assert client.error("Delete", id=wrong) == (UNKNOWN, f"no vm ({wrong}) found")
    assert (served.vms(), served.noted("removed")) == ([vm], [])


@pytest.mark.parametrize("how", ["cancel", "drop"])
def test_nesting_N15_nothing_is_left_of_a_call_that_ended(client, served, how):
    served.order("hold")
    if how == "drop":
        child = subprocess.Popen([served.program, "create", "mac", "0"], env=served.environment())
    else:
        call = served.client().begin("Create", image="mac", slot=0)
    served.wait_noted("making")
    if how == "drop":
        child.kill()
        child.wait()
    else:
        call.cancel()
    served.wait_noted("removed")
    assert wait_for(lambda: served.kept() == {}, PATIENCE)
    assert served.vms() == []


def test_nesting_N15_nor_of_one_whose_time_is_over(client, served):
    """A slow machine needs more of it to begin."""
    served.order("hold")
    for seconds in (1, 5, 25):
        assert failure(served.client().begin("Create", image="mac", slot=0, timeout=seconds))[0] == 4
        if served.noted("making"):
            break
    assert wait_for(lambda: len(served.noted("removed")) == len(served.noted("making")) > 0, PATIENCE)
    assert wait_for(lambda: served.kept() == {}, PATIENCE)
    assert served.vms() == []


def test_nesting_N15_nor_of_one_that_ended_as_its_vm_was_made(client, served):
    served.order("late")
    call = served.client().begin("Create", image="mac", slot=0)
    served.wait_noted("making")
    call.cancel()
    served.wait_noted("removed")
    assert wait_for(lambda: served.kept() == {}, PATIENCE)
    assert (len(served.noted("made")), served.vms()) == (1, [])


def test_names_of_images(client, served):
    for image in ("", "-a", "--insecure", "a b", "a\nb", "a\0b", "../a", "ä", "x" * 256):
        assert client.error("Create", image=image)[0] == INVALID
    assert served.noted("making") == []
    for image in ("a", "ghcr.io/org/macos@sha256:0a", "x" * 255):
        assert client.create(image=image).vm.name == image


def test_the_bytes_of_the_reference(client, served):
    """As another encoder writes them."""
    vm = client.raw("Create", bytes.fromhex("0a036d61631000"))
    made = TYPES["CreateResponse"].FromString(vm)
    shown = f"0a10{made.vm.id.encode().hex()}12036d61631a0c" + b"192.168.64.1".hex()
    assert vm.hex() == f"0a{len(shown) // 2:02x}{shown}"
    stomp = client.raw("Create", bytes.fromhex("0a036d61631000"))
    assert stomp.endswith(b"\x12\x10" + made.vm.id.encode())
    second = TYPES["CreateResponse"].FromString(stomp)
    listed = f"0a10{second.vm.id.encode().hex()}1a0c" + b"192.168.64.2".hex()
    assert client.raw("List", b"").hex() == f"0a{len(listed) // 2:02x}{listed}"
    minus = TYPES["CreateResponse"].FromString(client.raw("Create", bytes.fromhex("0a036d616310ffffffffffffffffff01")))
    assert served.kept() == {second.vm.id: 0, minus.vm.id: -1}
    without = TYPES["CreateResponse"].FromString(client.raw("Create", bytes.fromhex("0a036d6163")))
    assert served.kept()[without.vm.id] is None
    both = TYPES["CreateResponse"].FromString(client.raw("Create", bytes.fromhex("0a036d6163100010077a0178")))
    assert served.kept()[both.vm.id] == 7  # the last slot counts, and what nobody knows is skipped
    assert client.raw("Delete", b"\x0a\x10" + both.vm.id.encode()) == b""
    for method, data, why in [("Create", "1000", None), ("Create", "0a7f", "it is no CreateRequest"),
                              ("Create", "0a01ff", "its name is no UTF-8"), ("Delete", "0a01ff", "its id is no UTF-8")]:
        with pytest.raises(grpc.RpcError) as caught:
            client.raw(method, bytes.fromhex(data))
        got = caught.value.code().value[0], caught.value.details()
        assert got[0] == INVALID if why is None else got == (13, f"grpc: error unmarshalling request: {why}")


def test_limits_of_the_wire(client):
    with pytest.raises(grpc.RpcError) as caught:
        client.raw("Create", b"\x0a" + bytes(2000000))
    assert (caught.value.code().value[0], caught.value.details()) == (
        EXHAUSTED, "grpc: received message larger than max (2000001 vs. 1048576)")
    for path, text in [("/nesting.Nesting/Other", "unknown method Other for service nesting.Nesting"),
                       ("/nesting.Other/List", "unknown service nesting.Other")]:
        with pytest.raises(grpc.RpcError) as caught:
            client.channel.unary_unary(path)(b"", timeout=PATIENCE)
        assert (caught.value.code().value[0], caught.value.details()) == (12, text)
    assert client.ids() == []


def test_a_client_that_speaks_something_else_is_none(served):
    for words in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", os.urandom(100), b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(served.path))
            peer.sendall(words)
            while peer.recv(4096):
                pass
    served.wait_logged("a client's connection is ended: ", 4)
    assert served.initialised().ids() == []


# Room for VMs.

def test_a_vm_waits_for_room(served):
    client = served.initialised(max_vms=1)
    first = client.create(0).vm.id
    waiting = [served.client().begin("Create", image="mac", slot=slot) for slot in (1, 2)]
    served.wait_logged("waits for room on this host", 2)
    assert served.noted("making") == [first]
    client("Delete", id=first)
    served.wait_noted("made", 2)
    assert len(client.ids()) == 1
    client("Delete", id=client.ids()[0])
    assert all(call.result().vm.id for call in waiting)
    assert len(served.noted("making")) == 3


def test_a_vm_that_waits_for_room_may_be_given_up(served):
    client = served.initialised(max_cpus=3, cpus=2)
    first = client.create(0).vm.id
    waiting = [served.client().begin("Create", image="mac") for _ in range(2)]
    served.wait_logged("waits for room on this host", 2)
    for call in waiting:
        call.cancel()
    served.wait_logged("a call failed: starting vm: the call was cancelled", 2)
    assert client.create(0).stompedVmId == first  # a slot's own VM makes room
    assert len(served.noted("making")) == 2


def test_the_room_of_a_vm_that_ended_by_itself_is_free_again(served):
    client = served.initialised(max_vms=1)
    vm = client.create(0).vm.id
    (served.fake / "vms" / vm).unlink()
    assert not client.create(1).HasField("stompedVmId")
    served.wait_logged(f"VM {vm} has ended by itself")
    client("Delete", id=client.ids()[0])
    assert client.create(0).stompedVmId == vm


def test_a_vm_that_never_has_room_is_refused(served):
    client = served.initialised(max_memory="2GiB", memory_bytes=3 << 30)
    assert client.error("Create", image="mac") == (
        EXHAUSTED, "starting vm: a VM of image mac takes 3 GiB of memory, and all VMs of this host may take 2 GiB: "
        "see max_memory in the daemon's configuration")
    client("Shutdown")
    client("Init", config=b'{"max_memory": 0}')
    client.create()


def test_room_is_remembered(served):
    client = served.initialised(max_cpus=3, cpus=2)
    first = client.create(0).vm.id
    served.kill()
    served.start()
    client = served.initialised(max_cpus=3, cpus=2)
    late = served.client().begin("Create", image="mac", slot=1)
    served.wait_logged("waits for room on this host")
    client("Delete", id=first)
    assert late.result().vm.id


# The process.

def test_nesting_N16_a_stale_socket_is_replaced_and_a_live_one_is_not(start, folder):
    served = start()
    served.kill()
    assert served.path.exists()
    served.start()
    second = subprocess.run([served.program, "serve", "-state", folder / "other"], env=served.environment(), text=True,
                            capture_output=True, timeout=PATIENCE)
    assert second.returncode == 2
    assert second.stderr == (f"fake-nesting serve: creating listener: {served.path}: address already in use by another "
                             "daemon\n").replace("fake-nesting", "flotilla-nesting")
    served.initialised()
    served.path.unlink()
    third = subprocess.run([served.program, *map(str, served.words)], env=served.environment(), text=True,
                           capture_output=True, timeout=PATIENCE)
    assert third.stderr == (f"flotilla-nesting serve: another daemon keeps its state in {served.state}: name another "
                            "with -state\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nesting_N17_a_call_that_runs_may_finish(client, served, number):
    served.order("hold")
    call = served.client().begin("Create", image="mac", slot=0)
    served.wait_noted("making")
    served.signal(number)
    served.wait_logged("no more calls; those that run may finish")
    assert not served.path.exists()
    served.lift("hold")
    vm = call.result().vm.id
    assert (served.wait(), served.vms()) == (0, [vm])


def test_a_second_signal_ends_the_calls(client, served):
    served.order("hold")
    call = served.client().begin("Create", image="mac", slot=0)
    served.wait_noted("making")
    served.signal(signal.SIGTERM)
    served.wait_logged("no more calls; those that run may finish")
    served.signal(signal.SIGTERM)
    assert failure(call) == (CANCELLED, "starting vm: the call was cancelled")
    assert (served.wait(), served.vms(), served.kept()) == (0, [], {})


def test_calls_have_a_limited_time_to_finish(start, monkeypatch):
    monkeypatch.setenv("FLOTILLA_LIMITS", "nesting_finish=1")
    served = start()
    served.initialised()
    served.order("hold")
    call = served.client().begin("Create", image="mac", slot=0)
    served.wait_noted("making")
    served.signal(signal.SIGTERM)
    assert failure(call) == (CANCELLED, "starting vm: the call was cancelled")
    assert (served.wait(), served.vms()) == (0, [])


def test_vms_go_on_when_the_daemon_stops(client, served):
    vm = client.create(0).vm.id
    served.signal(signal.SIGTERM)
    assert (served.wait(), served.vms(), served.path.exists()) == (0, [vm], False)


def test_who_may_use_the_socket(served):
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o660
    assert stat.S_IMODE(served.path.parent.stat().st_mode) == 0o750
    assert stat.S_IMODE(served.state.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in served.state.iterdir())


@pytest.mark.parametrize("variables, path", [
    ({"NESTING_SOCKET": "{folder}/a/b c/d.sock"}, "a/b c/d.sock"),
    ({"NESTING_SOCKET": "relative.sock"}, "relative.sock"),
    ({"NESTING_SOCKET": "", "XDG_RUNTIME_DIR": "{folder}/run"}, "run/nesting.sock"),
    ({"XDG_RUNTIME_DIR": "", "HOME": "{folder}/home"}, "home/nesting.sock"),
    ({}, "nesting.sock"),
])
def test_where_the_socket_is(build, folder, variables, path):
    program = build / "tests" / "fakes" / "fake-nesting"
    environment = {name: text.format(folder=folder) for name, text in variables.items()}
    child = subprocess.Popen([program, "serve", "-state", folder / "state"], env=environment, cwd=folder,
                             stderr=subprocess.PIPE, text=True)
    assert f"listens at {folder / path}" in child.stderr.readline()
    listed = subprocess.run([program, "list"], env=environment, cwd=folder, capture_output=True, text=True,
                            timeout=PATIENCE)
    assert listed.stderr.startswith("flotilla-nesting list: rpc error: code = FailedPrecondition desc = not initialized")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=PATIENCE)
    assert child.returncode == 0


def test_a_damaged_file_of_slots_is_put_aside(served):
    client = served.initialised()
    vm = client.create(0).vm.id
    served.kill()
    (served.state / "vms.json").write_text('{"vms": [{"id": "base"}]}')
    served.start()
    served.wait_logged("vms.json: 'id' is no id of a VM: slots are forgotten, and the file is put aside as vms.json.damaged")
    client = served.initialised()
    assert client.ids() == [vm]
    assert not client.create(0).HasField("stompedVmId")


# The commands.

def test_the_commands(served, folder):
    def run(*words):
        done = served.run(*words)
        return done.returncode, done.stdout, done.stderr

    not_yet = "rpc error: code = FailedPrecondition desc = not initialized; `flotilla-nesting init` comes first\n"
    assert run("list") == (2, "", f"flotilla-nesting list: {not_yet}")
    (folder / "bad.json").write_text("{bad")
    code, _, why = run("init", "-config", str(folder / "bad.json"))
    assert (code, why.startswith("flotilla-nesting init: rpc error: code = Unknown desc = invalid config: ")) == (2, True)
    (folder / "good.toml").write_text('max_cpus = 3\ncpus = 2\n[deep]\nwhen = 2026-11-23T10:00:00Z\nlist = [1, 2.5, true]\n')
    assert run("init", "--config=" + str(folder / "good.toml")) == (0, "", "")
    assert run("init") == (2, "", "flotilla-nesting init: rpc error: code = FailedPrecondition desc = already initialized\n")
    code, first, _ = run("create", "mac", "0")
    [vm] = served.vms()
    assert (code, first) == (0, f"{vm} mac 192.168.64.1\n")
    code, second, _ = run("create", "mac", "0")
    [last] = served.vms()
    assert second == f'{last} mac 192.168.64.2\nstomped vm id "{vm}"\n'
    assert run("list") == (0, f"{last}  192.168.64.2\n", "")
    assert run("delete", "mac") == (2, "", "flotilla-nesting delete: rpc error: code = Unknown desc = no vm (mac) found\n")
    assert run("delete", last) == (0, "", "")
    assert run("shutdown") == (0, "", "")
    assert run("list")[2] == f"flotilla-nesting list: {not_yet}"
    assert run("version")[1].startswith("Name:        flotilla-nesting\nVersion:     ")


def test_the_manual_has_the_commands_of_the_program(build):
    shown = subprocess.run([build / "tests" / "fakes" / "fake-nesting", "--help"], capture_output=True, text=True,
                           timeout=PATIENCE).stdout
    manual = (Path(__file__).resolve().parents[2] / "docs" / "flotilla-nesting.1").read_text()
    commands = re.findall(r"^  ([a-z]+) ", shown, re.M)
    assert commands == re.findall(r"^\.It Cm ([a-z]+)", manual, re.M) and len(commands) == 7


@pytest.mark.parametrize("words, why", [
    ([], "Usage: flotilla-nesting COMMAND"),
    (["other"], "flotilla-nesting other: there is no such command\nUsage: flotilla-nesting COMMAND"),
    (["create"], "flotilla-nesting create: usage: flotilla-nesting create IMAGE [SLOT]; see `man flotilla-nesting`"),
    (["create", "a", "b"], "flotilla-nesting create: SLOT is a whole number of 32 bits, not 'b'"),
    (["create", "a", "4294967296"], "flotilla-nesting create: SLOT is a whole number of 32 bits"),
    (["delete"], "flotilla-nesting delete: usage: "),
    (["list", "a"], "flotilla-nesting list: usage: flotilla-nesting list, and nothing else, not 'a'"),
    (["shutdown", "a"], "flotilla-nesting shutdown: usage: "),
    (["version", "a"], "flotilla-nesting version: usage: "),
    (["init", "a"], "flotilla-nesting init: usage: "),
    (["serve", "-other"], "flotilla-nesting serve: usage: "),
    (["serve", "-config"], "flotilla-nesting serve: usage: "),
])
def test_command_lines_that_are_wrong(build, folder, words, why):
    done = subprocess.run([build / "tests" / "fakes" / "fake-nesting", *words], capture_output=True, text=True, cwd=folder,
                          timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr.startswith(why)) == (1, "", True), done.stderr


@pytest.mark.parametrize("words", [["--help"], ["create", "--help"], ["serve", "-h"]])
def test_help_asks_no_daemon(build, folder, words):
    done = subprocess.run([build / "tests" / "fakes" / "fake-nesting", *words], capture_output=True, text=True, cwd=folder,
                          timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Usage: flotilla-nesting COMMAND")


@pytest.mark.parametrize("words, why", [
    (["-hypervisor", "parallels"], "this daemon does not drive parallels, as upstream's does: use tart or qemu"),
    (["-hypervisor=virtualizationframework"],
     "this daemon does not drive virtualizationframework, as upstream's does: use tart or qemu"),
    (["-hypervisor", "other"], "there is no hypervisor 'other' here, there is: fake"),
    (["-config", "none.json"], "none.json: No such file or directory"),
    (["-config", "list.json"], "list.json: settings are an object, not array"),
    (["-config", "bad.toml"], "bad.toml:1:"),
    (["-config", "inf.toml"], "inf.toml:2:5: JSON has no inf and no nan"),
    (["-config", "wrong.json"], "wrong.json: max_vms: must be a whole number, not string"),
    (["-state", "open"], "directory {folder}/open is open to others (mode 755); chmod 700 it"),
])
def test_a_daemon_that_cannot_serve(build, folder, words, why):
    """It says so before there is a socket."""
    for name, text in {"list.json": "[]", "bad.toml": "a = ", "inf.toml": "\na = inf", "wrong.json": '{"max_vms": "a"}'}.items():
        (folder / name).write_text(text)
    (folder / "open").mkdir(mode=0o755)
    done = subprocess.run([build / "tests" / "fakes" / "fake-nesting", "serve", *words], capture_output=True, text=True,
                          cwd=folder, env={"NESTING_SOCKET": "nesting.sock", "HOME": str(folder)}, timeout=PATIENCE)
    assert (done.returncode, done.stdout, (folder / "nesting.sock").exists()) == (2, "", False)
    assert done.stderr.startswith("flotilla-nesting serve: " + why.format(folder=folder)), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name, why", [
    ("n" * 120, "the path of a socket has at most 107 bytes and {path} has "),
    ("taken", "{path} is there and is no socket: remove it, or set NESTING_SOCKET"),
])
def test_sockets_that_cannot_be(build, folder, name, why):
    (folder / "taken").write_text("mine")
    done = subprocess.run([build / "tests" / "fakes" / "fake-nesting", "serve", "-state", folder / "state"],
                          capture_output=True, text=True, env={"NESTING_SOCKET": str(folder / name)}, timeout=PATIENCE)
    assert done.returncode == 2
    assert done.stderr.startswith("flotilla-nesting serve: creating listener: " + why.format(path=folder / name))
    assert (folder / "taken").read_text() == "mine"


def test_nobody_answers(build, folder):
    done = subprocess.run([build / "tests" / "fakes" / "fake-nesting", "list"], capture_output=True, text=True,
                          env={"NESTING_SOCKET": str(folder / "none.sock")}, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (
        2, "flotilla-nesting list: no daemon answers; start one with `flotilla-nesting serve`: "
        f"{folder}/none.sock: No such file or directory\n")


def test_settings_are_laid_over_those_of_serve(start, folder):
    """Key by key."""
    config = folder / "config.json"
    config.write_text(json.dumps({"max_cpus": 1, "cpus": 2}))
    client = start(config=config).initialised(max_vms=5)
    assert client.error("Create", image="mac")[1].startswith(
        "starting vm: a VM of image mac takes 2 CPUs, and all VMs of this host may take 1: see max_cpus")
    client("Shutdown")
    client("Init", config=b'{"max_cpus": 2}')
    client.create()
