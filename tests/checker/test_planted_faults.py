"""The checker checked: a clean run is clean, and each planted fault is caught by its rule.

An honest manager is played at a real coordinator, with real files, a real ledger and real processes. A
fault is one lie of it, and is caught by what the checker gathers itself.
"""

import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from datetime import datetime, timezone
from pathlib import Path

import pytest

from .coordinator import Coordinator, crc_text
from .jobs import make_job
from .masking import mask
from .processes import remember_session
from .rules import RULES, judge
from .run import Run, wait_for

LEDGER = """
CREATE TABLE jobs (seq INTEGER PRIMARY KEY, job_id, state, token, payload, session, instance_id, result_state,
                   failure_reason, exit_code, log_size, log_crc, vm TEXT NOT NULL DEFAULT '');
CREATE TABLE instances (id, life, uses);
CREATE TABLE slots (instance_id, slot, seq);
CREATE TABLE intents (kind, count, ids, state, created_ms);
"""


class HonestRun(Run):
    """Plays a manager that runs two jobs, each on an instance of its own, and then stops.

    `lie` is called at the moment `lie_at` in the life of job 1: given, acknowledged, running, ended
    (nothing is reported yet), reported; or when the manager has stopped.
    """

    def __init__(self, folder, lie=None, lie_at=""):
        super().__init__(folder, Path("/nowhere"), Path("/nowhere"), Coordinator(poll_seconds=0.1),
                         max_use_count=1, max_instances=2)
        self.lie, self.lie_at = lie, lie_at
        self.children: list[subprocess.Popen] = []
        self.client = http.client.HTTPConnection("127.0.0.1", self.coordinator.server.server_port)
        self.jobs = {n: make_job(n, str(self.marks), lines=8) for n in (1, 2)}
        self.coordinator.add(*self.jobs.values())
        for name in ("spool", "local/checker/instances"):
            (self.state_dir / name).mkdir(parents=True)
        for name in ("clock", "lock", "system_id", "local/checker/lock", "local/checker/epoch"):
            (self.state_dir / name).touch()
        self.daemon_log.write_text("started\n")
        self.ledger = sqlite3.connect(self.state_dir / "ledger.db", isolation_level=None)
        self.ledger.executescript(LEDGER)
        self.begin_watch()

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()
        self.client.close()
        self.coordinator.close()

    def moment(self, name):
        if name == self.lie_at:
            self.lie(self)

    def verdict(self) -> set[str]:
        """The rules that were broken."""
        for job_id in self.jobs:
            self.serve(job_id)
        self.moment("stopped")
        self.ledger.close()
        return {breach.split(":")[0] for breach in judge(self.evidence())}

    def serve(self, job_id):
        moment = self.moment if job_id == 1 else lambda name: None
        self.job, self.instance = self.jobs[job_id], f"local-{job_id}"
        self.row = {"job_id": job_id, "state": "closed", "instance_id": self.instance, "failure_reason": "",
                    "exit_code": 0}
        self.final, self.lines = {"state": "success"}, []
        token = self.coordinator.runner_token
        self.call("POST", "jobs/request", {"token": token}, {"RUNNER-TOKEN": token})
        moment("given")
        self.put(state="running")
        moment("acknowledged")
        self.add_instance(self.instance)
        self.mark("begin", job_id)
        moment("running")
        self.lines = log_lines(self.job)
        moment("ended")
        self.mark("end", job_id)
        self.report()
        moment("reported")
        self.insert("instances", id=self.instance, life="gone", uses=1)
        self.insert("jobs", **self.row)
        self.insert("intents", kind="decrease", count=1, ids=json.dumps([self.instance]), state="done",
                    created_ms=time.time() * 1000)
        self.remove_instance(self.instance)

    def report(self):
        log = b"".join(self.lines)
        self.patch(log)
        output = {"checksum": crc_text(log), "bytesize": len(log)}
        final = {"output": output, **self.final}
        self.put(**final)
        self.row = {"result_state": final["state"], "log_size": len(log), "log_crc": zlib.crc32(log), **self.row}

    def call(self, method, path, body, headers=None):
        self.client.request(method, "/api/v4/" + path, body if isinstance(body, bytes) else json.dumps(body),
                            headers or {})
        answer = self.client.getresponse()
        answer.read()
        return answer.status

    def put(self, **fields):
        return self.call("PUT", f"jobs/{self.job.id}", {"token": self.job.token, **fields})

    def patch(self, data):
        if data:
            self.call("PATCH", f"jobs/{self.job.id}/trace?debug_trace=false", data,
                      {"JOB-TOKEN": self.job.token, "Content-Range": f"0-{len(data) - 1}"})

    def mark(self, what, job_id, directory="/builds/0"):
        with open(self.marks, "a") as file:
            file.write(f"{what} {job_id} {time.time()} {self.instance} {directory}\n")

    def insert(self, table, **fields):
        self.ledger.execute(f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({', '.join('?' * len(fields))})",
                            tuple(fields.values()))

    def add_instance(self, name):
        (self.instances_dir / name).mkdir()
        assert wait_for(lambda: name in self.watch.history[-1][1])

    def remove_instance(self, name):
        shutil.rmtree(self.instances_dir / name, ignore_errors=True)
        assert wait_for(lambda: name not in self.watch.history[-1][1])

    def spawn(self, *arguments, **options):
        """A process that waits for ever and, unless told otherwise, has nothing to do with the run."""
        options = {"cwd": "/", "env": {}, "stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, **options}
        self.children.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9999)", *arguments],
                                              **options))
        return self.children[-1]


