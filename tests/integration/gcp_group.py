"""The provider worker of plugins/gcp over the cloud of the tests, as fixtures: `from gcp_group import cloud, new_worker`."""

import pytest

from cloud import provider as flt
from cloud.provider import Provider
from gcp.cloud import PROJECT, ZONE, Cloud
from gcp.run import write_credentials

NAME = "my-linux-instance-group"
PLUGIN = "plugins/gcp/fleeting-plugin-googlecompute.so"


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

    def make(opened=True, connector=None, account=None, manager="", **config):
        key = write_credentials(folder, account or cloud.service_account())
        place = {} if "region" in config else {"zone": ZONE}
        config = {"name": NAME, "project": PROJECT, **place, "credentials_file": str(key), "endpoint": cloud.url, **config}
        worker = Provider(binary, build / PLUGIN, folder / "state", {}, manager, plugin_config=config)
        made.append(worker)
        worker.config = config
        worker.opened = worker.open(worker.config, connector)
        assert not opened or worker.opened["code"] == flt.OK, worker.opened
        return worker

    yield make
    for worker in made:
        worker.close()


def group_of(cloud):
    [group] = cloud.groups.all.values()
    return group


def fill(cloud, n, **settings):
    """The ids of n machines that run."""
    group = group_of(cloud)
    cloud.compute.settings, looks = settings, group.boot_looks
    group.boot_looks = 0
    group.target_size += n
    names = [cloud.groups.name_for(group) for _ in range(n)]
    for name in names:
        cloud.groups.add(group, name)
    group.boot_looks = looks
    return [id_of(group.members[name]) for name in names]


def id_of(member):
    return f"{member.name}/{member.machine.id}"
