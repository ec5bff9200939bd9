"""Two runner entries that share the places under `concurrent`."""

from checker.coordinator import Coordinator
from checker.jobs import make_job


def states(run) -> list[str]:
    return [row[0] for row in run.rows("SELECT state FROM jobs ORDER BY seq")]


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
