"""flotilla-nesting with Tart: each command, and what becomes of a VM when one fails, hangs or lies. The fake tart's VMs are
real SSH servers."""

import json
import signal

import pytest

from checker.run import wait_for
from fake_tart import Tart
from mac_host import Mac
from nesting_served import PATIENCE

UNKNOWN = 2


@pytest.fixture
def tart(folder):
    made = Tart(folder / "tart", registry=["ghcr.io/a/mac:1"])
    yield made
    made.close()


@pytest.fixture
def served(build, folder, tart):
    made = Mac(build, folder, tart)
    yield made
    made.close()


@pytest.fixture
def client(served):
    return served.initialised()


def test_each_command_is_the_one_that_tart_knows(tart, client):
    vm = client.create(0).vm
    assert (vm.name, vm.addr) == ("mac", f"{tart.settings['network']}.{tart.settings['first_host']}")
    assert tart.of("clone") == [["--", "mac", vm.id]]
    assert tart.of("run") == [[vm.id, "--no-graphics", "--net-softnet"]]
    assert tart.of("ip") == [[vm.id, "--wait", "300"]]
    assert [(found.id, found.addr) for found in client("List").vms] == [(vm.id, vm.addr)]
    assert len(tart.of("ip")) == 1  # its address is known
    client("Delete", id=vm.id)
    assert tart.of("delete") == [[vm.id]]
    assert tart.of("stop") == []  # `tart run` is the daemon's child: it is asked itself, and awaited
    assert {tuple(call) for call in tart.of("list")} == {("--source", "local", "--format", "json")}
    assert tart.vms() == {} and tart.run("list", "--format", "json").stdout.count('"mac"') == 1


def test_settings_become_options(tart, served):
    client = served.initialised(network="shared", resolver="agent", address_timeout=20, concurrency=2, prune_limit=0,
                                insecure=True)
    vm = client.create(0, image="ghcr.io/a/mac:1").vm
    assert tart.of("clone") == [["--insecure", "--concurrency", "2", "--prune-limit", "0", "--", "ghcr.io/a/mac:1", vm.id]]
    assert tart.of("run") == [[vm.id, "--no-graphics"]]
    assert tart.of("ip") == [[vm.id, "--wait", "20", "--resolver", "agent"]]
    assert "is not known" not in served.logged()


@pytest.mark.parametrize("config, why", [
    ({"network": "bridged"}, 'network: "bridged" is neither softnet nor shared'),
    ({"resolver": "arp"}, 'resolver: "arp" is neither dhcp nor agent')])
def test_settings_that_are_wrong_are_named(served, config, why):
    assert served.client().error("Init", config=json.dumps(config).encode()) == (UNKNOWN, f"invalid config: {why}")


def test_a_pull_is_told_in_the_log(served, client):
    vm = client.create(0, image="ghcr.io/a/mac:1").vm
    told = [line.rpartition(f" for {vm.id}: ")[2] for line in served.logged().splitlines() if f" for {vm.id}: " in line]
    assert told == ["pulling manifest...", "pulling disk (0.1 GB compressed)...", "15%", "55%", "100%", "pulling NVRAM..."]


def test_a_machine_without_tart_is_told(build, folder):
    served = Mac(build, folder, None)
    status, text = served.client().error("Init", config=b"{}")
    assert (status, 'exec: "tart": executable file not found in $PATH' in text) == (UNKNOWN, True)
    served.close()


