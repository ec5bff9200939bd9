"""The machine's processes, and which of them belong to a run."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Process:
    pid: int
    name: str
    session: int
    cmdline: bytes
    environ: bytes

    def __str__(self):
        return f"{self.name} ({self.pid}): {self.cmdline.replace(bytes(1), b' ').decode(errors='replace')!r}"

    def links(self) -> Iterator[bytes]:
        """What its descriptors, its directory and its root stand for; another user's stay hidden."""
        base = f"/proc/{self.pid}"
        try:
            names = [f"{base}/fd/{name}" for name in os.listdir(f"{base}/fd")]
        except OSError:
            names = []
        for name in (*names, f"{base}/cwd", f"{base}/root"):
            try:
                yield os.fsencode(os.readlink(name))
            except OSError:
                continue


def read(path: str) -> bytes:
    """Empty when the process has ended or keeps this file to itself."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def tree_of(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for child in read(f"/proc/{pid}/task/{pid}/children").split():
        yield from tree_of(int(child))


def processes() -> Iterator[Process]:
    """Every process but this one and those that have ended and only wait to be reaped."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or entry.name == str(os.getpid()):
            continue
        # "pid (name) state parent group session ...", and a name may hold parentheses.
        head, _, tail = read(f"{entry.path}/stat").rpartition(b")")
        fields = tail.split()
        if not fields or fields[0] in (b"Z", b"X"):
            continue
        yield Process(int(entry.name), head.partition(b"(")[2].decode(errors="replace"), int(fields[3]),
                      read(f"{entry.path}/cmdline"), read(f"{entry.path}/environ"))


def sessions_file(folder: Path) -> Path:
    return folder / "sessions"


def remember_session(folder: Path, leader: int):
    """Notes that the process `leader` heads a session of this run."""
    with open(sessions_file(folder), "a") as file:
        file.write(f"{leader}\n")


def processes_of(folder: Path) -> list[Process]:
    """Processes that live in a session of the run, or that name or hold something in its folder.

    The session is the kernel's word: no process of ours leaves the one its manager began, and everybody
    may read it, even where a process has hidden the rest of itself (PR_SET_DUMPABLE) and the checker is
    not root. Whoever did leave it, as sshd and what runs on an instance do, has the folder in its command
    line, its environment or its descriptors.
    """
    file = sessions_file(folder)
    sessions = {int(line) for line in file.read_text().split()} if file.exists() else set()
    needle = os.fsencode(folder) + b"/"
    return [p for p in processes() if p.session in sessions or needle in p.cmdline or needle in p.environ
            or any(needle in link + b"/" for link in p.links())]
