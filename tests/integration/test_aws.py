"""plugins/aws over moto, which checks every signature and every right: the mission's examples as they are written."""

import json
import os
import re
import subprocess

import boto3
import botocore.exceptions
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from aws.moto import REGION, Moto
from aws.run import AwsRun, write_keys
from checker.jobs import make_job
from checker.rules import judge
from checker.run import PATIENCE, wait_for
from cloud.machines import Machines
from conftest import ROOT, short_folder

POLICY = json.loads((ROOT / "docs" / "aws-policy.json").read_text())
JOBS = 12


@pytest.fixture(scope="module")
def machines():
    with short_folder() as path:
        made = Machines(path)
        yield made
        made.close()


@pytest.fixture(scope="module")
def moto(machines):
    with short_folder() as path:
        made = Moto(path, machines)
        made.make_group("my-linux-asg")
        made.enforce()
        yield made
        made.close()


@pytest.fixture(scope="module")
def first_example(module_folder, binary, build, moto, machines):
    """Twelve jobs by the first example, until the group is back at its five idle instances and the manager has stopped."""
    write_keys(module_folder, moto.make_user("runner", POLICY), REGION)
    run = AwsRun(module_folder, binary, build, "aws-1-job.toml", moto.url, machines,
                   {"capacity": 1, "max_use_count": 1, "max_instances": 10})
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, JOBS + 1)])
    calls = len(moto.endpoint.calls)  # of other tests
    run.start()
    run.ended = run.coordinator.wait_all_ended(PATIENCE)
    run.back = wait_for(lambda: len(machines.running) == 5 and run.is_settled(set(machines.running)))
    run.stopped_with = run.stop()
    run.wait_no_processes()
    run.facts = run.evidence()
    run.calls = moto.endpoint.calls[calls:]
    run.group = moto.group("my-linux-asg")
    run.idle = sorted(machines.running)
    yield run
    run.coordinator.close()


def test_every_job_of_the_first_example_succeeds_and_nothing_is_lost(first_example):
    run = first_example
    assert run.ended and run.back and run.stopped_with == 0, run.log_tail(80)
    # Instances outlive the manager: the example does not have them deleted at its end.
    assert judge(run.facts) == [f"nothing_left_over: instances left: {run.idle}"], run.log_tail(80)


def made(run, action):
    return [call for call in run.calls if call.action == action]


def test_each_instance_is_used_once_and_then_deleted_by_its_id(first_example):
    run = first_example
    used = {mark.instance for mark in run.facts.marks}
    assert len(used) == JOBS
    ended = [call.form for call in made(run, "TerminateInstanceInAutoScalingGroup")]
    assert {form["InstanceId"] for form in ended} == used
    assert {form["ShouldDecrementDesiredCapacity"] for form in ended} == {"true"}
    assert dict(run.ledger("SELECT remove_reason, count(*) FROM instances WHERE life <> 'present' GROUP BY remove_reason")) \
        == {"uses_spent": JOBS}
    assert not used & set(run.idle)


def test_the_group_never_grows_above_its_maximum_and_comes_back_to_its_idle_instances(first_example):
    sizes = [int(call.form["DesiredCapacity"]) for call in made(first_example, "SetDesiredCapacity")]
    assert sizes and max(sizes) <= 10
    group = first_example.group
    assert group["DesiredCapacity"] == 5
    assert {instance["LifecycleState"] for instance in group["Instances"]} == {"InService"}
    assert all(instance["ProtectedFromScaleIn"] for instance in group["Instances"])


def test_each_instance_gets_a_key_of_its_own(first_example):
    pushed = [json.loads(call.body) for call in made(first_example, "SendSSHPublicKey")]
    by_instance = {}
    for asked in pushed:
        assert asked["InstanceOSUser"] == "ec2-user" and asked["SSHPublicKey"].startswith("ssh-ed25519 ")
        by_instance.setdefault(asked["InstanceId"], set()).add(asked["SSHPublicKey"])
    keys = [key for found in by_instance.values() for key in found]
    assert len(by_instance) >= JOBS and len(set(keys)) == len(keys)


def test_no_call_is_refused_by_the_documented_policy(first_example):
    assert [(call.action, call.status) for call in first_example.calls if call.status != 200] == []
    assert {call.service for call in first_example.calls} == {"autoscaling", "ec2", "ec2-instance-connect"}