@pytest.mark.parametrize("rule, why", [
    ({"command": "clone", "exit": 1, "stderr": "disk full\n"},
     "starting vm: cloning image ID (mac): clone mac ID: exit status 1 (disk full)"),
    ({"command": "run", "exit": 1, "stderr": "The number of VMs exceeds the system limit\n"},
     "starting vm: run ID --no-graphics --net-softnet: exit status 1 (The number of VMs exceeds the system limit)"),
    ({"command": "run", "exit": 0, "stdout": "bye\n"},
     "starting vm: run ID --no-graphics --net-softnet: it ended before the VM had an address (bye)"),
    ({"command": "ip", "exit": 1, "stderr": "no IP address found\n"},
     "starting vm: fetching address: ip ID --wait 300: exit status 1 (no IP address found)"),
    ({"command": "ip", "exit": 0, "stdout": "-oProxyCommand=id\n"},
     'starting vm: fetching address: ip ID --wait 300: "-oProxyCommand=id" is no address'),
], ids=["clone", "run", "run-ends", "ip", "no-address"])
def test_what_fails_is_told_and_nothing_is_left(tart, client, served, rule, why):
    tart.break_(rule)
    status, text = client.error("Create", image="mac", slot=0)
    vm = tart.of("clone")[0][-1]
    assert (status, text) == (UNKNOWN, why.replace("ID", vm))
    assert tart.vms() == {} and client.ids() == []
    tart.break_()
    assert not client.create(0).stompedVmId


def test_an_image_that_is_not_there(tart, client):
    status, text = client.error("Create", image="ghcr.io/a/other:1", slot=0)
    assert status == UNKNOWN and text.endswith("NAME_UNKNOWN: repository name not known to registry)")
    assert tart.vms() == {}


def test_what_cannot_be_tidied_up_is_told_and_listed(tart, client):
    tart.break_({"command": "ip", "exit": 1}, {"command": "delete", "exit": 1, "stderr": "busy"})
    _, text = client.error("Create", image="mac", slot=0)
    vm = tart.of("clone")[0][-1]
    assert text.endswith(f"; VM {vm} is left over: deleting image: delete {vm}: exit status 1 (busy)")
    assert [(found.id, found.addr) for found in client("List").vms] == [(vm, "")]
    tart.break_()
    assert client.create(0).stompedVmId == vm


def test_a_delete_that_fails_is_told_and_may_be_tried_again(tart, client):
    vm = client.create(0).vm.id
    tart.break_({"command": "delete", "exit": 1, "stderr": "busy\n"})
    assert client.error("Delete", id=vm) == (
        UNKNOWN, f"stopping vm ({vm}): deleting image: delete {vm}: exit status 1 (busy)")
    assert tart.vms() == {vm: False}
    tart.break_()
    client("Delete", id=vm)
    assert tart.vms() == {}


def test_nesting_N14_a_vm_that_somebody_else_removed_is_gone(tart, client):
    vm = client.create(0).vm.id
    assert tart.run("stop", vm).returncode == 0 and tart.run("delete", vm).returncode == 0
    client("Delete", id=vm)
    assert client.ids() == []


def test_one_that_goes_while_it_is_deleted_is_gone(tart, client, folder):
    """Another's `tart delete` came first: ours says that there is no such VM."""
    vm = client.create(0).vm.id
    tart.break_({"command": "delete", "wait_for": str(folder / "go")})
    call = client.begin("Delete", id=vm)
    assert wait_for(lambda: tart.of("delete"), PATIENCE)
    (tart.folder / "vms" / vm).rename(tart.folder / "vms" / ".gone")
    (folder / "go").touch()
    call.result()


def test_a_vm_that_died_has_no_address_and_can_be_removed(tart, client):
    vm = client.create(0).vm.id
    tart.lose(vm)
    assert wait_for(lambda: [found.addr for found in client("List").vms] == [""], PATIENCE)
    client("Delete", id=vm)
    assert tart.vms() == {}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_nesting_N12_N13_a_new_daemon_finds_and_removes_what_the_last_one_left(tart, served, client, end):
    running, stopped = (client.create(slot).vm for slot in (0, 1))
    served.signal(end)
    assert served.wait() == (0 if end == signal.SIGTERM else -end)
    assert tart.vms() == {running.id: True, stopped.id: True}  # guests outlive the daemon
    tart.run("stop", stopped.id)
    served.start()
    client = served.initialised()
    assert {(vm.id, vm.addr) for vm in client("List").vms} == {(running.id, running.addr), (stopped.id, "")}
    client("Delete", id=running.id)
    client("Delete", id=stopped.id)
    assert tart.of("stop") == [[running.id, "--timeout", "30"]]
    assert tart.vms() == {}


