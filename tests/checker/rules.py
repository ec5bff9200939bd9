"""The rules. Each takes the evidence of a run and yields a sentence for each breach.

A rule is named after what it protects; RULES maps the names. None of them knows flotilla's code; what
they know of its files is what docs/design/processes.md promises.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from .coordinator import crc_text
from .evidence import Evidence

RAW = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([0-9a-f]{2}[OE])([ +])(.*)", re.S)
SECTION = re.compile(rb"section_(start|end):\d+:(\w+)")
COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]|\r")
LAST = re.compile(rb"Job succeeded|ERROR: Job failed.*")
# What a stopped manager leaves, by docs/design/processes.md; SQLite's own two may be there for a reader's sake.
MAY_STAY = re.compile(r"state/(spool/\d+\.kept|ledger\.(db(-wal|-shm)?|reserve)|clock|history|lock|system_id|local/[^/]+/(lock|epoch)|static/[^/]+/(lock|claims\.json)|aws/([0-9a-f]{32}(\.keys)?\.json|retries-[a-z0-9-]+)|googlecompute/[0-9a-f]{32}\.(json|keys\.json|pem))")


@dataclass
class Raw:
    """One line as it is stored; `stamp` is empty where it has none."""

    stamp: bytes
    stream: bytes
    goes_on: bool  # the line before it in the same stream
    text: bytes

    @property
    def time(self) -> float:
        return datetime.fromisoformat(self.stamp.decode()).timestamp()

    @property
    def plain(self) -> bytes:
        return COLOUR.sub(b"", self.text)


def raw_lines(trace: bytes) -> list[Raw]:
    lines = []
    for line in trace.split(b"\n")[:-1]:
        match = RAW.fullmatch(line)
        lines.append(Raw(match[1], match[2], match[3] == b"+", match[4]) if match else Raw(b"", b"", False, line))
    return lines


def in_sections(lines: list[Raw]) -> Iterator[tuple[bytes, Raw]]:
    """Each line with the section it stands in; marks are the runner's own, in stream 00O."""
    section = b""
    for line in lines:
        if line.stream == b"00O" and (mark := SECTION.match(line.text)):
            section = mark[2] if mark[1] == b"start" else b""
        else:
            yield section, line


def script_lines(trace: bytes) -> list[Raw]:
    """All that came from the instance while the script ran, but the echoed commands; continued lines joined."""
    found: list[Raw] = []
    for section, line in in_sections(raw_lines(trace)):
        if section != b"step_script" or line.stream in (b"00O", b"") or line.plain.startswith(b"$ "):
            continue
        before = next((f for f in reversed(found) if f.stream == line.stream), None)
        if line.goes_on and before:
            before.text += line.text
        else:
            found.append(line)
    return found


def one_final_state(e: Evidence):
    """Every job has exactly one accepted final state, and nothing else was told of it afterwards."""
    def told(final):
        return {k: final.get(k) for k in ("state", "failure_reason", "exit_code", "output")}

    for job_id, state in e.jobs.items():
        if len(state.finals) != 1 and not state.aborted:
            yield f"job {job_id} has {len(state.finals)} accepted final states"
        for late in state.late_finals:
            if state.finals and told(late) != told(state.finals[0]):
                yield f"job {job_id} ended as {told(state.finals[0])}, then as {told(late)}"


def expected_result(e: Evidence):
    """The state, reason and exit code are what the job did, or what cutting it off leads to."""
    for job_id, state in e.jobs.items():
        job = state.job
        allowed = [(job.expect_state, "script_failure" if job.expect_state == "failed" else "",
                    job.expect_exit_code)]
        if job.lost_as:
            allowed.append(("failed", job.lost_as, job.expect_exit_code))
        for final in state.finals:
            told = (final["state"], final.get("failure_reason", ""), final.get("exit_code", 0))
            if told not in allowed:
                yield f"job {job_id} ended as {told}, not as {allowed}"


def is_beginning(got: list[bytes], want: list[bytes]) -> bool:
    """Whether `got` is `want` up to some point, the last line perhaps cut."""
    whole, cut = got[:-1], got[-1:]
    return len(got) <= len(want) and whole == want[:len(whole)] and \
        all(want[len(whole)].startswith(line) for line in cut)