def stamped(stream, text):
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode() + stream + text + b"\n"


def log_lines(job) -> list[bytes]:
    return [stamped(b"00O ", b"\x1b[0KRunning with honesty\x1b[0;m"),
            stamped(b"00O ", b"section_start:1:step_script\r\x1b[0K"),
            stamped(b"00O+", b"\x1b[0K\x1b[36;1mExecuting\x1b[0;m"),
            stamped(b"01O ", b"\x1b[32;1m$ printf something\x1b[0;m"),
            *(stamped(b"01O ", line) for line in job.masked_lines()),
            stamped(b"00O ", b"section_end:1:step_script\r\x1b[0K"),
            stamped(b"00O+", b"\x1b[32;1mJob succeeded\x1b[0;m")]


def unmarked(run, *left_out):
    """The job leaves out these notes of its begin and end."""
    mark = run.mark
    run.mark = lambda what, job_id: (what, job_id) in left_out or mark(what, job_id)


PLANTED = {}


def planted(rule, at):
    def register(lie):
        PLANTED[lie.__name__] = (lie, at, rule)
        return lie
    return register


@planted("one_final_state", "ended")
def no_final(run):
    run.put = lambda **fields: run.__dict__.pop("put")  # the next one is not sent


@planted("one_final_state", "reported")
def two_finals(run):
    run.put(state="failed", failure_reason="script_failure")


@planted("expected_result", "ended")
def wrong_state(run):
    run.final = {"state": "failed", "failure_reason": "runner_system_failure"}


@planted("expected_result", "ended")
def wrong_exit_code(run):
    run.final = {"state": "success", "exit_code": 3}


@planted("expected_result", "ended")
def lost_for_another_reason(run):
    run.job.lost_as = "job_canceled"
    run.final = {"state": "failed", "failure_reason": "runner_system_failure"}


@planted("log_is_whole", "ended")
def lost_line(run):
    del run.lines[6]


@planted("log_is_whole", "ended")
def doubled_line(run):
    run.lines.insert(7, stamped(b"01O ", run.lines[6].split(b" ", 2)[2][:-1]))


@planted("log_is_whole", "ended")
def doubled_byte(run):
    run.lines[6] = run.lines[6].replace(b" line", b" lline")


