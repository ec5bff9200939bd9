#!/usr/bin/env python3
"""bench/status.py - what a look at a large manager costs it, as one JSON object.

Usage: bench/status.py [--build DIR] [--program FILE] [--jobs N] [--instances N]
DIR is a build tree with tests (default: build-test), FILE the manager that is measured (default: DIR's). Its cloud is a
folder that lists --instances instances (5,000) that are being made, and --jobs jobs (1,000) wait for them. Prints
  scrape_ms    processor time of one scrape of /metrics, all in one turn of the event loop
  snapshot_ms  of one snapshot of the status page, made in one turn, and of its way to the one who looks
  round_ms     of a second of looking, while nothing changes
  scrape_bytes, snapshot_bytes
  turns_over_50ms  turns of the event loop meanwhile that took longer by the clock, of `turns`: on a machine that does
                   other things they say more of it than of the manager
What the manager costs while nobody looks is subtracted. The status is 1 where a scrape or a snapshot holds the loop for
more than 50 ms.
"""
import argparse
import json
import re
import shutil
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from jobs import ROOT, wait_until

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from checker.jobs import make_job  # noqa: E402
from scripted import CREATING, Scripted  # noqa: E402

HELD_MS = 50
LOOKS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Looked:
    """The manager's side of it, by its own metrics."""

    def __init__(self, address):
        self.url = f"http://{address}"

    def scrape(self):
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            return answer.read().decode()

    def snapshot(self, seconds=0):
        """How many bytes it has; and stays to look as long as that, while nothing changes."""
        with urllib.request.urlopen(f"{self.url}/status/events") as answer:
            size = 0
            for line in answer:
                size += len(line)
                if line.startswith(b"data: "):
                    time.sleep(seconds)
                    return size


def number(text, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


def cpu_ms(text):
    return number(text, "process_cpu_seconds_total") * 1000


def cost_ms(looked, scrape_ms, idle, act, times):
    """Of one `act`, without the two scrapes around, and without what goes on anyway."""
    begun, before = time.monotonic(), cpu_ms(looked.scrape())
    for _ in range(times):
        act()
    spent = cpu_ms(looked.scrape()) - before - scrape_ms
    return (spent - idle * (time.monotonic() - begun)) / times


def long_turns(text):
    return number(text, "flotilla_loop_turn_seconds_count") - number(text, 'flotilla_loop_turn_seconds_bucket{le="0.05"}')


def measure(looked):
    calm = looked.scrape()
    time.sleep(10)
    first = looked.scrape()
    idle = (cpu_ms(first) - cpu_ms(calm)) / 10  # a second; one scrape in it, which is little
    scrape_ms = cost_ms(looked, 0, idle, looked.scrape, LOOKS)
    sizes = []

    def look():
        sizes.append(looked.snapshot())
        time.sleep(1)

    snapshot_ms = cost_ms(looked, scrape_ms, idle, look, LOOKS)
    watch_ms = cost_ms(looked, scrape_ms, idle, lambda: looked.snapshot(10), 1)
    last = looked.scrape()
    return {"idle_ms_a_second": round(idle, 2), "scrape_ms": round(scrape_ms, 2), "snapshot_ms": round(snapshot_ms, 2),
            "round_ms": round((watch_ms - snapshot_ms) / 10, 2), "scrape_bytes": len(last), "snapshot_bytes": max(sizes),
            "turns": int(number(last, "flotilla_loop_turn_seconds_count") - number(first, "flotilla_loop_turn_seconds_count")),
            "turns_over_50ms": int(long_turns(last) - long_turns(first))}


def fill(manager, looked, jobs, instances):
    manager.show()
    manager.start()
    manager.wait_lists(2)
    manager.show(*(f"i-{number:017x}" for number in range(instances)), state=CREATING)
    manager.coordinator.add(*(make_job(number, str(manager.folder / "marks"), lines=0) for number in range(1, jobs + 1)))

    def is_full():
        text = looked.scrape()
        seen = re.findall(r'^fleeting_provisioner_instances\{.*state="creating"\} (\d+)$', text, re.M)
        waiting = re.findall(r'^gitlab_runner_jobs\{.*state="pending".*\} (\d+)$', text, re.M)
        return seen == [str(instances)] and waiting == [str(jobs)]

    wait_until(is_full, f"{instances} instances and {jobs} jobs")
    # From here on little comes by itself: a word on each job in 30 s.
    manager.config.write_text(manager.config.read_text().replace('"100ms"', '"1h"').replace('"50ms"', '"1h"'))
    manager.ask("reload").check_returncode()

    def is_quiet():
        told = len(manager.coordinator.records)
        time.sleep(2)
        return len(manager.coordinator.records) == told

    wait_until(is_quiet, "the end of what is told of jobs that have come")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build-test")
    parser.add_argument("--program", type=Path)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--instances", type=int, default=5000)
    options = parser.parse_args()
    build = options.build.resolve()
    folder = Path(tempfile.mkdtemp(prefix="flt-bench-", dir="/tmp"))
    manager = Scripted(folder, (options.program or build / "core" / "flotilla").resolve(), build,
                       max_instances=options.instances, concurrent=options.jobs, runner="  request_concurrency = 50\n")
    address = f"127.0.0.1:{free_port()}"
    manager.config.write_text(f'listen_address = "{address}"\n' + manager.config.read_text().replace('"debug"', '"info"'))
    looked = Looked(address)
    try:
        fill(manager, looked, options.jobs, options.instances)
        result = measure(looked)
    finally:
        manager.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(result, indent=2))
    return max(result["scrape_ms"], result["snapshot_ms"]) > HELD_MS


if __name__ == "__main__":
    sys.exit(main())
