"""Machines that exist already: sshd processes of the test's own, as plugins/static finds them."""

import getpass
import os
import socket
import subprocess
import time
from pathlib import Path

from checker.run import PATIENCE

SSHD = "/usr/sbin/sshd"
DROPBEAR = "/usr/sbin/dropbear"


class Machine:
    """One sshd on loopback with a host key, a login key and a home of its own."""

    def __init__(self, folder: Path, name: str, addresses=("127.0.0.1",)):
        self.name, self.home, self.addresses = name, folder / f"machine-{name}", addresses
        self.home.mkdir(mode=0o700)
        self.user = getpass.getuser()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.make_key("login_key")
        environment, command = self.prepare()
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL,
                                        stderr=open(self.home / "sshd.log", "wb"), env={**os.environ, **environment})
        self.wait_up()

    def make_key(self, name):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / name], check=True)

    def environment(self):
        """Of who logs in. With a home of their own their shell does not read this machine's .bashrc, whose words and time
        would be those of jobs."""
        return {"HOME": self.home, "MACHINE": self.name}

    def prepare(self):
        """Makes what the server needs; returns its environment and its command."""
        self.make_key("host_key")
        (self.home / "authorized_keys").write_bytes((self.home / "login_key.pub").read_bytes())
        listen = "".join(f"ListenAddress {address}\n" for address in self.addresses)
        (self.home / "sshd_config").write_text(
            f"Port {self.port}\n{listen}HostKey {self.home}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.home}/authorized_keys\nMaxStartups 1000\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"SetEnv {' '.join(f'{name}={value}' for name, value in self.environment().items())}\n"
            f'ForceCommand cd "{self.home}" && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        return {}, [SSHD, "-D", "-f", self.home / "sshd_config"]

    def wait_up(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None and time.monotonic() < deadline, "sshd does not start"
            time.sleep(0.02)

    def close(self):
        self.process.terminate()
        self.process.wait()

    @property
    def host_key(self) -> str:
        return (self.home / "host_key.pub").read_text().strip()

    def toml(self, **extra) -> str:
        """Its table in plugin_config."""
        settings = {"internal_addr": f"127.0.0.1:{self.port}", "username": self.user,
                    "key_path": self.home / "login_key", **extra}
        lines = [f"{key} = {value}" if isinstance(value, list) else f'{key} = "{value}"'
                 for key, value in settings.items()]
        return f"[runners.autoscaler.plugin_config.instances.{self.name}]\n" + "\n".join(lines) + "\n"


class Dropbear(Machine):
    """The same with dropbear, which knows one account: libnss-wrapper answers its questions."""

    def prepare(self):
        made = subprocess.run(["dropbearkey", "-t", "ed25519", "-f", self.home / "host_key"], check=True,
                              capture_output=True, text=True)
        key = next(line for line in made.stdout.splitlines() if line.startswith("ssh-ed25519"))
        (self.home / "host_key.pub").write_text(key)
        (self.home / ".ssh").mkdir(mode=0o700)
        (self.home / ".ssh" / "authorized_keys").write_bytes((self.home / "login_key.pub").read_bytes())
        self.user = "runner"
        (self.home / "passwd").write_text(f"runner:x:{os.geteuid()}:{os.getegid()}::{self.home}:/bin/sh\n")
        (self.home / "group").write_text(f"runner:x:{os.getegid()}:\n")
        environment = {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_PASSWD": str(self.home / "passwd"),
                       "NSS_WRAPPER_GROUP": str(self.home / "group")}
        return environment, [DROPBEAR, "-F", "-E", "-p", f"{self.addresses[0]}:{self.port}",
                             "-r", self.home / "host_key"]
