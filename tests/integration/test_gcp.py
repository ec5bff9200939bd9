"""plugins/gcp over the cloud of the tests, which checks every token and every right: the mission's examples as they are
written, by an account that has the documented role."""

import json
import os
import re
import subprocess

import pytest
import yaml

from checker.jobs import make_job
from checker.rules import judge
from checker.run import PATIENCE, wait_for
from cloud.machines import Machines
from conftest import ROOT, short_folder
from gcp.cloud import PROJECT, ZONE, Cloud
from gcp.guests import Guests
from gcp.oslogin import OsLogin
from gcp.run import GcpRun, write_credentials
from winrm_service import Service

RIGHTS = set(yaml.safe_load((ROOT / "docs" / "gcp-role.yaml").read_text())["includedPermissions"])
RUNNER = "runner@my-gcp-project.iam.gserviceaccount.com"
NAME = "my-linux-instance-group"
JOBS = 12


class World:
    """A cloud with machines in it, where `user` logs in."""

    def __init__(self, folder, user="runner", **group):
        self.cloud, self.machines = Cloud(), Machines(folder, user)
        self.group = self.cloud.group(**{"name": NAME, **group})
        self.guests = Guests(self.cloud, self.machines)

    def close(self):
        self.machines.close()
        self.cloud.close()


@pytest.fixture
def world():
    with short_folder() as path:
        made = World(path)
        yield made
        made.close()


@pytest.fixture(scope="module", params=["", "europe-west1"], ids=["zone", "region"])
def first_example(binary, build, request):
    """Twelve jobs by the first example, until the group is back at its five idle instances and the manager has stopped."""
    with short_folder() as home, short_folder() as path:
        world = World(path, region=request.param)
        machines = world.machines
        write_credentials(home, world.cloud.service_account(RIGHTS))
        run = GcpRun(home, binary, build, "gcp-1-job.toml", world.cloud.url, machines,
                     {"capacity": 1, "max_use_count": 1, "max_instances": 10}, region=request.param)
        run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, JOBS + 1)])
        run.start()
        run.ended = run.coordinator.wait_all_ended(PATIENCE)
        run.back = wait_for(lambda: len(machines.running) == 5 and run.is_settled(set(machines.running)))
        run.stopped_with = run.stop()
        run.wait_no_processes()
        run.facts = run.evidence()
        run.cloud, run.group, run.idle = world.cloud, world.group, sorted(machines.running)
        yield run
        run.coordinator.close()
        world.close()


def made(run, action):
    """The bodies of such calls, of a zone or of a region."""
    return [json.loads(call.body) for call in run.cloud.endpoint.calls if call.action.lower().endswith(f"instancegroupmanagers.{action}")]


def test_every_job_of_the_first_example_succeeds_and_nothing_is_lost(first_example):
    run = first_example
    assert run.ended and run.back and run.stopped_with == 0, run.log_tail(80)
    # Instances outlive the manager: the example does not have them deleted at its end.
    assert judge(run.facts) == [f"nothing_left_over: instances left: {run.idle}"], run.log_tail(80)


def test_each_instance_is_used_once_and_then_deleted_by_its_name(first_example):
    run = first_example
    used = {mark.instance for mark in run.facts.marks}
    assert len(used) == JOBS
    ended = [url.rpartition("/")[2] for body in made(run, "deleteinstances") for url in body["instances"]]
    assert sorted(ended) == sorted(instance.partition("/")[0] for instance in used)
    assert dict(run.ledger("SELECT remove_reason, count(*) FROM instances WHERE life <> 'present' GROUP BY remove_reason")) \
        == {"uses_spent": JOBS}
    assert not used & set(run.idle)


def test_the_group_is_never_given_a_size_and_comes_back_to_its_idle_instances(first_example):
    run = first_example
    assert run.group.sizes == [] and run.group.target_size == 5
    assert sorted(Guests.id_of(machine) for machine in run.group.machines()) == run.idle
    assert run.cloud.compute.made == len(run.group.members) + JOBS


def test_each_instance_gets_a_key_of_its_own(first_example):
    run = first_example
    keys = {}
    for call in run.cloud.endpoint.calls_of("instances.setMetadata"):
        instance = call.path.partition("/instances/")[2].partition("/")[0]
        for item in json.loads(call.body)["items"]:
            if item["key"] == "ssh-keys":
                keys.setdefault(instance, set()).update(line.split()[1] for line in item["value"].splitlines())
    assert len(keys) >= JOBS
    every = [key for found in keys.values() for key in found]
    assert len(set(every)) == len(every), "no two instances have a key in common"


def test_no_call_is_refused_for_want_of_a_right(first_example):
    refused = [(call.action, call.status) for call in first_example.cloud.endpoint.calls if call.status in (401, 403)]
    # Guest attributes are off in this project.
    assert {call for call in refused if call[0] != "instances.getGuestAttributes"} == set()


# One command of an operator


