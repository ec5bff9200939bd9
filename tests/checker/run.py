"""One run of `flotilla run` under the checker's eyes: configuration, start, kill, stop, verdict."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .coordinator import Coordinator
from .evidence import gather
from .jobs import Job, make_job
from .processes import processes_of, remember_session
from .rules import judge
from .watch import Watch

# Limits are for a machine that does nothing any more, not for a slow one: whoever waits sees the event at once.
PATIENCE = 120

CONFIG = """\
concurrent = {concurrent}
check_interval = 1
log_level = "debug"

[[runners]]
  name = "checker"
  url = "{url}"
  token = "{token}"
  executor = "instance"
  shell = "{shell}"
{runner_extra}
  [runners.autoscaler]
    plugin = "{plugin}"
    plugin_host = "{plugin_host}"
    capacity_per_instance = {capacity}
    max_use_count = {max_use_count}
    max_instances = {max_instances}
    update_interval = "{update_interval}"
    update_interval_when_expecting = "{expecting_interval}"
    delete_instances_on_shutdown = true
{autoscaler_extra}
    [runners.autoscaler.plugin_config]
      name = "checker"
{plugin_extra}
    [runners.autoscaler.connector_config]
      timeout = "30s"
    [[runners.autoscaler.policy]]
      idle_count = {idle_count}
      idle_time = "{idle_time}"
"""


def wait_for(condition: Callable[[], object], timeout: float = PATIENCE) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Run:
    """Everything lives under `folder`; the binary and the plugins come from the build tree."""

    def __init__(self, folder: Path, binary: Path, plugin_dir: Path, coordinator: Coordinator | None = None,
                 capacity=1, max_use_count=0, max_instances=3, idle_count=0, idle_time="0s",
                 concurrent=10, plugin_host="worker", shell="sh", plugin_extra="", runner_extra="", autoscaler_extra="", plugin="local",
                 update_interval="2s", expecting_interval="100ms"):
        self.folder = folder
        self.binary = binary
        self.plugin_dir = plugin_dir
        self.coordinator = coordinator or Coordinator()
        self.state_dir = folder / "state"
        self.instances_dir = self.state_dir / "local" / "checker" / "instances"
        self.marks = folder / "marks"
        self.daemon_log = folder / "daemon.log"
        self.config = folder / "config.toml"
        self.limits = {"capacity": capacity, "max_use_count": max_use_count,
                       "max_instances": max_instances}
        self.config.write_text(CONFIG.format(
            url=self.coordinator.url, token=self.coordinator.runner_token, capacity=capacity,
            max_use_count=max_use_count, max_instances=max_instances, idle_count=idle_count,
            idle_time=idle_time, concurrent=concurrent, plugin_host=plugin_host, shell=shell, plugin=plugin,
            plugin_extra=plugin_extra, runner_extra=runner_extra, autoscaler_extra=autoscaler_extra,
            update_interval=update_interval, expecting_interval=expecting_interval))
        self.config.chmod(0o600)
        self.process: subprocess.Popen | None = None
        self.killed_instances: set[str] = set()
        self.environment: dict[str, str] = {}  # of the manager, beside ours
        self.prefix: list[str] = []  # the command that starts it, such as prlimit with its options
        self.options: list[str] = []  # further ones of `flotilla run`
        self.watch: Watch | None = None

    def start(self, kill_at: str = "", effects_log: Path | None = None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOTILLA_")}
        environment["TMPDIR"] = str(self.folder / "tmp")
        if kill_at:
            environment["FLOTILLA_KILL_AT"] = kill_at
        if effects_log:
            environment["FLOTILLA_EFFECTS_LOG"] = str(effects_log)
        environment.update(self.environment)
        self.begin_watch()
        # A session of its own marks what the manager starts (processes_of). A terminal's interrupt no longer
        # reaches it there, so it is told to die with the tests.
        with open(self.daemon_log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.prefix, self.binary, "run", "--config", self.config,
                 "--state-dir", self.state_dir, "--plugin-dir", self.plugin_dir, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)
        remember_session(self.folder, self.process.pid)

    def begin_watch(self):
        if not self.watch:
            (self.folder / "tmp").mkdir()
            self.watch = Watch(self.instances_dir, self.coordinator.secrets)

    def held_job(self, job_id, **options) -> Job:
        """One that runs, once its lines are printed, until release()."""
        return make_job(job_id, str(self.marks), gate=str(self.gate(job_id)), **options)

    def release(self, *job_ids):
        for job_id in job_ids:
            self.gate(job_id).touch()

    def gate(self, job_id) -> Path:
        return self.folder / f"gate-{job_id}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait_dead(self, timeout) -> bool:
        try:
            self.process.wait(timeout)
            return True
        except subprocess.TimeoutExpired:
            return False

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.state_dir / "control.sock"))
                return True
            except OSError:
                return False

    def wait_up(self) -> bool:
        """Until the manager listens: it has recovered and handles signals; or has ended."""
        return wait_for(lambda: self.process.poll() is not None or self.listens())

    def workers(self) -> list[int]:
        """Process ids of the job workers."""
        return [p.pid for p in processes_of(self.folder) if p.name == "flotilla-job"]

    def stop(self, timeout=PATIENCE) -> int:
        """Graceful: no new jobs, running ones end, instances are deleted."""
        self.wait_up()
        self.process.send_signal(signal.SIGQUIT)
        if not self.wait_dead(timeout):
            self.kill()
            return -1
        return self.process.returncode

    def wait_no_processes(self, timeout=30) -> bool:
        """Workers and the spawner end by themselves a moment after the manager."""
        return wait_for(lambda: not processes_of(self.folder), timeout)

    def evidence(self, stopped=True):
        self.watch.stop()
        return gather(self.coordinator, self.folder, self.state_dir, self.instances_dir, self.watch,
                      self.limits, stopped, self.killed_instances)

    def finish(self, timeout=PATIENCE) -> list[str]:
        """Waits for every job's end, stops the manager, judges."""
        ended = self.coordinator.wait_all_ended(timeout)
        status = self.stop()
        self.wait_no_processes()
        breaches = judge(self.evidence())
        if not ended:
            breaches.append(f"the jobs did not end within {timeout} s")
        if status != 0:
            breaches.append(f"the manager ended with status {status}")
        self.coordinator.close()
        return breaches

    def log_tail(self, lines=40) -> str:
        if not self.daemon_log.exists():
            return ""
        return "\n".join(self.daemon_log.read_text(errors="replace").splitlines()[-lines:])
