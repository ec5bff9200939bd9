"""A network that cuts, drops and trickles between the manager and GitLab: nothing is lost or told twice."""

import random
from urllib.parse import urlparse

import pytest

from checker.coordinator import Coordinator
from checker.fault_proxy import Fault, FaultProxy
from checker.jobs import make_job
from checker.run import Run
from test_run import assert_nothing_lost


def run_through(folder, binary, plugin_dir, fault, jobs, **proxy_settings):
    coordinator = Coordinator(poll_seconds=0.5)
    address = urlparse(coordinator.url)
    proxy = FaultProxy((address.hostname, address.port), fault, **proxy_settings)
    coordinator.url = f"http://127.0.0.1:{proxy.port}"
    run = Run(folder, binary, plugin_dir, coordinator=coordinator, capacity=2, max_instances=2)
    run.environment["FLOTILLA_LIMITS"] = "report_silence=1000,report_connect=1000"
    run.coordinator.add(*[make_job(i, str(run.marks), lines=20, seconds=1) for i in range(1, jobs + 1)])
    run.start()
    breaches = run.finish()
    proxy.close()
    return run, proxy, breaches


class Reports:
    """A fault for each of the first connections that report. What becomes of a request for a job is GitLab's
    affair: one that it believes given is given again after a while."""

    def __init__(self, faults):
        self.faults = iter(faults)

    def __call__(self, head):
        return next(self.faults, None) if head.startswith((b"PUT", b"PATCH")) else None


@pytest.mark.parametrize("how", ["cut", "half_close"])
def test_connections_that_break_in_the_middle(folder, binary, plugin_dir, how):
    rng = random.Random(20261125)
    faults = [Fault(after=rng.randrange(50, 2500), how=how) for _ in range(5)]
    faults += [Fault(answer_after=rng.randrange(1, 300), how=how) for _ in range(5)]
    run, proxy, breaches = run_through(folder, binary, plugin_dir, Reports(faults), 3)
    assert proxy.faults > 0
    assert_nothing_lost(run, breaches)


def test_a_connection_that_swallows_what_is_sent(folder, binary, plugin_dir):
    run, proxy, breaches = run_through(folder, binary, plugin_dir, Reports([Fault(after=600, how="drop")] * 2), 2)
    assert proxy.faults > 0
    assert_nothing_lost(run, breaches)


def test_a_connection_that_trickles(folder, binary, plugin_dir):
    run, _, breaches = run_through(folder, binary, plugin_dir, lambda head: None, 2, pieces=7)
    assert_nothing_lost(run, breaches)
