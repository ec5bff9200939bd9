"""What the manager tells systemd, heard over a socket of the test's own."""

import re
import signal
import socket
import time

import pytest

from checker.run import PATIENCE, Run


class ServiceManager:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(PATIENCE)
        self.heard = []

    def wait(self, line):
        """Until a message has that line; whatever came before is in `heard`."""
        while True:
            try:
                message = self.socket.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"never heard {line} behind {self.heard[-5:]}") from None
            self.heard.append(message)
            if line in message.split("\n"):
                return message


@pytest.fixture
def manager(folder):
    made = ServiceManager(f"{folder}/notify")
    yield made
    made.socket.close()


def test_it_is_told_of_start_reload_and_stop(folder, binary, plugin_dir, manager):
    run = Run(folder, binary, plugin_dir)
    run.environment = {"NOTIFY_SOCKET": f"{folder}/notify"}
    run.start()
    manager.wait("READY=1")
    assert manager.heard == ["READY=1"]
    assert run.listens()
    manager.wait("STATUS=0 jobs, 0 instances")
    run.process.send_signal(signal.SIGHUP)
    reloading = manager.wait("RELOADING=1")
    usec = int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)[1])
    assert 0 < usec <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.wait("READY=1")
    run.process.terminate()
    manager.wait("STOPPING=1")
    assert run.process.wait(PATIENCE) == 0, run.log_tail()
    run.start()
    assert run.finish() == []


def test_the_watchdog_hears_of_a_loop_that_turns(folder, binary, plugin_dir, manager):
    run = Run(folder, binary, plugin_dir)
    run.environment = {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "400000"}
    run.start()
    manager.wait("READY=1")
    for _ in range(3):
        manager.wait("WATCHDOG=1")
    assert run.finish() == []


def test_a_start_that_fails_is_no_ready_one(folder, binary, plugin_dir, manager):
    run = Run(folder, binary, plugin_dir)
    run.environment = {"NOTIFY_SOCKET": f"{folder}/notify"}
    run.state_dir.mkdir(mode=0o777)
    run.state_dir.chmod(0o777)
    run.start()
    assert run.process.wait(PATIENCE) == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(4096)
    run.coordinator.close()


def test_a_socket_that_cannot_be_is_said_and_does_no_harm(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.environment = {"NOTIFY_SOCKET": "vsock:2:1"}
    run.start()
    assert run.finish() == []
    assert "NOTIFY_SOCKET is neither a path nor an abstract socket, so the service manager hears nothing" in \
        run.daemon_log.read_text()
