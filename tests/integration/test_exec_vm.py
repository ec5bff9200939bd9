"""`flotilla exec --isolate vm`: each job in a VM of its own, by flotilla-nesting and QEMU, which emulates the processor here."""

import json
import os
import re
import shutil
import signal
import time

import pytest

from checker.processes import processes_of
from conftest import need_static_helper
from guest import guest_folder
from test_exec import Project, runner

FULL = os.environ.get("FLOTILLA_TEST_FULL") == "1"
# In seconds: emulation on a machine that is busy, too.
EMULATED = 1000
# What one job of a pipeline sees of its VM, and hands on.
PIPELINE = """
stages: [make, use]
default:
  before_script:
    - echo "machine=$(cat /etc/machine-id) boot=$(cat /proc/sys/kernel/random/uuid) drift=$(( $(date +%s) - NOW ))"
    - test "$(id -un)" = ci && test "$(cat kept)" = changed && test ! -e /tmp/left
    - touch /tmp/left
make:
  stage: make
  script:
    - git log --oneline
    - if git -c credential.helper= ls-remote "$(git remote get-url origin)" 2>/tmp/refused; then exit 1; fi
    - grep 'could not read Username' /tmp/refused
    - head -c 300000 /dev/urandom >made
    - echo "made=$(md5sum <made)"
  artifacts: {paths: [made]}
use:
  stage: use
  parallel: 2
  script:
    - test -s made
    - echo "used=$(md5sum <made)"
"""
JOB = "one:\n  script: 'true'\n"


@pytest.fixture
def project(folder, binary, build):
    project = Project(folder, binary, f"{build}/plugins/local:{build}/plugins/nesting")
    project.write(".gitlab-ci.yml", JOB)
    project.commit()
    return project


def image(folder, name="guest.json"):
    """Something that passes for one until a VM is made of it."""
    (folder / "images").mkdir()
    (folder / "images" / name).write_text("{}")
    (folder / "images/key").write_text("")
    return folder / "images/guest"


@pytest.mark.parametrize("words,status,sentence", [
    (["--isolate", "docker"], 2, "--isolate must be vm, not 'docker'; see `flotilla exec --help`"),
    (["--vm-user", "me"], 2, "options with --vm- go with --isolate vm; see `flotilla exec --help`"),
    (["--isolate", "vm", "--vm-image", "nowhere/guest"], 1,
     "there is no image for VMs: neither nowhere/guest.json nor nowhere/guest.qcow2 can be read; scripts/build-guest DIR "
     "makes one, --vm-image DIR/guest names it"),
    (["--isolate", "vm", "--cache", "c"], 1,
     "--cache is a folder of this machine, which VMs do not see; leave out --cache or --isolate"),
    (["--isolate", "vm", "--config", "c.toml"], 1,
     "--isolate makes VMs by a configuration of its own; leave out --isolate, or --config c.toml"),
])
def test_what_does_not_go_together_is_said(project, words, status, sentence):
    ran = project.run(*words)
    assert (ran.returncode, ran.problems) == (status, f"flotilla exec: {sentence}\n")


def test_a_configuration_whose_vms_do_not_see_the_sources_is_said(project, folder):
    (folder / "c.toml").write_text(runner("vms", plugin="nowhere") + '''
    [runners.autoscaler.vm_isolation]
      enabled = true
      nesting_host = "unix:///n.sock"
''')
    ran = project.run("--config", folder / "c.toml")
    assert f"warning: {folder}/c.toml: runner 'vms' makes VMs, which do not see the folder of this machine that jobs clone from" \
        in ran.problems


def test_programs_that_are_missing_are_said_with_the_package(project, folder):
    ran = project.run("--isolate", "vm", "--vm-image", image(folder), environment={"PATH": str(folder)})
    assert ran.returncode == 1
    assert ran.problems == "flotilla exec: qemu-system-x86_64, which runs VMs, is not in PATH: install it (Debian: " \
                           "apt-get install qemu-system-x86)\n"


def test_a_daemon_that_is_not_installed_is_said(project, folder, binary):
    (folder / "bin").mkdir()
    shutil.copy(binary, folder / "bin/flotilla")
    project.command[0] = folder / "bin/flotilla"
    ran = project.run("--isolate", "vm", "--vm-image", image(folder))
    assert ran.returncode == 1
    assert ran.problems == f"flotilla exec: flotilla-nesting, which makes VMs, is neither beside {folder}/bin/flotilla " \
                           "nor in PATH\n"