@planted("log_is_whole", "ended")
def foreign_line(run):
    run.lines.insert(7, stamped(b"01O ", b"of another job"))


@planted("log_is_whole", "ended")
def cut_off_log_with_a_gap(run):
    run.job.lost_as = "job_canceled"
    del run.lines[6]


@planted("log_is_in_order", "ended")
def doubled_header(run):
    run.lines.insert(1, stamped(b"00O ", run.lines[0][32:-1]))


@planted("log_is_in_order", "ended")
def doubled_byte_of_the_end(run):
    run.lines[-1] = run.lines[-1].replace(b"succeeded", b"succeededd")


@planted("log_is_in_order", "ended")
def doubled_section(run):
    run.lines[-2:-2] = [stamped(b"00O ", b"section_end:1:step_script\r\x1b[0K")]


@planted("log_is_in_order", "ended")
def doubled_echo(run):
    run.lines.insert(4, run.lines[3])


@planted("log_is_in_order", "ended")
def time_goes_back(run):
    run.lines[6] = b"2020" + run.lines[6][4:]


@planted("log_checksum", "ended")
def wrong_checksum(run):
    run.final["output"] = {"checksum": "crc32:00000000", "bytesize": len(b"".join(run.lines))}


@planted("log_checksum", "acknowledged")
def wrong_checksum_on_the_way(run):
    run.put(state="running", output={"checksum": "crc32:00000000", "bytesize": 9})


@planted("runs_once", "ended")
def ran_twice(run):
    run.mark("begin", 1)


@planted("runs_once", "acknowledged")
def never_ran(run):
    """Acknowledged, and called a success."""
    unmarked(run, ("begin", 1), ("end", 1))


@planted("runs_once", "given")
def ran_before_its_acknowledgement(run):
    run.mark("begin", 1)
    unmarked(run, ("begin", 1))


@planted("runs_once", "stopped")
def ran_without_being_given(run):
    run.mark("begin", 99)


@planted("ledger_agrees", "reported")
def other_state_in_the_ledger(run):
    run.row["result_state"] = "failed"


@planted("ledger_agrees", "reported")
def other_size_in_the_ledger(run):
    run.row["log_size"] += 1


@planted("ledger_agrees", "reported")
def other_instance_in_the_ledger(run):
    run.row["instance_id"] = "local-2"


@planted("ledger_agrees", "reported")
def no_vm_where_the_ledger_has_one(run):
    run.row["vm"] = "nesting-1"


@planted("one_job_a_vm", "running")
def vm_with_two_jobs(run):
    """One after the other, on an instance that may serve both."""
    run.limits.update(max_use_count=0)
    host, run.instance = run.instance, "vm:nesting-1"
    run.mark("begin", 3)
    run.mark("end", 3)
    run.mark("begin", 4)
    run.mark("end", 4)
    run.insert("jobs", job_id=3, vm="nesting-1", instance_id=host)
    run.instance = host


@planted("instances_match_ledger", "stopped")
def leaked_instance(run):
    run.add_instance("local-3")


@planted("instances_match_ledger", "stopped")
def lost_instance(run):
    run.insert("instances", id="local-3", life="present", uses=0)


@planted("uses_within_limit", "running")
def too_many_uses(run):
    run.mark("begin", 3)


@planted("capacity_kept", "running")
def over_capacity(run):
    run.mark("begin", 3)
    run.mark("end", 3)


@planted("capacity_kept", "running")
def over_capacity_by_a_job_without_an_end(run):
    over_capacity(run)
    unmarked(run, ("end", 1))


@planted("directories_apart", "running")
def shared_directory(run):
    """By a job that has a slot of its own."""
    run.limits.update(capacity=2, max_use_count=0)
    run.mark("begin", 3)
    run.mark("end", 3)


