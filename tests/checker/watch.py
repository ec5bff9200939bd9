"""Looks at the machine while a run goes on: processes, their command lines, instances."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .processes import processes

MARK = b"FLOTILLA_LOCAL_INSTANCE="  # processes on an instance: their environment is the job's own


class Watch:
    """Samples in the background: who showed a secret, how many instances there were.

    `secrets` is asked anew each time, since jobs may be added while the run goes on.
    """

    def __init__(self, instances_dir: Path, secrets: Callable[[], list[str]], period=0.05):
        self.instances_dir = instances_dir
        self.secrets = secrets
        self.period = period
        self.shown: set[tuple[str, str]] = set()
        self.max_instances = 0
        self.history: list[tuple[float, frozenset[str]]] = []
        self.failure: Exception | None = None
        self.stop_wanted = threading.Event()
        self.look_at_instances()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.stop_wanted.set()
        self.thread.join()
        if self.failure:
            raise self.failure  # it saw nothing from then on: no verdict is better than a good one

    def instances(self) -> frozenset[str]:
        try:
            return frozenset(e.name for e in os.scandir(self.instances_dir)
                             if e.is_dir() and e.name.startswith("local-"))
        except FileNotFoundError:
            return frozenset()

    def run(self):
        rounds = 0
        try:
            while not self.stop_wanted.wait(self.period):
                self.look_at_instances()
                if rounds % 4 == 0:
                    self.look_for_secrets()
                rounds += 1
        except Exception as failure:
            self.failure = failure

    def look_at_instances(self):
        now = self.instances()
        self.max_instances = max(self.max_instances, len(now))
        if not self.history or self.history[-1][1] != now:
            self.history.append((time.time(), now))

    def look_for_secrets(self):
        secrets = [s.encode() for s in self.secrets()]
        if not secrets:
            return
        for process in processes():
            for secret in secrets:
                if secret in process.cmdline:
                    self.shown.add((process.name, "command line"))
                if secret in process.environ and MARK not in process.environ:
                    self.shown.add((process.name, "environment"))
