"""The lines that people of GitLab Runner search their logs for keep their words and their fields (autoscaler.md 13.1)."""

import re
import signal

from checker.jobs import make_job
from scripted import UNAVAILABLE

LINES = [
    r"plugin initialized: runner 'scripted', plugin '\S+scripted_provider.so', version 1, build info 'scripted, a scripted group'",
    r"required scaling change: runner 'scripted', required 2, instance_count 0, max_instance_count 10, acquired 0, "
    r"unavailable_capacity 0, pending 0, reserved \d, idle_count 2, scale_factor 0, scale_factor_limit 0, "
    r"capacity_per_instance 1: wanted 2 instances .*",
    r"increasing instances: runner 'scripted', amount 2",
    r"increasing instances response: runner 'scripted', num_requested 2, num_successful 2",
    r"increase update: runner 'scripted', requesting 0, pending 2, instances 0, max 10",
    r"instance discovery: i-1 of runner 'scripted', state creating, cause requested",
    r"instance discovery: i-3 of runner 'scripted', state running, cause unexpected",
    r"instance update: i-1 of runner 'scripted', state running",
    r"instance marked for removal: i-3 of runner 'scripted', reason instance exceeded max idle time \(.*\)",
    r"decreasing instances: runner 'scripted', amount 1",
    r"instance pruned: i-3 of runner 'scripted', lifetime \S+: instance exceeded max idle time",
    r"instance unexpectedly removed: i-1 of runner 'scripted', slots \[job 1\], used 1, max-use-count 0: .*",
    r"instance pruned: i-1 of runner 'scripted', lifetime \S+, missed_updates 2, last_updated_at "
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: .*",
    r"reconcile: runner 'scripted', err: list fails by the script; trying again in \d+ ms",
    r"received shutdown signal; stopping provisioner: runner 'scripted'",
    r"provisioner shutdown completed: runner 'scripted'",
]


def test_the_lines_that_people_search_for_keep_their_words(scripted):
    run = scripted(idle_count=2, idle_time="0s")
    run.start(FLOTILLA_LIMITS="back_off=100")
    run.wait(lambda: run.told("increased") == ["2"], "two are ordered")
    run.script("list", "i-1 0\ni-2 1\n")
    run.wait(lambda: run.life("i-2") == ["present"], "they appear")
    run.show("i-1", "i-2", "i-3")
    run.wait(lambda: run.told("decreased"), "the third one is too many")
    surplus = run.told("decreased")[0]
    run.show(*{"i-1", "i-2", "i-3"} - {surplus})
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.rows("SELECT instance_id FROM jobs WHERE state = 'assigned'"), "a job has its place")
    busy = run.rows("SELECT instance_id FROM jobs WHERE state = 'assigned'")[0][0]
    run.show(*{"i-1", "i-2", "i-3"} - {surplus, busy})
    run.wait(lambda: run.life(busy) == ["gone"], "its instance is gone")
    run.script("list_code", UNAVAILABLE)
    run.wait(lambda: run.problem() == "list fails by the script", "lists fail")
    assert run.stop(signal.SIGQUIT, timeout=60) == 0, run.tail()
    lines = [line.split(": ", 1)[1] for line in run.log.read_text().splitlines() if ": " in line]
    missing = [want for want in LINES if not any(re.fullmatch(of(want, surplus, busy), line) for line in lines)]
    assert missing == [], run.tail(200)


def of(line, surplus, busy):
    """Which of three equal instances is which, the run tells."""
    if "exceeded" in line:
        return line.replace("i-3", surplus)
    return line.replace("i-1", busy) if "job 1" in line or "missed" in line else line
