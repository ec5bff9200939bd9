"""Machines that exist already: sshd processes of the test's own, as plugins/static finds them."""

import getpass
import os
import socket
import subprocess
import time
from pathlib import Path

from checker.run import PATIENCE

SSHD = "/usr/sbin/sshd"


class Machine:
    """One sshd on loopback with a host key, a login key and a home of its own; `log` names who ran what."""

    def __init__(self, folder: Path, name: str):
        self.name, self.home = name, folder / f"machine-{name}"
        self.home.mkdir()
        self.user = getpass.getuser()
        for key in ["host_key", "login_key"]:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / key], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (self.home / "authorized_keys").write_bytes((self.home / "login_key.pub").read_bytes())
        (self.home / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.home}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.home}/authorized_keys\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f'ForceCommand cd "{self.home}" && export HOME="{self.home}" MACHINE={name} && '
            'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", SSHD, "-D", "-f", self.home / "sshd_config"],
                                        stdin=subprocess.DEVNULL, stderr=open(self.home / "sshd.log", "wb"))
        self.wait_up()

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