def test_what_the_daemon_lacks_is_said_in_its_words(project, folder):
    (folder / "vms.json").write_text(json.dumps({"qemu": "/nowhere/qemu", "accel": "tcg"}))
    ran = project.run("--isolate", "vm", "--vm-image", image(folder), "--vm-config", folder / "vms.json")
    assert ran.returncode == 1
    assert "/nowhere/qemu" in ran.problems, ran.problems


def test_settings_that_the_daemon_refuses_are_said_in_its_words(project, folder):
    (folder / "vms.json").write_text(json.dumps({"memory": "much"}))
    ran = project.run("--isolate", "vm", "--vm-image", image(folder), "--vm-config", folder / "vms.json")
    assert ran.returncode == 1
    assert "'memory' must be a size" in ran.problems and str(folder / "vms.json") in ran.problems


def told(output, what):
    """The values that jobs printed under a name."""
    return re.findall(rf"\b{what}=([0-9a-f-]+)", output)


@pytest.fixture(scope="module")
def guest(build):
    return guest_folder(build)


def in_vms(project, guest, **settings):
    """The options for it. QEMU emulates, so that a run is the same with and without KVM."""
    settings = {"accel": "tcg", "memory": "256MiB", "cpus": 1, "boot_timeout": "15m", **settings}
    (project.folder / "vms.json").write_text(json.dumps(settings))
    return ["--isolate", "vm", "--vm-image", guest / "guest", "--vm-config", project.folder / "vms.json"]


@pytest.mark.timeout(EMULATED + 200)
@pytest.mark.parametrize("snapshot", [True, pytest.param(False, marks=pytest.mark.skipif(
    not FULL, reason="runs with --full only: the first VM of the other case boots as well"))])
def test_each_job_of_a_pipeline_has_a_vm_of_its_own(project, guest, build, snapshot):
    need_static_helper(build)
    project.write(".gitlab-ci.yml", PIPELINE)
    project.write("kept", "committed\n")
    project.commit()
    project.write("kept", "changed\n")
    project.write(".gitlab-ci.yml", PIPELINE + f"variables: {{NOW: '{int(time.time())}', GIT_DEPTH: 1}}\n")
    ran = project.run(*in_vms(project, guest, snapshot=snapshot), patience=EMULATED)
    assert ran.returncode == 0, ran.output + ran.problems
    # The frozen one and all that came from it differ, and none of them lives in the past.
    assert len(set(told(ran.output, "machine"))) == 3
    assert len(set(told(ran.output, "boot"))) == 3
    assert all(0 <= int(drift) < EMULATED for drift in told(ran.output, "drift"))
    assert told(ran.output, "used") == 2 * told(ran.output, "made")
    vms = set(re.findall(r"Created nesting VM (nesting-\w{8}) 127\.0\.0\.1:\d+", ran.output))
    assert len(vms) == 3


def daemon_of(project):
    """The process id of the run's flotilla-nesting."""
    found = [process.pid for process in processes_of(project.folder) if b"flotilla-nesting\0serve" in process.cmdline]
    assert len(found) == 1, found
    return found[0]


def kill_daemon(project, _):
    os.kill(daemon_of(project), signal.SIGKILL)


def interrupt(_, child):
    child.send_signal(signal.SIGINT)


@pytest.mark.timeout(EMULATED + 200)
@pytest.mark.parametrize("end,status,sentence", [
    (kill_daemon, 1, "no VMs any more: "),
    pytest.param(interrupt, 130, "interrupted: ending jobs", marks=pytest.mark.skipif(
        not FULL, reason="runs with --full only: what is left behind is looked at in the other case as well"))])
def test_a_run_that_ends_in_the_middle_of_a_job_leaves_no_vm(project, guest, end, status, sentence):
    """The job waits for what nobody will give it."""
    project.write(".gitlab-ci.yml", "one:\n  script: ['echo in the VM', 'until test -e /tmp/never; do sleep 1; done']\n")
    with project.start(*in_vms(project, guest, snapshot=False)) as child:
        lines = []
        while not lines or not lines[-1].endswith("in the VM\n"):
            lines.append(child.stdout.readline())
            assert lines[-1], (lines, child.stderr.read())
        end(project, child)
        output, problems = child.communicate(timeout=EMULATED)
    assert child.returncode == status, output + problems
    assert sentence in output
    project.assert_nothing_left()
