"""Whole jobs over each SSH library on each SSH server, and over each address of a machine."""

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import Run
from machines import Dropbear, Machine


@pytest.fixture
def new_run(folder, build):
    made = []

    def make(machine, binary="flotilla", extra="", **addresses):
        run = Run(folder, build / "core" / binary, build / "plugins" / "static", plugin="static",
                  plugin_extra=machine.toml(**addresses), coordinator=Coordinator(poll_seconds=0.5), max_instances=1,
                  autoscaler_extra="    log_internal_ip = true\n    log_external_ip = true\n")
        run.config.write_text(run.config.read_text().replace('timeout = "30s"', 'timeout = "30s"\n' + extra))
        made.extend([run, machine])
        run.start()
        return run

    yield make
    for run, machine in zip(made[::2], made[1::2]):
        run.watch.stop()
        run.kill()
        run.coordinator.close()
        machine.close()


def run_job(run, job):
    run.coordinator.add(job)
    assert run.coordinator.wait_all_ended(60), run.log_tail()
    state = run.coordinator.jobs[job.id]
    return state.finals[0], bytes(state.trace).decode()


@pytest.mark.parametrize("binary,server", [("flotilla", Dropbear), ("flotilla-libssh2", Machine),
                                           ("flotilla-libssh2", Dropbear)])
def test_a_job_over_each_library_on_each_server(new_run, folder, binary, server):
    run = new_run(server(folder, "east"), binary)
    final, log = run_job(run, make_job(1, str(run.marks), lines=200))
    assert final["state"] == "success", log + run.log_tail()
    assert [line for line in run.marks.read_text().split() if line in ("begin", "end")] == ["begin", "end"]
    final, log = run_job(run, make_job(2, str(run.marks), exit_code=7))
    assert (final["state"], final["exit_code"]) == ("failed", 7), log
    assert run.stop() == 0


@pytest.mark.parametrize("external,use_external,dialed", [
    ("[::1]", True, "::1"), ("[::1]", False, "127.0.0.1"), (None, True, "127.0.0.1")])
def test_the_address_that_is_dialed(new_run, folder, external, use_external, dialed):
    machine = Machine(folder, "east", ["127.0.0.1", "::1"])
    addresses = {"external_addr": f"{external}:{machine.port}"} if external else {}
    run = new_run(machine, extra=f"use_external_addr = {str(use_external).lower()}", **addresses)
    job = make_job(1, str(run.marks))
    job.payload["steps"][0]["script"].append("echo \"server $(echo \"$SSH_CONNECTION\" | cut -d ' ' -f 3).\"")
    final, log = run_job(run, job)
    assert final["state"] == "success", log
    assert f"server {dialed}." in log
    shown = "127.0.0.1, ::1" if external else "127.0.0.1"
    assert f"Dialing instance east, {shown}..." in log
    assert "Instance east connected" in log
