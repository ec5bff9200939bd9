"""moto's server behind an endpoint: signatures and policies are enforced, each call is seen, and each instance has an
sshd as soon as it is there.

moto runs in a process of its own (this file, started as a program). What it is laxer about than AWS, the strict cloud
of cloud.py is not.
"""

import http.client
import itertools
import json
import logging
import subprocess
import sys
from pathlib import Path

from cloud.endpoint import Answer, Endpoint
from cloud.machines import Machines

from .call import AwsCall
from .wire import answer

REGION = "us-east-1"
KEY_LIFE_S = 60  # of EC2 Instance Connect
GROUP = {"MinSize": 0, "MaxSize": 10, "DesiredCapacity": 0, "NewInstancesProtectedFromScaleIn": True}
IMAGES = {"linux": ("ami-00000001", "x86_64", None), "windows": ("ami-00000002", "x86_64", "windows"),
          "mac": ("ami-00000003", "arm64_mac", None)}


class Moto:
    """`policy` is an IAM policy document. Resources and conditions are left out of it: moto knows neither."""

    def __init__(self, folder: Path, machines: Machines):
        self.folder, self.machines = folder, machines
        self.clients, self.regions = {}, set()
        (folder / "images.json").write_text(json.dumps([image(*values) for values in IMAGES.values()]))
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "aws.moto", folder / "images.json"],
            cwd=Path(__file__).resolve().parents[1], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=open(folder / "moto.log", "wb"))
        line = self.process.stdout.readline()
        assert line, (folder / "moto.log").read_text()
        self.port = int(line)
        self.endpoint = Endpoint(self.ask, kind=AwsCall)
        self.url = self.endpoint.url
        self.owner = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}  # while nobody is checked

    def close(self):
        self.endpoint.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def client(self, service, region=REGION):
        """boto3's, past the endpoint: what it calls is not among the calls of the test."""
        key = (service, region, self.owner["aws_access_key_id"])
        if key not in self.clients:
            import boto3
            self.clients[key] = boto3.client(service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name=region,
                                             **self.owner)
        return self.clients[key]

    def make_group(self, name: str, kind="linux", region=REGION, **settings):
        self.regions.add(region)
        compute, scaling = self.client("ec2", region), self.client("autoscaling", region)
        compute.create_launch_template(LaunchTemplateName=f"{name}-template", LaunchTemplateData={
            "ImageId": IMAGES[kind][0], "InstanceType": "mac2.metal" if kind == "mac" else "t3.medium"})
        subnet = self.subnet(compute, region)
        scaling.create_auto_scaling_group(AutoScalingGroupName=name, VPCZoneIdentifier=subnet["SubnetId"],
                                          LaunchTemplate={"LaunchTemplateName": f"{name}-template"}, **{**GROUP, **settings})
        scaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["AZRebalance", "ReplaceUnhealthy"])

    @staticmethod
    def subnet(compute, region: str) -> dict:
        """No two regions have the same private addresses here: all lead to one loopback."""
        if region == REGION:
            return compute.describe_subnets()["Subnets"][0]
        network = compute.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]
        subnet = compute.create_subnet(VpcId=network["VpcId"], CidrBlock="10.77.0.0/24")["Subnet"]
        compute.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
        return subnet

    def make_user(self, name: str, policy: dict) -> dict[str, str]:
        """The keys of a user who may do what the policy's actions are."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        statements = [{"Effect": part["Effect"], "Action": part["Action"], "Resource": "*"}
                      for part in policy["Statement"]]
        iam.put_user_policy(UserName=name, PolicyName="runner",
                            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def enforce(self):
        """From now on each call needs a right signature and a policy that allows it: also those of client()."""
        self.owner = self.make_user("owner", {"Statement": [{"Effect": "Allow", "Action": "*"}]})
        status, _, _ = self.forward("POST", "/moto-api/reset-auth", {}, b"0")
        assert status == 200

    def forward(self, method: str, path: str, headers: dict, body: bytes):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def ask(self, call: AwsCall) -> Answer:
        if call.action == "DescribeInstanceRefreshes":  # moto knows none
            return answer(call.service, call.action, {"InstanceRefreshes": []})
        status, headers, body = self.forward(call.method, call.path, call.headers, call.body)
        if call.action == "SendSSHPublicKey" and status == 200:
            asked = json.loads(call.body)
            self.machines.push(asked["InstanceId"], asked["InstanceOSUser"], asked["SSHPublicKey"].strip(), KEY_LIFE_S)
        if call.action in ("SetDesiredCapacity", "TerminateInstanceInAutoScalingGroup"):
            self.machines.follow(self.addresses)
        return Answer(status, body, headers.get("Content-Type", "text/xml"))

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Instance -> its addresses, of those that run; one that ends while it is described has none."""
        pages = [page for region in self.regions for page in self.client("ec2", region).get_paginator(
            "describe_instances").paginate(Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])]
        return {instance["InstanceId"]: (instance["PrivateIpAddress"], instance["PublicIpAddress"]) for page in pages
                for reservation in page["Reservations"] for instance in reservation["Instances"]
                if "PublicIpAddress" in instance}

    def group(self, name: str) -> dict:
        [found] = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return found


def image(name: str, architecture: str, platform: str | None) -> dict:
    return {"ami_id": name, "state": "available", "public": True, "owner_id": "801119661308", "sriov": "simple",
            "image_location": "amazon/tests", "root_device_type": "ebs", "root_device_name": "/dev/sda1",
            "description": name, "image_type": "machine", "platform": platform, "architecture": architecture,
            "name": name, "virtualization_type": "hvm", "hypervisor": "xen"}


def serve():
    """moto with public addresses that no two instances share, and with AWS's answer to who ends an instance twice."""
    import os
    os.environ["MOTO_AMIS_PATH"] = sys.argv[1]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    from moto.autoscaling.exceptions import ValidationError
    from moto.autoscaling.models import AutoScalingBackend
    from moto.ec2.models import elastic_network_interfaces
    from moto.server import ThreadedMotoServer
    numbers = itertools.count(1)
    elastic_network_interfaces.random_public_ip = lambda: "54.214.{}.{}".format(*divmod(next(numbers), 250))
    terminate = AutoScalingBackend.terminate_instance

    def terminate_known(backend, instance_id, should_decrement):
        try:
            return terminate(backend, instance_id, should_decrement)
        except StopIteration as unknown:
            raise ValidationError("Instance Id not found - No managed instance found for instance ID: "
                                  f"{instance_id}") from unknown

    AutoScalingBackend.terminate_instance = terminate_known
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    server._thread.join()


if __name__ == "__main__":
    serve()
