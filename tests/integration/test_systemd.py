"""packaging/systemd/flotilla.service: judged by systemd-analyze, and run by a systemd of the test's own.

That is a real one, as root's own manager in namespaces of its own, so that no machine has to be booted with systemd. It
runs the whole unit, as the unit's user, whom this machine need not have.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from checker.coordinator import Coordinator
from checker.run import PATIENCE, Run, wait_for
from machines import Machine
from test_run import wait_for_trace

SYSTEMD = "/lib/systemd/systemd"
USER, UID = "flotilla", 64901
# What the first process of a machine does, and without which no manager of a user begins, hides anything or hands out a secret.
NODES = "/run/systemd/inaccessible"
START = (f"mount --make-rshared / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/manager {NODES}/dir && touch {NODES}/reg && "
         f"mknod {NODES}/chr c 0 0 && mknod {NODES}/blk b 0 0 && chmod 0 {NODES}/* && mount --bind passwd /etc/passwd && mount --bind group /etc/group && "
         f"umask 0 && {SYSTEMD} --user & wait")

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


@pytest.fixture
def unit(build, binary) -> str:
    """The unit as it would be installed, with the program of this build."""
    return re.sub(r"^ExecStart=\S+", f"ExecStart={binary}", (build / "packaging" / "flotilla.service").read_text(), flags=re.M)


def analyze(folder, unit, *arguments):
    file = folder / "flotilla.service"
    file.write_text(unit)
    return subprocess.run(["systemd-analyze", *arguments, file], capture_output=True, text=True, timeout=PATIENCE)


def test_systemd_finds_nothing_wrong_with_the_unit(folder, unit):
    said = analyze(folder, unit, "verify", "--man=no")
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_the_user_of_the_unit_can_be_made(folder):
    made = ROOT / "packaging" / "systemd" / "flotilla.sysusers"
    said = subprocess.run(["systemd-sysusers", "--dry-run", f"--root={folder}", "--replace=/usr/lib/sysusers.d/flotilla.conf", made],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert said.returncode == 0, said.stderr
    assert "Creating user 'flotilla'" in said.stderr


def test_the_unit_is_confined(folder, unit):
    """`systemd-analyze security` at 2.0 or below, of 10."""
    said = analyze(folder, unit, "security", "--offline=true", "--threshold=20")
    assert said.returncode == 0, said.stdout
    assert "Overall exposure level for flotilla.service: 1." in said.stdout


class UserSystemd:
    def __init__(self, folder: Path):
        self.units = folder / "units"
        self.units.mkdir()
        for file, entry in (("passwd", f"{USER}:x:{UID}:{UID}::/nonexistent:/usr/sbin/nologin"), ("group", f"{USER}:x:{UID}:")):
            others = [line for line in Path("/etc", file).read_text().splitlines() if not line.startswith(f"{USER}:")]
            (folder / file).write_text("\n".join([*others, entry, ""]))
        for name in ("setup.service", "clean.service", "clean.timer"):  # /tmp is the machine's own, and nobody clears it here
            (self.units / f"systemd-tmpfiles-{name}").symlink_to("/dev/null")
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": "/run/manager",
                       "SYSTEMD_UNIT_PATH": f"{self.units}:/usr/lib/systemd/user"}
        self.log = open(folder / "systemd.log", "wb")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", START], cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment)
        self.environment = environment

    def ask(self, *words):
        """systemctl, inside."""
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", f"--pid=/proc/{self.process.pid}/ns/pid_for_children",
             "systemctl", "--user", *words], capture_output=True, text=True, env=self.environment, timeout=PATIENCE)

    def is_up(self) -> bool:
        return self.ask("is-active", "basic.target").stdout == "active\n"

    def shows(self, name) -> str:
        return self.ask("show", "--value", f"--property={name}", "flotilla").stdout.strip()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def systemd(folder):
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "tmpfs", "/run"],
                      capture_output=True).returncode != 0:
        pytest.skip("this user may not make namespaces with mounts")
    made = UserSystemd(folder)
    if not wait_for(lambda: made.is_up() or made.process.poll() is not None) or made.process.poll() is not None:
        made.close()
        pytest.skip(f"no systemd runs here: {(folder / 'systemd.log').read_text()}")
    yield made
    made.close()


def readable(folder, source):
    """A copy where the unit's user may read it; who keeps the build may keep it from others."""
    folder.mkdir(mode=0o755, exist_ok=True)
    return Path(shutil.copy(source, folder))