def log_is_whole(e: Evidence):
    """The script's part of the stored log is what the job printed, masked, and nothing else."""
    for job_id, state in e.jobs.items():
        want = state.job.masked_lines()
        got = [line.text for line in script_lines(bytes(state.trace))]
        if state.job.lost_as:
            if not is_beginning(got, want):
                yield f"job {job_id} was cut off, but its log is not a beginning of its output"
        elif got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
                      min(len(got), len(want)))
            yield (f"job {job_id}: log has {len(got)} of {len(want)} lines, differs at {at}: "
                   f"{got[at:at + 1]} instead of {want[at:at + 1]}")


def breaches_of_order(job, lines: list[Raw]) -> Iterator[str]:
    last = [line for line in lines if LAST.fullmatch(line.plain)]
    if last != lines[-1:]:
        yield f"{len(last)} lines tell its end, the last line is {lines[-1:]}"
    if not job.lost_as and not all(line.stamp for line in lines):
        yield f"lines without time: {[line.text for line in lines if not line.stamp]}"
    stamped = [line for line in lines if line.stamp]
    headers = [line.plain.startswith(b"Running with ") for line in stamped].count(True)
    if headers > 1 or (headers == 0 and not job.lost_as):
        yield f"it has {headers} headers"
    latest: dict[bytes, bytes] = {}  # by stream: a line has the time of its first byte and stands where it ended
    for line in stamped:
        if line.stamp < latest.get(line.stream, b""):
            yield f"time goes back at {line}"
        latest[line.stream] = line.stamp
    doubled = [text for text, n in Counter((li.stamp, li.stream, li.text) for li in stamped).items() if n > 1]
    if doubled:
        yield f"lines twice: {doubled}"


def breaches_of_sections(job, lines: list[Raw]) -> Iterator[str]:
    marks = [mark.groups() for line in lines if line.stream == b"00O" and (mark := SECTION.match(line.text))]
    opened = [name for what, name in marks if what == b"start"]
    once = [name for name in opened if name != b"get_sources"]  # the others are tried once
    if len(set(once)) != len(once):
        yield f"sections that begin twice: {opened}"
    if not job.lost_as and b"step_script" not in opened:
        yield "its script has no section"
    pairs = [mark for name in opened for mark in ((b"start", name), (b"end", name))]
    if marks != pairs and not (job.lost_as and marks == pairs[:-1]):
        yield f"sections that do not follow each other: {marks}"


def log_is_in_order(e: Evidence):
    """Around the output too nothing is lost or doubled: one header, one end, whole sections, no line twice.

    No job of jobs.py prints a line twice, so two that are equal to the microsecond are one.
    """
    for job_id, state in e.jobs.items():
        if state.aborted:
            continue  # its log ends where GitLab ended it; log_is_whole judges that
        lines = raw_lines(bytes(state.trace))
        if not state.trace.endswith(b"\n"):
            yield f"job {job_id}: the log ends in the middle of a line"
        for text in (*breaches_of_order(state.job, lines), *breaches_of_sections(state.job, lines)):
            yield f"job {job_id}: {text}"


def log_checksum(e: Evidence):
    """Each size and CRC that was told is that of the stored log up to there; the last one, of all of it."""
    for job_id, state in e.jobs.items():
        for final in state.finals:
            output = final.get("output") or {}
            if output.get("checksum") != crc_text(bytes(state.trace)):
                yield f"job {job_id}: checksum {output.get('checksum')}, stored {crc_text(bytes(state.trace))}"
            if output.get("bytesize", 0) != len(state.trace):
                yield f"job {job_id}: size {output.get('bytesize', 0)}, stored {len(state.trace)}"
    for record in e.records:
        output = record.detail.get("output") or {}
        if record.status == 200 and "checksum" in output:
            stored = bytes(e.jobs[record.job_id].trace[:output.get("bytesize", 0)])
            if output["checksum"] != crc_text(stored):
                yield f"job {record.job_id}: told {output} on the way, stored {crc_text(stored)}"


def runs_once(e: Evidence):
    """No job runs twice, or before its acknowledgement, or without being given; one that ended ran to its end."""
    begins = Counter(m.job_id for m in e.marks if m.what == "begin")
    ends = Counter(m.job_id for m in e.marks if m.what == "end")
    acknowledged = {}
    for record in e.records:
        if record.detail.get("state") == "running" and record.status == 200:
            acknowledged.setdefault(record.job_id, record.time)
    for job_id, state in e.jobs.items():
        if begins[job_id] > 1 or ends[job_id] > 1:
            yield f"job {job_id} ran {begins[job_id]} times"
        ran = state.finals and (not state.job.lost_as or state.finals[0]["state"] == "success")
        if ran and not begins[job_id] == ends[job_id] == 1:
            yield f"job {job_id} has ended and never reached its end"
    for mark in e.marks:
        if mark.job_id not in e.jobs:
            yield f"job {mark.job_id} ran and was never given"
        elif mark.time < acknowledged.get(mark.job_id, float("inf")):
            yield f"job {mark.job_id} ran before it was acknowledged"


