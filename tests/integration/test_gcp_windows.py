"""The mission's second Google example, Windows instances, by a manager over the cloud of the tests: as it is written. Its
`shell` is sh, which runs there because the instances' WinRM is this machine's."""

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, wait_for
from cloud.machines import Machines
from conftest import ROOT
from gcp.cloud import Cloud
from gcp.guests import Guests
from gcp.run import GcpRun, write_credentials
from test_gcp import RIGHTS, made
from winrm_service import Service

JOBS = 7


@pytest.fixture
def run(folder, binary, build):
    """A manager that is not started yet; its service is at the loopback address of each instance."""
    cloud, machines = Cloud(), Machines(folder)
    run = GcpRun(folder, binary, build, "gcp-5-jobs.toml", cloud.url, machines, {})
    run.cloud, run.service = cloud, Service(folder, address="0.0.0.0")
    run.group = cloud.group("my-windows-instance-group")
    cloud.compute.settings = {"os": "windows", "password_looks": 1, "password": run.service.password}
    Guests(cloud, machines)
    write_credentials(folder, cloud.service_account(RIGHTS))
    run.environment["FLOTILLA_LOOPBACK"] = str(run.service.port)
    yield run
    if run.watch:
        run.watch.stop()
        run.kill()
    run.coordinator.close()
    run.service.close()
    machines.close()
    cloud.close()


def test_jobs_of_the_second_example_run_by_winrm_with_passwords_from_google(run):
    """Each instance's agent makes its own, for the account that the example names."""
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, JOBS + 1)])
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    for state in run.coordinator.jobs.values():
        assert state.finals[0]["state"] == "success", state.trace.decode() + run.log_tail()
        assert b"[MASKED]" in state.trace
    assert wait_for(lambda: not run.service.shells), "further instances are being looked at, and then they are not"
    assert run.stop() == 0
    assert set(run.service.logins) == {"ntlm"}
    asked = [user for machine in run.cloud.compute.machines.values() for user, *_ in machine.requests]
    assert asked and set(asked) == {"Administrator"}
    assert not made(run, "deleteinstances"), "an instance waits for its password, and is not replaced for it"
    assert run.service.password not in run.daemon_log.read_text()
