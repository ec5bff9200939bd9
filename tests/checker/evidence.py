"""What a run left behind, gathered from outside: the coordinator's record, files, ledger, processes."""

import json
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from .watch import MARK, processes


@dataclass
class Mark:
    what: str  # begin, end
    job_id: int
    time: float
    instance: str


@dataclass
class Evidence:
    jobs: dict  # id -> coordinator.JobState
    records: list
    marks: list[Mark]
    ledger_jobs: list[dict]
    ledger_instances: list[dict]
    ledger_slots: list[dict]
    open_intents: list[dict]
    cloud: set[str]  # instances that exist
    files: dict[str, bytes]  # everything under the state directory but instances' own homes
    daemon_log: bytes
    shown: set = field(default_factory=set)  # secrets seen in /proc
    history: list = field(default_factory=list)  # (time, set of instances)
    max_seen: int = 0
    leftovers: list[str] = field(default_factory=list)
    spools: list[str] = field(default_factory=list)
    limits: dict = field(default_factory=dict)  # capacity, max_use_count, max_instances
    stopped: bool = True  # the manager was stopped before the evidence was taken
    killed_instances: set = field(default_factory=set)  # by the test, on purpose


def read_marks(path: Path) -> list[Mark]:
    marks = []
    if path.exists():
        for line in path.read_text().splitlines():
            what, job_id, when, instance = line.split()
            marks.append(Mark(what, int(job_id), float(when), instance))
    return marks


def rows(db, table):
    cursor = db.execute(f"SELECT * FROM {table}")
    names = [c[0] for c in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def read_ledger(path: Path):
    if not path.exists():
        return [], [], [], []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        jobs, instances, slots = rows(db, "jobs"), rows(db, "instances"), rows(db, "slots")
        intents = [i for i in rows(db, "intents") if i["state"] == "open"]
    finally:
        db.close()
    return jobs, instances, slots, intents


def read_files(state_dir: Path, instances_dir: Path) -> dict[str, bytes]:
    files = {}
    for folder, names, leaves in os.walk(state_dir):
        if Path(folder) == instances_dir:
            names.clear()  # an instance's home is the job's own
            continue
        for leaf in leaves:
            path = Path(folder) / leaf
            if path.is_file() and not path.is_symlink():
                files[str(path.relative_to(state_dir))] = path.read_bytes()
    return files


def find_leftovers(state_dir: Path, cloud: set[str]) -> list[str]:
    """Processes that belong to this state directory and have no instance to live on."""
    found = []
    needle = str(state_dir).encode()
    for pid, cmdline, environ, name in processes():
        if pid == os.getpid():
            continue
        ours = needle in cmdline
        instance = ""
        if MARK in environ:
            instance = environ.split(MARK, 1)[1].split(b"\0", 1)[0].decode()
        if ours and not any(i.encode() in cmdline for i in cloud) and b"flotilla" in cmdline:
            found.append(f"{name} ({pid}): {cmdline.decode(errors='replace')!r}")
        elif ours and b"sshd" in cmdline and not any(i.encode() in cmdline for i in cloud):
            found.append(f"{name} ({pid}) of an instance that is gone")
        elif instance and instance.startswith("local-") and instance not in cloud and needle in environ:
            found.append(f"{name} ({pid}) runs on {instance}, which is gone")
    return found


def gather(coordinator, state_dir: Path, instances_dir: Path, marks: Path, daemon_log: Path, watch,
           limits: dict, stopped=True, killed_instances=()) -> Evidence:
    ledger_jobs, ledger_instances, slots, intents = read_ledger(state_dir / "ledger.db")
    cloud = set(watch.instances())
    spool_dir = state_dir / "spool"
    return Evidence(
        jobs=coordinator.jobs, records=list(coordinator.records), marks=read_marks(marks),
        ledger_jobs=ledger_jobs, ledger_instances=ledger_instances, ledger_slots=slots,
        open_intents=intents, cloud=cloud, files=read_files(state_dir, instances_dir),
        daemon_log=daemon_log.read_bytes() if daemon_log.exists() else b"", shown=set(watch.shown),
        history=list(watch.history), max_seen=watch.max_instances,
        leftovers=find_leftovers(state_dir, cloud) if stopped else [],
        spools=[p.name for p in spool_dir.iterdir()] if spool_dir.exists() else [], limits=limits,
        stopped=stopped, killed_instances=set(killed_instances))


def pretty(value) -> str:
    return json.dumps(value, default=str, sort_keys=True)