class Service(Run):
    """A run whose manager systemd starts and stops. Its instance is a machine outside."""

    def __init__(self, folder, binary, build, machine, systemd, unit):
        binary = readable(folder / "bin", binary)
        plugin = readable(folder / "plugins", build / "plugins" / "static" / "fleeting-plugin-static.so")
        super().__init__(folder, binary, plugin.parent, plugin="static", plugin_extra=machine.toml(),
                         max_instances=1, coordinator=Coordinator(poll_seconds=0.5))
        self.systemd = systemd
        self.state_dir.mkdir(mode=0o700)
        folder.chmod(0o711)
        machine.home.chmod(0o711)
        for path in (self.state_dir, self.config, machine.home / "login_key"):
            os.chown(path, UID, UID)
        command = f"{binary} run --config {self.config} --state-dir {self.state_dir} --plugin-dir {self.plugin_dir}"
        unit = re.sub(r"^ExecStart=.*", f"ExecStart={command}", unit, flags=re.M)
        unit = unit.replace("=/etc/flotilla/config.toml\n", f"={self.config}\n")  # without which it does not start
        (systemd.units / "flotilla.service").write_text(unit)
        self.drop_in = systemd.units / "flotilla.service.d"
        self.drop_in.mkdir()
        # What is the test's: its folder, which a private /tmp would hide, and a time that it can wait for.
        (self.drop_in / "test.conf").write_text(
            f"[Service]\nPrivateTmp=no\nReadWritePaths={folder}\nStandardOutput=append:{self.daemon_log}\n"
            f"StandardError=append:{self.daemon_log}\nRestartSec=100ms\nLoadCredential=token:{folder}/token\n")
        (folder / "token").write_text(self.coordinator.runner_token + "\n")
        self.config.write_text(re.sub(r"^  token = .*", '  token_file = "$CREDENTIALS_DIRECTORY/token"',
                                      self.config.read_text(), flags=re.M))

    def restart(self, watchdog):
        """With another patience of systemd's: a short one would end a manager that is only slow."""
        (self.drop_in / "watchdog.conf").write_text(f"[Service]\nWatchdogSec={watchdog}\n")
        self.does("daemon-reload")
        self.does("restart", "flotilla")

    def does(self, *words):
        said = self.systemd.ask(*words)
        assert said.returncode == 0, said.stderr + self.systemd.ask("status", "flotilla").stdout + self.log_tail()


@pytest.fixture
def service(folder, binary, build, systemd, unit):
    machine = Machine(folder, "outside")
    run = Service(folder, binary, build, machine, systemd, unit)
    run.begin_watch()
    yield run
    run.watch.stop()
    machine.close()
    run.coordinator.close()


def test_jobs_outlive_what_systemd_does_to_the_manager(service, sanitized):
    """A restart, a hang that the watchdog ends, and a stop. The start waits for READY=1, or it would fail."""
    service.coordinator.add(service.held_job(1))
    service.does("start", "flotilla")
    assert service.systemd.shows("ActiveState") == "active", service.systemd.ask("status", "flotilla").stdout
    assert (service.state_dir / "ledger.db").stat().st_uid == UID
    assert sanitized or "job workers: system calls are filtered" in service.daemon_log.read_text()  # which sanitizers need
    wait_for_trace(service, 1, b"line 0020")
    assert wait_for(lambda: service.systemd.shows("StatusText") == "1 job, 1 instance"), service.log_tail()
    first = service.systemd.shows("MainPID")
    workers = service.workers()
    service.restart("6s")
    assert service.systemd.shows("MainPID") != first
    service.does("kill", "--kill-who=main", f"--signal={signal.SIGSTOP.value}", "flotilla")
    assert wait_for(lambda: service.systemd.shows("NRestarts") not in ("", "0") and service.systemd.shows("ActiveState") == "active"), \
        service.log_tail()
    service.restart("10min")
    service.does("reload", "flotilla")
    assert wait_for(lambda: "the configuration was read again" in service.daemon_log.read_text()), service.log_tail()
    service.does("stop", "flotilla")
    assert service.workers() == workers
    service.release(1)
    service.does("start", "flotilla")
    assert service.coordinator.wait_ended(1, PATIENCE), service.log_tail()
    assert service.coordinator.jobs[1].finals[0]["state"] == "success", service.log_tail()
    service.does("stop", "flotilla")