@planted("maximum_kept", "running")
def over_maximum(run):
    for name in ("local-3", "local-4"):
        run.add_instance(name)
    for name in ("local-3", "local-4"):
        run.remove_instance(name)


@planted("no_busy_instance_deleted", "running")
def busy_deleted(run):
    run.remove_instance(run.instance)


@planted("no_busy_instance_deleted", "running")
def busy_to_be_deleted(run):
    run.insert("intents", kind="decrease", count=1, ids=json.dumps([run.instance]), state="done",
               created_ms=(time.time() - 1) * 1000)


@planted("no_busy_instance_deleted", "running")
def cut_off_by_a_deletion(run):
    run.job.lost_as = "job_canceled"
    run.remove_instance(run.instance)
    unmarked(run, ("end", 1))


@planted("no_secret_stored", "ended")
def secret_in_log(run):
    run.lines.insert(1, stamped(b"00O ", run.jobs[2].secrets[0].encode()))


@planted("no_secret_stored", "stopped")
def secret_in_daemon_log(run):
    run.daemon_log.write_text("trying " + run.jobs[1].secrets[1])


@planted("no_secret_stored", "stopped")
def runner_token_in_daemon_log(run):
    run.daemon_log.write_text("as " + run.coordinator.runner_token)


@planted("no_secret_stored", "stopped")
def secret_in_a_free_page_of_the_ledger(run):
    run.ledger.execute("PRAGMA secure_delete = OFF")
    run.insert("jobs", payload=run.jobs[1].secrets[0])
    run.ledger.execute("DELETE FROM jobs WHERE payload IS NOT NULL")


@planted("no_secret_stored", "stopped")
def secret_in_a_spool(run):
    (run.state_dir / "spool" / "1.log").write_text(run.jobs[1].secrets[0])


@planted("no_secret_stored", "stopped")
def secret_in_a_temporary_file(run):
    (run.folder / "tmp" / "x").write_text(run.jobs[1].secrets[0])


@planted("no_secret_stored", "stopped")
def secret_in_the_name_of_a_file(run):
    (run.folder / "tmp" / run.jobs[1].secrets[0]).touch()


@planted("no_secret_shown", "running")
def secret_in_cmdline(run):
    run.spawn(run.jobs[1].secrets[0])
    wait_for(lambda: run.watch.shown)


@planted("no_secret_shown", "running")
def secret_in_cmdline_on_an_instance(run):
    run.spawn(run.jobs[1].secrets[0], env={"FLOTILLA_LOCAL_INSTANCE": "local-1"})
    wait_for(lambda: run.watch.shown)


@planted("no_secret_shown", "running")
def secret_in_environment(run):
    run.spawn(env={"TOKEN": run.jobs[1].secrets[1]})
    wait_for(lambda: run.watch.shown)


@planted("no_secret_shown", "running")
def secret_of_a_late_job_shown(run):
    late = make_job(7, str(run.marks))
    run.coordinator.add(late)
    run.spawn(late.secrets[0])
    wait_for(lambda: run.watch.shown)


@planted("nothing_left_over", "stopped")
def process_with_a_descriptor(run):
    """As a worker whose spool was unlinked: nothing else shows whose it is."""
    spool = run.state_dir / "spool" / "1.log"
    with open(spool, "w") as file:
        run.spawn(stdin=file)
    spool.unlink()


@planted("nothing_left_over", "stopped")
def process_in_a_directory(run):
    run.spawn(cwd=run.folder)


@planted("nothing_left_over", "stopped")
def process_with_the_folder_in_its_environment(run):
    run.spawn(env={"HOME": f"{run.instances_dir}/local-1/home"})


@planted("nothing_left_over", "stopped")
def process_with_the_folder_in_its_command_line(run):
    run.spawn("-f", f"{run.instances_dir}/local-1/sshd_config")


@planted("nothing_left_over", "stopped")
def process_of_a_session(run):
    """As a worker that hides its descriptors from a checker that is not root."""
    remember_session(run.folder, run.spawn(start_new_session=True).pid)


