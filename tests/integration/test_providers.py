"""Provider workers that cannot be started, and where they start at all."""

import os
import re
import shutil
from pathlib import Path

import pytest

from checker.jobs import make_job


@pytest.mark.sample
def test_a_job_is_adopted_though_the_plugin_is_gone_and_goes_on_when_it_is_back(scripted):
    run = scripted()
    plugin = run.folder / "plugin.so"
    shutil.copy(run.settings["plugin"], plugin)
    plugin.chmod(0o755)
    run.configure(plugin=plugin)
    run.start()
    run.wait_lists(2)
    run.show("fresh")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.rows("SELECT 1 FROM jobs WHERE state = 'assigned'"), "the job has its slot")
    run.kill()
    plugin.rename(run.folder / "elsewhere.so")
    asked = len(run.told("connected"))
    run.start()
    run.wait(lambda: "plugin.so" in run.problem(), "the missing plugin is told")
    (run.folder / "elsewhere.so").rename(plugin)
    run.wait(lambda: len(run.told("connected")) > asked, "the job goes on")


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace takes root")
def test_a_manager_that_is_pid_1_has_providers(scripted):
    """As the only process of a container."""
    run = scripted()
    run.start(prefix=["unshare", "--pid", "--fork", "--kill-child"])
    run.wait_lists(1)


def child(pid, name) -> int:
    """The child of that process that calls itself so."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for other in map(int, (task / "children").read_text().split()):
            if Path(f"/proc/{other}/comm").read_text().strip() == name:
                return other
    raise AssertionError(f"{pid} has no child {name}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into processes that are closed to others")
def test_hardening_L2_S3_manager_and_provider_are_confined(scripted):
    run = scripted()
    run.start(**os.environ, LD_LIBRARY_PATH="/nowhere")
    run.wait_lists(1)
    provider = child(run.process.pid, "flotilla-prov")
    for pid in [run.process.pid, provider]:
        assert "\nNoNewPrivs:\t1\n" in Path(f"/proc/{pid}/status").read_text()
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
    assert b"LD_LIBRARY_PATH" in Path(f"/proc/{run.process.pid}/environ").read_bytes()
    assert b"LD_LIBRARY_PATH" not in Path(f"/proc/{provider}/environ").read_bytes()


@pytest.mark.parametrize("internal, external, shown", [
    ("true", "false", b"198.51.100.1"), ("false", "true", b"203.0.113.1"),
    ("true", "true", b"198.51.100.1, 203.0.113.1")])
def test_the_log_tells_the_addresses_that_it_may(scripted, internal, external, shown):
    run = scripted(log_internal_ip=internal, log_external_ip=external)
    run.script("addresses", "198.51.100.1 203.0.113.1")
    run.start()
    run.wait_lists(2)
    run.show("fresh")
    run.coordinator.add(make_job(1, str(run.folder)))
    dialling = re.compile(rb"Dialing instance .*\n")
    run.wait(lambda: dialling.search(run.coordinator.jobs[1].trace), "the instance is dialled")
    line = dialling.search(run.coordinator.jobs[1].trace)[0]
    assert b"fresh, " + shown + b"..." in line, line


def test_a_manager_at_rest_is_small(scripted, sanitized):
    """Once the first lists and requests are done, most of what they touched is given back."""
    if sanitized:
        pytest.skip("sanitizers cost many times the memory of what they watch")
    run = scripted()
    run.start()
    run.wait_lists(2)
    status = Path(f"/proc/{run.process.pid}/status")
    run.wait(lambda: int(status.read_text().split("VmRSS:")[1].split()[0]) < 8 * 1024, "less than 8 MiB")


def test_a_job_that_gets_no_instance_in_time_says_so(scripted):
    run = scripted()
    run.configure(acquire_timeout="1s")
    run.start()
    run.wait_lists(1)
    job = make_job(1, str(run.folder))
    run.coordinator.add(job)
    run.wait(lambda: run.coordinator.jobs[1].finals, "the job ends")
    assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "runner_system_failure"
    assert b"ERROR: Job failed (system failure): unable to acquire instance within the configured timeout of 1s" in (
        bytes(run.coordinator.jobs[1].trace))
