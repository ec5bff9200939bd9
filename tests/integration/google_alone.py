"""The metadata server of Google under its own name, which only a machine of one's own can have.

python google_alone.py PROGRAM FOLDER, under `unshare -n -m`: prints what google-auth finds, what PROGRAM tells, and the hosts
that both have asked.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aws.alone import take_addresses  # noqa: E402
from google_library import SCOPE, Identity  # noqa: E402


def take_name(folder):
    hosts = Path(folder, "hosts")
    hosts.write_text("127.0.0.1 localhost\n169.254.169.254 metadata.google.internal\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


def look(program):
    import google.auth
    import google.auth.transport.requests
    found, _ = google.auth.default(scopes=[SCOPE])
    found.refresh(google.auth.transport.requests.Request())
    said = subprocess.run([program], input='{}\n{"do": "token"}\n', text=True, capture_output=True, check=True, timeout=120)
    return found.token, json.loads(said.stdout)


def main():
    program, folder = sys.argv[1:]
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK_", "NO_GCE"))]:
        del os.environ[name]
    os.environ["HOME"] = folder
    take_name(folder)
    take_addresses()
    identity = Identity(None, ("", 80))
    token, told = look(program)
    hosts = sorted({request.headers["host"] for request in identity.requests if request.headers["user-agent"] == "flotilla-test"})
    print(json.dumps([token, told, hosts]))
    identity.close()


if __name__ == "__main__":
    main()
