"""scripts/build-guest: an image of Debian packages that boots in QEMU, with what jobs need."""

import os
import subprocess

import pytest

from checker.run import wait_for
from guest import ROOT, booted, guest_folder


@pytest.fixture(scope="module")
def guest(build):
    return guest_folder(build)


def server_of(agent):
    """The process id of the guest's SSH server, as soon as there is one."""
    found = []
    assert wait_for(lambda: found.append(agent.run("/bin/sh", "-c", "cat /run/dropbear.pid || true")) or found[-1])
    return found[-1]


def assert_refreshed(agent):
    """A guest that was restored from a frozen one gets host keys of its own."""
    key = "/etc/dropbear/dropbear_ed25519_host_key"
    agent.run("/usr/bin/dropbearkey", "-t", "ed25519", "-f", key)
    before, server = agent.run("/usr/bin/md5sum", key), server_of(agent)
    agent.run("/etc/flotilla/refresh")
    assert agent.run("/usr/bin/md5sum", key) != before
    assert wait_for(lambda: server_of(agent) != server)
    assert len(agent.run("/bin/cat", "/etc/machine-id")) == 33


@pytest.mark.timeout(1200)  # the image is made, and the guest emulated
@pytest.mark.parametrize("by_kernel", [False, pytest.param(True, marks=pytest.mark.skipif(
    os.environ.get("FLOTILLA_TEST_FULL") != "1", reason="runs with --full only: VMs of test_exec_vm.py boot so"))],
    ids=["disk", "kernel"])
def test_the_guest_boots_and_has_what_jobs_need(guest, tmp_path, by_kernel):
    with booted(guest, tmp_path, by_kernel) as agent:
        assert agent.run("/usr/bin/git", "--version").startswith("git version 2.")
        assert agent.run("/bin/bash", "-c", "echo $BASH_VERSION").startswith("5.")
        # For clones over TLS: the transport with its libraries, and who is trusted.
        assert "Failed to connect" in agent.run("/bin/sh", "-c", "git ls-remote https://127.0.0.1:1/x 2>&1 || true")
        assert int(agent.run("/bin/grep", "-c", "BEGIN", "/etc/ssl/certs/ca-certificates.crt")) > 100
        assert agent.run("/bin/stat", "-c", "%U %a", "/home/ci/.ssh/authorized_keys") == "ci 600\n"
        assert agent.run("/bin/stat", "-c", "%U", "/usr/bin/git", "/etc/shadow") == "root\nroot\n"
        assert agent.run("/bin/sh", "-c", "ip -4 -o address show eth0").split()[3] == "10.0.2.15/24"
        # What the nesting daemon needs in a guest that it freezes.
        assert agent.run("/usr/bin/perl", "-e", "print 42") == "42"
        assert_refreshed(agent)


def test_an_image_is_made_anew_only_when_what_it_is_made_of_has_changed(guest, tmp_path):
    before = (guest / "disk.qcow2").stat()
    guest_folder(guest.parent)
    assert (guest / "disk.qcow2").stat() == before


def test_a_key_that_is_not_there_is_said(tmp_path):
    ran = subprocess.run([ROOT / "scripts/build-guest", "--key", tmp_path / "none.pub", tmp_path / "out"],
                         capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert ran.stderr == f"scripts/build-guest: {tmp_path}/none.pub is no file; --key names a public key, or leave it " \
                         "out for a new pair\n"
