"""The strict cloud of the tests (tests/aws/cloud.py) is read by boto3: what it answers is what AWS's own library takes
for an answer of AWS, errors included."""

import base64
import datetime

import boto3
import botocore.exceptions
import botocore.parsers
import pytest
from botocore.config import Config

from aws.cloud import Cloud
from cloud.endpoint import Fault

PUBLIC_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(32)).decode()


@pytest.fixture
def cloud():
    made = Cloud()
    yield made
    made.close()


@pytest.fixture
def clients(cloud):
    def make(service, access_key="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", token=None):
        return boto3.client(service, endpoint_url=cloud.url, region_name="us-east-1", aws_access_key_id=access_key,
                            aws_secret_access_key=secret, aws_session_token=token,
                            config=Config(retries={"total_max_attempts": 1}))
    return make


def code_of(call, **asked):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**asked)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def described(scaling, name="my-linux-asg"):
    [group] = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return group


def test_a_group_grows_boots_and_shrinks_by_instance(cloud, clients):
    group, scaling = cloud.group(), clients("autoscaling")
    scaling.set_desired_capacity(AutoScalingGroupName=group.name, DesiredCapacity=3, HonorCooldown=False)
    assert [i["LifecycleState"] for i in described(scaling)["Instances"]] == ["Pending"] * 3
    found = described(scaling)
    assert [(i["LifecycleState"], i["HealthStatus"], i["ProtectedFromScaleIn"]) for i in found["Instances"]] == \
        [("InService", "Healthy", True)] * 3
    assert (found["MinSize"], found["MaxSize"], found["DesiredCapacity"]) == (0, 10, 3)
    assert found["SuspendedProcesses"][0]["ProcessName"] == "AZRebalance"
    gone = found["Instances"][1]["InstanceId"]
    activity = scaling.terminate_instance_in_auto_scaling_group(InstanceId=gone, ShouldDecrementDesiredCapacity=True)
    assert activity["Activity"]["StatusCode"] == "InProgress"
    assert isinstance(activity["Activity"]["StartTime"], datetime.datetime)
    assert described(scaling)["DesiredCapacity"] == 2
    assert gone not in [i["InstanceId"] for i in described(scaling)["Instances"]]
    assert scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["other"])["AutoScalingGroups"] == []


def test_what_aws_refuses_is_refused(cloud, clients):
    group, scaling, compute = cloud.group(min_size=1, desired=1), clients("autoscaling"), clients("ec2")
    cloud.scaling.fill(group)
    [there] = group.members
    refused = [
        ("ValidationError", scaling.set_desired_capacity, {"AutoScalingGroupName": group.name, "DesiredCapacity": 11}),
        ("ValidationError", scaling.set_desired_capacity, {"AutoScalingGroupName": group.name, "DesiredCapacity": 0}),
        ("ValidationError", scaling.set_desired_capacity, {"AutoScalingGroupName": "other", "DesiredCapacity": 1}),
        ("ValidationError", scaling.terminate_instance_in_auto_scaling_group,
         {"InstanceId": "i-00000000000000000", "ShouldDecrementDesiredCapacity": True}),
        ("ValidationError", scaling.terminate_instance_in_auto_scaling_group,
         {"InstanceId": there, "ShouldDecrementDesiredCapacity": True}),
        ("InvalidInstanceID.NotFound", compute.describe_instances, {"InstanceIds": [there, "i-00000000000000000"]}),
        ("InvalidInstanceID.Malformed", compute.describe_instances, {"InstanceIds": ["no-instance"]}),
        ("InvalidParameterCombination", compute.describe_instances, {"InstanceIds": [there], "MaxResults": 5}),
        ("InvalidParameterValue", compute.describe_instances, {"MaxResults": 1001}),
    ]
    for code, call, asked in refused:
        assert code_of(call, **asked) == (code, 400), asked
    assert group.desired == 1 and len(group.members) == 1