@planted("nothing_left_over", "stopped")
def instance_left(run):
    run.insert("instances", id="local-3", life="present", uses=0)
    run.add_instance("local-3")


@planted("nothing_left_over", "stopped")
def spool_left(run):
    (run.state_dir / "spool" / "1.log").touch()


@planted("nothing_left_over", "stopped")
def socket_left(run):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(run.state_dir / "control.sock"))


@planted("nothing_left_over", "stopped")
def temporary_file_left(run):
    (run.folder / "tmp" / "x").touch()


@planted("nothing_left_over", "reported")
def open_row(run):
    run.row["state"] = "running"


@planted("nothing_left_over", "reported")
def token_kept(run):
    run.row["token"] = "anything"


@planted("nothing_left_over", "reported")
def session_kept(run):
    run.row["session"] = "anything"


@planted("nothing_left_over", "stopped")
def slot_held(run):
    run.insert("slots", instance_id="local-1", slot=0, seq=1)


@planted("nothing_left_over", "stopped")
def call_without_an_end(run):
    run.insert("intents", kind="increase", count=1, state="open")


@planted("protocol_kept", "given")
def early_patch(run):
    run.patch(b"x")


@planted("protocol_kept", "ended")
def final_before_the_log_was_sent(run):
    run.put(state="success", output={"checksum": "crc32:00000000", "bytesize": 9})


@pytest.fixture
def folder():
    """A short path: UNIX sockets allow 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="flt-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


def verdict(run):
    try:
        return run.verdict()
    finally:
        run.close()


def test_a_clean_run_has_no_breach(folder):
    assert verdict(HonestRun(folder)) == set()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_caught_by_its_rule(folder, name):
    lie, at, rule = PLANTED[name]
    assert rule in verdict(HonestRun(folder, lie, at))


def test_every_rule_has_a_planted_fault():
    assert {rule for _, _, rule in PLANTED.values()} == set(RULES)


def no_process_of_ours(run):
    """A stranger, one that has ended and was not reaped, and a job's own, which may hold its secrets."""
    run.spawn()
    os.kill(run.spawn(cwd=run.folder).pid, 9)
    run.spawn(env={"SECRET": run.jobs[1].secrets[0], "FLOTILLA_LOCAL_INSTANCE": "local-1"})


def cut_off(run):
    run.job.lost_as = "runner_system_failure"
    run.final = {"state": "failed", "failure_reason": "runner_system_failure"}
    run.row["failure_reason"] = "runner_system_failure"
    run.lines[9:] = [run.lines[9][:40] + b"\n", b"\x1b[31;1mERROR: Job failed (system failure): x\x1b[0;m\n"]
    unmarked(run, ("end", 1))


@pytest.mark.parametrize("what, at", [(no_process_of_ours, "running"), (cut_off, "ended")],
                         ids=["no_process_of_ours", "cut_off"])
def test_what_is_allowed_is_no_breach(folder, what, at):
    assert verdict(HonestRun(folder, what, at)) == set()


def test_a_watch_that_failed_gives_no_verdict(folder):
    run = HonestRun(folder)
    run.watch.secrets = None
    assert wait_for(lambda: run.watch.failure)
    with pytest.raises(TypeError):
        run.evidence()
    run.close()


def test_a_run_without_a_ledger_gives_no_verdict(folder):
    run = HonestRun(folder)
    (run.state_dir / "ledger.db").unlink()
    with pytest.raises(sqlite3.OperationalError):
        run.evidence()
    run.close()


@pytest.mark.parametrize("text, secrets, want", [
    (b"aaab", [b"aab"], b"a[MASKED]"),
    (b"abababac", [b"ababac"], b"ab[MASKED]"),
    (b"abcdefgh", [b"abcde", b"defgh"], b"[MASKED]"),
    (b"secret_suXsecret_suffix", [b"secret", b"secret_suffix"], b"[MASKED]_suX[MASKED]"),
    (b"pass[MASKED]word", [b"password"], b"pass[MASKED]word"),
])
def test_the_reference_masking_is_the_definition(text, secrets, want):
    assert mask(text, secrets) == want


