"""The checker checked: a clean run is clean, and each planted fault is caught by its rule."""

import copy

import pytest

from .coordinator import Coordinator, JobState, Record, crc_text
from .evidence import Evidence, Mark
from .jobs import make_job
from .masking import mask
from .rules import RULES, judge


def log_of(job) -> bytes:
    stamp = b"2026-11-23T10:00:00.000001Z 01O "
    return b"".join(stamp + line + b"\n" for line in job.masked_lines())


def clean_run() -> Evidence:
    jobs, marks, records = {}, [], []
    for job_id in (1, 2):
        job = make_job(job_id, "/nowhere/marks", lines=8)
        state = JobState(job)
        state.state = "success"
        state.trace = bytearray(log_of(job))
        state.finals = [{"state": "success", "output": {"checksum": crc_text(bytes(state.trace)),
                                                        "bytesize": len(state.trace)}}]
        jobs[job_id] = state
        marks += [Mark("begin", job_id, 10.0 * job_id, f"local-{job_id}"),
                  Mark("end", job_id, 10.0 * job_id + 5, f"local-{job_id}")]
        records += [Record(0, "PUT", f"/api/v4/jobs/{job_id}", 200, job_id, {"state": "running"}),
                    Record(0, "PATCH", f"/api/v4/jobs/{job_id}/trace", 202, job_id, {})]
    rows = [{"id": f"local-{n}", "life": "present", "uses": 1} for n in (1, 2)]
    closed = [{"seq": n, "state": "closed", "token": None, "payload": None} for n in (1, 2)]
    return Evidence(jobs=jobs, records=records, marks=marks, ledger_jobs=closed,
                    ledger_instances=rows, ledger_slots=[], open_intents=[],
                    cloud={"local-1", "local-2"}, files={"ledger.db": b"SQLite"}, daemon_log=b"",
                    history=[(0.0, frozenset({"local-1", "local-2"}))], max_seen=2,
                    limits={"capacity": 1, "max_use_count": 1, "max_instances": 2})


def no_final(e):
    e.jobs[1].finals = []


def two_finals(e):
    e.jobs[1].finals *= 2


def wrong_state(e):
    e.jobs[1].finals[0]["state"] = "failed"


def lost_line(e):
    lines = bytes(e.jobs[1].trace).split(b"\n")
    e.jobs[1].trace = bytearray(b"\n".join(lines[:3] + lines[4:]))
    e.jobs[1].finals[0]["output"] = {"checksum": crc_text(bytes(e.jobs[1].trace)),
                                     "bytesize": len(e.jobs[1].trace)}


def doubled_line(e):
    lines = bytes(e.jobs[1].trace).split(b"\n")
    e.jobs[1].trace = bytearray(b"\n".join(lines[:3] + lines[2:]))
    e.jobs[1].finals[0]["output"] = {"checksum": crc_text(bytes(e.jobs[1].trace)),
                                     "bytesize": len(e.jobs[1].trace)}


def wrong_checksum(e):
    e.jobs[1].finals[0]["output"]["checksum"] = "crc32:00000000"


def ran_twice(e):
    e.marks.append(Mark("begin", 1, 99.0, "local-2"))


def leaked_instance(e):
    e.cloud.add("local-3")


def lost_instance(e):
    e.cloud.discard("local-2")


def too_many_uses(e):
    e.marks += [Mark("begin", 3, 40.0, "local-1"), Mark("end", 3, 41.0, "local-1")]


def over_capacity(e):
    e.limits["max_use_count"] = 0
    e.marks += [Mark("begin", 3, 11.0, "local-1"), Mark("end", 3, 12.0, "local-1")]


def over_maximum(e):
    e.max_seen = 3


def busy_deleted(e):
    e.history.append((12.0, frozenset({"local-2"})))


def secret_in_log(e):
    e.jobs[2].trace += e.jobs[1].job.secrets[0].encode()


def secret_in_daemon_log(e):
    e.daemon_log = b"trying " + e.jobs[1].job.secrets[1].encode()


def secret_in_ledger(e):
    e.files["ledger.db-wal"] = b"xx" + e.jobs[1].job.secrets[1].encode()


def secret_in_cmdline(e):
    e.shown = {("flotilla", "command line")}


def process_left(e):
    e.leftovers = ["flotilla (123)"]


def spool_left(e):
    e.spools = ["1.log"]


def open_row(e):
    e.ledger_jobs[0]["state"] = "running"


def slot_held(e):
    e.ledger_slots = [{"instance_id": "local-1", "slot": 0, "seq": 1}]


def early_patch(e):
    e.records.reverse()


PLANTED = {no_final: "one_final_state", two_finals: "one_final_state",
           wrong_state: "expected_result", lost_line: "log_is_whole", doubled_line: "log_is_whole",
           wrong_checksum: "log_checksum", ran_twice: "runs_once",
           leaked_instance: "instances_match_ledger", lost_instance: "instances_match_ledger",
           too_many_uses: "uses_within_limit", over_capacity: "capacity_kept",
           over_maximum: "maximum_kept", busy_deleted: "no_busy_instance_deleted",
           secret_in_log: "no_secret_stored", secret_in_daemon_log: "no_secret_stored",
           secret_in_ledger: "no_secret_stored", secret_in_cmdline: "no_secret_shown",
           process_left: "nothing_left_over", spool_left: "nothing_left_over",
           open_row: "nothing_left_over", slot_held: "nothing_left_over",
           early_patch: "protocol_kept"}


def test_a_clean_run_has_no_breach():
    assert judge(clean_run()) == []


@pytest.mark.parametrize("plant", PLANTED, ids=lambda f: f.__name__)
def test_a_planted_fault_is_caught_by_its_rule(plant):
    evidence = copy.deepcopy(clean_run())
    plant(evidence)
    assert PLANTED[plant] in {breach.split(":")[0] for breach in judge(evidence)}


def test_every_rule_has_a_planted_fault():
    assert set(PLANTED.values()) == set(RULES)


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
    import http.client
    import json
    coordinator = Coordinator(poll_seconds=0.1)
    job = make_job(7, "/nowhere/marks", lines=1)
    coordinator.add(job)
    client = http.client.HTTPConnection("127.0.0.1", coordinator.server.server_port)

    def call(method, path, body, **headers):
        client.request(method, "/api/v4/" + path, body, headers)
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()

    token = coordinator.runner_token
    ask = json.dumps({"token": token, "info": {}})
    assert call("POST", "jobs/request", ask)[0] == 403  # the header is missing
    assert call("POST", "jobs/request", ask, **{"RUNNER-TOKEN": token})[0] == 201
    final = json.dumps({"token": job.token, "state": "success", "output": {}})
    assert call("PUT", "jobs/7", final)[0] == 400  # before "running"
    assert call("PUT", "jobs/7", json.dumps({"token": job.token, "state": "running"}))[0] == 200
    send = {"JOB-TOKEN": job.token, "Content-Range": "5-9"}
    assert call("PATCH", "jobs/7/trace?debug_trace=false", b"12345", **send)[0] == 416
    send["Content-Range"] = "0-4"
    assert call("PATCH", "jobs/7/trace?debug_trace=false", b"12345", **send)[0] == 202
    assert call("PUT", "jobs/7", final)[0] == 412  # size differs
    assert call("PATCH", "jobs/7/trace?debug_trace=false", b"x", **{**send, "JOB-TOKEN": "no"})[0] == 403
    coordinator.close()
