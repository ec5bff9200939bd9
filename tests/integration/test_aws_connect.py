"""How plugins/aws says an instance is reached: addresses, keys that are pushed, passwords, host keys; and what it hears of
instances that are to go. Over the strict cloud."""

import base64
import copy
import datetime
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from aws.wire import Refusal
from aws_group import cloud, fill, group_of, new_worker  # noqa: F401
from checker.run import wait_for
from cloud import provider as flt
from cloud.endpoint import Fault
from cloud.provider import CREATING


def public_half(private: str) -> str:
    key = serialization.load_ssh_private_key(private.encode(), None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def info_of(worker, instance):
    reply = worker.call("connect_info", instance=instance)
    assert reply["code"] == flt.OK, reply
    return reply["connect"]


@pytest.mark.sample
def test_each_instance_gets_a_key_of_its_own_for_a_minute(cloud, new_worker):
    ids, worker = fill(cloud, 2), new_worker()
    for instance in ids:
        before = time.time()
        info = info_of(worker, instance)
        pushed = cloud.compute.pushed[-1]
        assert (pushed.instance, pushed.user) == (instance, "ec2-user")
        assert pushed.key.split()[:2] == public_half(info["key"]).split()
        assert pushed.key.startswith("ssh-ed25519 ")
        assert before < info["expires_ms"] / 1000 <= time.time() + 60
        machine = cloud.compute.machines[instance]
        assert info["protocol"] == "ssh" and info["username"] == "ec2-user"
        assert (info["address"], info["external_address"]) == (machine.private_address, machine.public_address)
    one, other = cloud.compute.pushed
    assert one.key.split()[1] != other.key.split()[1]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_that_the_operator_has_is_used(cloud, new_worker, kind):
    [instance] = fill(cloud, 1)
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else Ed25519PrivateKey.generate()
    form = PrivateFormat.TraditionalOpenSSL if kind == "rsa" else PrivateFormat.PKCS8
    text = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    worker = new_worker(connector={"key": text, "username": "builder"})
    info = info_of(worker, instance)
    assert info["username"] == "builder"
    [pushed] = cloud.compute.pushed
    assert pushed.user == "builder"
    assert pushed.key.split()[:2] == key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode().split()


@pytest.mark.parametrize("wanted, own, public", [
    ("ipv4", "private_address", "public_address"), ("ipv6", "2001:db8::", "2001:db8::"), ("dns", ".internal", ".amazonaws.com")])
def test_addresses_are_those_that_the_operator_wants(cloud, new_worker, wanted, own, public):
    [instance] = fill(cloud, 1)
    machine, info = cloud.compute.machines[instance], info_of(new_worker(addresses=wanted), instance)
    assert getattr(machine, own, own) in info["address"] and getattr(machine, public, public) in info["external_address"]


def test_host_keys_come_from_the_console_where_it_has_them(cloud, new_worker):
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    [instance] = fill(cloud, 1, host_keys=[f"{public} root@ip-172-31-0-2"])
    info = info_of(new_worker(), instance)
    assert info["host_keys"] == [dict(zip(("type", "key"), public.split()))]


@pytest.fixture
def console(cloud):
    """How often consoles were asked for."""
    return lambda: len(cloud.endpoint.calls_of("GetConsoleOutput"))


def host_key():
    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_host_keys_outlive_the_worker_that_read_them(cloud, new_worker, console):
    """Whoever is root on an instance may write to its console later."""
    first, forged = host_key(), host_key()
    [instance] = fill(cloud, 1, host_keys=[first])
    worker = new_worker()
    told = info_of(worker, instance)["host_keys"]
    assert told == [dict(zip(("type", "key"), first.split()))]
    cloud.compute.machines[instance].host_keys = [forged]
    worker.kill()
    assert info_of(new_worker(), instance)["host_keys"] == told
    assert console() == 1


def test_host_keys_of_instances_that_are_gone_are_not_kept_for_ever(cloud, new_worker, folder):
    worker, group = new_worker(), group_of(cloud)
    for _ in range(25):
        group.members.clear()
        [instance] = fill(cloud, 1, host_keys=[host_key()])
        assert list(worker.states()) == [instance] and info_of(worker, instance)["host_keys"]
    [file] = (folder / "state" / "aws").glob("*.keys.json")
    kept = json.loads(file.read_text())
    assert instance in kept and len(kept) < 25, "at most some more than there are instances"


def test_host_keys_are_kept_while_nobody_knows_which_instances_are_gone(cloud, new_worker, folder):
    """The next worker's first look sees a part of the group."""
    ids = fill(cloud, 20, host_keys=[host_key()])
    worker = new_worker()
    for instance in ids[:-1]:
        assert info_of(worker, instance)["host_keys"]
    worker.kill()
    cloud.scaling.member_page = 10
    cloud.endpoint.fault = lambda call: Fault() if "NextToken" in call.form else None
    assert info_of(new_worker(), ids[-1])["host_keys"]
    [file] = (folder / "state" / "aws").glob("*.keys.json")
    assert set(json.loads(file.read_text())) == set(ids)


def test_a_console_without_host_keys_is_not_asked_for_ever(cloud, new_worker, console):
    [instance] = fill(cloud, 1)
    cloud.compute.machines[instance].started -= datetime.timedelta(minutes=11)
    pinned = {"host_key_policy": "pin"}
    worker, reply = new_worker(connector=pinned), {}

    def refused():
        reply.update(worker.call("connect_info", instance=instance))
        return reply["code"] != flt.NOT_READY

    assert wait_for(refused), reply
    assert reply["code"] == flt.INVALID and 'host_key_policy must be "tofu"' in reply["message"], reply
    assert console() == 3
    cloud.compute.machines[instance].host_keys = [host_key()]  # forged by then
    assert worker.call("connect_info", instance=instance)["code"] == flt.INVALID
    worker.kill()
    assert not info_of(new_worker(), instance).get("host_keys")
    assert console() == 3


def test_a_console_of_a_young_instance_is_waited_for(cloud, new_worker, console):
    [instance] = fill(cloud, 1)
    key, worker = host_key(), new_worker(connector={"host_key_policy": "pin"})
    for _ in range(5):
        reply = worker.call("connect_info", instance=instance)
        assert reply["code"] == flt.NOT_READY and "no host keys yet" in reply["message"], reply
    assert console() < 5, "the pauses between five questions grow to half a minute in all"
    cloud.compute.machines[instance].host_keys = [key]
    assert wait_for(lambda: worker.call("connect_info", instance=instance)["code"] == flt.OK)


@pytest.mark.parametrize("lacks", ["right", "setting"])
def test_pinned_host_keys_that_nobody_may_read_are_a_wrong_setting(cloud, new_worker, lacks):
    [instance] = fill(cloud, 1, host_keys=[host_key()])
    if lacks == "right":
        cloud.account.denied = {"ec2:GetConsoleOutput"}
    reply = new_worker(connector={"host_key_policy": "pin"}, host_keys=lacks != "setting").call("connect_info", instance=instance)
    assert reply["code"] == flt.INVALID, reply
    assert ("GetConsoleOutput" if lacks == "right" else "plugin_config.host_keys is false") in reply["message"], reply


def test_one_question_is_for_all_instances_that_boot(cloud, new_worker):
    """Whoever was told how an instance is reached asks for it no more."""
    ids = fill(cloud, 30)
    worker = new_worker()
    for instance in ids:
        assert info_of(worker, instance)["address"]
    asked = [{value for name, value in call.form.items() if name.startswith("Filter.1.Value.")}
             for call in cloud.endpoint.calls_of("DescribeInstances") if call.form["Filter.1.Name"] == "instance-id"]
    assert asked[0] == set(ids) and len(asked) < 30, "one for each"
    assert all(ids[0] not in later for later in asked[1:])


def test_an_instance_that_boots_for_long_is_asked_about_more_seldom(cloud, new_worker):
    young, old = fill(cloud, 2)
    for instance in (young, old):
        cloud.compute.machines[instance].state = "pending"
    cloud.compute.machines[old].started -= datetime.timedelta(minutes=5)
    worker = new_worker()
    pauses = [worker.call("connect_info", instance=instance)["retry_after_ms"] for instance in (young, old)]
    assert pauses[0] < pauses[1] == 15000, pauses


def test_a_refusal_of_instance_connect_in_its_own_words_names_the_right(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker, refusal = new_worker(), Refusal("AuthException", "not authorized")
    cloud.endpoint.fault = lambda call: cloud.refused(call, refusal) if call.action == "SendSSHPublicKey" else None
    reply = worker.call("connect_info", instance=instance)
    assert reply["code"] == flt.AUTH and "missing permission ec2-instance-connect:SendSSHPublicKey" in reply["message"], reply


def test_an_instance_that_is_newer_than_the_last_list_is_not_gone(cloud, new_worker):
    """A list that broke off may have shown it."""
    fill(cloud, 1)
    worker = new_worker()
    [*_, new] = fill(cloud, 2)
    reply = worker.call("heartbeat", instance=new)
    assert reply["code"] == flt.OK, reply
    assert worker.call("heartbeat", instance="i-00000000000000bad")["code"] == flt.UNHEALTHY


def test_a_windows_password_is_asked_again_until_it_is_there(cloud, new_worker):
    key = rsa.generate_private_key(65537, 2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    [instance] = fill(cloud, 1, platform="windows", key_name="ci")
    worker = new_worker(connector={"key": text})
    reply = worker.call("connect_info", instance=instance)
    assert reply["code"] == flt.NOT_READY and reply["retry_after_ms"] > 0, reply
    assert worker.states(), "the list does not wait for it"
    secret = key.public_key().encrypt(b"Pa$$w0rd;<>&", padding.PKCS1v15())
    cloud.compute.machines[instance].password_data = base64.b64encode(secret).decode()
    info = info_of(worker, instance)
    assert (info["protocol"], info["username"], info["password"]) == ("winrm", "Administrator", "Pa$$w0rd;<>&")
    assert not info.get("key") and not cloud.compute.pushed


@pytest.mark.parametrize("form", ["openssh", "pkcs8"])
def test_a_windows_password_is_read_with_a_key_in_any_form(cloud, new_worker, form):
    key = rsa.generate_private_key(65537, 2048)
    secret = key.public_key().encrypt(b"secret", padding.PKCS1v15())
    [instance] = fill(cloud, 1, platform="windows", key_name="ci", password_data=base64.b64encode(secret).decode())
    form = PrivateFormat.OpenSSH if form == "openssh" else PrivateFormat.PKCS8
    worker = new_worker(connector={"key": key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()})
    assert info_of(worker, instance)["password"] == "secret"


def test_a_key_that_does_not_open_a_windows_password_is_a_wrong_setting(cloud, new_worker):
    """The instance is not to blame, so it must not be replaced."""
    key, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    secret = key.public_key().encrypt(b"secret", padding.PKCS1v15())
    [instance] = fill(cloud, 1, platform="windows", key_name="ci", password_data=base64.b64encode(secret).decode())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")).decode()
    plain = [(PrivateFormat.OpenSSH, other), (PrivateFormat.OpenSSH, Ed25519PrivateKey.generate())]
    texts = [locked, *(one.private_bytes(Encoding.PEM, form, NoEncryption()).decode() for form, one in plain), "no key"]
    sentences = ["has a passphrase", "not that of the key pair", "is no RSA key", "no RSA or Ed25519 key"]
    for text, sentence in zip(texts, sentences):
        reply = new_worker(connector={"key": text}).call("connect_info", instance=instance)
        assert reply["code"] == flt.INVALID, reply
        assert "connector_config.key_path" in reply["message"] and sentence in reply["message"], reply


@pytest.mark.parametrize("pair, sentence", [
    ("ci", "encrypted for the key pair 'ci': add key_path = \"FILE\" to connector_config"),
    ("", "launched without a key pair, so AWS has no password for it: add KeyName to the launch template, and key_path")])
def test_a_windows_instance_without_a_key_says_what_is_missing(cloud, new_worker, pair, sentence):
    [instance] = fill(cloud, 1, platform="windows", key_name=pair)
    reply = new_worker().call("connect_info", instance=instance)
    assert reply["code"] == flt.INVALID and sentence in reply["message"], reply
    assert not cloud.endpoint.calls_of("GetPasswordData")


def test_an_instance_that_is_gone_or_not_up_is_told_apart(cloud, new_worker):
    worker = new_worker()
    reply = worker.call("connect_info", instance="i-00000000000000bad")
    assert reply["code"] == flt.NOT_FOUND, reply
    group_of(cloud).boot_looks = 99
    worker.increase(1)
    [(pending, state)] = worker.states().items()
    reply = worker.call("connect_info", instance=pending)
    assert state == CREATING and reply["code"] == flt.NOT_READY, reply


def test_an_instance_that_ec2_learns_of_later_than_its_group_is_waited_for(cloud, new_worker):
    [instance] = fill(cloud, 1)
    worker, machine = new_worker(), cloud.compute.machines.pop(instance)
    reply = worker.call("connect_info", instance=instance)
    assert reply["code"] == flt.NOT_READY and reply["retry_after_ms"] > 0, reply
    cloud.compute.machines[instance] = machine
    assert wait_for(lambda: worker.call("connect_info", instance=instance)["code"] == flt.OK), "an answer holds for two seconds"


def test_an_answer_about_another_instance_is_not_taken(cloud, new_worker):
    asked, other = fill(cloud, 2)
    worker = new_worker()
    assert set(worker.states()) == {asked, other}

    def fault(call):
        if call.action != "DescribeInstances":
            return None
        changed = copy.copy(call)
        changed.form = {name: other if name.startswith("Filter.1.Value.") else value for name, value in call.form.items()}
        return Fault(answer=cloud.ask(changed))

    cloud.endpoint.fault = fault
    reply = worker.call("connect_info", instance=asked)
    assert reply["code"] == flt.NOT_READY and not cloud.compute.pushed, reply


def test_an_instance_of_another_group_is_none_of_ours(cloud, new_worker):
    cloud.compute.settings = {"state": "running"}
    stranger = cloud.compute.launch(tags={"aws:autoscaling:groupName": "another"})
    reply = new_worker().call("connect_info", instance=stranger.id)
    assert reply["code"] == flt.NOT_FOUND and not cloud.compute.pushed, reply


def signals_of(worker):
    reply = worker.call("signals")
    assert reply["code"] == flt.OK, reply
    return {signal["instance"]: signal for signal in reply["signals"]}


def test_what_aws_is_going_to_take_is_told(cloud, new_worker):
    spot, event, quiet = fill(cloud, 3, spot_request="sir-quiet")
    cloud.compute.machines[spot].spot_request = "sir-going"
    cloud.compute.spot["sir-going"] = "marked-for-termination"
    for instance, text in ((event, "The instance is running on degraded hardware"), (quiet, "[Completed] It was moved")):
        cloud.compute.machines[instance].events.append({
            "Code": "instance-retirement", "Description": text,
            "NotBefore": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)})
    worker = new_worker()
    worker.states()
    found = {}

    def both_told():
        found.update(signals_of(worker))
        return {spot, event} <= set(found)

    assert wait_for(both_told), found
    assert {found[spot]["code"], found[event]["code"]} == {flt.UNHEALTHY} and quiet not in found
