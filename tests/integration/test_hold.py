"""Instances and VMs that stay for somebody who looks at them: by command, by rule, over kill -9, to the end time."""

import json
import re

import pytest

from checker.jobs import make_job
from checker.run import Run, wait_for
from test_operator import begin, finish, instance_of, refused, status, told
from test_ssh import enter
from vm_run import VmRun

RULE = '  [runners.hold]\n    on_failure = "{}"\n    max = {}\n'


def shown(run, name):
    """What `flotilla status` says of the instance."""
    [instance] = [i for i in status(run)["instances"] if i["id"] == name] or [{}]
    return instance


def held(run, name):
    return shown(run, name).get("condition") == "held"


def restart(run):
    """kill -9, and until the next manager has its provider again."""
    run.kill()
    run.start()
    assert run.wait_up()
    assert wait_for(lambda: run.daemon_log.read_text().count("plugin initialized") == 2), run.log_tail()


def ask_for_hold(job, value="true"):
    job.payload["variables"].append({"key": "FLOTILLA_HOLD", "value": value, "public": True, "masked": False})
    return job


def end_job(run, job):
    run.coordinator.add(job)
    assert wait_for(lambda: run.coordinator.jobs[job.id].ended), run.log_tail()
    return bytes(run.coordinator.jobs[job.id].trace).decode()


def test_a_held_instance_stays_over_a_kill_and_takes_no_job(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=2, autoscaler_extra="instance_price = 36\n")
    begin(run, run.held_job(1))
    name = instance_of(run, 1)
    assert re.fullmatch(rf"instance {name} of runner 'checker' is held until 20\d\d-\d\d-\d\dT[\d:]+Z \((2h0m0s|1h59m59s)\) "
                        r"by user \d+ \(process \d+\), for job 1: it takes no new jobs and is not removed; it goes on "
                        r"costing 36.0000 an hour\n", told(run, "hold", "1", "--for", "2h"))
    run.release(1)
    assert wait_for(lambda: run.coordinator.jobs[1].ended)
    assert re.search(rf"Instance {name} is held until .*`flotilla ssh job:1` and gives it back by `flotilla release job:1`",
                     bytes(run.coordinator.jobs[1].trace).decode())
    assert "Job succeeded" in end_job(run, make_job(2, str(run.marks)))
    assert run.marks.read_text().splitlines()[-1].split()[3] != name
    restart(run)
    assert held(run, name)
    assert shown(run, name)["held_for_job"] == 1
    result = enter(run, "1", "pwd")
    assert result.stdout == run.marks.read_text().split()[4] + "\n", result.stderr
    assert re.search(rf"{name} .* held until 20.*, for job 1", told(run, "fleet"))
    assert re.search(rf"instance {name} is running.*; it is held until .* by user ", told(run, "explain", name))
    assert refused(run, "remove", name) == (f"flotilla: instance {name} is held; `flotilla release {name}` gives it back "
                                            "first\n")
    assert told(run, "release", "1") == f"instance {name} of runner 'checker' is not held any more\n"
    assert wait_for(lambda: name not in run.watch.instances()), run.log_tail()
    assert refused(run, "release", "job:1") == ("flotilla: job '1' does not run here, and no instance is held for it\n")
    finish(run)


