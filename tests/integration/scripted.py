"""A manager whose cloud is a folder (tests/fakes/scripted_provider.c): what lists, orders and removals
do to the fleet, without real instances."""

import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from checker.coordinator import Coordinator
from checker.run import PATIENCE

CREATING, RUNNING, DELETING = 0, 1, 2
AUTH, QUOTA, THROTTLED, UNAVAILABLE, STALE, UNHEALTHY = -10002, -10003, -10004, -10005, -10009, -10010

CONFIG = """\
concurrent = {concurrent}
check_interval = 1
log_level = "debug"
"""

ENTRY = """
[[runners]]
  name = "{name}"
  url = "{url}"
  token = "{token}"
  executor = "instance"
{runner}  [runners.autoscaler]
    plugin = "{plugin}"
    max_instances = {max_instances}
    instance_acquire_timeout = "{acquire_timeout}"
    update_interval = "{update_interval}"
    update_interval_when_expecting = "{interval}"
    delete_instances_on_shutdown = {delete_at_stop}
    log_internal_ip = {log_internal_ip}
    log_external_ip = {log_external_ip}
{autoscaler}    [runners.autoscaler.plugin_config]
      dir = "{cloud}"
    [[runners.autoscaler.policy]]
      idle_count = {idle_count}
      idle_time = "{idle_time}"
"""


class Scripted:
    """`others`: settings of further runner entries that differ from the first one's; each entry has
    a cloud of its own, named after it."""

    def __init__(self, folder: Path, binary: Path, build: Path, others=(), **settings):
        self.folder, self.binary, self.others = folder, binary, others
        self.cloud = folder / "cloud"
        for cloud in [self.cloud, *(folder / entry["name"] for entry in others)]:
            cloud.mkdir()
        self.state_dir = folder / "state"
        self.log = folder / "daemon.log"
        self.config = folder / "config.toml"
        self.coordinator = Coordinator(poll_seconds=0.5)
        self.settings = {"name": "scripted", "max_instances": 10, "idle_count": 0, "idle_time": "1h", "acquire_timeout": "15m",
                         "interval": "50ms", "update_interval": "100ms", "delete_at_stop": "false", "concurrent": 10,
                         "log_internal_ip": "false", "log_external_ip": "false", "autoscaler": "", "runner": "", "plugin": build / "tests" / "fakes" / "scripted_provider.so",
                         "cloud": self.cloud, "url": self.coordinator.url,
                         "token": self.coordinator.runner_token}
        self.process: subprocess.Popen | None = None
        self.configure(**settings)

    def configure(self, **settings):
        self.settings.update(settings)
        entries = [self.settings]
        for entry in self.others:
            entries.append({**self.settings, "cloud": self.folder / entry["name"], **entry})
        self.config.write_text(CONFIG.format(**self.settings) +
                               "".join(ENTRY.format(**entry) for entry in entries))
        self.config.chmod(0o600)

    def start(self, prefix=(), **environment):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, self.binary, "run", "--config", self.config, "--state-dir", self.state_dir],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment or None)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self, signum=signal.SIGTERM, timeout=PATIENCE) -> int:
        """Its exit status."""
        self.process.send_signal(signum)
        return self.process.wait(timeout)

    def close(self):
        self.kill()
        self.coordinator.close()

    def script(self, name, value, cloud="cloud"):
        new = self.folder / "new"
        new.write_text(str(value))
        new.rename(self.folder / cloud / name)

    def show(self, *ids, state=RUNNING, cloud="cloud"):
        self.script("list", "".join(f"{i} {state}\n" for i in ids), cloud)

    def told(self, name, cloud="cloud") -> list[str]:
        """What the provider was asked so far: of `listed`, `increased`, `decreased`, `connected`."""
        path = self.folder / cloud / name
        return path.read_text().splitlines() if path.exists() else []

    def wait(self, condition, what, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, f"the manager ended before {what}\n" + self.tail()
            assert time.monotonic() < deadline, f"never: {what}\n" + self.tail()
            time.sleep(0.02)

    def wait_lists(self, n):
        """Until n lists that began after this call were taken in."""
        asked = len(self.told("listed")) + n + 2  # one is under way, one answer may not be read yet
        self.wait(lambda: len(self.told("listed")) >= asked, f"{n} more lists")

    def leave_to_another_entry(self, instance):
        """The instance is held by an entry that has been renamed since; the manager runs with the new name."""
        self.start()
        self.wait_lists(2)
        self.show(instance)
        self.wait(lambda: self.life(instance) == ["present"], "the instance is in the ledger")
        self.kill()
        self.configure(name="renamed")
        self.start()

    def rows(self, query):
        if not (self.state_dir / "ledger.db").exists():
            return []
        db = sqlite3.connect(f"file:{self.state_dir}/ledger.db?mode=ro", uri=True)
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []  # its tables are still being made
        finally:
            db.close()

    def write(self, statement):
        """Changes the ledger of a manager that does not run."""
        db = sqlite3.connect(self.state_dir / "ledger.db")
        db.execute(statement)
        db.commit()
        db.close()

    def life(self, instance):
        return [row[0] for row in self.rows(f"SELECT life FROM instances WHERE id = '{instance}'")]

    def ask(self, *words):
        return subprocess.run([self.binary, *words, "--state-dir", self.state_dir],
                              capture_output=True, text=True, timeout=PATIENCE)

    def status(self):
        return json.loads(self.ask("status", "--json").stdout)

    def problem(self) -> str:
        """What status says against the first runner."""
        answer = self.ask("status", "--json").stdout
        return json.loads(answer)["runners"][0].get("problem", "") if answer else ""

    def tail(self, lines=40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
