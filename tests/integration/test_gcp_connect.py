"""How plugins/gcp says an instance is reached: addresses, keys in metadata and of OS Login, passwords of Windows, host
keys. Over the cloud of the tests, in a provider worker."""

import base64
import datetime
import json
import re
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cloud import provider as flt
from cloud.endpoint import Fault
from gcp import errors
from gcp.account import told
from gcp.operations import stamp
from gcp_group import cloud, fill, group_of, new_worker  # noqa: F401

DAY = 24 * 3600
ROLE = {"compute.instanceGroupManagers.get", "compute.instanceGroupManagers.update", "compute.instances.get"}
SIGHT = [*range(20)]  # so often something is asked for that comes up by being asked for


def public_half(private: str) -> str:
    key = serialization.load_ssh_private_key(private.encode(), None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def new_key(kind="ed25519") -> str:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def ask(worker, instance) -> dict:
    return worker.call("connect_info", instance=instance)


def info_of(worker, instance) -> dict:
    """What is asked for again while it is not there yet."""
    for _ in SIGHT:
        reply = ask(worker, instance)
        if reply["code"] != flt.NOT_READY:
            break
        assert reply["retry_after_ms"] > 0, reply
    assert reply["code"] == flt.OK, reply
    return reply["connect"]


def machine_of(cloud, instance):
    [machine] = [machine for machine in cloud.compute.machines.values() if f"{machine.name}/{machine.id}" == instance]
    return machine


def keys_of(machine) -> list[re.Match]:
    """What the guest agent finds in "ssh-keys"."""
    form = r'(?P<user>[^:]+):(?P<key>\S+ \S+)(?: google-ssh (?P<rest>\{.*\}))?'
    return [re.fullmatch(form, line) for line in machine.items.get("ssh-keys", "").splitlines()]


def end_of(found: re.Match) -> float:
    return datetime.datetime.strptime(json.loads(found["rest"])["expireOn"], "%Y-%m-%dT%H:%M:%S%z").timestamp()


def actions_of(cloud, act) -> list[str]:
    before = len(cloud.endpoint.calls)
    act()
    return [call.action for call in cloud.endpoint.calls[before:]]


# Keys in metadata


@pytest.mark.sample
def test_each_instance_gets_a_key_of_its_own_in_its_metadata(cloud, new_worker):
    ids = fill(cloud, 2, items={"startup-script": "#!/bin/sh\necho \"<&>\"\n", "created-by": "the group"})
    worker, now = new_worker(connector={"username": "builder"}), time.time()
    infos = [info_of(worker, instance) for instance in ids]
    for instance, info in zip(ids, infos):
        machine = machine_of(cloud, instance)
        [found] = keys_of(machine)
        assert (found["user"], found["key"]) == ("builder", public_half(info["key"])) and info["username"] == "builder"
        assert now + DAY - 5 <= end_of(found) <= time.time() + DAY and info["expires_ms"] == end_of(found) * 1000
        assert {key: machine.items[key] for key in ("startup-script", "created-by")} == machine_settings(cloud)
        assert (info["address"], info["external_address"]) == (machine.address, machine.external_address)
        assert (info["protocol"], info["os"], info["arch"]) == ("ssh", "linux", "amd64")
    assert infos[0]["key"] != infos[1]["key"]


def machine_settings(cloud) -> dict:
    return cloud.compute.settings["items"]


def test_what_is_known_is_not_asked_for_again(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker = new_worker()
    first = info_of(worker, instance)
    assert actions_of(cloud, lambda: info_of(worker, instance)) == []
    assert info_of(worker, instance) == first and len(keys_of(machine_of(cloud, instance))) == 1


def test_a_key_is_given_out_when_the_instance_has_it(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker, cloud.operations.looks = new_worker(), 3
    reply = ask(worker, instance)
    assert reply["code"] == flt.NOT_READY and not machine_of(cloud, instance).items, reply
    assert info_of(worker, instance)["key"]
    assert cloud.endpoint.actions().count("instances.setMetadata") == 1
    assert len(keys_of(machine_of(cloud, instance))) == 1


def test_a_change_that_is_never_seen_is_made_again(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker, cloud.operations.looks = new_worker(), 10**6
    for _ in range(29):
        assert ask(worker, instance)["code"] == flt.NOT_READY
    assert cloud.endpoint.actions().count("instances.setMetadata") == 1
    cloud.operations.looks = 0
    assert info_of(worker, instance)["key"] and len(keys_of(machine_of(cloud, instance))) == 1
    assert cloud.endpoint.actions().count("instances.setMetadata") == 2


def test_a_new_worker_makes_a_new_key_and_leaves_the_old_one_in(cloud, new_worker):
    """A job that was given the old one may still be on its way."""
    [instance] = fill(cloud, 1)
    first, worker = info_of(new_worker(), instance), new_worker()
    second = info_of(worker, instance)
    assert [found["key"] for found in keys_of(machine_of(cloud, instance))] == [public_half(first["key"]), public_half(second["key"])]


def test_keys_of_ours_that_have_ended_go_and_all_others_stay(cloud, new_worker):
    others = "kim:ssh-ed25519 AAAA kim@desk\n" \
             'kim:ssh-rsa AAAA google-ssh {"userName":"kim@example.com","expireOn":"2020-01-01T00:00:00+0000"}'
    ended = 'runner:ssh-ed25519 BBBB google-ssh {"userName":"flotilla","expireOn":"2020-01-01T00:00:00+0000"}'
    [instance] = fill(cloud, 1, items={"ssh-keys": f"{ended}\n{others}"})
    info = info_of(new_worker(), instance)
    lines = machine_of(cloud, instance).items["ssh-keys"].splitlines()
    assert lines[:2] == others.splitlines() and len(lines) == 3 and public_half(info["key"]) in lines[2]


@pytest.mark.parametrize("others", [1, 3, 99])
def test_a_change_of_the_metadata_between_reading_and_writing_is_kept(cloud, new_worker, others):
    [instance] = fill(cloud, 1)
    machine, worker, left = machine_of(cloud, instance), new_worker(), [others]

    def fault(call):
        if call.action == "instances.setMetadata" and left[0] > 0:
            left[0] -= 1
            machine.items = {**machine.items, f"other-{left[0]}": "theirs"}

    cloud.endpoint.fault = fault
    reply = ask(worker, instance)
    assert reply["code"] == flt.NOT_READY and reply["retry_after_ms"] > 0, reply
    assert ("ssh-keys" in machine.items) == (others < 4)
    left[0] = 0
    assert info_of(worker, instance)["key"] and set(machine.items) >= {"ssh-keys", "other-0" if others < 4 else "other-98"}


@pytest.mark.parametrize("fault", [Fault(), Fault(done=True), Fault(answer=errors.unavailable().answer()), Fault(answer=errors.rate(429).answer())],
                         ids=["cut", "done and cut", "503", "429"])
def test_a_lost_answer_leaves_one_key(cloud, new_worker, fault):
    [instance] = fill(cloud, 1)
    worker, struck = new_worker(), []

    def once(call):
        if call.action == "instances.setMetadata" and not struck:
            struck.append(call)
            return fault

    cloud.endpoint.fault = once
    info = info_of(worker, instance)
    [found] = keys_of(machine_of(cloud, instance))
    assert struck and found["key"] == public_half(info["key"])


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_that_the_operator_has_is_brought(cloud, new_worker, kind):
    [instance] = fill(cloud, 1)
    key = new_key(kind)
    info = info_of(new_worker(connector={"key": key, "username": "builder"}), instance)
    [found] = keys_of(machine_of(cloud, instance))
    assert found["key"] == public_half(key) and not info.get("key"), "the host has it"


def test_a_key_that_the_template_has_is_not_brought_again(cloud, new_worker):
    key = new_key()
    [instance] = fill(cloud, 1, items={"ssh-keys": f"runner:{public_half(key)} of the template"})
    info = info_of(new_worker(connector={"key": key}), instance)
    assert info["expires_ms"] == 0 and "instances.setMetadata" not in cloud.endpoint.actions()


def test_a_key_that_ends_soon_is_renewed_and_serves_meanwhile(cloud, new_worker):
    key, soon = new_key(), datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=6)
    line = f'runner:{public_half(key)} google-ssh {{"userName":"flotilla","expireOn":"{soon:%Y-%m-%dT%H:%M:%S+0000}"}}'
    [instance] = fill(cloud, 1, items={"ssh-keys": line})
    worker, cloud.operations.looks = new_worker(connector={"key": key}), 2
    reply = ask(worker, instance)
    assert reply["code"] == flt.OK and abs(reply["connect"]["expires_ms"] / 1000 - soon.timestamp()) < 1, reply
    assert ask(worker, instance)["code"] == flt.OK
    for _ in SIGHT:
        cloud.operations.look_at(machine_of(cloud, instance).path)
    [found] = keys_of(machine_of(cloud, instance))
    assert end_of(found) > time.time() + DAY - 600 and cloud.endpoint.actions().count("instances.setMetadata") == 1


def test_a_key_that_somebody_took_out_is_sent_again(cloud, new_worker):
    [instance] = fill(cloud, 1)
    key, machine = new_key(), machine_of(cloud, instance)
    worker = new_worker(connector={"key": key})
    info_of(worker, instance)
    worker.close()
    machine.items = {}
    assert info_of(new_worker(connector={"key": key}), instance)["address"] and len(keys_of(machine)) == 1


def test_without_the_right_to_write_metadata_a_given_key_is_enough(cloud, new_worker):
    ids = fill(cloud, 2)
    account = cloud.service_account(ROLE | {"compute.projects.get"})
    worker = new_worker(connector={"key": new_key()}, account=account)
    for instance in ids:
        assert info_of(worker, instance)["address"]
    assert len([line for line in worker.logs if "compute.instances.setMetadata" in line]) == 1
    assert cloud.endpoint.actions().count("instances.setMetadata") == 1
    reply = ask(new_worker(account=account), ids[0])
    assert reply["code"] == flt.AUTH and "compute.instances.setMetadata" in reply["message"] and "key_path" in reply["message"]


@pytest.mark.parametrize("connector", [{"password": "secret"}, {"use_static_credentials": True, "username": "root"}])
def test_where_the_operator_says_all_nothing_is_made(cloud, new_worker, connector):
    [instance] = fill(cloud, 1, items={"enable-oslogin": "TRUE"})
    info = info_of(new_worker(connector=connector), instance)
    assert not info.get("key") and not info.get("password")
    assert not {"instances.setMetadata", "users.importSshPublicKey"} & set(cloud.endpoint.actions())


def test_keys_are_not_brought_where_the_operator_forbids_it(cloud, new_worker):
    [instance] = fill(cloud, 1, items={"enable-oslogin": "TRUE"})
    info = info_of(new_worker(connector={"key": new_key()}, push_keys=False), instance)
    assert info["address"] and not {"instances.setMetadata", "users.importSshPublicKey"} & set(cloud.endpoint.actions())


def test_a_user_that_cannot_be_in_the_metadata_is_refused(cloud, new_worker):
    [instance] = fill(cloud, 1)
    reply = ask(new_worker(connector={"username": "a:b"}), instance)
    assert reply["code"] == flt.INVALID and "connector_config.username 'a:b'" in reply["message"], reply


# OS Login


@pytest.mark.parametrize("where", ["project", "instance"])
def test_os_login_is_used_where_it_is_on(cloud, new_worker, where):
    if where == "project":
        cloud.compute.project_items["enable-oslogin"] = "TRUE"
    ids = fill(cloud, 2, items={"enable-oslogin": "true"} if where == "instance" else {})
    worker, now = new_worker(connector={"username": "runner"}), time.time()
    infos = [info_of(worker, instance) for instance in ids]
    [(email, keys)] = cloud.oslogin.keys.items()
    [key] = keys.values()
    for info in infos:
        assert info["username"] == cloud.oslogin.user_of(email) and key["key"] == f"{public_half(info['key'])} flotilla"
        assert now + DAY - 5 <= info["expires_ms"] / 1000 == int(key["expirationTimeUsec"]) / 10**6 <= time.time() + DAY
    assert cloud.endpoint.actions().count("users.importSshPublicKey") == 1, "one key is for all"
    assert "instances.setMetadata" not in cloud.endpoint.actions()


def test_an_instance_that_says_no_to_os_login_gets_its_key_by_metadata(cloud, new_worker):
    cloud.compute.project_items["enable-oslogin"] = "TRUE"
    [instance] = fill(cloud, 1, items={"enable-oslogin": "FALSE"})
    info = info_of(new_worker(), instance)
    assert info["username"] == "runner" and keys_of(machine_of(cloud, instance)) and not cloud.oslogin.keys


def test_the_project_is_asked_once_for_all(cloud, new_worker):
    ids, worker = fill(cloud, 3), new_worker()
    for instance in ids:
        info_of(worker, instance)
    assert cloud.endpoint.actions().count("projects.get") == 1


def test_a_project_that_may_not_be_asked_is_told_once(cloud, new_worker):
    ids = fill(cloud, 2)
    worker = new_worker(account=cloud.service_account(ROLE | {"compute.instances.setMetadata", "compute.instances.getGuestAttributes"}))
    for instance in ids:
        assert info_of(worker, instance)["key"]
    assert len([line for line in worker.logs if "compute.projects.get" in line]) == 1
    assert cloud.endpoint.actions().count("projects.get") == 1
    assert not [line for line in worker.logs if "getGuestAttributes" in line], "that none are published is no missing right"


def test_keys_of_ours_that_have_ended_leave_the_account(cloud, new_worker):
    [instance] = fill(cloud, 1, items={"enable-oslogin": "TRUE"})
    account = cloud.service_account()
    email = account["client_email"]
    given = {"ended": ("ssh-ed25519 AAAA flotilla", 10**15), "holds": ("ssh-ed25519 AAAA flotilla", 10**17), "kim's": ("ssh-ed25519 AAAA kim", 10**15)}
    cloud.oslogin.keys[email] = {name: {"key": key, "expirationTimeUsec": str(end), "fingerprint": name,
                                        "name": f"users/{email}/sshPublicKeys/{name}"} for name, (key, end) in given.items()}
    info = info_of(new_worker(account=account), instance)
    left = cloud.oslogin.keys[email]
    assert set(given) & set(left) == {"holds", "kim's"} and any(key["key"].startswith(public_half(info["key"])) for key in left.values())


def test_os_login_takes_the_operators_key(cloud, new_worker):
    [instance] = fill(cloud, 1, items={"enable-oslogin": "TRUE"})
    key = new_key()
    info = info_of(new_worker(connector={"key": key}), instance)
    [[known]] = [keys.values() for keys in cloud.oslogin.keys.values()]
    assert known["key"] == f"{public_half(key)} flotilla" and not info.get("key") and info["username"].startswith("sa_")


@pytest.mark.parametrize("account", ["kim@example.com", ""])
def test_os_login_takes_credentials_that_tell_whose_they_are(cloud, new_worker, account):
    [instance] = fill(cloud, 1, items={"enable-oslogin": "TRUE"})
    token = {"access_token": cloud.account.token("kim@example.com"), "expires_in": 3599, "token_type": "Bearer"}
    cloud.endpoint.fault = lambda call: Fault(answer=told(200, token)) if call.action == "token" else None
    signed_in = {"type": "authorized_user", "client_id": "id", "client_secret": "secret", "refresh_token": "refresh",
                 "token_uri": f"{cloud.url}/token", "account": account}
    worker = new_worker(account=signed_in)
    if account:
        assert info_of(worker, instance)["username"] == "kim_example_com" and [*cloud.oslogin.keys] == [account]
    else:
        reply = ask(worker, instance)
        assert reply["code"] == flt.INVALID and "do not say whose they are" in reply["message"], reply


# Windows


def test_windows_gets_a_password_by_the_metadata_and_a_serial_port(cloud, new_worker):
    [instance] = fill(cloud, 1, os="windows", password_looks=3)
    machine, worker = machine_of(cloud, instance), new_worker(connector={"username": "ci"})
    reply = ask(worker, instance)
    assert reply["code"] == flt.NOT_READY and reply["retry_after_ms"] > 1000, reply
    assert worker.states(), "the list does not wait for it"
    assert actions_of(cloud, lambda: ask(worker, instance)) == ["instances.getSerialPortOutput"]
    info = info_of(worker, instance)
    assert (info["protocol"], info["os"], info["username"], info["password"]) == ("winrm", "windows", "ci", machine.password)
    assert not info.get("key") and "ssh-keys" not in machine.items
    request = json.loads(machine.items["windows-keys"])
    assert request["userName"] == "ci" and base64.b64decode(request["exponent"]) == b"\x01\x00\x01"
    assert cloud.endpoint.actions().count("instances.setMetadata") == 1
    assert actions_of(cloud, lambda: info_of(worker, instance)) == []


def test_a_password_is_never_asked_for_twice(cloud, new_worker):
    """A second one would lock out the jobs that work by the first: also for a new worker, and while the answer is awaited."""
    [instance] = fill(cloud, 1, os="windows", password_looks=3)
    first = new_worker()
    assert ask(first, instance)["code"] == flt.NOT_READY
    first.close()
    second = new_worker()
    assert ask(second, instance)["code"] == flt.NOT_READY
    assert info_of(second, instance)["password"] == machine_of(cloud, instance).password
    second.close()
    assert info_of(new_worker(), instance)["password"] == machine_of(cloud, instance).password
    assert cloud.endpoint.actions().count("instances.setMetadata") == 1


def test_a_request_that_ended_without_an_answer_is_made_anew(cloud, new_worker):
    [instance] = fill(cloud, 1, os="windows", password_looks=99)
    machine, worker = machine_of(cloud, instance), new_worker()
    assert ask(worker, instance)["code"] == flt.NOT_READY
    worker.close()
    request = json.loads(machine.items["windows-keys"])
    machine.items["windows-keys"] = json.dumps(request | {"expireOn": "2020-01-01T00:00:00Z"})
    machine.password_looks, machine.answers, machine.requests = 0, [], set()  # one that booted for longer than the request held
    assert info_of(new_worker(), instance)["password"] == machine.password
    again = json.loads(machine.items["windows-keys"])
    assert again["modulus"] == request["modulus"] and again["expireOn"] >= request["expireOn"]


def test_what_the_guest_agent_refuses_is_told(cloud, new_worker):
    [instance] = fill(cloud, 1, os="windows", password_looks=99)
    machine, worker = machine_of(cloud, instance), new_worker()
    ask(worker, instance)
    request = json.loads(machine.items["windows-keys"])
    machine.serial[4] = json.dumps({"userName": "runner", "passwordFound": False, "modulus": request["modulus"],
                                    "errorMessage": "the policy forbids it"}) + "\n"
    reply = ask(worker, instance)
    assert reply["code"] == flt.INVALID and "the policy forbids it" in reply["message"], reply


def test_windows_by_ssh_takes_a_key_where_google_brings_it(cloud, new_worker):
    [by_key, by_password] = fill(cloud, 2, os="windows")
    machine_of(cloud, by_key).items["enable-windows-ssh"] = "TRUE"
    worker = new_worker(connector={"protocol": "ssh"})
    info = info_of(worker, by_key)
    [found] = keys_of(machine_of(cloud, by_key))
    assert found["key"] == public_half(info["key"]) and not info.get("password")
    assert info_of(worker, by_password)["password"] == machine_of(cloud, by_password).password


def test_windows_without_any_way_in_says_what_to_set(cloud, new_worker):
    [instance] = fill(cloud, 1, os="windows")
    reply = ask(new_worker(connector={"key": new_key()}, push_keys=False), instance)
    assert reply["code"] == flt.INVALID and "connector_config.password" in reply["message"], reply
    account = cloud.service_account(ROLE | {"compute.instances.getSerialPortOutput"})
    reply = ask(new_worker(account=account), instance)
    assert reply["code"] == flt.AUTH and "compute.instances.setMetadata" in reply["message"], reply
    reply = ask(new_worker(account=cloud.service_account(ROLE)), instance)
    assert reply["code"] == flt.AUTH and "compute.instances.getSerialPortOutput" in reply["message"], reply


# Host keys


def host_key() -> list[str]:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode().split()


@pytest.mark.parametrize("where", ["project", "instance"])
def test_host_keys_come_from_the_guest_attributes_and_are_waited_for(cloud, new_worker, where):
    on = {"enable-guest-attributes": "TRUE"}
    cloud.compute.project_items |= on if where == "project" else {}
    [instance] = fill(cloud, 1, items=on if where == "instance" else {})
    worker, (kind, key) = new_worker(), host_key()
    for _ in range(3):
        reply = ask(worker, instance)
        assert reply["code"] == flt.NOT_READY, reply
    assert "has published no host keys yet" in reply["message"] and keys_of(machine_of(cloud, instance)), reply
    machine_of(cloud, instance).attributes["hostkeys"] = {kind: key}
    assert info_of(worker, instance)["host_keys"] == [{"type": kind, "key": key}]
    machine_of(cloud, instance).attributes["hostkeys"] = dict([host_key()])  # by a job: it may
    for again in worker, new_worker():
        assert info_of(again, instance)["host_keys"] == [{"type": kind, "key": key}]


def test_who_boots_for_long_is_asked_more_seldom(cloud, new_worker):
    """A hundred that boot at once, and the project's limit is one for all."""
    [young, old] = fill(cloud, 2)
    machine_of(cloud, old).created = stamp(-90)
    worker = new_worker(connector={"host_key_policy": "pin"})
    pauses = {instance: [ask(worker, instance)["retry_after_ms"] for _ in range(3)][-1] for instance in (young, old)}
    assert pauses[old] == 10000 > pauses[young] >= 2000, pauses


def test_where_no_host_keys_are_published_nobody_asks(cloud, new_worker):
    [instance] = fill(cloud, 1)
    assert not info_of(new_worker(), instance).get("host_keys")
    assert "instances.getGuestAttributes" not in cloud.endpoint.actions()


def test_host_keys_that_must_be_pinned_are_waited_for(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker = new_worker(connector={"host_key_policy": "pin"})
    for _ in range(3):
        reply = ask(worker, instance)
    assert reply["code"] == flt.NOT_READY and "enable-guest-attributes=TRUE" in reply["message"], reply


def test_instances_that_never_publish_host_keys_are_not_waited_for(cloud, new_worker):
    """An image without the agent: that costs one instance its time, and a warning."""
    [old, new] = fill(cloud, 2, items={"enable-guest-attributes": "TRUE"})
    machine_of(cloud, old).created = stamp(-600)
    worker = new_worker()
    assert not info_of(worker, old).get("host_keys")
    assert info_of(worker, new)["key"]
    assert len([line for line in worker.logs if "has published no host keys for 2 minutes" in line]) == 1
    machine_of(cloud, old).attributes["hostkeys"] = dict([host_key()])  # by a job
    for again in worker, new_worker():
        assert not info_of(again, old).get("host_keys")


def test_without_the_right_to_read_host_keys_the_first_is_trusted(cloud, new_worker):
    ids = fill(cloud, 2, items={"enable-guest-attributes": "TRUE"})
    worker = new_worker(account=cloud.service_account(ROLE | {"compute.instances.setMetadata", "compute.projects.get"}))
    for instance in ids:
        assert info_of(worker, instance)["key"]
    assert len([line for line in worker.logs if "compute.instances.getGuestAttributes" in line]) == 1


# Addresses, states


@pytest.mark.parametrize("wanted, settings, own, external", [
    ("ipv4", {}, "address", "external_address"), ("ipv4", {"external": False}, "address", None),
    ("ipv6", {"ipv6": "EXTERNAL"}, None, "ipv6_address"), ("ipv6", {"ipv6": "INTERNAL"}, "ipv6_address", None),
    ("ipv4", {"ipv6": "EXTERNAL", "ipv6_only": True}, None, "ipv6_address")])
def test_addresses_are_those_that_the_operator_wants(cloud, new_worker, wanted, settings, own, external):
    [instance] = fill(cloud, 1, **settings)
    machine, info = machine_of(cloud, instance), info_of(new_worker(addresses=wanted), instance)
    assert info.get("address") == (own and getattr(machine, own))
    assert info.get("external_address") == (external and getattr(machine, external))


def test_an_instance_without_the_wanted_address_is_told(cloud, new_worker):
    """For a setting that is wrong: no instance is waited for, or replaced."""
    [instance] = fill(cloud, 1)
    reply = ask(new_worker(addresses="ipv6"), instance)
    assert reply["code"] == flt.INVALID and 'addresses to "ipv4"' in reply["message"], reply


@pytest.mark.parametrize("architecture, arch", [("X86_64", "amd64"), ("ARM64", "arm64"), ("", "amd64")])
def test_the_processor_has_gos_name(cloud, new_worker, architecture, arch):
    [instance] = fill(cloud, 1, architecture=architecture)
    assert info_of(new_worker(), instance)["arch"] == arch


@pytest.mark.parametrize("status, code", [("STAGING", flt.NOT_READY), ("REPAIRING", flt.NOT_READY), ("SUSPENDED", flt.NOT_READY),
                                          ("STOPPING", flt.NOT_FOUND), ("TERMINATED", flt.NOT_FOUND)])
def test_an_instance_that_is_not_up_is_waited_for_or_gone(cloud, new_worker, status, code):
    [instance] = fill(cloud, 1)
    worker = new_worker()
    machine_of(cloud, instance).status = status
    reply = ask(worker, instance)
    assert reply["code"] == code and instance in reply["message"] and (code == flt.NOT_FOUND or reply["retry_after_ms"] > 0), reply


def test_an_instance_that_was_made_anew_under_its_name_is_another(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker, machine = new_worker(), machine_of(cloud, instance)
    machine.id = "7999999999999999999"
    reply = ask(worker, instance)
    assert reply["code"] == flt.NOT_FOUND and "another one has its name" in reply["message"], reply
    assert not machine.items, "the other one is told nothing"
    reply = ask(worker, "my-linux-instance-group-none/1")
    assert reply["code"] == flt.NOT_FOUND, reply


def test_an_instance_of_a_regional_group_is_found_in_its_zone(cloud, new_worker):
    cloud.groups.all.clear()
    cloud.group(region="europe-west1")
    ids, worker = fill(cloud, 3), new_worker(region="europe-west1")
    assert len({machine_of(cloud, instance).zone for instance in ids}) > 1
    for instance in ids:
        assert info_of(worker, instance)["address"] == machine_of(cloud, instance).address