def test_a_hold_ends_at_its_time(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.environment["FLOTILLA_LIMITS"] = "hold=1500"
    begin(run, run.held_job(1))
    name = instance_of(run, 1)
    assert json.loads(told(run, "hold", name, "--json"))["instance"] == name
    run.release(1)
    assert wait_for(lambda: name not in run.watch.instances()), run.log_tail()
    assert f"instance {name} of runner 'checker' was held long enough" in run.daemon_log.read_text()
    finish(run)


def test_a_stop_leaves_what_is_held(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    begin(run, run.held_job(1))
    name = instance_of(run, 1)
    told(run, "hold", "job:1")
    run.release(1)
    assert run.coordinator.wait_all_ended(60)
    assert run.stop() == 0
    assert set(run.watch.instances()) == {name}
    run.start()
    assert run.wait_up()
    told(run, "release", name)
    finish(run)


def test_failed_jobs_are_held_by_rule_up_to_its_maximum(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, max_instances=3, runner_extra=RULE.format("always", 1))
    run.start()
    assert "is held until" not in end_job(run, make_job(1, str(run.marks)))
    assert "is held until" in end_job(run, make_job(2, str(run.marks), exit_code=3))
    assert ("Nothing stays to be looked at: its instance is not held: 1 are, which is as many as [runners.hold] allows"
            in end_job(run, make_job(3, str(run.marks), exit_code=3)))
    [name] = [i["id"] for i in status(run)["instances"] if i["condition"] == "held"]
    assert shown(run, name)["held_for_job"] == 2
    assert "by [runners.hold], for job 2" in shown(run, name)["reason_text"]
    told(run, "release", "2")
    assert wait_for(lambda: name not in run.watch.instances())
    finish(run)


@pytest.mark.parametrize("rule", ["asked", "never"])
def test_a_job_asks_and_the_configuration_allows(rule, folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, runner_extra=RULE.format(rule, 2))
    run.start()
    assert "held" not in end_job(run, make_job(1, str(run.marks), exit_code=3))
    log = end_job(run, ask_for_hold(make_job(2, str(run.marks), exit_code=3)))
    assert ("is held until" in log) == (rule == "asked"), log
    assert "held" not in end_job(run, ask_for_hold(make_job(3, str(run.marks), exit_code=3), "false"))
    if rule == "asked":
        told(run, "release", "2")
    finish(run)


def test_a_failed_jobs_vm_is_held_and_removed_at_the_end(folder, binary, build, plugin_dir):
    run = VmRun(folder, binary, build, plugin_dir, runner_extra=RULE.format("always", 2))
    run.start()
    log = end_job(run, make_job(1, str(run.marks), exit_code=3))
    assert "is held until" in log
    [vm] = run.daemon.vms
    restart(run)
    assert [i["condition"] for i in status(run)["instances"]] == ["held"]
    result = enter(run, "1", "echo $FLOTILLA_LOCAL_INSTANCE")
    assert result.stdout == f"vm:{vm}\n", result.stderr
    assert run.daemon.deleted() == []
    told(run, "release", "1")
    run.await_that(lambda: run.daemon.vms == {}, "the VM is removed")
    run.await_that(lambda: [i["condition"] for i in status(run)["instances"]] == ["ready"], "the instance takes jobs again")
    finish(run)
    run.daemon.close()


def test_an_operators_hold_of_a_job_keeps_its_vm(folder, binary, build, plugin_dir):
    run = VmRun(folder, binary, build, plugin_dir)
    run.start()
    _, vm = run.start_job(1)
    told(run, "hold", "1")
    run.release(1)
    run.await_ended(1)
    assert set(run.daemon.vms) == {vm}
    told(run, "release", "1")
    run.await_that(lambda: run.daemon.vms == {}, "the VM is removed")
    finish(run)
    run.daemon.close()


@pytest.mark.parametrize("how", ["canceling", "canceled"])
def test_a_job_that_is_stopped_leaves_the_vm_that_is_held(how, folder, binary, build, plugin_dir):
    """By a cancel, or an abort, of which GitLab tells when it is sent something."""
    run = VmRun(folder, binary, build, plugin_dir)
    run.start()
    job = make_job(1, str(run.marks), lines=300, seconds=300)
    job.expect_state, job.lost_as = "failed", "job_canceled"
    run.coordinator.add(job)
    run.await_running(1)
    [vm] = run.daemon.vms
    told(run, "hold", "1")
    run.coordinator.cancel(1, how)
    run.await_that(lambda: status(run)["jobs"] == [], "the job has ended")
    assert how == "canceled" or "is held until" in run.log_of(1)
    assert set(run.daemon.vms) == {vm} and run.daemon.deleted() == []
    assert enter(run, "1", "echo $FLOTILLA_LOCAL_INSTANCE").stdout == f"vm:{vm}\n"
    restart(run)
    assert held(run, status(run)["instances"][0]["id"])
    told(run, "release", "1")
    run.await_that(lambda: run.daemon.vms == {}, "the VM is removed")
    finish(run)
    run.daemon.close()


def test_what_cannot_be_held_is_told(scripted):
    run = scripted()
    run.start()
    run.wait_lists(2)
    for words, status_, why in [
            (["hold", "x", "--for", "59s"], 2, "flotilla hold: --for '59s' is no duration from 1m to 168h, such as 2h; "),
            (["hold", "x", "--for", "two"], 2, "flotilla hold: --for 'two' is no duration"),
            (["release", "x", "--for", "2h"], 2, "flotilla release: there is no option --for"),
            (["hold", "scripted"], 1, "flotilla: 'scripted' is a runner, and no job or instance; "),
            (["hold", "job:9"], 1, "flotilla: job '9' does not run here, and no instance is held for it\n"),
            (["release", "nobody"], 1, "flotilla: there is no job or instance 'nobody'; ")]:
        result = run.ask(*words)
        assert (result.returncode, result.stdout) == (status_, "") and result.stderr.startswith(why), result.stderr
    run.show("one")
    run.wait(lambda: run.life("one") == ["present"], "the instance is there")
    assert run.ask("release", "one").stderr == "flotilla: instance one is not held\n"
    assert run.ask("hold", "one").returncode == 0
    run.show()
    run.wait(lambda: run.rows("SELECT 1 FROM holds") == [], "a hold of what is gone ends")
    assert re.search(r"instance one of runner 'scripted' was held until 20\S+Z \(\S+\) by user \d+ \(process \d+\), and is "
                     r"gone: the cloud has it no more", run.log.read_text())
    assert run.status()["instances"] == []
    assert run.ask("release", "one").stderr.startswith("flotilla: there is no job or instance 'one'; ")
