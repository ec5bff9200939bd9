"""`flotilla run` over the cloud of the tests, with the credentials of the example's user."""

import json
from pathlib import Path

from cloud.run import CloudRun

CREDENTIALS = "application_default_credentials.json"


def write_credentials(folder: Path, content: dict, name=CREDENTIALS) -> Path:
    """~/.config/gcloud of the example's user."""
    path = folder / name
    path.touch(0o600)
    path.write_text(json.dumps(content))
    return path


class GcpRun(CloudRun):
    """In the example's zone, or in `region`."""

    def __init__(self, folder: Path, binary: Path, build: Path, example: str, *arguments, region="", **options):
        super().__init__(folder, binary, build / "plugins" / "gcp", example, "/home/user/.config/gcloud/", *arguments, **options)
        if region:
            text = self.config.read_text()
            assert 'zone             = "europe-west1-c"' in text
            self.config.write_text(text.replace('zone             = "europe-west1-c"', f'region = "{region}"'))
