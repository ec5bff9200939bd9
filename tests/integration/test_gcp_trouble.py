"""A manager over the cloud of the tests when things go wrong: answers are lost, machines are preempted and made anew under
their old names, quotas are used up. Jobs that can succeed do, and nothing is left over."""

import pytest

from checker.jobs import make_job
from checker.rules import judge
from checker.run import PATIENCE, wait_for
from cloud.endpoint import Fault
from cloud.machines import Machines
from gcp import errors
from gcp.cloud import Cloud
from gcp.guests import Guests
from gcp.run import GcpRun, write_credentials


@pytest.fixture
def run(folder, binary, build):
    """By the first example, but without idle instances: at the end there is nothing."""
    cloud, machines = Cloud(), Machines(folder, "runner")
    write_credentials(folder, cloud.service_account())
    made = GcpRun(folder, binary, build, "gcp-1-job.toml", cloud.url, machines,
                  {"capacity": 1, "max_use_count": 1, "max_instances": 10})
    text = made.config.read_text()
    for old, new in (("idle_count = 5", "idle_count = 0"), ('idle_time = "20m0s"', 'idle_time = "0s"'),
                     ("max_instances = 10", 'max_instances = 10\n    update_interval = "1s"\n    update_interval_when_expecting = "100ms"')):
        assert old in text
        text = text.replace(old, new)
    made.config.write_text(text)
    made.cloud, made.group, made.guests = cloud, cloud.group(), Guests(cloud, machines)
    yield made
    if made.watch:
        made.watch.stop()
        made.kill()
    made.coordinator.close()
    machines.close()
    cloud.close()


def begun(run, job_id):
    """The instance that it runs on; "" = it does not yet."""
    lines = run.marks.read_text().splitlines() if run.marks.exists() else []
    return next((line.split()[3] for line in lines if line.startswith(f"begin {job_id} ")), "")


def finish(run):
    """What is wrong after all jobs have ended, the group is empty and the manager has stopped."""
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail(80)
    assert wait_for(lambda: not run.group.members and not run.ledger("SELECT 1 FROM instances WHERE life <> 'gone'")), run.log_tail(80)
    assert run.group.target_size == 0 and run.stop() == 0, run.log_tail(80)
    assert run.wait_no_processes()
    return judge(run.evidence())


WEATHER = {7: lambda call: Fault(), 9: lambda call: Fault(done=True), 11: lambda call: Fault(answer=errors.unavailable().answer()),
           13: lambda call: Fault(answer=errors.rate(429).answer()), 17: lambda call: Fault(cut_at=60)}


def test_jobs_succeed_whatever_is_lost_on_the_way(run):
    cloud, jobs = run.cloud, 5
    cloud.endpoint.fault = lambda call: next((make(call) for every, make in WEATHER.items() if call.number % every == 0), None)
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, jobs + 1)])
    run.start()
    assert finish(run) == [], run.log_tail(80)
    assert cloud.compute.made < 2 * jobs, "orders were made twice"


def test_a_machine_that_is_made_anew_fails_its_job_and_is_no_instance_of_the_past(run):
    """Preempted: the group makes another under the same name while the job runs."""
    lost = run.held_job(1)
    lost.lost_as = "runner_system_failure"
    run.coordinator.add(lost)
    run.start()
    assert wait_for(lambda: begun(run, 1)), run.log_tail(80)
    before = begun(run, 1)
    with run.cloud.lock:
        run.cloud.groups.recreate(run.group, before.partition("/")[0])
    run.killed_instances = {before}
    assert wait_for(lambda: run.coordinator.jobs[1].finals), run.log_tail(80)
    run.coordinator.add(make_job(2, str(run.marks)))
    breaches = finish(run)
    after = begun(run, 2)
    assert breaches == [] and after != before, (breaches, run.log_tail(80))


def test_a_quota_that_is_used_up_holds_growth_and_loses_no_job(run):
    """It is raised when the first one that could not be made has been removed."""
    run.group.room, run.group.fails = 1, ("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded. Limit: 2.0 in region europe-west1.")

    def fault(call):
        if call.action.endswith(".deleteInstances"):
            run.group.room = 10

    run.cloud.endpoint.fault = fault
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, 4)])
    run.start()
    assert finish(run) == [], run.log_tail(80)
    assert "Quota 'CPUS' exceeded. Limit: 2.0" in run.daemon_log.read_text()


def test_a_machine_that_stops_while_a_job_runs_is_removed(run):
    """A spot machine whose group does not repair: it stays there, stopped."""
    lost = run.held_job(1)
    lost.lost_as = "runner_system_failure"
    run.coordinator.add(lost)
    run.start()
    assert wait_for(lambda: begun(run, 1)), run.log_tail(80)
    with run.cloud.lock:
        [machine] = run.group.machines()
        machine.status = "TERMINATED"
        run.guests.follow()
    run.killed_instances = {Guests.id_of(machine)}
    assert finish(run) == [], run.log_tail(80)


@pytest.mark.parametrize("action, side", [("instanceGroupManagers.deleteInstances", "before"),
                                          ("instanceGroupManagers.deleteInstances", "after"), ("instances.setMetadata", "after")])
def test_nothing_is_left_where_the_manager_dies_at_a_call(run, action, side):
    died = []

    def fault(call):
        if died or call.action != action:
            return None
        died.append(call)
        if side == "after":
            run.cloud.ask(call)
        run.process.kill()
        return Fault()

    run.cloud.endpoint.fault = fault
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, 3)])
    run.start()
    assert wait_for(lambda: run.process.poll() is not None), run.log_tail(80)
    run.process.wait()
    run.start()
    assert finish(run) == [], run.log_tail(80)
