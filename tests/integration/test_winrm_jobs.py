"""Jobs on instances that are reached by WinRM, by a manager: the service runs what it is told with the shells of this
machine."""

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from winrm_service import Service

TABLE = """[runners.autoscaler.plugin_config.instances.east]
internal_addr = "127.0.0.1:{port}"
protocol = "{protocol}"
username = 'WORKGROUP\\Administrator'
password = 'Pa$$w0rd;<>&'
"""


@pytest.fixture
def service(folder):
    made = Service(folder)
    yield made
    made.close()


@pytest.fixture
def new_run(folder, binary, build):
    made = []

    def make(service, protocol="winrm", **settings):
        made.append(Run(folder, binary, build / "plugins" / "static", plugin="static",
                        plugin_extra=TABLE.format(port=service.port, protocol=protocol),
                        coordinator=Coordinator(poll_seconds=0.5), max_instances=1, **settings))
        made[-1].start()
        return made[-1]

    yield make
    for run in made:
        run.watch.stop()
        run.kill()
        run.coordinator.close()


def test_a_job_runs_by_winrm(new_run, service):
    run = new_run(service)
    run.coordinator.add(make_job(1, str(run.marks)))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    print(run.coordinator.jobs[1].trace.decode(), service.actions(), run.log_tail())
    assert run.coordinator.jobs[1].finals[0]["state"] == "success", run.log_tail()
    assert not service.shells
