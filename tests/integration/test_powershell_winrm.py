"""Whole jobs in PowerShell on an instance that is reached by WinRM: configuration, group, connection, scripts. The service runs
the programs of test_powershell.py."""

import pytest

from checker.run import wait_for
from conftest import need_static_helper
from git_server import GitServer, make_repository
from stand_in_helper import StandIn
from test_powershell import Shell, in_both_shells, make_full_job, make_jobs_with_files, program  # noqa: F401: a fixture
from test_shells import log_of
from test_winrm_jobs import end_of, new_run  # noqa: F401: a fixture
from winrm_service import Service


@pytest.fixture
def start(folder, new_run, program):  # noqa: F811
    """A manager whose only instance has that PowerShell by WinRM."""
    def make(machine=""):
        service, shell = Service(folder), Shell(folder, "powershell", program)
        service.environment = {"PATH": f"{shell.bin}:/usr/local/bin:/usr/bin:/bin", "KEPT_SCRIPTS": str(shell.kept),
                               "KEPT_MACHINE": machine}
        return new_run(service, shell="powershell"), service, shell

    return make


def test_every_stage_with_a_failure_and_a_cancel(start, folder):
    server, out, helper = GitServer(folder / "git"), folder / "out", StandIn(folder)
    sha = make_repository(folder / "git", "g/p")
    run, service, shell = start()
    jobs = [make_full_job(run, server, sha, 1, out), make_full_job(run, server, sha, 2, out, "exit 7"),
            make_full_job(run, server, sha, 3, out, "n=0; while sleep 0.05; do n=$((n + 1)); echo running $n; done")]
    jobs[1].lost_as, jobs[1].expect_exit_code = "script_failure", 7
    jobs[2].lost_as = "job_canceled"
    for job in jobs:
        helper.use(job)
        server.password = job.token
        run.coordinator.add(job)
        if job.id == 3:
            assert wait_for(lambda: b"running 1\n" in run.coordinator.jobs[3].trace), run.log_tail()
            run.coordinator.cancel(3)
        end_of(run, job.id)
    server.close()

    logs = {job.id: log_of(run, job.id) for job in jobs}
    finals = [run.coordinator.jobs[job.id].finals[-1] for job in jobs]
    assert finals[0]["state"] == "success", logs[1]
    assert (finals[1]["failure_reason"], finals[1]["exit_code"]) == ("script_failure", 7), logs[2]
    shell.assert_they_parse(20)
    begun, content = "pre\npost\n", "it\u2019s the content\nhttp://\n"
    assert out.read_text() == (f"{begun}hello\n{content}after success handed=on\n{begun}hello\nafter failed \n"
                               f"{begun}hello\nafter canceled \n")
    assert "Created fresh repository." in logs[1] and "Reinitialized existing Git repository in" in logs[2]
    stages = {"artifacts-downloader", "cache-extractor", "cache-archiver", "artifacts-uploader"}
    assert {call.words[0] for call in helper.calls(jobs[0])} == stages
    assert "may still run" not in logs[3] and wait_for(lambda: not service.shells), "what was cancelled is stopped"


@pytest.mark.parametrize("machine", ["", "Windows AMD64"])
def test_files_pass_through_the_connection(start, folder, build, program, machine):  # noqa: F811
    """By a helper that is brought to Linux, and packed by PowerShell on what calls itself Windows."""
    if machine and program == "pwsh":
        pytest.skip("a real pwsh here does not call itself Windows")
    if not machine:
        need_static_helper(build)
    run, _, shell = start(machine)
    out = folder / "out"
    for job in make_jobs_with_files(run, out):
        run.coordinator.add(in_both_shells(run, job))
        assert end_of(run, job.id).finals[-1]["state"] == "success", log_of(run, job.id) + run.log_tail()
    shell.assert_they_parse(12)
    how = "packed by PowerShell and carried" if machine else "carried"
    assert f"Artifacts and caches are {how} through this connection" in log_of(run, 1)
    assert out.read_text() == "a file\nreport\ncontent\n"
    assert "Created cache" in log_of(run, 1) and "Successfully extracted cache" in log_of(run, 2)
