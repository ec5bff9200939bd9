"""The provider worker of plugins/aws over the strict cloud, as fixtures: `from aws_group import cloud, new_worker`."""

import pytest

from aws.cloud import Cloud
from cloud import provider as flt
from cloud.provider import Provider

KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
NAME = "my-linux-asg"


@pytest.fixture
def cloud():
    made = Cloud()
    made.group(NAME)
    yield made
    made.close()


@pytest.fixture
def new_worker(folder, binary, build, cloud):
    """Workers of one supervisor, one after the other: what the plugin keeps on disk is there for the next."""
    made = []

    def make(environment=None, opened=True, connector=None, manager="", prefix=(), **config):
        config = {key: value for key, value in
                  {"name": NAME, "region": "us-east-1", "endpoint": cloud.url, **config}.items() if value is not None}
        worker = Provider(binary, build / "plugins" / "aws" / "fleeting-plugin-aws.so", folder / "state",
                          {"AWS_EC2_METADATA_DISABLED": "true", **(KEY if environment is None else environment)}, manager, prefix,
                          config)
        made.append(worker)
        worker.opened = worker.open(config, connector)
        assert not opened or worker.opened["code"] == flt.OK, worker.opened
        return worker

    yield make
    for worker in made:
        worker.close()


def group_of(cloud):
    return cloud.scaling.groups[NAME]


def fill(cloud, n, **settings):
    group = group_of(cloud)
    group.desired, group.max_size, group.boot_looks = n, max(n, group.max_size), 0
    cloud.compute.settings = settings
    cloud.scaling.fill(group)
    cloud.scaling.pass_time(group)
    return list(group.members)