def test_who_may_not_call_hears_it_in_the_words_of_each_service(cloud, clients):
    cloud.group()
    cloud.account.keys["ASIAEXPIRED"] = type(cloud.account.keys["AKIAIOSFODNN7EXAMPLE"])("secret", "token", expired=True)

    def codes(**who):
        pushed = {"InstanceId": "i-00000000000000001", "InstanceOSUser": "ec2-user", "SSHPublicKey": PUBLIC_KEY}
        return [code_of(clients("autoscaling", **who).describe_auto_scaling_groups),
                code_of(clients("ec2", **who).describe_instances),
                code_of(clients("ec2-instance-connect", **who).send_ssh_public_key, **pushed)]

    assert codes(access_key="AKIAUNKNOWN") == [("InvalidClientTokenId", 403), ("AuthFailure", 401),
                                               ("UnrecognizedClientException", 400)]
    wrong = [("SignatureDoesNotMatch", 403), ("AuthFailure", 401), ("InvalidSignatureException", 400)]
    assert codes(secret="wrong") == wrong
    assert codes(access_key="ASIAEXPIRED", secret="secret", token="token") == [
        ("ExpiredToken", 403), ("RequestExpired", 400), ("ExpiredTokenException", 400)]
    for skew in (3600, -3600):
        cloud.account.skew_s = skew
        assert codes() == [("SignatureDoesNotMatch", 403), ("RequestExpired", 400), ("InvalidSignatureException", 400)]
    cloud.account.skew_s = 0
    cloud.account.denied = {"autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances",
                            "ec2-instance-connect:SendSSHPublicKey"}
    assert codes() == [("AccessDenied", 403), ("UnauthorizedOperation", 403), ("AccessDeniedException", 400)]
    cloud.account.denied.clear()
    cloud.throttled[""] = 3
    assert codes() == [("Throttling", 400), ("RequestLimitExceeded", 503), ("ThrottlingException", 400)]


def test_three_thousand_instances_come_in_pages_some_of_them_empty(cloud, clients):
    group, compute = cloud.group(max_size=3000, desired=3000, boot_looks=0), clients("ec2")
    cloud.scaling.fill(group)
    cloud.compute.empty_pages = 2
    scaling = clients("autoscaling")
    [found] = [g for page in scaling.get_paginator("describe_auto_scaling_groups").paginate(
        AutoScalingGroupNames=[group.name]) for g in page["AutoScalingGroups"]]
    assert len(found["Instances"]) == 3000
    pages = list(compute.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": [group.name]}]))
    assert [len(page["Reservations"]) for page in pages] == [0, 0, 1000, 1000, 1000]
    found = [r["Instances"][0] for page in pages for r in page["Reservations"]]
    assert len({i["InstanceId"] for i in found}) == len({i["PublicIpAddress"] for i in found}) == 3000


def test_instances_tell_what_a_connection_needs(cloud, clients):
    cloud.compute.settings = {"platform": "windows", "architecture": "x86_64", "spot_request": "sir-1", "state": "running",
                              "host_keys": ["ssh-ed25519 AAAA root@ip"], "password_data": "c2VjcmV0"}
    machine, compute = cloud.compute.launch(), clients("ec2")
    machine.events.append({"Code": "instance-retirement", "Description": "gone soon",
                           "NotBefore": datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)})
    [found] = compute.describe_instances(InstanceIds=[machine.id])["Reservations"][0]["Instances"]
    assert (found["State"]["Name"], found["Platform"], found["Architecture"], found["InstanceLifecycle"]) == \
        ("running", "windows", "x86_64", "spot")
    assert found["PublicIpAddress"] == machine.public_address and found["PrivateIpAddress"] == machine.private_address
    assert compute.get_password_data(InstanceId=machine.id)["PasswordData"] == "c2VjcmV0"
    output = compute.get_console_output(InstanceId=machine.id)["Output"]  # boto3 decodes it
    assert "-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 AAAA root@ip\n" in output
    [status] = compute.describe_instance_status(InstanceIds=[machine.id])["InstanceStatuses"]
    assert status["Events"][0]["Code"] == "instance-retirement" and status["Events"][0]["NotBefore"].year == 2026
    cloud.compute.spot["sir-1"] = "marked-for-termination"
    [spot] = compute.describe_spot_instance_requests(SpotInstanceRequestIds=["sir-1"])["SpotInstanceRequests"]
    assert (spot["Status"]["Code"], spot["InstanceId"]) == ("marked-for-termination", machine.id)


def test_keys_are_pushed_to_running_instances_alone(cloud, clients):
    machine, connect = cloud.compute.launch(), clients("ec2-instance-connect")
    asked = {"InstanceId": machine.id, "InstanceOSUser": "ec2-user", "SSHPublicKey": PUBLIC_KEY}
    assert code_of(connect.send_ssh_public_key, **asked) == ("EC2InstanceStateInvalidException", 400)
    machine.state = "running"
    assert connect.send_ssh_public_key(**asked, AvailabilityZone="us-east-1a")["Success"] is True
    [pushed] = cloud.compute.pushed
    assert (pushed.instance, pushed.user, pushed.key) == (machine.id, "ec2-user", PUBLIC_KEY)
    asked["InstanceId"] = "i-00000000000000000"
    assert code_of(connect.send_ssh_public_key, **asked) == ("EC2InstanceNotFoundException", 400)
    asked["SSHPublicKey"] = "x" * 100
    asked["InstanceId"] = machine.id
    assert code_of(connect.send_ssh_public_key, **asked) == ("InvalidArgsException", 400)