def test_nesting_N13a_a_vm_that_is_being_made_is_listed_without_an_address(tart, client, folder):
    tart.break_({"command": "clone", "wait_for": str(folder / "cloned")}, {"command": "ip", "wait_for": str(folder / "booted")})
    call = client.begin("Create", image="mac", slot=0)
    assert wait_for(lambda: tart.of("clone"), PATIENCE)
    vm = tart.of("clone")[0][-1]
    assert [(found.id, found.addr) for found in client("List").vms] == [(vm, "")]  # Tart does not know it yet
    (folder / "cloned").touch()
    assert wait_for(lambda: tart.of("ip"), PATIENCE)
    assert [(found.id, found.addr) for found in client("List").vms] == [(vm, "")]
    (folder / "booted").touch()
    assert call.result().vm.id == vm


@pytest.mark.parametrize("command", ["clone", "ip"])
def test_nesting_N15_a_client_that_goes_leaves_no_vm(tart, client, folder, command):
    tart.break_({"command": command, "wait_for": str(folder / "never")})
    call = client.begin("Create", image="mac", slot=0)
    assert wait_for(lambda: tart.of(command), PATIENCE)
    call.cancel()
    assert wait_for(lambda: client.ids() == [], PATIENCE)
    assert tart.vms() == {}
    tart.break_()
    assert client.create(0).vm.id


@pytest.mark.parametrize("rule, why", [
    ({"exit": 1, "stderr": "cannot read\n"}, "list --source local --format json: exit status 1 (cannot read)"),
    ({"exit": 0, "stdout": "Source Name Disk Size State\n"}, "what tart lists: "),
    ({"exit": 0, "stdout": "[{}]"}, "what tart lists: Name: is missing"),
], ids=["fails", "table", "shape"])
def test_a_list_that_cannot_be_read_proves_nothing(tart, client, rule, why):
    vm = client.create(0).vm.id
    tart.break_({"command": "list", **rule})
    status, text = client.error("List")
    assert status == UNKNOWN and text.startswith(f"fetching list: {why}")
    status, text = client.error("Delete", id=vm)
    assert status == UNKNOWN and text.startswith(f"stopping vm ({vm}): fetching vm details: {why}")
    tart.break_()
    assert client.ids() == [vm]
    client("Delete", id=vm)
    assert tart.vms() == {}


def test_a_vm_is_no_image(tart, client):
    """Whose log names it is another job's, and Tart would clone its disk."""
    vm = client.create(0).vm.id
    assert client.error("Create", image=vm, slot=1) == (
        UNKNOWN, f"starting vm: {vm} is the name of a VM, not of an image")
    assert len(tart.of("clone")) == 1 and set(tart.vms()) == {vm}


def test_two_are_made_and_removed_at_once(tart, client):
    """And none of them meets the lock of a VM that still ends (trap 9 of the reference)."""
    for _ in range(2):
        made = [call.result().vm.id for call in [client.begin("Create", image="mac", slot=slot) for slot in (0, 1)]]
        assert set(client.ids()) == set(made) == set(tart.vms())
        for call in [client.begin("Delete", id=vm) for vm in made]:
            call.result()
        assert tart.vms() == {}
    assert tart.of("stop") == []


def test_a_third_guest_waits_as_a_mac_runs_two(tart, served, client):
    first, _ = (client.create(slot).vm.id for slot in (0, 1))
    third = client.begin("Create", image="mac", slot=2)
    served.wait_logged("a VM of image mac waits for room on this host")
    assert len(tart.of("clone")) == 2
    client("Delete", id=first)
    assert third.result().vm.id in tart.vms() and len(tart.vms()) == 2
