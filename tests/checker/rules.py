"""The rules. Each takes the evidence of a run and yields a sentence for each breach.

A rule is named after what it protects; RULES maps the names. None of them knows flotilla's code; what
they know of its files is what docs/design/processes.md promises.
"""

import re
from collections import Counter, defaultdict

from .coordinator import crc_text
from .evidence import Evidence

PREFIX = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[OE][ +]")
LINE = re.compile(rb"line \d{4} .* [0-9a-f]{8}")


def one_final_state(e: Evidence):
    """Every job that was given out and acknowledged has exactly one accepted final state."""
    for job_id, state in e.jobs.items():
        if len(state.finals) != 1:
            yield f"job {job_id} has {len(state.finals)} accepted final states"


def expected_result(e: Evidence):
    """The state, reason and exit code are what the job did."""
    for job_id, state in e.jobs.items():
        if not state.finals or state.job.may_be_lost:
            continue
        final = state.finals[0]
        if final["state"] != state.job.expect_state:
            yield f"job {job_id} ended as {final['state']}, it was a {state.job.expect_state}"
        elif final.get("exit_code", 0) != state.job.expect_exit_code:
            yield f"job {job_id} reports exit code {final.get('exit_code', 0)}"


def log_lines(trace: bytes) -> list[bytes]:
    """Lines of the stored log without time stamps, continued ones joined."""
    lines: list[bytes] = []
    streams: dict[bytes, int] = {}
    for raw in trace.split(b"\n"):
        if not PREFIX.match(raw):
            lines.append(raw)
            continue
        stream, flag, text = raw[28:31], raw[31:32], raw[32:]
        if flag == b"+" and stream in streams:
            lines[streams[stream]] += text
        else:
            streams[stream] = len(lines)
            lines.append(text)
    return lines


def log_is_whole(e: Evidence):
    """The stored log holds every line the job printed, masked, once and in order."""
    for job_id, state in e.jobs.items():
        want = state.job.masked_lines()
        # Section marks and colours may share a line with the first of the output.
        got = [m[0] for line in log_lines(bytes(state.trace)) if (m := LINE.search(line))
               and not line.lstrip(b"\x1b[0;m32K").startswith(b"$ ")]
        if state.job.may_be_lost:
            if got != want[:len(got)]:
                yield f"job {job_id} was lost on purpose, but its log is not a beginning of its output"
        elif got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
                      min(len(got), len(want)))
            yield (f"job {job_id}: log has {len(got)} of {len(want)} lines, differs at {at}: "
                   f"{got[at:at + 1]} instead of {want[at:at + 1]}")


def log_checksum(e: Evidence):
    """Size and CRC in the final update are those of the stored log."""
    for job_id, state in e.jobs.items():
        for final in state.finals:
            output = final.get("output") or {}
            if output.get("checksum") != crc_text(bytes(state.trace)):
                yield f"job {job_id}: checksum {output.get('checksum')}, stored {crc_text(bytes(state.trace))}"
            if output.get("bytesize", 0) != len(state.trace):
                yield f"job {job_id}: size {output.get('bytesize', 0)}, stored {len(state.trace)}"


def runs_once(e: Evidence):
    """No job runs twice; one that succeeded ran to its end."""
    begins = Counter(m.job_id for m in e.marks if m.what == "begin")
    ends = Counter(m.job_id for m in e.marks if m.what == "end")
    for job_id, state in e.jobs.items():
        if begins[job_id] > 1 or ends[job_id] > 1:
            yield f"job {job_id} ran {begins[job_id]} times"
        if state.finals and state.finals[0]["state"] == "success" and ends[job_id] != 1:
            yield f"job {job_id} is a success and never reached its end"


def instances_match_ledger(e: Evidence):
    """Instances in the cloud are those of the ledger, give or take calls in flight."""
    known = {i["id"] for i in e.ledger_instances if i["life"] != "gone"}
    in_flight = sum(i["count"] or 0 for i in e.open_intents)
    if not e.stopped:
        in_flight += 1
    extra, missing = e.cloud - known, known - e.cloud
    if len(extra) > in_flight:
        yield f"instances that the ledger does not know: {sorted(extra)}"
    removing = {i["id"] for i in e.ledger_instances if i["life"] == "removing"}
    gone = missing - removing - e.killed_instances
    if gone and len(gone) > in_flight:
        yield f"instances of the ledger that do not exist: {sorted(gone)}"


def uses_within_limit(e: Evidence):
    """No instance serves more jobs than max_use_count, and none more than the ledger counts."""
    limit = e.limits.get("max_use_count") or 0
    served = Counter(m.instance for m in e.marks if m.what == "begin")
    counted = {i["id"]: i["uses"] for i in e.ledger_instances}
    for instance, n in served.items():
        if limit and n > limit:
            yield f"instance {instance} served {n} jobs, max_use_count is {limit}"
        if instance in counted and counted[instance] < n:
            yield f"instance {instance} served {n} jobs, the ledger counts {counted[instance]}"


