"""`flotilla run` over a played AWS, with the keys of the example's user."""

from pathlib import Path

from cloud.run import CloudRun


def write_keys(folder: Path, keys: dict[str, str], region: str):
    """~/.aws of the example's user."""
    (folder / "config").write_text(f"[default]\nregion = {region}\n")
    (folder / "credentials").write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
    (folder / "credentials").chmod(0o600)


class AwsRun(CloudRun):
    def __init__(self, folder: Path, binary: Path, build: Path, example: str, *arguments, **options):
        super().__init__(folder, binary, build / "plugins" / "aws", example, "/home/user/.aws/", *arguments, **options)