def test_the_coordinator_is_strict_about_ranges_and_two_phases():
    coordinator = Coordinator(poll_seconds=0.1)
    job = make_job(7, "/nowhere/marks", lines=1)
    coordinator.add(job)
    client = http.client.HTTPConnection("127.0.0.1", coordinator.server.server_port)

    def call(method, path, body, **headers):
        client.request(method, "/api/v4/" + path, body, headers)
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()

    token = coordinator.runner_token
    assert call("POST", "jobs/request", "{}")[0] == 400
    assert call("POST", "jobs/request", json.dumps({"token": "x"}))[0] == 403
    assert call("POST", "jobs/request", json.dumps({"token": token, "info": "x" * 40000}))[0] == 413
    assert call("POST", "jobs/request", json.dumps({"token": token}))[0] == 201
    send = {"JOB-TOKEN": job.token, "Content-Range": "5-9"}
    status, headers, _ = call("PATCH", "jobs/7/trace", b"12345", **send)
    assert (status, headers["Job-Status"]) == (403, "pending")
    final = json.dumps({"token": job.token, "state": "success", "output": {}})
    assert call("PUT", "jobs/7", final)[0] == 400  # before "running"
    assert call("PUT", "jobs/7", json.dumps({"token": job.token, "state": "running"}))[0] == 200
    assert call("PATCH", "jobs/7/trace?debug_trace=false", b"12345", **send)[0] == 416
    send["Content-Range"] = "0-4"
    assert call("PATCH", "jobs/7/trace?debug_trace=false", b"12345", **send)[0] == 202
    assert call("PUT", "jobs/7", final)[0] == 412  # size differs
    assert call("PATCH", "jobs/7/trace?debug_trace=false", b"x", **{**send, "JOB-TOKEN": "no"})[0] == 403
    coordinator.cancel(7, "canceled")
    send["Content-Range"] = "5-5"
    status, headers, _ = call("PATCH", "jobs/7/trace?debug_trace=false", b"x", **send)
    assert (status, headers["Job-Status"]) == (403, "canceled")
    assert call("PUT", "jobs/7", final)[0] == 403 and not coordinator.jobs[7].finals
    client.close()
    coordinator.close()


def test_the_coordinator_gives_no_job_to_a_client_that_was_killed():
    coordinator = Coordinator()
    held = coordinator.lock
    coordinator.add(make_job(7, "/nowhere/marks"))
    with held:  # the request has come, and nobody looks at it before its client is gone
        client = http.client.HTTPConnection("127.0.0.1", coordinator.server.server_port)
        client.request("POST", "/api/v4/jobs/request", json.dumps({"token": coordinator.runner_token}))
        client.close()
    assert wait_for(lambda: coordinator.records)
    assert (coordinator.records[0].status, coordinator.queue) == (204, [7])
    coordinator.close()


def test_the_coordinator_tells_who_waited_to_ask_anew():
    coordinator = Coordinator(poll_seconds=60)
    client = http.client.HTTPConnection("127.0.0.1", coordinator.server.server_port)

    def ask():
        client.request("POST", "/api/v4/jobs/request", json.dumps({"token": coordinator.runner_token, "last_update": "1"}))

    def answer():
        got = client.getresponse()
        got.read()
        return got.status, got.headers["X-GitLab-Last-Update"]

    ask()
    assert wait_for(lambda: coordinator.parked)
    coordinator.add(make_job(7, "/nowhere/marks"))
    assert answer() == (204, None)
    ask()
    assert answer() == (201, None)
    ask()
    assert answer() == (204, "2")
    client.close()
    coordinator.close()
