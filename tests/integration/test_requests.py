"""How GitLab is asked for jobs: how many requests at once, with what, over what (coordinator-protocol.md 1.6, 3)."""

import json
import shutil

import pytest

from checker.certificates import make_certificate
from checker.coordinator import Coordinator
from checker.jobs import make_job
from test_wrong_coordinator import asks, point_at

pytestmark = pytest.mark.sample

FIXED = '  [runners.feature_flags]\n    FF_USE_ADAPTIVE_REQUEST_CONCURRENCY = false\n'


@pytest.mark.parametrize("settings, most", [
    ({"runner": "  request_concurrency = 3\n" + FIXED}, 3),
    ({"runner": "  request_concurrency = 3\n"}, 1),  # its pace begins with one
    ({"runner": "  request_concurrency = 9\n  limit = 2\n" + FIXED}, 2),
    ({"runner": "  request_concurrency = 9\n" + FIXED, "concurrent": 2}, 2),
    ({"runner": "  request_concurrency = 9\n" + FIXED, "max_instances": 2}, 2),
])
def test_as_many_requests_are_parked_as_there_may_be(scripted, settings, most):
    run = scripted(**settings)
    run.coordinator.poll_seconds = 60
    run.start()
    run.wait(lambda: run.coordinator.parked >= most, f"{most} requests are parked")
    run.wait_lists(10)
    assert run.coordinator.parked == most


def test_the_pace_grows_with_the_jobs_that_come(scripted):
    run = scripted(runner="  request_concurrency = 2\n")
    run.coordinator.poll_seconds = 60
    run.start()
    run.wait(lambda: run.coordinator.parked == 1, "one request is parked")
    # Each job quickens it, and so many that the empty answers at the end don't undo it.
    run.coordinator.add(*(make_job(number, str(run.folder)) for number in range(1, 6)))
    run.wait(lambda: run.coordinator.parked == 2, "two are")


def test_the_token_is_told_in_both_places_and_the_cursor_kept(scripted):
    """A request that waits gets no job, and neither it nor the one that does gets a new cursor."""
    run = scripted()
    run.coordinator.poll_seconds = 60
    run.start()
    run.wait(lambda: run.coordinator.parked == 1, "one request is parked")
    run.coordinator.add(make_job(1, str(run.folder)))
    run.wait(lambda: run.coordinator.parked == 1 and run.coordinator.jobs[1].given, "the job is given, and one parked again")
    asked = [record for record in run.coordinator.records if record.path.endswith("/request")]
    assert [(record.status, record.detail["cursor"]) for record in asked] == [
        (204, None), (204, "1"), (201, "1"), (204, "1")]
    assert {record.detail["header"] for record in asked} == {run.coordinator.runner_token}


def test_coordinator_V4_a_job_that_another_runner_got_changes_nothing(scripted):
    answers = iter([(204, {"X-GitLab-Last-Update": "7f3a"}), (409, {}), (409, {}), (409, {}), (409, {})])
    bodies = []

    def fault(method, path, body):
        bodies.append(json.loads(body))
        return next(answers, None)

    run = scripted()
    run.coordinator.fault = fault
    run.start()
    run.wait(lambda: len(bodies) > 5, "it is asked on", timeout=40)
    assert [body.get("last_update") for body in bodies[:6]] == [None] + 5 * ["7f3a"]
    assert run.problem() == ""


def test_labels_are_told(scripted):
    bodies = []
    run = scripted(runner='  labels = { zone = "b", team = "x.y" }\n')
    run.config.write_text('labels = { zone = "a", site = "s" }\n' + run.config.read_text())
    run.coordinator.fault = lambda method, path, body: bodies.append(json.loads(body))
    run.start()
    run.wait(lambda: bodies, "it is asked")
    assert bodies[0]["info"]["labels"] == {"zone": "b", "team": "x.y", "site": "s"}


def test_a_token_that_is_refused_rests_as_configured(scripted):
    run = scripted(runner='  unhealthy_requests_limit = 1\n  unhealthy_interval = "2h"\n')
    run.coordinator.fault = lambda method, path, body: (403, {})
    run.start()
    run.wait(lambda: "refuses the runner's token; it is asked again after 2h0m0s" in run.ask("explain").stdout,
             "explain says so")
    run.wait_lists(30)
    assert len(run.coordinator.records) == 1 and run.log.read_text().count("refused its token 1 time in a row") == 1


def test_a_certificate_beside_the_configuration_is_trusted(folder, scripted):
    certificate = make_certificate(folder)
    run = scripted()
    point_at(run, Coordinator(certificate=certificate))
    (run.config.parent / "certs").mkdir()
    shutil.copy(certificate[0], run.config.parent / "certs" / "127.0.0.1.crt")
    run.start()
    run.wait(lambda: asks(run.coordinator), "it is asked for a job")
    assert run.problem() == ""


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_of_the_environment_is_asked(scripted, variable):
    asked = []
    run = scripted(url="http://gitlab.invalid")
    run.coordinator.fault = lambda method, path, body: asked.append(path) or (204, {})
    run.start(**{variable: run.coordinator.url, "PATH": "/usr/bin:/bin"})
    run.wait(lambda: asked, "the proxy is asked")
    assert set(asked) == {"http://gitlab.invalid/api/v4/jobs/request"}
