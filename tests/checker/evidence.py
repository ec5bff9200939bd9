"""What a run left behind, gathered from outside: the coordinator's record, files, ledger, processes."""

import json
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from .processes import processes_of


@dataclass
class Mark:
    what: str  # begin, end
    job_id: int
    time: float
    instance: str
    directory: str = ""
    vm: str = ""  # on that instance; "" = none


@dataclass
class Decision:
    """The manager's decision to delete an instance, from its ledger."""

    instance: str
    time: float


@dataclass
class Evidence:
    jobs: dict  # id -> coordinator.JobState
    records: list
    runner_token: str
    marks: list[Mark]
    ledger_jobs: list[dict]
    ledger_instances: list[dict]
    ledger_slots: list[dict]
    open_intents: list[dict]
    deletions: list[Decision]
    cloud: set[str]  # instances that exist
    files: dict[str, bytes]  # everything in the state directory and TMPDIR but instances' own homes
    daemon_log: bytes
    shown: set = field(default_factory=set)  # secrets seen in /proc
    history: list = field(default_factory=list)  # (time, set of instances)
    max_seen: int = 0
    leftovers: list[str] = field(default_factory=list)
    limits: dict = field(default_factory=dict)  # capacity, max_use_count, max_instances
    stopped: bool = True  # the manager was stopped before the evidence was taken
    killed_instances: set = field(default_factory=set)  # by the test, on purpose


def read_marks(path: Path) -> list[Mark]:
    marks = []
    if path.exists():
        for line in path.read_text().splitlines():
            what, job_id, when, instance, directory = line.split()
            marks.append(Mark(what, int(job_id), float(when), instance, directory))
    return marks


def place_on_hosts(marks: list[Mark], ledger_jobs: list[dict]):
    """A job in a VM calls that its instance; the ledger tells where the VM was."""
    hosts = {row["vm"]: row["instance_id"] for row in ledger_jobs if row["vm"]}
    for mark in marks:
        if mark.instance.startswith("vm:"):
            mark.vm = mark.instance.removeprefix("vm:")
            mark.instance = hosts.get(mark.vm, mark.instance)


def read_ledger(path: Path) -> dict[str, list[dict]]:
    """The rows of each table."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        return {table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")]
                for table in ("jobs", "instances", "slots", "intents")}
    finally:
        db.close()


def deletions_of(intents: list[dict]) -> list[Decision]:
    return [Decision(instance, intent["created_ms"] / 1000) for intent in intents
            if intent["kind"] == "decrease" for instance in json.loads(intent["ids"] or "[]")]


def read_files(top: Path, but: Path) -> dict[str, bytes]:
    """All under `top` that is no directory, by name; what is no regular file has no content."""
    files = {}
    for folder, names, leaves in os.walk(top):
        if Path(folder) == but:
            names.clear()  # an instance's home is the job's own
            continue
        for leaf in leaves:
            path = Path(folder) / leaf
            regular = path.is_file() and not path.is_symlink()
            files[str(path.relative_to(top.parent))] = path.read_bytes() if regular else b""
    return files


def gather(coordinator, folder: Path, state_dir: Path, instances_dir: Path, watch, limits: dict,
           stopped=True, killed_instances=()) -> Evidence:
    # First of all, for reading the ledger leaves files beside it.
    files = {name: data for top in (state_dir, folder / "tmp")
             for name, data in read_files(top, instances_dir).items()}
    ledger = read_ledger(state_dir / "ledger.db")
    daemon_log = folder / "daemon.log"
    marks = read_marks(folder / "marks")
    place_on_hosts(marks, ledger["jobs"])
    return Evidence(
        jobs=coordinator.jobs, records=list(coordinator.records), runner_token=coordinator.runner_token,
        marks=marks, ledger_jobs=ledger["jobs"],
        ledger_instances=ledger["instances"], ledger_slots=ledger["slots"],
        open_intents=[i for i in ledger["intents"] if i["state"] == "open"],
        deletions=deletions_of(ledger["intents"]), cloud=set(watch.instances()), files=files,
        daemon_log=daemon_log.read_bytes() if daemon_log.exists() else b"", shown=set(watch.shown),
        history=list(watch.history), max_seen=watch.max_instances,
        leftovers=[str(p) for p in processes_of(folder)] if stopped else [], limits=limits,
        stopped=stopped, killed_instances=set(killed_instances))
