"""A fresh Debian in a folder, made by mmdebstrap from the mirrors of this machine, with programs that run in it."""

import os
import subprocess
from pathlib import Path

import pytest

SOURCES = [*Path("/etc/apt/sources.list.d").glob("debian.sources"), Path("/etc/apt/sources.list")]


def may_mount():
    """Needs root, and a kernel that lets this one mount."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"],
                                                capture_output=True).returncode == 0


class DebianRoot:
    """With packages from the mirror, by their names, and others that are files, by apt in one go."""

    def __init__(self, folder: Path, release: str, names: list[str], files: list[Path]):
        if not may_mount():
            pytest.skip("a Debian in a folder needs root, and the right to mount")
        self.path = folder / "root"
        sources = next(path for path in SOURCES if path.exists() and path.read_text().strip())
        carry = " && ".join(["mkdir $1/packages", *(f"cp {file} $1/packages" for file in files)])
        wanted = " ".join([*names, *(f"/packages/{file.name}" for file in files)])
        install = f"chroot $1 env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends {wanted}"
        made = subprocess.run(
            ["mmdebstrap", "--mode=root", "--variant=apt", "--aptopt=Acquire::Languages none", "--dpkgopt=force-unsafe-io",
             f"--customize-hook={carry}", f"--customize-hook={install}", release, self.path, sources],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert made.returncode == 0, made.stdout[-4000:]

    def run(self, *command, user=None, status=0, **environment):
        """Runs a command in it, with processes of its own: none outlives the command. Returns what it printed."""
        # apt needs the names of the mirror.
        enter = ('touch "$0/etc/resolv.conf" && mount --bind /etc/resolv.conf "$0/etc/resolv.conf" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/run" && '
                 'mkdir -p "$0/run/sshd" && exec chroot "$0" "$@"')
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", enter, self.path, *become, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root",
                 "DEBIAN_FRONTEND": "noninteractive", **environment})
        assert done.returncode == status, f"{command} ended with {done.returncode}: {done.stdout[-4000:]}"
        return done.stdout

    def sh(self, script, **options):
        return self.run("sh", "-ec", script, **options)

    def named(self, word):
        """Every file whose name has this word, but those that were carried in."""
        found = self.run("find", "/", "-xdev", "-path", "/packages", "-prune", "-o", "-path", "/proc", "-prune", "-o",
                         "-iname", f"*{word}*", "-print")
        return sorted(found.splitlines())
