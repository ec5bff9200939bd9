"""VM isolation as the manager has it: hosts that are looked through before they take jobs, VMs that are never lost and
never taken from a job (docs/design/processes.md "VMs", hardening.md R7, R11)."""

import os
import signal
import sqlite3
import threading

import grpc
import pytest

from checker.jobs import make_job
from checker.run import wait_for
from liar import explain
from nesting_daemon import TYPES
from test_reload import change, reload
from vm_host import VmRun


@pytest.fixture
def run(folder, binary, build, plugin_dir):
    made = VmRun(folder, binary, build, plugin_dir)
    yield made
    made.daemon.close()


def finish(run):
    assert run.finish() == [], run.log_tail(80)
    assert run.daemon.vms == {}


def test_a_host_is_looked_through_before_it_takes_jobs(run):
    run.daemon.leave("nesting-left1")
    run.daemon.leave("nesting-left2")
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    run.await_ended(1)
    assert run.daemon.names()[:3] == ["List", "Init", "List"], run.daemon.names()
    assert sorted(run.daemon.deleted()[:2]) == ["nesting-left1", "nesting-left2"]
    assert run.daemon.names().index("Create") > run.daemon.names().index("Delete")
    assert "VM nesting-left1 was there and no job has it, removed" in run.log()
    finish(run)
