"""The guest of the tests: scripts/build-guest's image, made once for a build directory, and a look at it by QEMU alone.

QEMU emulates the processor here, whatever the machine offers: what works so works with KVM."""

import base64
import contextlib
import fcntl
import json
import socket
import subprocess
from pathlib import Path

from checker.run import wait_for

ROOT = Path(__file__).resolve().parents[2]
COMMAND_LINE = "root=LABEL=flotilla-guest console=ttyS0 quiet no_timer_check"


def guest_folder(build: Path) -> Path:
    """disk.qcow2, vmlinuz, initrd.img and `key`, which logs in as ci. Whoever comes first makes them."""
    with open(build / "guest.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run([ROOT / "scripts/build-guest", build / "guest"], capture_output=True, text=True, timeout=600,
                              check=False)
        assert made.returncode == 0, made.stderr
    return build / "guest"


class Agent:
    """qemu-guest-agent, asked over its socket. QEMU keeps what is asked until the guest listens."""

    def __init__(self, stream: socket.socket):
        self.stream = stream
        self.stream.settimeout(900)
        self.answers = self.stream.makefile()

    def ask(self, command, **arguments):
        self.stream.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        return json.loads(self.answers.readline())["return"]

    def run(self, *words):
        """What the program prints; it has to succeed."""
        pid = self.ask("guest-exec", path=words[0], arg=list(words[1:]), **{"capture-output": True})["pid"]
        state = {}
        assert wait_for(lambda: state.update(self.ask("guest-exec-status", pid=pid)) or state["exited"], 120), words
        output = base64.b64decode(state.get("out-data", "")).decode()
        assert state.get("exitcode") == 0, (words, output, base64.b64decode(state.get("err-data", "")).decode())
        return output


@contextlib.contextmanager
def booted(guest: Path, work: Path, by_kernel: bool):
    """The agent of a guest that has booted from a throw-away overlay."""
    overlay, log = work / "overlay.qcow2", work / "console.log"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", guest / "disk.qcow2", "-F", "qcow2", overlay],
                   check=True)
    kernel = ["-kernel", guest / "vmlinuz", "-initrd", guest / "initrd.img", "-append", COMMAND_LINE]
    host, ours = socket.socket(socket.AF_UNIX), work / "agent.sock"
    host.bind(str(ours))
    host.listen()
    child = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "256",
         "-display", "none", "-serial", f"file:{log}", "-drive", f"if=none,id=disk,file={overlay},cache=unsafe",
         "-device", "virtio-blk-pci,drive=disk", "-netdev", "user,id=net,restrict=on", "-device",
         "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-serial-pci", "-chardev",
         f"socket,id=agent,path={ours}", "-device",
         "virtserialport,chardev=agent,name=org.qemu.guest_agent.0", *(kernel if by_kernel else [])])
    try:
        host.settimeout(60)
        agent = Agent(host.accept()[0])
        assert agent.ask("guest-ping") == {}, log.read_text(errors="replace")
        yield agent
    finally:
        child.kill()
        child.wait()
        host.close()
