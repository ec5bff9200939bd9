"""Who may speak over the control socket: ourselves and root; and of a job, the one who holds its key (hardening.md P6)."""

import json
import os
import socket
import struct
import subprocess
import sys

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, Run
from test_run import assert_nothing_lost, wait_for_trace

pytestmark = pytest.mark.sample

# Prints what the manager answers to a question over the socket of its first argument.
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect(sys.argv[1])
    try:
        peer.sendall(b'\\0\\0\\0\\x11{"type":"status"}')
        print(len(peer.recv(65536)))
    except (BrokenPipeError, ConnectionResetError):
        print(0)
"""


def say(path, frame, then=lambda: None) -> bytes:
    """What comes back until the manager closes the connection; `then` is done as soon as something has come."""
    body = json.dumps(frame).encode()
    answer = b""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(str(path))
        peer.sendall(struct.pack(">I", len(body)) + body)
        while data := peer.recv(65536):
            answer += data
            then()
    return answer


def test_a_stranger_cannot_take_the_place_of_a_worker(scripted):
    run = scripted()
    run.start()
    run.wait_lists(2)
    run.show("one")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.rows("SELECT 1 FROM jobs WHERE state = 'assigned'"), "a worker has the job")
    [(right,)] = run.rows("SELECT worker_key FROM jobs")
    almost = right[:-1] + ("0" if right[-1] != "0" else "1")
    wrong = [(1, almost), (1, right[:-1]), (1, right + "0"), (1, ""), (1, None), (2, right)]
    for seq, key in wrong:
        assert say(run.state_dir / "control.sock", {"type": "attach", "seq": seq, "key": key}) == b""
    run.wait(lambda: run.log.read_text().count("came back that is not expected, refused") == len(wrong), "all are logged")
    assert right[:-1] not in run.log.read_text()


def test_a_job_goes_on_while_strangers_try_its_place(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0002")
    assert say(run.state_dir / "control.sock", {"type": "attach", "seq": 1, "key": "f" * 32}) == b""
    run.release(1)
    assert_nothing_lost(run, run.finish())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_not_answered(scripted):
    """Even where somebody has opened the folder and the socket to all."""
    run = scripted()
    run.start()
    run.wait_lists(1)
    path = run.state_dir / "control.sock"

    def ask(*as_user):
        return subprocess.run([*as_user, sys.executable, "-c", ASK, path], capture_output=True, text=True, timeout=PATIENCE)

    other = "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"
    assert int(ask().stdout) > 100
    assert "PermissionError" in ask(*other).stderr, "the folder is ours alone"
    for opened in (run.folder, run.state_dir, path):
        opened.chmod(0o777)
    assert ask(*other).stdout == "0\n"
    run.wait(lambda: "a connection to the control socket was refused" in run.log.read_text(), "the log says so")
