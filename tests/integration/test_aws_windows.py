"""The mission's second example, Windows instances, by a manager over the strict cloud: as it is written, with the key that
it lacks, and up to the sentence that WinRM is not there yet."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aws.run import run_over_strict_cloud
from checker.jobs import make_job
from checker.run import PATIENCE, wait_for
from cloud.machines import Machines
from liar import explain, wait_explained
from test_reload import change, reload

PAIR = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def run(folder, binary, build):
    machines = Machines(folder)
    with run_over_strict_cloud(folder, binary, build, "aws-5-jobs.toml", machines) as made:
        made.cloud.group("my-windows-asg")
        made.cloud.compute.settings = {"platform": "windows", "key_name": "windows-pair"}
        yield made
    machines.close()


def wait_logged(run, text):
    assert wait_for(lambda: text in run.daemon_log.read_text()), f"never: {text}\n{run.log_tail()}"


def test_the_second_example_says_what_it_lacks_and_waits_for_passwords_up_to_the_connector(run):
    """All without one instance that is replaced for it."""
    job = make_job(1, str(run.marks))
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    wait_logged(run, "no instance can be connected to: instance i-")
    wait_logged(run, "encrypted for the key pair 'windows-pair': add key_path = \"FILE\" to connector_config")
    wait_explained(run, "asks for no job: no instance can be connected to")
    key = run.folder / "windows-pair.pem"
    key.touch(0o600)
    key.write_bytes(PAIR.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    change(run, ('username          = "Administrator"', f'username = "Administrator"\n      key_path = "{key}"'))
    reload(run)
    wait_logged(run, "there is nothing to connect to yet: instance i-")
    assert "no instance can be connected to" not in explain(run)
    secret = base64.b64encode(PAIR.public_key().encrypt(b"Pa$$w0rd", padding.PKCS1v15())).decode()
    run.cloud.compute.settings["password_data"] = secret
    for machine in list(run.cloud.compute.machines.values()):
        machine.password_data = secret
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert "its instances are reached by winrm, which is not supported yet" in run.coordinator.jobs[1].trace.decode()
    assert run.stop() == 0
    assert not run.cloud.endpoint.calls_of("TerminateInstanceInAutoScalingGroup")
    assert "Pa$$w0rd" not in run.daemon_log.read_text()