@pytest.fixture
def operator(folder, binary, build):
    """`flotilla plugin COMMAND`, by an account that has the documented role."""
    def make(world, *words, account=None, port=None):
        write_credentials(folder, account or world.cloud.service_account(RIGHTS))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLOTILLA_", "GOOGLE_"))}
        (folder / "tmp").mkdir(exist_ok=True)
        environment.update(world.machines.environment, TMPDIR=str(folder / "tmp"))
        if port:  # of WinRM, at each of those addresses
            environment["FLOTILLA_LOOPBACK"] = str(port)
        done = subprocess.run([binary, "plugin", *words, "--plugin-dir", build / "plugins" / "gcp"], cwd=folder,
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE)
        return done.returncode, done.stdout + done.stderr
    return make


def example(folder, binary, build, world, name, region=""):
    """The configuration of an example, with no manager."""
    run = GcpRun(folder, binary, build, name, world.cloud.url, world.machines, {}, region=region)
    run.coordinator.close()
    return run.config


def steps(output):
    return re.findall(r"^(ok|FAIL) +(\w+) ", output, re.M)


ALL_STEPS = ["plugin", "open", "list", "increase", "boot", "address", "connect", "command", "remove"]


def test_the_plugin_keeps_the_contract_by_its_newer_name(operator, folder, world):
    (folder / "check.json").write_text(json.dumps({"name": NAME, "project": PROJECT, "zone": ZONE, "endpoint": world.cloud.url,
                                                   "credentials_file": str(folder / "application_default_credentials.json")}))
    status, output = operator(world, "check", "googlecloud", "--config", "check.json")
    assert status == 0 and " 0 failed, " in output, output
    assert world.group.target_size == 0


def test_a_try_of_the_first_example_tells_who_had_the_credentials(operator, folder, binary, build, world):
    world.cloud.compute.project_items["enable-guest-attributes"] = "TRUE"
    status, output = operator(world, "try", "instance autoscaler example", "--config",
                              example(folder, binary, build, world, "gcp-1-job.toml"))
    assert status == 0, output
    assert [name for _, name in steps(output)] == ALL_STEPS
    assert f"{folder}/application_default_credentials.json" in output and RUNNER in output, output
    assert world.group.target_size == 0


def test_a_try_of_a_regional_group(operator, folder, binary, build, world):
    world.cloud.groups.all.clear()
    group = world.cloud.group(NAME, region="europe-west1")
    status, output = operator(world, "try", "instance autoscaler example", "--config",
                              example(folder, binary, build, world, "gcp-1-job.toml", region="europe-west1"))
    assert status == 0 and group.target_size == 0, output


def test_a_try_tells_why_google_cannot_make_the_instance(operator, folder, binary, build, world):
    world.group.room, world.group.fails = 0, ("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded. Limit: 2.0 in region europe-west1.")
    status, output = operator(world, "try", "instance autoscaler example", "--config",
                              example(folder, binary, build, world, "gcp-1-job.toml"))
    assert status == 1 and steps(output)[-2:] == [("FAIL", "boot"), ("ok", "remove")], output
    assert "failed before it ran: Google cannot make it: QUOTA_EXCEEDED: Quota 'CPUS' exceeded" in output, output
    assert world.group.target_size == 0


def test_credentials_that_are_wrong_are_refused_by_the_cloud(operator, folder, binary, build, world):
    account = world.cloud.service_account(RIGHTS)
    world.cloud.account.principals.clear()
    config = example(folder, binary, build, world, "gcp-1-job.toml")
    status, output = operator(world, "try", "instance autoscaler example", "--config", config, account=account)
    assert status == 1 and ("FAIL", "open") in steps(output), output
    assert f"{folder}/application_default_credentials.json" in output and account["private_key"][40:80] not in output, output


def test_a_try_of_the_second_example_reads_the_password_and_runs_a_command(operator, folder, binary, build, world):
    service = Service(folder, address="0.0.0.0")
    world.cloud.groups.all.clear()
    group = world.cloud.group("my-windows-instance-group")
    world.cloud.compute.settings = {"os": "windows", "password_looks": 1, "password": service.password}
    config = example(folder, binary, build, world, "gcp-5-jobs.toml")
    status, output = operator(world, "try", "instance autoscaler example", "--config", config, port=service.port)
    service.close()
    assert status == 0 and [step for _, step in steps(output)] == ALL_STEPS, output
    assert "Administrator@" in output and set(service.logins) == {"ntlm"}, output
    asked = [json.loads(item["value"].splitlines()[-1]) for call in world.cloud.endpoint.calls_of("instances.setMetadata")
             for item in json.loads(call.body)["items"] if item["key"] == "windows-keys"]
    assert asked and {one["userName"] for one in asked} == {"Administrator"}
    assert "Pa$$w0rd" not in output and group.target_size == 0, output


def test_os_login_is_used_where_the_project_has_it(operator, folder, binary, build):
    with short_folder() as path:
        world = World(path, user=OsLogin.user_of(RUNNER))
        world.cloud.compute.project_items["enable-oslogin"] = "TRUE"
        status, output = operator(world, "try", "instance autoscaler example", "--config",
                                  example(folder, binary, build, world, "gcp-1-job.toml"))
        assert status == 0, output
        assert not world.cloud.endpoint.calls_of("instances.setMetadata") and world.cloud.oslogin.keys
        world.close()