def test_what_the_group_does_and_is_told_can_be_read(cloud, clients):
    group, scaling = cloud.group(policies=["keep-busy"], fails="We currently do not have sufficient t3.medium capacity. "
                                 "Launching EC2 instance failed."), clients("autoscaling")
    name = {"AutoScalingGroupName": group.name}
    scaling.set_desired_capacity(**name, DesiredCapacity=2)
    [activity] = scaling.describe_scaling_activities(**name)["Activities"]
    assert activity["StatusCode"] == "Failed" and "sufficient" in activity["StatusMessage"]
    assert group.desired == 2 and not group.members
    group.fails = ""
    cloud.scaling.fill(group)
    assert len(scaling.describe_scaling_activities(**name)["Activities"]) == 3
    tag = {"ResourceId": group.name, "ResourceType": "auto-scaling-group", "Key": "epoch", "Value": "7"}
    scaling.create_or_update_tags(Tags=[{**tag, "PropagateAtLaunch": False}])
    assert described(scaling)["Tags"] == [{**tag, "PropagateAtLaunch": False}]
    [found] = scaling.describe_tags(Filters=[{"Name": "key", "Values": ["epoch"]}])["Tags"]
    assert found["Value"] == "7"
    scaling.set_instance_protection(**name, InstanceIds=list(group.members), ProtectedFromScaleIn=False)
    assert not any(i["ProtectedFromScaleIn"] for i in described(scaling)["Instances"])
    assert scaling.describe_policies(**name)["ScalingPolicies"][0]["PolicyName"] == "keep-busy"
    assert scaling.describe_warm_pool(**name)["Instances"] == []
    assert scaling.describe_lifecycle_hooks(**name)["LifecycleHooks"] == []
    group.refreshes.append({"InstanceRefreshId": "r-1", "AutoScalingGroupName": group.name, "Status": "InProgress",
                            "Preferences": {"ScaleInProtectedInstances": "Refresh"}})
    assert scaling.describe_instance_refreshes(**name)["InstanceRefreshes"] == group.refreshes
    cloud.scaling.lose(group.name, next(iter(group.members)))
    assert len(group.counted()) == 2
    ids = [i["InstanceId"] for i in described(scaling)["Instances"]]
    assert {i["InstanceId"] for i in scaling.describe_auto_scaling_instances()["AutoScalingInstances"]} == set(ids)
    assert clients("sts").get_caller_identity()["Arn"].endswith(":user/runner")


def test_what_the_group_launches_can_be_read(cloud, clients):
    group, scaling, compute = cloud.group(), clients("autoscaling"), clients("ec2")
    cloud.compute.launches = "mac2.metal"
    template = {"LaunchTemplateId": described(scaling)["LaunchTemplate"]["LaunchTemplateId"]}
    [found] = compute.describe_launch_template_versions(**template, Versions=["$Latest"])["LaunchTemplateVersions"]
    assert found["LaunchTemplateData"]["InstanceType"] == "mac2.metal"
    assert code_of(compute.describe_launch_template_versions, **template, Versions=["7"]) == \
        ("InvalidLaunchTemplateId.VersionNotFound", 400)
    group.launch_configuration = "ci"
    name = described(scaling)["LaunchConfigurationName"]
    [found] = scaling.describe_launch_configurations(LaunchConfigurationNames=[name])["LaunchConfigurations"]
    assert found["InstanceType"] == "mac2.metal"


def test_calls_break_where_a_test_wants_it(cloud, clients):
    group, scaling = cloud.group(), clients("autoscaling")
    faults = {1: Fault(), 2: Fault(done=True), 3: Fault(cut_at=100)}
    cloud.endpoint.fault = lambda call: faults.get(call.number)
    for wanted in (1, 2, 3):
        with pytest.raises((botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError)):
            scaling.set_desired_capacity(AutoScalingGroupName=group.name, DesiredCapacity=wanted)
    assert group.desires == [2, 3]
    scaling.set_desired_capacity(AutoScalingGroupName=group.name, DesiredCapacity=4)
    assert [call.status for call in cloud.endpoint.calls] == [0, 0, 200, 200]
    assert cloud.endpoint.actions() == ["SetDesiredCapacity"] * 4


def test_a_parameter_that_nobody_knows_is_refused(cloud, clients):
    cloud.group()
    scaling = clients("autoscaling")
    scaling.meta.events.register("before-call.autoscaling.DescribeAutoScalingGroups",
                                 lambda params, **_: params["body"].update(AutoScalingGroupNames="x"))
    assert code_of(scaling.describe_auto_scaling_groups) == ("UnknownParameter", 400)
