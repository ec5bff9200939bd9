"""`flotilla run` over a played AWS, with the keys of the example's user."""

import contextlib
from pathlib import Path

from cloud.run import CloudRun

from .cloud import Cloud

KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


def write_keys(folder: Path, keys: dict[str, str], region: str):
    """~/.aws of the example's user."""
    (folder / "config").write_text(f"[default]\nregion = {region}\n")
    (folder / "credentials").write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
    (folder / "credentials").chmod(0o600)


class AwsRun(CloudRun):
    def __init__(self, folder: Path, binary: Path, build: Path, example: str, *arguments, **options):
        super().__init__(folder, binary, build / "plugins" / "aws", example, "/home/user/.aws/", *arguments, **options)


@contextlib.contextmanager
def run_over_strict_cloud(folder: Path, binary: Path, build: Path, example: str, machines):
    """A manager that is not started yet; `cloud` has no group yet."""
    cloud = Cloud()
    write_keys(folder, KEYS, "us-east-1")
    run = AwsRun(folder, binary, build, example, cloud.url, machines, {})
    run.cloud = cloud
    yield run
    if run.watch:
        run.watch.stop()
        run.kill()
    run.coordinator.close()
    cloud.close()
