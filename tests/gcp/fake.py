"""python -m gcp.fake [--port PORT] [--region REGION] FOLDER, in tests/: the cloud by hand, until it is interrupted.

Writes FOLDER/key.json, a service account's file that may do everything, and prints what plugin_config is to say. One line
for each call.
"""

import argparse
import json
import threading
from pathlib import Path

from .cloud import PROJECT, ZONE, Cloud


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", default="")
    parser.add_argument("--name", default="my-linux-instance-group")
    options = parser.parse_args()
    cloud = Cloud(("127.0.0.1", options.port))
    cloud.group(options.name, region=options.region)
    options.folder.mkdir(exist_ok=True)
    key = options.folder / "key.json"
    key.touch(0o600)
    key.write_text(json.dumps(cloud.service_account(), indent=2))
    place = {"region": options.region} if options.region else {"zone": ZONE}
    print(json.dumps({"name": options.name, "project": PROJECT, **place, "credentials_file": str(key),
                      "endpoint": cloud.url}, indent=2), flush=True)
    ask = cloud.endpoint.ask

    def told(call):
        answer = ask(call)
        print(call.number, call.method, call.path, call.body.decode(errors="replace")[:400], "->", answer.status,
              *([answer.body.decode()] if answer.status != 200 else []), flush=True)
        return answer

    cloud.endpoint.ask = told
    threading.Event().wait()


if __name__ == "__main__":
    main()
