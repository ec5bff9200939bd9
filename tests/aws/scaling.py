"""The Auto Scaling groups of the strict cloud, and the calls about them.

Time passes with each look at a group: what was ordered boots, and what was terminated goes, after as many looks as the
group says. So nothing depends on how fast a test's machine is.
"""

import datetime
import time
import uuid
from dataclasses import dataclass, field

from .account import NUMBER
from .compute import TEMPLATE, Compute, Machine, page_of
from .wire import Refusal


@dataclass
class Member:
    machine: Machine
    looks: int  # until it goes on
    lifecycle: str = "Pending"
    health: str = "Healthy"
    protected: bool = True


@dataclass
class Group:
    name: str
    min_size: int = 0
    max_size: int = 10
    desired: int = 0
    protects: bool = True  # new instances from scale-in
    suspended: set[str] = field(default_factory=lambda: {"AZRebalance"})
    policies: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    health_check: str = "EC2"
    warm_pool: bool = False
    extra: dict = field(default_factory=dict)  # what else it shows of itself, by AWS's names
    launch_looks: int = 0  # until what is wanted is among the instances at all
    boot_looks: int = 1
    end_looks: int = 1
    late: int = 0  # looks until it launches what is missing
    launch_configuration: str = ""  # its name, instead of a launch template
    refreshes: list[dict] = field(default_factory=list)
    fails: str = ""  # why nothing more can be launched: a scaling activity's StatusMessage
    members: dict[str, Member] = field(default_factory=dict)
    activities: list[dict] = field(default_factory=list)  # the newest first
    desires: list[int] = field(default_factory=list)  # each that was set by a call
    created: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))

    def counted(self) -> list[Member]:
        """Those that desired capacity speaks of."""
        return [member for member in self.members.values()
                if not member.lifecycle.startswith(("Terminat", "Detach", "Standby", "Warmed"))]

    def described(self, region: str, with_instances: bool) -> dict:
        members = self.members.values() if with_instances else []
        return {
            "AutoScalingGroupName": self.name, "AutoScalingGroupARN": self.arn(region),
            **({"LaunchConfigurationName": self.launch_configuration} if self.launch_configuration else
               {"LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "LaunchTemplateName": "ci", "Version": "$Latest"}}),
            "MinSize": self.min_size, "MaxSize": self.max_size, "DesiredCapacity": self.desired, "DefaultCooldown": 300,
            "AvailabilityZones": [f"{region}a"], "HealthCheckType": self.health_check, "HealthCheckGracePeriod": 300,
            "Instances": [{"InstanceId": m.machine.id, "InstanceType": "t3.medium", "AvailabilityZone": m.machine.zone,
                           "LifecycleState": m.lifecycle, "HealthStatus": m.health,
                           "ProtectedFromScaleIn": m.protected} for m in members],
            "CreatedTime": self.created, "VPCZoneIdentifier": "subnet-0123456789abcdef0",
            "SuspendedProcesses": [{"ProcessName": name, "SuspensionReason": "User suspended"}
                                   for name in sorted(self.suspended)],
            "TerminationPolicies": ["Default"], "NewInstancesProtectedFromScaleIn": self.protects,
            "Tags": [self.tag(key, value) for key, value in self.tags.items()], **self.extra,
        }

    def arn(self, region: str) -> str:
        return (f"arn:aws:autoscaling:{region}:{NUMBER}:autoScalingGroup:930d940e-891e-4781-a11a-7b0acd480f03:"
                f"autoScalingGroupName/{self.name}")

    def tag(self, key, value) -> dict:
        return {"ResourceId": self.name, "ResourceType": "auto-scaling-group", "Key": key, "Value": value,
                "PropagateAtLaunch": False}


def invalid(text: str) -> Refusal:
    return Refusal("ValidationError", text)


class Scaling:
    """Each method named after an action does it."""

    def __init__(self, compute: Compute, region: str):
        self.compute, self.region, self.clock = compute, region, time.time
        self.groups: dict[str, Group] = {}
        self.member_page = 0  # a group's instances come so many a page; AWS promises nowhere that one has them all

    # What the service does by itself

    def fill(self, group: Group):
        """Launches what is wanted, now or later; what is too much and not protected goes."""
        group.late = group.launch_looks
        if not group.late:
            self.adjust(group)

    def adjust(self, group: Group):
        missing = group.desired - len(group.counted())
        for _ in range(max(missing, 0)):
            if group.fails:
                self.note(group, "Failed", "Launching a new EC2 instance.", group.fails)
                break  # it tries one at a time, and later again
            machine = self.compute.launch(tags={"aws:autoscaling:groupName": group.name})
            group.members[machine.id] = Member(machine, group.boot_looks, protected=group.protects)
            self.note(group, "Successful", f"Launching a new EC2 instance: {machine.id}")
        loose = [member for member in group.counted() if not member.protected]
        for member in loose[:max(-missing, 0)]:
            self.terminate(group, member)

    def terminate(self, group: Group, member: Member, cause="") -> dict:
        member.lifecycle, member.looks = "Terminating", group.end_looks
        self.compute.end(member.machine.id)
        return self.note(group, "InProgress", f"Terminating EC2 instance: {member.machine.id}", cause=cause)

    def take(self, group: Group, instance: str, cause: str):
        """The group wants one less, and chooses this one: a policy, a schedule, a person."""
        group.desired -= 1
        self.terminate(group, group.members[instance], cause)

    def pass_time(self, group: Group):
        if group.late:
            group.late -= 1
            if not group.late:
                self.adjust(group)
        for member in list(group.members.values()):
            if member.looks > 0:
                member.looks -= 1
            elif member.lifecycle == "Pending":
                member.lifecycle, member.machine.state = "InService", "running"
            elif member.lifecycle == "Terminating":
                member.machine.state = "terminated"
                del group.members[member.machine.id]

    def note(self, group: Group, status: str, description: str, message="", cause="") -> dict:
        now = datetime.datetime.fromtimestamp(self.clock(), datetime.timezone.utc)
        activity = {"ActivityId": str(uuid.uuid4()), "AutoScalingGroupName": group.name, "Description": description,
                    "Cause": cause or f"At {now:%Y-%m-%dT%H:%M:%SZ} a user request changed the desired capacity.",
                    "StartTime": now,
                    "StatusCode": status, "Progress": 100 if status != "InProgress" else 0,
                    "Details": f'{{"Availability Zone":"{self.region}a"}}'}
        if status != "InProgress":
            activity["EndTime"] = now
        if message:
            activity["StatusMessage"] = message
        group.activities.insert(0, activity)
        return activity

    def lose(self, group: str, instance: str):
        """It is gone without anybody's call: a spot interruption, a person. The group wants another."""
        self.compute.machines[instance].state = "terminated"
        del self.groups[group].members[instance]
        self.fill(self.groups[group])

    # What it is asked

    def group_of(self, asked: dict) -> Group:
        name = asked["AutoScalingGroupName"]
        if name not in self.groups:
            raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        return self.groups[name]

    def member_of(self, instance: str) -> tuple[Group, Member]:
        for group in self.groups.values():
            if instance in group.members:
                return group, group.members[instance]
        raise invalid(f"Instance Id not found - No managed instance found for instance ID: {instance}")

    def DescribeAutoScalingGroups(self, asked: dict) -> dict:
        names = asked.get("AutoScalingGroupNames")
        if asked.get("MaxRecords", 1) > 100:
            raise invalid("1 validation error detected: Value at 'maxRecords' failed to satisfy constraint: "
                          "Member must have value less than or equal to 100")
        found = [group for name, group in self.groups.items() if not names or name in names]
        if self.member_page and len(found) == 1:
            return self.part_of(found[0], asked.get("NextToken"))
        page, more = page_of(found, asked.get("NextToken"), asked.get("MaxRecords", 50), self.compute.empty_pages)
        for group in page:
            self.pass_time(group)
        return {"AutoScalingGroups": [group.described(self.region, asked.get("IncludeInstances", True)) for group in page],
                **more}

    def part_of(self, group: Group, token: str | None) -> dict:
        shown = group.described(self.region, True)
        shown["Instances"], more = page_of(shown["Instances"], token, self.member_page, self.compute.empty_pages)
        return {"AutoScalingGroups": [shown], **more}

    def DescribeAutoScalingInstances(self, asked: dict) -> dict:
        ids = asked.get("InstanceIds")
        found = [(group, member) for group in self.groups.values() for member in group.members.values()
                 if not ids or member.machine.id in ids]
        page, more = page_of(found, asked.get("NextToken"), min(asked.get("MaxRecords", 50), 50), self.compute.empty_pages)
        return {"AutoScalingInstances": [
            {"InstanceId": m.machine.id, "AutoScalingGroupName": group.name, "AvailabilityZone": m.machine.zone,
             "LifecycleState": m.lifecycle, "HealthStatus": m.health.upper(), "ProtectedFromScaleIn": m.protected}
            for group, m in page], **more}

    def SetDesiredCapacity(self, asked: dict) -> dict:
        group, wanted = self.group_of(asked), asked["DesiredCapacity"]
        if wanted > group.max_size:
            raise invalid(f"New SetDesiredCapacity value {wanted} is above max value {group.max_size} for the "
                          "AutoScalingGroup.")
        if wanted < group.min_size:
            raise invalid(f"New SetDesiredCapacity value {wanted} is below min value {group.min_size} for the "
                          "AutoScalingGroup.")
        group.desired = wanted
        group.desires.append(wanted)
        self.fill(group)
        return {}

    def TerminateInstanceInAutoScalingGroup(self, asked: dict) -> dict:
        group, member = self.member_of(asked["InstanceId"])
        if member.lifecycle == "Terminating":
            raise Refusal("ScalingActivityInProgress",
                          f"Activity is in progress for instance {member.machine.id}; it is Terminating already.")
        if asked["ShouldDecrementDesiredCapacity"]:
            if group.desired <= group.min_size:
                raise invalid(f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without "
                              "replacement will violate group's min size constraint. Either set "
                              "shouldDecrementDesiredCapacity flag to false or lower group's min size.")
            group.desired -= 1
        activity = self.terminate(group, member)
        self.fill(group)
        return {"Activity": activity}

    def DescribeScalingActivities(self, asked: dict) -> dict:
        groups = [self.group_of(asked)] if asked.get("AutoScalingGroupName") else self.groups.values()
        found = [activity for group in groups for activity in group.activities]
        page, more = page_of(found, asked.get("NextToken"), min(asked.get("MaxRecords", 100), 100),
                             self.compute.empty_pages)
        return {"Activities": page, **more}

    def SetInstanceProtection(self, asked: dict) -> dict:
        group = self.group_of(asked)
        for instance in asked["InstanceIds"]:
            if instance not in group.members:
                raise invalid(f"The instance {instance} is not part of Auto Scaling group {group.name}.")
        for instance in asked["InstanceIds"]:
            group.members[instance].protected = asked["ProtectedFromScaleIn"]
        return {}

    def UpdateAutoScalingGroup(self, asked: dict) -> dict:
        group = self.group_of(asked)
        group.protects = asked.get("NewInstancesProtectedFromScaleIn", group.protects)
        group.max_size, group.min_size = asked.get("MaxSize", group.max_size), asked.get("MinSize", group.min_size)
        return {}

    def DescribePolicies(self, asked: dict) -> dict:
        group = self.group_of(asked)
        return {"ScalingPolicies": [{"AutoScalingGroupName": group.name, "PolicyName": name, "Enabled": True,
                                     "PolicyType": "TargetTrackingScaling"} for name in group.policies]}

    def DescribeInstanceRefreshes(self, asked: dict) -> dict:
        return {"InstanceRefreshes": self.group_of(asked).refreshes}

    def DescribeLaunchConfigurations(self, asked: dict) -> dict:
        wanted = asked.get("LaunchConfigurationNames", [])
        names = {group.launch_configuration for group in self.groups.values() if group.launch_configuration in wanted}
        return {"LaunchConfigurations": [
            {"LaunchConfigurationName": name, "ImageId": "ami-0123456789abcdef0", "InstanceType": self.compute.launches,
             "CreatedTime": datetime.datetime.now(datetime.timezone.utc)} for name in names]}

    def DescribeScheduledActions(self, asked: dict) -> dict:
        self.group_of(asked)
        return {"ScheduledUpdateGroupActions": []}

    def DescribeLifecycleHooks(self, asked: dict) -> dict:
        self.group_of(asked)
        return {"LifecycleHooks": []}

    def DescribeWarmPool(self, asked: dict) -> dict:
        group = self.group_of(asked)
        if not group.warm_pool:
            return {"Instances": []}
        return {"WarmPoolConfiguration": {"MinSize": 0, "PoolState": "Stopped"}, "Instances": []}

    def CreateOrUpdateTags(self, asked: dict) -> dict:
        for tag in asked["Tags"]:
            self.group_of({"AutoScalingGroupName": tag.get("ResourceId", "")}).tags[tag["Key"]] = tag.get("Value", "")
        return {}

    def DescribeTags(self, asked: dict) -> dict:
        found = [group.tag(key, value) for group in self.groups.values() for key, value in group.tags.items()]
        for wanted in asked.get("Filters", []):
            member = {"auto-scaling-group": "ResourceId", "key": "Key", "value": "Value"}[wanted["Name"]]
            found = [tag for tag in found if tag[member] in wanted["Values"]]
        return {"Tags": found}