def capacity_kept(e: Evidence):
    """Never more jobs at a time on an instance than it has slots."""
    limit = e.limits.get("capacity", 1)
    running: dict[str, int] = defaultdict(int)
    worst: dict[str, int] = defaultdict(int)
    ended = {(m.job_id, m.instance) for m in e.marks if m.what == "end"}
    for mark in sorted(e.marks, key=lambda m: m.time):
        if (mark.job_id, mark.instance) not in ended:
            continue  # cut off in the middle: its end is not known
        running[mark.instance] += 1 if mark.what == "begin" else -1
        worst[mark.instance] = max(worst[mark.instance], running[mark.instance])
    for instance, n in worst.items():
        if n > limit:
            yield f"instance {instance} ran {n} jobs at a time, capacity is {limit}"


def maximum_kept(e: Evidence):
    """Never more instances than max_instances."""
    limit = e.limits.get("max_instances")
    if limit and e.max_seen > limit:
        yield f"{e.max_seen} instances at a time, max_instances is {limit}"


def no_busy_instance_deleted(e: Evidence):
    """No instance goes while a job of it is between its begin and its end."""
    gone: dict[str, float] = {}
    before: frozenset = frozenset()
    for when, now in e.history:
        for instance in before - now:
            gone[instance] = when
        before = now
    begins = {(m.job_id, m.instance): m.time for m in e.marks if m.what == "begin"}
    ends = {(m.job_id, m.instance): m.time for m in e.marks if m.what == "end"}
    for (job_id, instance), begin in begins.items():
        if instance not in gone or instance in e.killed_instances:
            continue
        end = ends.get((job_id, instance))
        state = e.jobs.get(job_id)
        if end is None and state and (state.job.may_be_lost or state.finals):
            continue  # cut off for another reason; expected_result judges it
        if begin < gone[instance] and (end is None or end > gone[instance] + 0.2):
            yield f"instance {instance} was deleted while job {job_id} ran on it"


def no_secret_stored(e: Evidence):
    """No secret in stored logs, the daemon's log, the ledger, spools or any other file."""
    for state in e.jobs.values():
        for secret in (s.encode() for s in state.job.secrets):
            for other_id, other in e.jobs.items():
                if secret in other.trace:
                    yield f"a secret of job {state.job.id} is in the log of job {other_id}"
            if secret in e.daemon_log:
                yield f"a secret of job {state.job.id} is in the daemon's log"
            if not state.finals:
                continue  # an open job's token must be kept somewhere
            for name, data in e.files.items():
                if secret in data:
                    yield f"a secret of job {state.job.id} is in {name}"


def no_secret_shown(e: Evidence):
    """No secret in a command line or environment of the manager's processes."""
    for name, where in sorted(e.shown):
        yield f"a secret was in the {where} of {name}"


def nothing_left_over(e: Evidence):
    """After the manager stopped and its jobs ended: no process, no spool, no open row, no slot held."""
    if not e.stopped:
        return
    yield from (f"left over: {text}" for text in e.leftovers)
    if e.spools:
        yield f"spool files left: {e.spools}"
    open_rows = [j["seq"] for j in e.ledger_jobs if j["state"] != "closed"]
    if open_rows:
        yield f"job rows that are not closed: {open_rows}"
    if e.ledger_slots:
        yield f"slots that are held by nobody: {e.ledger_slots}"
    with_token = [j["seq"] for j in e.ledger_jobs if j["state"] == "closed" and
                  (j["token"] is not None or j["payload"] is not None)]
    if with_token:
        yield f"closed job rows that still hold a token: {with_token}"


def protocol_kept(e: Evidence):
    """Acknowledged before anything else is told, and no request that a server must refuse."""
    told: set[int] = set()
    for record in e.records:
        if record.method == "PUT" and record.detail.get("state") == "running":
            told.add(record.job_id)
        elif record.method in ("PUT", "PATCH") and record.job_id and record.job_id not in told:
            yield f"job {record.job_id}: {record.method} before its acknowledgement"
            told.add(record.job_id)
        if record.status == 400:
            yield f"job {record.job_id}: {record.method} {record.path} was malformed ({record.detail})"


RULES = {rule.__name__: rule for rule in (
    one_final_state, expected_result, log_is_whole, log_checksum, runs_once, instances_match_ledger,
    uses_within_limit, capacity_kept, maximum_kept, no_busy_instance_deleted, no_secret_stored,
    no_secret_shown, nothing_left_over, protocol_kept)}


def judge(evidence: Evidence) -> list[str]:
    """Every breach as "rule: sentence"; an empty list means that nothing was lost."""
    return [f"{name}: {text}" for name, rule in RULES.items() for text in rule(evidence)]
