"""Looks at the machine while a run goes on: processes, their command lines, instances."""

import os
import threading
import time
from pathlib import Path

MARK = b"FLOTILLA_LOCAL_INSTANCE="  # processes on an instance: their environment is the job's own


def processes():
    """(pid, command line, environment, name) of every process that can be read."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        base = Path("/proc") / entry.name
        try:
            yield (int(entry.name), (base / "cmdline").read_bytes(), (base / "environ").read_bytes(),
                   (base / "comm").read_text().strip())
        except OSError:
            continue


class Watch:
    """Samples in the background: who showed a secret, how many instances there were."""

    def __init__(self, instances_dir: Path, secrets: list[str], period=0.05):
        self.instances_dir = instances_dir
        self.secrets = [s.encode() for s in secrets]
        self.period = period
        self.shown: set[tuple[str, str]] = set()
        self.max_instances = 0
        self.history: list[tuple[float, frozenset[str]]] = []
        self.stop_wanted = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.stop_wanted.set()
        self.thread.join()

    def instances(self) -> frozenset[str]:
        try:
            return frozenset(e.name for e in os.scandir(self.instances_dir)
                             if e.is_dir() and e.name.startswith("local-"))
        except OSError:
            return frozenset()

    def run(self):
        rounds = 0
        while not self.stop_wanted.wait(self.period):
            now = self.instances()
            self.max_instances = max(self.max_instances, len(now))
            if not self.history or self.history[-1][1] != now:
                self.history.append((time.time(), now))
            if rounds % 4 == 0:
                self.look_for_secrets()
            rounds += 1

    def look_for_secrets(self):
        for pid, cmdline, environ, name in processes():
            if pid == os.getpid() or MARK in environ:
                continue
            for secret in self.secrets:
                if secret in cmdline:
                    self.shown.add((name, "command line"))
                if secret in environ:
                    self.shown.add((name, "environment"))
