"""The mission's second example, Windows instances, by a manager over the strict cloud: as it is written, with the key that
it lacks. Its `shell` is sh, which runs there because the instances' WinRM is this machine's."""

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
from winrm_service import Service

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


@pytest.fixture
def service(folder):
    """At the loopback address of each instance."""
    made = Service(folder, address="0.0.0.0", password="Pa$$w0rd")
    yield made
    made.close()


def test_the_second_example_says_what_it_lacks_and_waits_for_passwords_and_works(run, service):
    """All without one instance that is replaced for it."""
    run.environment["FLOTILLA_LOOPBACK"] = str(service.port)
    run.coordinator.add(make_job(1, str(run.marks)))
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
    assert run.coordinator.jobs[1].finals[0]["state"] == "success", run.coordinator.jobs[1].trace.decode()
    assert wait_for(lambda: not service.shells), "further instances are being looked at, and then they are not"
    assert set(service.logins) == {"ntlm"}
    assert run.stop() == 0
    assert not run.cloud.endpoint.calls_of("TerminateInstanceInAutoScalingGroup")
    assert "Pa$$w0rd" not in run.daemon_log.read_text()