def ledger_agrees(e: Evidence):
    """The ledger tells of each job what the coordinator heard, and the instance and the VM in which it ran."""
    known = {i["id"] for i in e.ledger_instances}
    ran_on = {m.job_id: m.instance for m in e.marks}
    ran_in = {m.job_id: m.vm for m in e.marks}
    for job_id, state in e.jobs.items():
        rows = [r for r in e.ledger_jobs if r["job_id"] == job_id and r["result_state"]]
        if not state.finals:
            continue
        if len(rows) != 1:
            yield f"job {job_id} has {len(rows)} results in the ledger"
            continue
        row, final = rows[0], state.finals[0]
        told = (final["state"], final.get("failure_reason", ""), final.get("exit_code", 0),
                len(state.trace), zlib.crc32(state.trace))
        kept = (row["result_state"], row["failure_reason"], row["exit_code"], row["log_size"], row["log_crc"])
        if told != kept:
            yield f"job {job_id}: the coordinator heard {told}, the ledger has {kept}"
        if job_id in ran_on and row["instance_id"] != ran_on[job_id]:
            yield f"job {job_id} ran on {ran_on[job_id]}, the ledger has {row['instance_id']}"
        if job_id in ran_in and row["vm"] != ran_in[job_id]:
            yield f"job {job_id} ran in VM '{ran_in[job_id]}', the ledger has '{row['vm']}'"
    for instance in set(ran_on.values()) - known:
        yield f"instance {instance} ran a job and is not in the ledger"


def instances_match_ledger(e: Evidence):
    """Instances in the cloud are those of the ledger, give or take calls in flight."""
    known = {i["id"] for i in e.ledger_instances if i["life"] != "gone"}
    in_flight = sum(i["count"] for i in e.open_intents)
    if not e.stopped:
        in_flight += 1
    extra, missing = e.cloud - known - e.killed_instances, known - e.cloud
    if len(extra) > in_flight:
        yield f"instances that the ledger does not know: {sorted(extra)}"
    removing = {i["id"] for i in e.ledger_instances if i["life"] == "removing"}
    gone = missing - removing - e.killed_instances
    if len(gone) > in_flight:
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


def spans(e: Evidence) -> Iterator[tuple[int, str, float, float]]:
    """Job, instance, and from when until when it surely ran there: to its end, or to its last line."""
    ends = {(m.job_id, m.instance): m.time for m in e.marks if m.what == "end"}
    for mark in e.marks:
        if mark.what != "begin":
            continue
        end = ends.get((mark.job_id, mark.instance))
        if end is None:
            trace = bytes(e.jobs[mark.job_id].trace) if mark.job_id in e.jobs else b""
            end = max((line.time for line in script_lines(trace)), default=mark.time)
        yield mark.job_id, mark.instance, mark.time, end


def capacity_kept(e: Evidence):
    """Never more jobs at a time on an instance than it has slots."""
    limit = e.limits.get("capacity", 1)
    changes: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for _, instance, begin, end in spans(e):
        changes[instance] += [(begin, 1), (end, -1)]
    for instance, steps in changes.items():
        running = worst = 0
        for _, step in sorted(steps):
            running += step
            worst = max(worst, running)
        if worst > limit:
            yield f"instance {instance} ran {worst} jobs at a time, capacity is {limit}"


def directories_apart(e: Evidence):
    """No two jobs at a time work in one directory of an instance."""
    inside: dict[tuple, set[int]] = defaultdict(set)
    ended = {(m.job_id, m.instance) for m in e.marks if m.what == "end"}
    for mark in sorted(e.marks, key=lambda m: m.time):
        here = inside[mark.instance, mark.vm, mark.directory]
        if mark.what == "end":
            here.discard(mark.job_id)
        elif (mark.job_id, mark.instance) in ended:  # else cut off: when it left is not known
            if here:
                yield f"jobs {sorted(here | {mark.job_id})} shared {mark.directory} on {mark.instance}"
            here.add(mark.job_id)


