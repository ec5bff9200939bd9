"""An sshd for each instance of a played cloud, at the loopback address to which test builds are led from the instance's
own (core/job/connect/divert.h): 127.1.2.3 for 54.1.2.3."""

import contextlib
import datetime
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from checker.processes import processes, tree_of
from checker.run import PATIENCE
from checker.watch import MARK

SSHD = "/usr/sbin/sshd"


def loopback_of(address: str) -> str:
    """Where test builds look for it."""
    return "127." + address.partition(".")[2]


def until(end: datetime.datetime) -> str:
    """What goes before a key that is good until then."""
    return f'expiry-time="{end.astimezone(datetime.timezone.utc):%Y%m%d%H%M%SZ}"'


def free_port() -> tuple[socket.socket, int]:
    """The socket keeps the port from others that ask for any."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


class Machine:
    """One instance, where `user` logs in with the keys that are pushed or given to all."""

    def __init__(self, folder: Path, instance: str, addresses: tuple[str, ...], port: int, user: str, keys=()):
        self.instance, self.home, self.port = instance, folder / instance.replace("/", "_"), port
        self.addresses = [loopback_of(address) for address in addresses]
        self.home.mkdir(mode=0o700)
        self.authorized_keys = self.home / "authorized_keys"
        self.authorized_keys.write_text("".join(f"{key}\n" for key in keys))
        host_key = Ed25519PrivateKey.generate()
        self.host_key = host_key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        private = self.home / "host_key"
        private.touch(0o600)
        private.write_bytes(host_key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        (self.home / "passwd").write_text(
            f"{user}:x:{os.geteuid()}:{os.getegid()}::{self.home}:/bin/sh\nsshd:x:65533:65533::/run/sshd:/usr/sbin/nologin\n")
        (self.home / "group").write_text(f"{user}:x:{os.getegid()}:\n")
        listen = "".join(f"ListenAddress {address}\n" for address in self.addresses)
        (self.home / "sshd_config").write_text(
            f"Port {port}\n{listen}HostKey {private}\nPidFile none\nAuthorizedKeysFile "
            f"{self.authorized_keys}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\nMaxStartups 100\nForceCommand cd {self.home} && export HOME={self.home} "
            f'{MARK.decode()}{instance} && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
        environment = {**os.environ, "LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_PASSWD": str(self.home / "passwd"),
                       "NSS_WRAPPER_GROUP": str(self.home / "group")}
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", SSHD, "-D", "-e", "-f", self.home / "sshd_config"], env=environment,
            stdin=subprocess.DEVNULL, stderr=open(self.home / "sshd.log", "wb"), start_new_session=True)

    def wait_up(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                # It listens at all of them before it greets anybody.
                if probe.connect_ex((self.addresses[0], self.port)) == 0 and probe.recv(4) == b"SSH-":
                    return
            assert self.process.poll() is None and time.monotonic() < deadline, \
                "sshd does not start: " + (self.home / "sshd.log").read_text()
            time.sleep(0.01)

    def push(self, key: str, life_s: int):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=life_s)
        with open(self.authorized_keys, "a") as file:
            file.write(f"{until(end)} {key}\n")

    def authorize(self, lines: list[str]):
        """These are all that open it from now on."""
        new = self.authorized_keys.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.rename(self.authorized_keys)

    def close(self):
        """Ends it with all that runs there, as when the cloud takes a machine away."""
        mark = MARK + self.instance.encode() + b"\0"
        for pid in [*tree_of(self.process.pid), *(p.pid for p in processes() if mark in p.environ)]:
            with contextlib.suppress(ProcessLookupError):  # it may end with its parent
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Machines:
    """Those of one cloud. `follow()` makes them what the cloud has."""

    def __init__(self, folder: Path, user="ec2-user", keys=()):
        self.folder, self.user, self.keys = folder, user, keys
        self.held, self.port = free_port()
        self.running: dict[str, Machine] = {}
        self.ever: dict[str, Machine] = {}
        # The kernel counts the thread that started a process as its parent: an sshd would die with the thread of the
        # connection on which its instance was ordered. So all of them have one that lives as long as they do.
        self.starter = ThreadPoolExecutor(max_workers=1)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)

    def follow(self, addresses: Callable[[], dict[str, tuple[str, ...]]]):
        """Instance -> the addresses at which its cloud has it now; what is not among them ends."""
        self.starter.submit(self.change, addresses).result()

    def change(self, addresses):
        there = addresses()
        for instance in set(self.running) - set(there):
            self.running.pop(instance).close()
        new = [Machine(self.folder, instance, its, self.port, self.user, self.keys)
               for instance, its in there.items() if instance not in self.ever]
        for machine in new:
            machine.wait_up()
            self.running[machine.instance] = self.ever[machine.instance] = machine

    def push(self, instance: str, user: str, key: str, life_s: int):
        """The key opens the machine for so long."""
        assert user == self.user, f"a key for {user}, who is not there"
        if machine := self.running.get(instance):
            machine.push(key, life_s)

    @property
    def environment(self) -> dict[str, str]:
        """What leads a manager's workers here."""
        return {"FLOTILLA_LOOPBACK": str(self.port)}

    def close(self):
        self.follow(dict)
        self.starter.shutdown()
        self.starter.shutdown()
        self.held.close()