def test_moto_checks_every_signature_and_right(moto):
    """Else the tests above would show little."""
    user = moto.make_user("stranger", {"Statement": [{"Effect": "Allow", "Action": ["ec2:DescribeInstances"]}]})

    def code_of(service, call, **key):
        client = boto3.client(service, endpoint_url=moto.url, region_name=REGION, **{**user, **key})
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            getattr(client, call)()
        return caught.value.response["Error"]["Code"]

    assert code_of("autoscaling", "describe_auto_scaling_groups") == "AccessDenied"
    assert code_of("autoscaling", "describe_auto_scaling_groups", aws_secret_access_key="guessed") == "SignatureDoesNotMatch"
    assert code_of("ec2", "describe_instances", aws_access_key_id="AKIAUNKNOWN") == "AuthFailure"


# One command of an operator


@pytest.fixture
def operator(folder, binary, build, moto, machines):
    """`flotilla plugin COMMAND`, with the keys of a user who may do what the documented policy says."""
    def make(*words, policy=POLICY, region=REGION):
        write_keys(folder, moto.make_user(folder.name, policy), region)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLOTILLA_", "AWS_"))}
        (folder / "tmp").mkdir()
        environment.update(machines.environment, TMPDIR=str(folder / "tmp"), AWS_CONFIG_FILE=str(folder / "config"),
                           AWS_SHARED_CREDENTIALS_FILE=str(folder / "credentials"))
        plugins = f"{build / 'plugins' / 'aws'}:{build / 'plugins' / 'nesting'}"
        done = subprocess.run([binary, "plugin", *words, "--plugin-dir", plugins], cwd=folder,
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE)
        return done.returncode, done.stdout + done.stderr
    return make


def example(folder, binary, build, moto, machines, name, *changes):
    """The configuration of an example, with no manager; `changes` are pairs (old, new)."""
    run = AwsRun(folder, binary, build, name, moto.url, machines, {})
    run.coordinator.close()
    text = run.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    run.config.write_text(text)
    return run.config


def steps(output):
    return re.findall(r"^(ok|FAIL) +(\w+) ", output, re.M)


def test_the_plugin_keeps_the_contract(operator, folder, moto):
    moto.make_group("checked")
    config = {"name": "checked", "region": REGION, "endpoint": moto.url}
    (folder / "check.json").write_text(json.dumps(config))
    status, output = operator("check", "aws", "--config", "check.json")
    assert status == 0 and " 0 failed, " in output, output
    assert moto.group("checked")["DesiredCapacity"] == 0


def test_a_try_of_the_first_example_tells_who_had_the_keys(operator, folder, binary, build, moto, machines):
    moto.make_group("tried-asg")
    config = example(folder, binary, build, moto, machines, "aws-1-job.toml", ("my-linux-asg", "tried-asg"))
    status, output = operator("try", "instance autoscaler example", "--config", config)
    assert status == 0, output
    assert [name for _, name in steps(output)] == ["plugin", "open", "list", "increase", "boot", "address", "connect",
                                                   "command", "remove"]
    assert f"{folder}/credentials" in output, output
    assert moto.group("tried-asg")["DesiredCapacity"] == 0


def test_keys_that_are_wrong_are_refused_by_the_cloud(operator, folder, binary, build, moto, machines):
    config = example(folder, binary, build, moto, machines, "aws-1-job.toml",
                     (f"{folder}/credentials", f"{folder}/wrong"))
    (folder / "wrong").write_text("[default]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = guessed\n")
    (folder / "wrong").chmod(0o600)
    status, output = operator("try", "instance autoscaler example", "--config", config)
    assert status == 1 and ("FAIL", "open") in steps(output), output
    assert f"{folder}/wrong" in output and "guessed" not in output, output


def test_the_second_example_comes_as_far_as_the_connector(operator, folder, binary, build, moto, machines):
    moto.make_group("my-windows-asg", "windows")
    config = example(folder, binary, build, moto, machines, "aws-5-jobs.toml")
    status, output = operator("try", "instance autoscaler example", "--config", config)
    assert status == 1 and ("FAIL", "address") in steps(output), output
    assert "key_path" in output, output
    assert moto.group("my-windows-asg")["DesiredCapacity"] == 0


def test_the_third_example_comes_as_far_as_the_nesting_socket(operator, folder, binary, build, moto, machines):
    moto.make_group("mac2metal", "mac", "us-west-2")
    key = rsa.generate_private_key(65537, 2048)
    (folder / "macos-key.pem").touch(0o600)
    (folder / "macos-key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    machines.keys = [key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()]
    config = example(folder, binary, build, moto, machines, "aws-mac-vm-isolation.toml")
    status, output = operator("try", "macos applesilicon autoscaler example", "--config", config, region="eu-central-1")
    assert status == 1, output
    assert ("ok", "command") in steps(output) and "us-west-2" in output, output
    assert ("FAIL", "vms") in steps(output) and "/Users/ec2-user/Library/Application Support/nesting.sock" in output, output