def one_job_a_vm(e: Evidence):
    """No VM is used twice."""
    users: dict[str, set[int]] = defaultdict(set)
    for mark in e.marks:
        users[mark.vm].add(mark.job_id)
    for vm, jobs in users.items():
        if vm and len(jobs) > 1:
            yield f"VM {vm} had the jobs {sorted(jobs)}"


def maximum_kept(e: Evidence):
    """Never more instances than max_instances."""
    limit = e.limits.get("max_instances")
    if limit and e.max_seen > limit:
        yield f"{e.max_seen} instances at a time, max_instances is {limit}"


def no_busy_instance_deleted(e: Evidence):
    """No instance goes, nor is its deletion decided, while a job of it is between its begin and its end."""
    vanished: dict[str, float] = {}
    for (_, before), (when, now) in zip(e.history, e.history[1:]):
        vanished.update({instance: when for instance in before - now})
    decided: dict[str, float] = {}
    for deletion in e.deletions:
        decided[deletion.instance] = min(deletion.time, decided.get(deletion.instance, deletion.time))
    for job_id, instance, _, end in spans(e):
        if instance in e.killed_instances:
            continue
        if end > vanished.get(instance, end):
            yield f"instance {instance} went while job {job_id} ran on it"
        # Ledger times are cut to the millisecond.
        if end > decided.get(instance, end) + 0.001:
            yield f"instance {instance} was to be deleted while job {job_id} ran on it"


def secrets_of(e: Evidence) -> Iterator[tuple[str, bytes, bool]]:
    """Whose secret, the secret, and whether it may still be kept: that of a job that has not ended."""
    yield "the runner", e.runner_token.encode(), False
    for job_id, state in e.jobs.items():
        for secret in state.job.secrets:
            yield f"job {job_id}", secret.encode(), not state.ended


def no_secret_stored(e: Evidence):
    """No secret in stored logs, the daemon's log, the ledger, spools or any other file, nor in a file's name."""
    for whose, secret, kept in secrets_of(e):
        for job_id, state in e.jobs.items():
            if secret in state.trace:
                yield f"a secret of {whose} is in the log of job {job_id}"
        if secret in e.daemon_log:
            yield f"a secret of {whose} is in the daemon's log"
        for name, data in e.files.items():
            if not kept and (secret in data or secret in name.encode()):
                yield f"a secret of {whose} is in {name}"


def no_secret_shown(e: Evidence):
    """No secret in a command line or environment of the manager's processes."""
    for name, where in sorted(e.shown):
        yield f"a secret was in the {where} of {name}"


def nothing_left_over(e: Evidence):
    """After the manager stopped and its jobs ended: no process, instance, file, socket, open row or held slot."""
    if not e.stopped:
        return
    yield from (f"left over: {text}" for text in e.leftovers)
    # What the test killed may have been given up by the manager before its remains were cleared away.
    if left := e.cloud - e.killed_instances:
        yield f"instances left: {sorted(left)}"
    files = [name for name in e.files if not MAY_STAY.fullmatch(name)]
    if files:
        yield f"files left: {files}"
    open_rows = [j["seq"] for j in e.ledger_jobs if j["state"] != "closed"]
    if open_rows:
        yield f"job rows that are not closed: {open_rows}"
    if e.ledger_slots:
        yield f"slots that are held by nobody: {e.ledger_slots}"
    if e.open_intents:
        yield f"calls without an end: {e.open_intents}"
    with_token = [j["seq"] for j in e.ledger_jobs if j["state"] == "closed" and
                  any(j[secret] is not None for secret in ("token", "payload", "session"))]
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
        if record.status in (400, 404, 412):  # malformed, nobody's, a size that is not what was sent
            yield f"job {record.job_id}: {record.method} {record.path} met {record.status} ({record.detail})"


RULES = {rule.__name__: rule for rule in (
    one_final_state, expected_result, log_is_whole, log_is_in_order, log_checksum, runs_once, ledger_agrees,
    instances_match_ledger, uses_within_limit, capacity_kept, directories_apart, one_job_a_vm, maximum_kept,
    no_busy_instance_deleted, no_secret_stored, no_secret_shown, nothing_left_over, protocol_kept)}


def judge(evidence: Evidence) -> list[str]:
    """Every breach as "rule: sentence"; an empty list means that nothing was lost."""
    return [f"{name}: {text}" for name, rule in RULES.items() for text in rule(evidence)]
