"""What an operator changes and asks over the control socket, on a manager with real jobs, judged by the checker."""

import json
import os
import re
import signal
import socket
import struct
import subprocess

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from terminal import Terminal
from test_run import assert_nothing_lost, wait_for_trace


def call(run, *arguments):
    return subprocess.run([run.binary, *arguments, "--state-dir", run.state_dir], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def told(run, *arguments):
    """What a command prints that succeeds."""
    result = call(run, *arguments)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr + run.log_tail()
    return result.stdout


def refused(run, *arguments):
    """The line of a command that the manager refuses."""
    result = call(run, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    return result.stderr


def status(run):
    return json.loads(told(run, "status", "--json"))


def held_job(run, job_id, **options):
    """A job that ends once the test lets it."""
    return run.held_job(job_id, **options), lambda: run.release(job_id)


def begin(run, *jobs):
    run.coordinator.add(*jobs)
    run.start()
    for job in jobs:
        wait_for_trace(run, job.id, b"line 0020")


def instance_of(run, job_id):
    [name] = [job["instance"] for job in status(run)["jobs"] if job["id"] == job_id]
    return name


def finish(run):
    """The end of a run in which instances stay until the end: the checker's word on it."""
    assert_nothing_lost(run, run.finish())


def test_a_drained_instance_goes_with_its_last_job_and_is_replaced(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1h", max_instances=3)
    job, let_end = held_job(run, 1)
    begin(run, job)
    drained = instance_of(run, 1)
    assert told(run, "drain", drained) == (f"instance {drained} of runner 'checker' is drained: it gets no new jobs "
                                           "and goes with job 1\n")
    assert re.search(r"is drained already, for \d+s, and goes ", told(run, "drain", f"instance:{drained}"))
    assert wait_for(lambda: len(run.watch.instances()) == 2), run.log_tail()
    run.coordinator.add(make_job(2, str(run.marks)))
    assert wait_for(lambda: run.coordinator.jobs[2].ended)
    assert drained in run.watch.instances()
    let_end()
    assert wait_for(lambda: drained not in run.watch.instances()), run.log_tail()
    assert "an operator drains it" in run.daemon_log.read_text()
    finish(run)


def test_an_undrained_instance_takes_jobs_again(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=2, max_instances=1, idle_time="1h")
    job, let_end = held_job(run, 1)
    begin(run, job)
    drained = instance_of(run, 1)
    told(run, "drain", drained)
    run.kill()
    run.start()
    run.wait_up()
    [instance] = status(run)["instances"]
    assert (instance["id"], instance["condition"], instance["reason"]) == (drained, "draining", "drained")
    assert f"checker: instance {drained} is running" in told(run, "explain", drained)
    assert "it gets no new jobs: an operator drains it, for " in told(run, "explain", drained)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert told(run, "undrain", drained) == (f"instance {drained} of runner 'checker' is not drained any more: it "
                                             "takes jobs again\n")
    assert told(run, "undrain", drained) == f"instance {drained} of runner 'checker' is not drained\n"
    assert wait_for(lambda: run.coordinator.jobs[2].ended), run.log_tail()
    assert instance_of(run, 1) == drained
    let_end()
    finish(run)


def test_an_instance_with_a_job_is_removed_only_by_force(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    job, _ = held_job(run, 1)
    job.lost_as = "runner_system_failure"
    begin(run, job)
    name = instance_of(run, 1)
    assert refused(run, "remove", name) == (
        f"flotilla: job 1 runs on instance {name}; --force ends it as a system failure, `flotilla drain` lets it end "
        "first\n")
    assert told(run, "remove", name, "--force") == (f"instance {name} of runner 'checker' is being removed; job 1 ends "
                                                    "as a system failure\n")
    assert wait_for(lambda: name not in run.watch.instances()), run.log_tail()
    finish(run)
    assert run.coordinator.jobs[1].finals[0]["failure_reason"] == "runner_system_failure"
    assert b"its instance is gone: an operator removed it" in run.coordinator.jobs[1].trace


def test_a_worker_that_hangs_does_not_hold_a_removal_up(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.environment["FLOTILLA_LIMITS"] = "abort_grace=300"
    job, _ = held_job(run, 1)
    job.lost_as = "runner_system_failure"
    begin(run, job)
    [worker] = run.workers()
    os.kill(worker, signal.SIGSTOP)
    name = instance_of(run, 1)
    told(run, "remove", name, "--force")
    assert wait_for(lambda: name not in run.watch.instances()), run.log_tail()
    finish(run)
    assert b"its instance is gone: an operator removed it" in run.coordinator.jobs[1].trace


def test_an_idle_instance_is_removed_and_replaced(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1h", max_instances=1)
    run.start()
    assert wait_for(lambda: run.listens() and [i["ready"] for i in status(run)["instances"]] == [True])
    [name] = run.watch.instances()
    assert told(run, "remove", name) == f"instance {name} of runner 'checker' is being removed\n"
    assert wait_for(lambda: run.watch.instances() and name not in run.watch.instances()), run.log_tail()
    finish(run)


def test_a_drained_runner_stays_so_over_a_kill(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, idle_count=1, idle_time="1h")
    job, let_end = held_job(run, 1)
    begin(run, job)
    assert told(run, "drain", "checker") == ("runner 'checker' is drained: it asks for no job and keeps nothing idle; "
                                             "1 job of it goes on to the end\n")
    run.kill()
    run.start()
    run.wait_up()
    assert "is drained already, for " in told(run, "drain", "runner:checker")
    assert wait_for(lambda: "ready, drained since 20" in told(run, "status")), run.log_tail()
    asks = "checker: asks for no job: an operator drains it, for "
    assert wait_for(lambda: asks in told(run, "explain", "checker"))  # once its group has answered
    run.coordinator.add(make_job(2, str(run.marks)))
    let_end()
    assert wait_for(lambda: not run.watch.instances()), run.log_tail()
    assert run.coordinator.jobs[2].state == "created"
    assert told(run, "undrain", "checker") == "runner 'checker' is not drained any more: it asks for jobs again\n"
    assert wait_for(lambda: run.coordinator.jobs[2].ended), run.log_tail()
    finish(run)


def test_a_waiting_job_is_explained_with_numbers(scripted):
    """Two jobs, one instance, and room for two until the configuration says otherwise."""
    run = scripted(max_instances=2)
    run.start()
    for i in (1, 2):
        run.wait_lists(2)
        run.coordinator.add(make_job(i, str(run.folder)))
        run.wait(lambda: len([j for j in run.status()["jobs"] if j["state"] == "acknowledged"]) == i, f"{i} jobs wait")
    run.wait(lambda: sum(map(int, run.told("increased"))) == 2, "both instances are ordered")
    line = run.ask("explain", "2").stdout
    assert line.startswith("scripted: job 2 has waited for ")
    assert (", number 2 of 2 that wait for a slot: no slot is free (0 busy, 0 not ready, 0 unhealthy, 0 spent on 0 "
            "instances), 2 instances are ordered and not seen yet; it is given up in 14m") in line
    run.show("a")
    run.wait(lambda: run.rows("SELECT count(*) FROM jobs WHERE state = 'assigned'") == [(1,)], "one has its instance")
    assert "scripted: job 1 " in run.ask("explain", "job:1").stdout and "instance a" in run.ask("explain", "1").stdout
    run.kill()
    run.configure(max_instances=1)
    run.start()
    run.wait(lambda: "max_instances = 1 is reached (0 of them are going)" in run.ask("explain", "2").stdout,
             "the maximum is told")
    assert ("number 1 of 1 that wait for a slot: no slot is free (1 busy, 0 not ready" in run.ask("explain", "2").stdout)
    assert "scripted: job 2 has waited" in run.ask("explain").stdout
    assert "scripted: instance a is running" in run.ask("explain", "a").stdout


def test_jobs_that_end_are_explained(folder, binary, plugin_dir):
    refusing = []

    def fault(method, path, body):
        return (502, {}) if refusing and method == "PUT" and b'"running"' not in body else None

    run = Run(folder, binary, plugin_dir, coordinator=Coordinator(fault=fault))
    job, let_end = held_job(run, 1, exit_code=3)
    begin(run, job)
    name = instance_of(run, 1)
    assert told(run, "explain", "1") == f"checker: job 1 runs on instance {name}, slot 0\n"
    assert "job 1" not in told(run, "explain")
    refusing.append(True)
    let_end()
    assert wait_for(lambda: "until GitLab takes its final state" in told(run, "explain", "1"))
    assert "checker: job 1 has ended (failed, script_failure) and has waited for " in told(run, "explain")
    refusing.clear()
    assert wait_for(lambda: " ago: failed, script_failure on instance " in told(run, "explain", "1"))
    assert refused(run, "explain", "77").startswith("flotilla: job 77 is not known here: ")
    assert refused(run, "explain", "cheker") == ("flotilla: there is no runner, instance or job 'cheker'; did you mean "
                                                 "'checker'?\n")
    finish(run)


def table_of(text):
    """Rows as dictionaries; each column begins where its heading or its longest cell does."""
    head, *rows = text.split("\n\n")[0].splitlines()
    names = re.split(r"  +", head.strip())
    return [dict(zip(names, re.split(r"  +", row.strip()))) for row in rows]


def test_the_fleet_is_shown_with_jobs_and_ages(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir, capacity=2, max_use_count=5, idle_count=1, idle_time="1h", max_instances=2,
              autoscaler_extra="instance_price = 36\ninstance_minimum_billed = \"1h\"\n"
              "instance_minimum_life = \"90m\"")
    job, let_end = held_job(run, 1)
    begin(run, job)
    name = instance_of(run, 1)
    told(run, "drain", name)
    assert wait_for(lambda: [i["condition"] for i in status(run)["instances"]] == ["draining", "ready"])
    shown = told(run, "fleet", "checker")
    assert [(row["INSTANCE"], row["STATE"], row["SLOTS"], row["JOBS"], row["USES"], row["AN HOUR"], row["WHY"])
            for row in table_of(shown) if row["INSTANCE"] == name] == [
        (name, "draining", "1/2", "1", "1/5", "36.0000", "an operator drains it")]
    assert [row["IDLE"] == "-" for row in table_of(shown)] == [True, False]
    assert ("\n\nchecker: 2 of 2 instances (1 draining, 1 ready), 1 of 4 slots busy, 0 jobs waiting, 0 ordered; "
            "policy[0] holds: idle_count 1, idle_time 1h0m0s, ") in shown
    assert "; 72.0000 an hour\n" in shown
    as_json = json.loads(told(run, "fleet", "--json"))
    assert [i["cost_micros"] for i in as_json["instances"]] == [72000000] * 2  # 90 minutes at least, in whole hours
    assert as_json["runners"][0]["price_micros_hour"] == 72000000
    assert [i["slots"] for i in as_json["instances"] if i["id"] == name] == [[1, None]]
    assert as_json["runners"][0]["slots_busy"] == 1
    narrow = Terminal([binary, "fleet", "--state-dir", run.state_dir], columns=60)
    assert narrow.ended() == 0
    assert re.search(rf"^{name} +checker +draining +1/2 +1$", narrow.text(), re.M), narrow.text()
    assert all(len(line) < 60 or line.startswith("checker: ") for line in narrow.bytes().decode().split("\r\n")[:4])
    assert refused(run, "fleet", "nobody") == "flotilla: there is no runner 'nobody'; `flotilla fleet` lists them\n"
    let_end()
    finish(run)


def test_two_meanings_of_a_name_are_told_apart(scripted):
    run = scripted(name="twin")
    run.start()
    run.wait_lists(2)
    run.show("twin", "one")
    run.wait(lambda: len(run.status()["instances"]) == 2, "both are seen")
    for command in ("drain", "undrain"):
        result = run.ask(command, "twin")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == "flotilla: 'twin' is a runner and an instance; say runner:twin or instance:twin\n"
    assert run.ask("remove", "runner:twin").stderr.startswith("flotilla: 'twin' is a runner; only an instance can be ")
    assert run.ask("drain", "on").stderr == "flotilla: there is no runner or instance 'on'; did you mean 'one'?\n"
    assert run.ask("remove", "instance:twin").returncode == 0
    run.wait(lambda: run.told("decreased") == ["twin"], "it is removed")
    result = run.ask("undrain", "instance:twin")
    assert (result.returncode, result.stderr) == (
        1, "flotilla: instance twin is being removed already: an operator removed it\n")


def test_another_groups_instance_is_never_removed(scripted):
    run = scripted()
    run.leave_to_another_entry("held")
    run.wait_lists(2)
    for command in (["remove", "held"], ["remove", "held", "--force"], ["drain", "held"]):
        result = run.ask(*command)
        assert result.returncode == 1
        assert "instance held belongs to another runner entry by the ledger" in result.stderr
    run.wait_lists(2)
    assert run.told("decreased") == []
    assert "foreign" in run.ask("fleet").stdout
    audit = run.ask("audit")
    assert audit.returncode == 1
    assert "renamed: instance held is in the cloud and belongs to another runner entry by the ledger" in audit.stdout


def test_a_request_that_is_not_whole_changes_nothing(scripted):
    run = scripted()
    run.start()
    run.wait_lists(1)
    run.show("one")
    run.wait(lambda: run.life("one") == ["present"], "the instance is there")
    wrong = [({"type": "drain"}, "name: has to have 1 to 1024 bytes"),
             ({"type": "drain", "name": ""}, "name: has to have 1 to 1024 bytes"),
             ({"type": "remove", "name": "x" * 1025}, "name: has to have 1 to 1024 bytes"),
             ({"type": "remove", "name": ["one"]}, "name"),
             ({"type": "remove", "name": "one", "force": "yes"}, "force"),
             ({"type": "explain", "name": 7}, "name"),
             ({"type": "fleet", "name": "instance:one"}, "there is no runner 'one'"),
             ({"type": "drane", "name": "one"}, "this supervisor does not know that request")]
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(str(run.state_dir / "control.sock"))
        for frame, why in wrong:
            answer = exchange(peer, frame)
            assert answer["type"] == "error" and answer["message"].startswith(why), answer
        assert exchange(peer, {"type": "status"})["instances"][0]["condition"] == "ready"


def exchange(peer, frame):
    body = json.dumps(frame).encode()
    peer.sendall(struct.pack(">I", len(body)) + body)
    [size] = struct.unpack(">I", peer.recv(4, socket.MSG_WAITALL))
    return json.loads(peer.recv(size, socket.MSG_WAITALL))


def test_a_drained_instance_that_flickers_comes_back_drained(scripted):
    run = scripted()
    run.start()
    run.wait_lists(2)
    run.show("one")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.rows("SELECT 1 FROM jobs WHERE state = 'assigned'"), "a job holds the instance")
    assert run.ask("drain", "one").returncode == 0
    run.show()
    run.wait(lambda: run.life("one") == ["gone"], "it is gone")
    run.show("one")
    run.wait(lambda: run.told("decreased") == ["one"], "it goes, since nothing runs on it any more")
    assert run.rows("SELECT remove_reason FROM instances") == [("drained",)]
