"""Jobs on instances that are reached by WinRM, by a manager: the service runs what it is told with the shells of this
machine."""

import sqlite3

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from kerberos import Realm
from test_winrm import alive, make_certificate
from winrm_service import Cut, Service

TABLE = """[runners.autoscaler.plugin_config.instances.east]
internal_addr = "{address}:{port}"
protocol = "{protocol}"
username = '{user}'
password = '{password}'
"""


@pytest.fixture
def new_run(folder, binary, build):
    made = []

    def make(service, connector="", address="127.0.0.1", user=r"WORKGROUP\Administrator", **settings):
        table = TABLE.format(address=address, port=service.port, user=user, password=service.password,
                             protocol="winrm+https" if service.tls else "winrm")
        run = Run(folder, binary, build / "plugins" / "static", plugin="static", plugin_extra=table, max_instances=1,
                  coordinator=Coordinator(poll_seconds=0.5), idle_time="1h", **settings)
        run.config.write_text(run.config.read_text().replace('timeout = "30s"', f'timeout = "30s"\n{connector}'))
        made.append(run)
        run.services = [service]
        run.start()
        return run

    yield make
    for run in made:
        run.watch.stop()
        run.kill()
        run.coordinator.close()
        for service in run.services:
            service.close()


def end_of(run, job_id):
    assert run.coordinator.wait_ended(job_id, PATIENCE), run.log_tail()
    return run.coordinator.jobs[job_id]


def run_job(run, job_id, **options):
    run.coordinator.add(make_job(job_id, str(run.marks), **options))
    state = end_of(run, job_id)
    assert state.finals[0]["state"] == "success", state.trace.decode() + run.log_tail()
    return state


def host_keys(run):
    db = sqlite3.connect(f"file:{run.state_dir}/ledger.db?mode=ro", uri=True)
    try:
        return db.execute("SELECT instance_id, type, key FROM host_keys").fetchall()
    finally:
        db.close()


def test_jobs_run_by_winrm_in_their_sandbox(new_run, folder):
    service = Service(folder)
    run = new_run(service)
    for job_id in (1, 2):
        state = run_job(run, job_id)
        assert b"[MASKED]" in state.trace
    assert wait_for(lambda: not service.shells), "a probe has one, and then it has not"
    assert set(service.logins) == {"ntlm"}
    assert "host_key_policy" not in run.daemon_log.read_text(), "there is no host key, and no password is told"


def test_a_gate_passes_by_winrm_and_its_process_becomes_the_jobs_worker(new_run, folder):
    service = Service(folder)
    run = new_run(service, autoscaler_extra='instance_ready_command = "test -n \\"$USERNAME\\" && echo ready"')
    run_job(run, 1)
    assert wait_for(lambda: not service.shells)


def test_a_job_runs_by_kerberos(new_run, folder):
    """The ticket was fetched when its worker could still reach the realm."""
    realm = Realm(folder)
    service = Service(folder, kerberos=True)
    try:
        run_job(new_run(service, address="localhost", user=realm.user), 1)
        assert set(service.logins) == {"kerberos"}
    finally:
        realm.close()


def test_a_certificate_of_its_own_is_known_by_its_key(new_run, folder):
    service = Service(folder, tls=make_certificate(folder, "windows-1"))
    run = new_run(service, connector="accept_self_signed = true")
    run_job(run, 1)
    assert [row[:2] for row in host_keys(run)] == [("east", "x509-sha256")]
    run_job(run, 2)
    assert "nobody vouches for an instance's first host key" in run.daemon_log.read_text()
    service.close()
    run.services = [Service(folder, tls=make_certificate(folder, "windows-1"), port=service.port)]
    job = make_job(3, str(run.marks))
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    assert b"the host key of instance east is not the one it showed before; nothing was sent to it" in end_of(run, 3).trace
    assert not run.services[0].requests and not run.services[0].logins


def test_a_certificate_that_nobody_knows_is_refused(new_run, folder):
    service = Service(folder, tls=make_certificate(folder))
    run = new_run(service)
    job = make_job(1, str(run.marks))
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    assert b"Set connector_config.tls_ca_file, or accept_self_signed = true" in end_of(run, 1).trace
    assert not service.logins


def test_an_authority_that_is_named_is_read_in_the_sandbox(new_run, folder):
    certificate, key = make_certificate(folder)
    run_job(new_run(Service(folder, tls=(certificate, key)), connector=f'tls_ca_file = "{certificate}"'), 1)


@pytest.mark.parametrize("how", ["canceling", "canceled"])
def test_a_cancel_ends_what_runs_on_the_instance(new_run, folder, how):
    service = Service(folder)
    run = new_run(service)
    job = make_job(1, str(run.marks), lines=2000, seconds=600, script_after=[f"echo after > {folder}/after"])
    job.lost_as = "job_canceled"
    run.coordinator.add(job)
    assert wait_for(lambda: b"line 0002" in run.coordinator.jobs[1].trace), run.log_tail()
    running = [command.process.pid for shell in service.shells.values() for command in shell.values()]
    run.coordinator.cancel(1, how)
    end_of(run, 1)
    assert len(running) == 1 and wait_for(lambda: not alive(running[0])), "it lives"
    assert wait_for(lambda: not service.shells)
    assert (folder / "after").exists() == (how == "canceling")
    assert b"may still run on instance" not in run.coordinator.jobs[1].trace


def test_a_session_that_is_lost_is_a_failure_of_the_system(new_run, folder):
    service = Service(folder)
    run = new_run(service)
    job = run.held_job(1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    assert wait_for(lambda: b"line 0020" in run.coordinator.jobs[1].trace), run.log_tail()
    service.faults["Receive"] = [Cut()] * 9
    service.cut_connections()
    assert b"ERROR: Job failed (system failure): " in end_of(run, 1).trace
