"""The mission's third example as it is written, but for its addresses: Macs of an Auto Scaling group, two VMs on each,
through a daemon at a socket with a blank in its path. The group is the strict cloud's, the Mac is an sshd with our
daemon and a fake tart, whose VMs are further SSH servers with the example's user and password.

One Mac boots; those that are ordered beside it never do.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from aws.cloud import Cloud
from aws.run import KEYS, AwsRun, write_keys
from checker.jobs import make_job
from checker.processes import processes_of
from checker.rules import judge
from checker.run import PATIENCE, wait_for
from cloud.machines import Machines
from conftest import short_folder
from fake_tart import Tart
from mac_host import Mac
from nesting_daemon import Daemon
from test_run import wait_for_trace

REGION = "us-west-2"
KEY = rsa.generate_private_key(65537, 2048)
SOCKET = "/Users/ec2-user/Library/Application Support/nesting.sock"
PASSWORD = 'password = "nested-vm-password"'
NEVER = 10**9  # looks


class MacRun(AwsRun):
    """A manager, the cloud with its Mac, and the Mac's daemon."""

    def __init__(self, folder, mac_folder, binary, build):
        self.mac_folder = mac_folder
        self.cloud, self.machines = Cloud(REGION), Machines(mac_folder, keys=[public_half()])
        write_keys(folder, KEYS, REGION)
        super().__init__(folder, binary, build, "aws-mac-vm-isolation.toml", self.cloud.url, self.machines,
                         {"capacity": 2, "max_use_count": 0, "max_instances": 4})
        self.plugin_dir = f"{build}/plugins/aws:{build}/plugins/nesting"
        self.environment |= {"AWS_CONFIG_FILE": str(folder / "config"),
                             "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}
        self.prefix = ["env", "-C", folder]  # where macos-key.pem is
        (folder / "macos-key.pem").touch(0o600)
        (folder / "macos-key.pem").write_bytes(
            KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        self.tart = Tart(mac_folder / "tart", images=("mac", "other"))
        self.mac = Mac(build, mac_folder, self.tart)
        self.change((SOCKET, str(self.mac.path)), ("concurrent = 8\n", "concurrent = 8\ncheck_interval = 1\n"),
                    (PASSWORD, f"{PASSWORD}\n      protocol_port = {self.tart.port}"))
        self.group = self.cloud.group("mac2metal", boot_looks=0)
        self.cloud.compute.settings = {"architecture": "arm64_mac", "zone": REGION + "a"}
        self.cloud.compute.launches = "mac2.metal"
        self.launch_of_cloud, self.cloud.compute.launch = self.cloud.compute.launch, self.launch

    def launch(self, **settings):
        machine = self.launch_of_cloud(**settings)
        if self.cloud.compute.launched > 1:
            self.group.boot_looks = NEVER
        else:
            self.machines.follow(lambda: {machine.id: (machine.private_address,)})
        return machine

    def change(self, *changes):
        text = self.config.read_text()
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.config.write_text(text)

    @property
    def host(self):
        return next(iter(self.machines.running))

    def add(self, job_id, image="mac", held=False, timeout=600):
        job = self.held_job(job_id) if held else make_job(job_id, str(self.marks))
        job.payload["image"] = {"name": image} if image else None
        job.payload["runner_info"]["timeout"] = timeout
        self.coordinator.add(job)
        return job

    def trace(self, job_id):
        return bytes(self.coordinator.jobs[job_id].trace).decode(errors="replace")

    def vm_of(self, job_id):
        """The one that its log names."""
        return re.search(r"Created nesting VM (\S+)", self.trace(job_id))[1]

    def failure(self, job_id):
        final = self.coordinator.jobs[job_id].finals[0]
        return final["state"], final.get("failure_reason", "")

    def job_workers(self):
        """Those that serve a job."""
        return [pid for (pid,) in self.ledger("SELECT worker_pid FROM jobs WHERE worker_pid > 0 AND result_state = ''")]

    def wait_running(self, *job_ids):
        """Until a job has printed its lines, and waits to be released."""
        for job_id in job_ids:
            wait_for_trace(self, job_id, b"line 0020")

    def wait_logged(self, text, times=1):
        assert wait_for(lambda: self.daemon_log.read_text().count(text) >= times), f"never: {text}\n{self.log_tail()}"

    def wait_empty(self):
        """Until no VM is left on the Mac."""
        assert wait_for(lambda: self.tart.vms() == {}), self.tart.vms()

    def wait_ended(self, *job_ids):
        for job_id in job_ids:
            assert self.coordinator.wait_ended(job_id, PATIENCE), f"{self.trace(job_id)}\n{self.log_tail(60)}"

    def begin_watch(self):
        """A Mac that boots is one."""
        if not self.watch:
            super().begin_watch()
            self.watch.machines = SimpleNamespace(running=self.group.members)

    def ended_well(self):
        """Each job ended once and as it had to; nothing is left but the Macs, which the example keeps."""
        assert self.coordinator.wait_all_ended(PATIENCE), self.log_tail(60)
        self.wait_empty()
        assert self.stop() == 0, self.log_tail()
        assert self.wait_no_processes()
        left = f"nothing_left_over: instances left: {sorted(self.group.members)}"
        assert [breach for breach in judge(self.evidence()) if breach != left] == [], self.log_tail(60)
        self.mac.close()
        self.machines.follow(dict)
        assert wait_for(lambda: not processes_of(self.mac_folder)), "something of a VM is left"

    def close(self):
        if self.watch:
            self.watch.stop()
            self.kill()
        self.coordinator.close()
        self.mac.close()
        self.machines.close()
        self.cloud.close()
        self.tart.close()


class Upstream(Daemon):
    """As upstream's daemon drives Tart, as far as two jobs need it."""

    def __init__(self, path, tart):
        self.tart, self.runs = tart, {}
        super().__init__(f"unix:{path}")

    def create(self, request, context):
        answer = super().create(request, context)
        vm = answer.vm.id
        assert self.tart.run("clone", request.name, vm).returncode == 0
        self.runs[vm] = subprocess.Popen([self.tart.program, "run", vm, "--no-graphics", "--net-softnet"],
                                         env={**os.environ, **self.tart.environment}, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        answer.vm.addr = self.tart.run("ip", vm, "--wait", "300").stdout.strip()
        return answer

    def delete(self, request, context):
        answer = super().delete(request, context)
        self.runs[request.id].kill()
        self.runs[request.id].wait()
        assert self.tart.run("delete", request.id).returncode == 0
        return answer


class Asked:
    count = 0


@contextlib.contextmanager
def other_server(path, answer):
    """At the daemon's socket: it says that to each who connects, and hangs up."""
    asked = Asked()
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):  # it was closed
                while True:
                    with listener.accept()[0] as peer:
                        asked.count += 1
                        peer.sendall(answer)
        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    path.unlink()


def public_half():
    return KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.fixture
def run(folder, binary, build):
    with short_folder() as mac_folder:
        made = MacRun(folder, mac_folder, binary, build)
        yield made
        made.close()


@pytest.mark.sample
def test_two_jobs_at_once_each_in_a_vm_of_its_own(run):
    """And a VM that was there before is gone by then."""
    left = run.mac.initialised().create(0).vm.id
    run.add(1, held=True), run.add(2, held=True)
    run.start()
    run.wait_running(1, 2)
    assert run.tart.of("delete") == [[left]] and f"VM {left}" in run.daemon_log.read_text()
    vms = {run.vm_of(1), run.vm_of(2)}
    assert run.tart.vms() == dict.fromkeys(vms, True) and len(vms) == 2
    for job_id in (1, 2):
        lines = [f"Dialing instance {run.host}...", f"Instance {run.host} connected", "Enforcing VM Isolation",
                 "Dialing nesting daemon", "Creating nesting VM tunnel", "Creating nesting VM mac",
                 f"Created nesting VM {run.vm_of(job_id)} "]
        trace = run.trace(job_id)
        assert [trace.find(line) for line in lines] == sorted(trace.find(line) for line in lines if line in trace), trace
    run.release(1, 2)
    run.ended_well()
    assert {vm for [vm] in run.tart.of("delete")} == {left, *vms}


def test_a_daemon_of_upstreams_kind_will_do(run):
    """Its wire by grpcio: what it does not say, such as why a VM was not made, is all that is missing."""
    run.mac.kill()
    run.mac.path.unlink()
    with contextlib.closing(Upstream(run.mac.path, run.tart)) as upstream:
        run.add(1), run.add(2)
        run.start()
        run.wait_ended(1, 2)
        assert upstream.names()[:3] == ["List", "Init", "List"] and upstream.config == b"null"
        run.ended_well()


def test_a_vm_that_holds_the_slot_makes_way(run):
    run.start()
    run.wait_logged("is ready")
    stranger = run.mac.client().create(0).vm.id
    run.add(1)
    run.wait_ended(1)
    assert f"Stomped nesting VM: {stranger}" in run.trace(1), run.trace(1)
    run.ended_well()


def test_a_vm_that_is_lost_ends_its_job_alone(run):
    run.add(1, held=True).lost_as = "runner_system_failure"
    run.add(2, held=True)
    run.start()
    run.wait_running(1, 2)
    lost, other = run.vm_of(1), run.vm_of(2)
    run.tart.lose(lost)
    run.wait_ended(1)
    assert run.failure(1) == ("failed", "runner_system_failure")
    assert f"VM {lost} on instance {run.host}" in run.trace(1), run.trace(1)
    assert run.tart.vms()[other]
    run.release(2)
    run.ended_well()


def test_a_daemon_that_is_killed_costs_no_job(run):
    run.add(1, held=True)
    run.start()
    run.wait_running(1)
    vm = run.vm_of(1)
    run.mac.kill()
    run.mac.start()
    run.release(1)
    run.wait_ended(1)
    assert run.tart.of("stop") == [[vm, "--timeout", "30"]]  # no child of the new daemon
    run.add(2)
    run.ended_well()


def test_a_manager_that_is_killed_finds_its_job_in_its_vm(run):
    run.add(1, held=True), run.add(2)
    run.start()
    run.wait_running(1)
    run.wait_ended(2)
    vm = run.vm_of(1)
    run.kill()
    run.start()
    run.wait_up()
    run.add(3)
    run.wait_ended(3)  # beside it: the gate removed no VM of a job
    assert run.tart.vms()[vm]
    run.release(1)
    run.ended_well()


def test_what_a_killed_worker_leaves_is_removed_before_the_next_job(run):
    run.add(1, held=True).lost_as = "runner_system_failure"
    run.start()
    run.wait_running(1)
    vm = run.vm_of(1)
    [worker] = run.job_workers()
    os.kill(worker, signal.SIGKILL)
    run.wait_ended(1)
    run.add(2)
    run.wait_ended(2)
    assert [vm] in run.tart.of("delete")
    assert run.vm_of(2) != vm
    run.ended_well()


def test_a_delete_that_fails_is_told_and_made_good(run):
    run.tart.break_({"command": "delete", "exit": 1, "stderr": "busy", "times": 1})
    run.add(1)
    run.start()
    run.wait_ended(1)
    vm = run.vm_of(1)
    assert f"VM {vm} on instance {run.host} could not be removed: " in run.trace(1), run.trace(1)
    assert f"deleting image: delete {vm}: exit status 1 (busy)" in run.trace(1)
    assert run.failure(1)[0] == "success"
    run.add(2)
    run.ended_well()
    assert run.tart.of("delete").count([vm]) >= 2


def test_images_that_are_not_allowed_or_not_there(run):
    """Each a sentence, and no VM. What the configuration rules out is no failure of the system; this GitLab has no other word
    for it."""
    run.change(('allowed_images = ["*"]', 'allowed_images = ["mac", "nowhere*"]'))
    wanted = {1: ("other", 'The "other" image is not present on list of allowed images:'),
              2: (None, "no nesting VM image specified to run the job in"),
              3: ("nowhere", 'the specified VM "nowhere" does not exist')}
    for job_id, (image, _) in wanted.items():
        run.add(job_id, image=image).lost_as = "runner_system_failure" if image == "nowhere" else "script_failure"
    run.start()
    run.wait_ended(*wanted)
    for job_id, (_, why) in wanted.items():
        assert why in run.trace(job_id), run.trace(job_id)
    assert [call[-2] for call in run.tart.of("clone")] == ["nowhere"]
    run.ended_well()


def test_a_job_that_is_cancelled_while_its_vm_is_made_leaves_none(run):
    """It hears of that by the answer to the piece of its log that says so."""
    def cancel(_, path, body):
        if "/jobs/1/trace" in path and b"Creating nesting VM mac" in run.coordinator.jobs[1].trace + body:
            assert wait_for(lambda: run.tart.of("clone"))
            run.coordinator.cancel(1)

    run.tart.break_({"command": "clone", "wait_for": str(run.folder / "never")})
    run.coordinator.fault = cancel
    run.add(1).lost_as = "job_canceled"
    run.start()
    run.wait_ended(1)
    assert run.failure(1) == ("failed", "job_canceled")
    run.wait_empty()
    run.tart.break_()
    run.add(2)
    run.wait_ended(2)
    assert run.failure(2)[0] == "success"
    run.ended_well()


def test_a_daemon_that_hangs_costs_a_job_its_time_and_nothing_more(run):
    run.start()
    run.wait_logged("is ready")
    run.mac.signal(signal.SIGSTOP)
    run.add(1, timeout=1).lost_as = "job_execution_timeout"
    run.wait_ended(1)
    assert run.failure(1) == ("failed", "job_execution_timeout")
    run.mac.signal(signal.SIGCONT)
    run.add(2)
    run.wait_ended(2)
    assert run.failure(2)[0] == "success"
    run.ended_well()


def test_a_daemon_that_speaks_something_else_keeps_jobs_off_its_mac(run):
    """And the Mac is kept: its 24 hours are paid."""
    run.environment["FLOTILLA_LIMITS"] = "probe_pause=100"
    run.mac.kill()
    with other_server(run.mac.path, b"HTTP/1.1 400 Bad Request\r\n\r\n") as asked:
        run.add(1)
        run.start()
        assert wait_for(lambda: asked.count > 1, PATIENCE), run.log_tail()
    run.wait_logged("listing the instance's VMs")
    run.mac.start()
    run.ended_well()
    assert len(run.machines.ever) == 1
