"""Two runner entries that share the places under `concurrent`."""

import signal
import threading
from pathlib import Path

import pytest

from checker.coordinator import DROP, Coordinator
from checker.jobs import make_job

pytestmark = pytest.mark.sample


def states(run) -> list[str]:
    return [row[0] for row in run.rows("SELECT state FROM jobs ORDER BY seq")]


def stat_state(pid) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_parked_request_keeps_no_other_runner_from_asking(scripted):
    """The first entry's request stays parked for good; the job is the second one's."""
    other = Coordinator(poll_seconds=60)
    try:
        run = scripted(concurrent=1, others=[{"name": "second", "url": other.url, "token": other.runner_token}])
        run.coordinator.poll_seconds = 60
        run.start()
        run.wait(lambda: run.coordinator.parked, "the first request is parked")
        other.add(make_job(1, str(run.folder)))
        run.wait(lambda: states(run), "the job is taken")
        run.wait(lambda: "scripted: asks for no job: concurrent = 1 jobs run already" in run.ask("explain").stdout,
                 "the first request is withdrawn: the place is taken")
    finally:
        other.close()


def test_a_gitlab_that_is_away_is_told_once_and_when_it_is_back(scripted):
    run = scripted()
    asked = []
    run.coordinator.fault = lambda method, path, body: asked.append(path) or DROP
    run.start()
    run.wait(lambda: len(asked) >= 3, "it is asked again and again")
    run.coordinator.fault = None
    run.wait(lambda: "GitLab answers again, after " in run.log.read_text(), "the end is told")
    assert run.log.read_text().count(" warning scheduler: ") == 1


def test_jobs_that_come_at_once_do_not_exceed_concurrent(scripted):
    """Both requests are answered; one job has the place, the other is acknowledged and waits for it."""
    run = scripted(concurrent=1, others=[{"name": "second"}])
    asked, go_on = [], threading.Event()

    def hold(method, path, body):
        asked.append(path)
        go_on.wait(60)

    run.coordinator.fault = hold
    run.coordinator.add(make_job(1, str(run.folder)), make_job(2, str(run.folder)))
    run.start()
    run.wait(lambda: len(asked) == 2, "both have asked")
    run.show("one")
    run.show("two", cloud="second")
    run.process.send_signal(signal.SIGSTOP)  # so that both answers are there at its next turn
    run.wait(lambda: stat_state(run.process.pid) == "T", "the manager stands still")
    go_on.set()
    run.wait(lambda: run.coordinator.sent == 2, "both requests are answered")
    run.process.send_signal(signal.SIGCONT)
    run.wait(lambda: sorted(states(run)) == ["acknowledged", "assigned"], "one job has an instance")
    run.wait_lists(5)
    assert sorted(states(run)) == ["acknowledged", "assigned"]
    taken = run.rows("SELECT instance_id FROM jobs WHERE state = 'assigned'")
    run.show(cloud="cloud" if taken == [("one",)] else "second")  # that instance goes, its job with it
    run.wait(lambda: sorted(states(run)) == ["assigned", "closed"], "the other job has the place")
