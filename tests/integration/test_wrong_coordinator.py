"""A coordinator that is another one, or that answers what GitLab never would: nobody else hears our tokens, the manager
stays up, and `status` and `explain` say what is wrong."""

import re

import pytest

from checker.certificates import make_certificate
from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import Run
from test_run import assert_nothing_lost

pytestmark = pytest.mark.sample


def problem_appears(run, text):
    run.wait(lambda: text in run.problem(), f"status says {text!r}")
    said = run.ask("explain").stdout
    assert re.search(f"the last request failed: .*{re.escape(text)}", said), said


def asks(coordinator):
    return [r for r in coordinator.records if r.path == "/api/v4/jobs/request"]


def point_at(run, coordinator, certificate=None):
    run.coordinator.close()
    run.coordinator = coordinator
    run.configure(url=coordinator.url)
    if certificate:
        text = run.config.read_text()
        run.config.write_text(text.replace('  executor =', f'  tls-ca-file = "{certificate}"\n  executor ='))


@pytest.mark.parametrize("names, trusted, sentence", [
    ("IP:127.0.0.1", False, "certificate"),  # signed by nobody we know
    ("DNS:gitlab.example", True, "127.0.0.1"),  # somebody else's
])
def test_a_server_that_cannot_prove_its_name_is_told_nothing(folder, scripted, names, trusted, sentence):
    certificate = make_certificate(folder, names)
    run = scripted()
    point_at(run, Coordinator(certificate=certificate), certificate[0] if trusted else None)
    run.start()
    problem_appears(run, sentence)
    assert run.coordinator.records == []


def test_a_server_that_proves_its_name_is_asked(folder, scripted):
    certificate = make_certificate(folder)
    run = scripted()
    point_at(run, Coordinator(certificate=certificate), certificate[0])
    run.start()
    run.wait(lambda: asks(run.coordinator), "it is asked for a job")
    assert run.problem() == ""


def test_a_server_that_cannot_be_reached_is_named(scripted):
    run = scripted()
    run.coordinator.close()
    run.start()
    problem_appears(run, f"Failed to connect to 127.0.0.1 port {run.coordinator.server.server_port} ")


def test_a_redirect_is_not_followed(scripted):
    """The runner's token would go with it (hardening.md N9)."""
    elsewhere = Coordinator()
    try:
        run = scripted()
        run.coordinator.fault = lambda method, path, body: (302, {"Location": elsewhere.url + path})
        run.start()
        problem_appears(run, "status 302: redirected; correct the url in the configuration")
        assert elsewhere.records == []
    finally:
        elsewhere.close()


def test_a_log_is_not_redirected(folder, binary, plugin_dir):
    """The job's token would go with it."""
    elsewhere = Coordinator()
    once = []

    def fault(method, path, body):
        if method == "PATCH" and not once:
            once.append(path)
            return 307, {"Location": elsewhere.url + path}
        return None

    run = Run(folder, binary, plugin_dir, coordinator=Coordinator(fault=fault))
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert_nothing_lost(run, run.finish())
    assert once and elsewhere.records == []
    elsewhere.close()


def test_an_answer_without_end_is_cut_off(scripted):
    """A job has 16 MiB at most (hardening.md §9)."""
    headers = {"Content-Type": "application/json"}
    run = scripted()
    run.coordinator.fault = lambda method, path, body: (201, headers, b" " * (16 * 1024 * 1024 + 1))
    run.start()
    problem_appears(run, "the answer is longer than 16777216 bytes")
    run.coordinator.fault = lambda method, path, body: (201, headers, b" " * (16 * 1024 * 1024))
    run.wait(lambda: "a job cannot be taken" in run.log.read_text(), "one that is long enough is read")


def test_a_refused_token_is_not_tried_for_an_hour(scripted):
    """Three times in a row (coordinator-protocol.md 3.4); a request that fails otherwise counts for nothing."""
    answers = iter([403, 403, 404, 403, 403, 204, 403, 403, 403])
    run = scripted()
    run.coordinator.fault = lambda method, path, body: (next(answers), {})
    run.start()
    run.wait(lambda: "asks for no job: GitLab refuses the runner's token" in run.ask("explain").stdout,
             "explain says so")
    assert [r.status for r in asks(run.coordinator)] == [403, 403, 404, 403, 403, 204, 403, 403, 403]
    assert run.problem() == "GitLab refuses the runner's token (status 403); check it in the configuration"
    run.wait_lists(30)
    assert len(asks(run.coordinator)) == 9


def test_the_token_of_a_job_is_masked_wherever_it_stands(folder, binary, plugin_dir):
    """Also where GitLab marks no variable as masked that holds it (hardening.md M1)."""
    run = Run(folder, binary, plugin_dir)
    job = make_job(1, str(run.marks), lines=1)
    for variable in job.payload["variables"]:
        if variable["key"] == "CI_JOB_TOKEN":
            variable["masked"] = False
    job.payload["steps"][0]["script"].append('printf "the token is <%s>\\n" "$CI_JOB_TOKEN"')
    job.lines.append(f"the token is <{job.token}>")
    run.coordinator.add(job)
    run.start()
    assert_nothing_lost(run, run.finish())
    assert b"the token is <[MASKED]>" in run.coordinator.jobs[1].trace
