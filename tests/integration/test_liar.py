"""A provider that crashes, hangs and lies: jobs go on, no instance with a job on it is deleted, there are never too
many instances, and `flotilla explain` says what is wrong. Instances are real, and the checker judges each run."""

import pytest

from checker.jobs import make_job
from checker.run import PATIENCE, wait_for
from liar import add_neighbour, lie, lying_run, told, wait_explained
from test_run import assert_nothing_lost

KILLED_LATE = "the plugin missed the deadline of a call and was killed"
# What a list does, and what is said of it; "" where it is none that shows for long.
LISTS = {
    "segfault": "the provider worker was killed by signal 11",
    "abort": "the provider worker was killed by signal 6",
    "exit": "the provider worker ended with status 0",
    "hang": KILLED_LATE,
    "twice": "the plugin emitted the same id twice in one call",
    "bad_id": "the plugin emitted an id that is not 1 to 255 bytes",
    "null_id": "the plugin emitted an id that is not 1 to 255 bytes",
    "state_77": "the plugin emitted an instance in a state that does not exist",
    "million": "the plugin listed more than 10,000 instances",
    "long": "the plugin's answer is over the limit of 1 MiB",
    "late": "the plugin emitted after its call had returned",
    "garbage": "the provider worker broke its protocol: the peer sent a frame of",
    "close_all": "listing fails",
    "status_42": "the plugin answered with 42, a status that does not exist",
    "huge_reason": "listing fails: \\x1b",
    "cancelled": "listing fails: cancelled",
}


def endless_job(run, job_id, **options):
    """Waits for end_job() before it prints; what it prints is foretold as for any job."""
    job = make_job(job_id, str(run.marks), **options)
    script = job.payload["steps"][0]["script"]
    script[0] = script[0].replace("\n", f"\nuntil [ -e '{run.folder}/end' ]; do sleep 0.05; done\n", 1)
    return job


def end_job(run):
    (run.folder / "end").touch()


def begun(run):
    """Whether a job runs on an instance."""
    return run.marks.exists()


def test_lies_in_lists_cost_no_job(folder, binary, plugin_dir, fakes):
    """One job runs through all of them."""
    run = lying_run(folder, binary, plugin_dir, fakes, call_ms=2000, max_instances=2)
    run.coordinator.add(endless_job(run, 1))
    run.start()
    assert wait_for(lambda: begun(run)), run.log_tail()
    for name, text in LISTS.items():
        lie(run, f"list 1 - {name}")
        wait_explained(run, text)
        lie(run)
        wait_explained(run, "listing fails", there=False)
    end_job(run)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("lies", [
    ["list 3 3 nothing", "list 5 5 nothing"], ["list 3 - part"],
    ["list 3 3 creating", "list 5 6 creating"], ["list 3 8 sloppy", "list 9 9 segfault"]])
def test_what_proves_nothing_changes_nothing(folder, binary, plugin_dir, fakes, lies):
    """An instance that is missing once, or from lists that say they are not complete; one that boots again; and a
    provider that spoils its own process."""
    run = lying_run(folder, binary, plugin_dir, fakes, max_instances=2, idle_count=1)
    run.coordinator.add(endless_job(run, 1))
    run.start()
    assert wait_for(lambda: begun(run)), run.log_tail()
    offset = len(told(run, "list"))
    lie(run, *(shifted(line, offset) for line in lies))
    assert wait_for(lambda: len(told(run, "list")) > offset + 10, PATIENCE), run.log_tail()
    end_job(run)
    assert run.coordinator.wait_all_ended(PATIENCE)
    lie(run)
    assert_nothing_lost(run, run.finish())


def shifted(line, by):
    call, first, last, name = line.split()
    return f"{call} {int(first) + by} {last if last == '-' else int(last) + by} {name}"


def test_hardening_39_states_that_run_backwards(folder, binary, plugin_dir, fakes):
    """running, creating, gone, running: the cloud's word ends the job, and nothing is deleted under it."""
    run = lying_run(folder, binary, plugin_dir, fakes, max_instances=2)
    job = endless_job(run, 1)
    job.lost_as = "runner_system_failure"
    run.coordinator.add(job)
    run.start()
    assert wait_for(lambda: begun(run)), run.log_tail()
    lie(run, "list 1 - creating")
    assert wait_for(lambda: told(run, "list").count("creating") >= 3, PATIENCE), run.log_tail()
    lie(run, "list 1 - deleted")
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    lie(run)
    run.coordinator.add(make_job(2, str(run.marks)))
    assert_nothing_lost(run, run.finish())


@pytest.mark.parametrize("lies, text", [
    ("increase 1 - accept_more", "the plugin accepted more instances than it was asked for"),
    ("increase 1 - accept_negative", "the plugin accepted more instances than it was asked for"),
    ("increase 1 - accept_fewer", "fewer instances than asked for"),
    ("increase 1 - make_and_die", "growth is failing: the provider worker was killed by signal 11"),
    ("increase 1 - hang", "growth is failing: " + KILLED_LATE),
    ("increase 1 - cancelled", "growth is failing: cancelled"),
    ("decrease 1 - remove_none", "is being removed: max_use_count is reached"),
    ("decrease 1 - remove_other", "removing is failing: the plugin accepted an id that it was not asked about"),
    ("decrease 1 - segfault", "removing is failing: the provider worker was killed by signal 11"),
    ("decrease 1 - refuse", "removing is failing: a sentence of the provider"),
])
def test_lies_about_changes_stop_no_job(folder, binary, plugin_dir, fakes, lies, text):
    """One job an instance: what such a call leaves behind must not fill the group's places for good."""
    run = lying_run(folder, binary, plugin_dir, fakes, lies, call_ms=1500, max_use_count=1, max_instances=2,
                    autoscaler_extra='    deletion_retry_interval = "1s"')
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, 5)])
    run.start()
    wait_explained(run, text)
    lie(run)
    assert_nothing_lost(run, run.finish())


def test_orders_that_are_never_made_cost_their_places_until_they_are_given_up(folder, binary, plugin_dir, fakes):
    """As with a slow cloud. How many the first call orders is left to chance."""
    run = lying_run(folder, binary, plugin_dir, fakes, "increase 1 1 make_none", pending_ms=2000, max_use_count=1,
                    max_instances=2)
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, 5)])
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert_nothing_lost(run, run.finish())
    assert "ordered instances never appeared, given up" in run.daemon_log.read_text()
    assert told(run, "increase")[:2] == ["make_none", "truth"]


def test_instances_above_the_maximum_go_as_soon_as_they_are_free(folder, binary, plugin_dir, fakes):
    run = lying_run(folder, binary, plugin_dir, fakes, "increase 1 1 make_more", max_instances=1, idle_time="1h")
    why = "reason there are more than max_instances"
    run.coordinator.add(endless_job(run, 1))
    run.start()
    assert wait_for(lambda: run.daemon_log.read_text().count(why) == 2), run.log_tail()
    assert wait_for(lambda: len(run.watch.instances()) == 1), run.log_tail()
    end_job(run)
    run.limits["max_instances"] = 3  # what the cloud made
    assert_nothing_lost(run, run.finish())


def test_lies_of_a_connect_info_are_asked_again(folder, binary, plugin_dir, fakes):
    names = ["segfault", "status_42", "elsewhere", "cancelled", "garbage"]
    run = lying_run(folder, binary, plugin_dir, fakes, "describe_group 1 - endless",
                    *[f"connect_info {i} {i} {name}" for i, name in enumerate(names, 1)], max_instances=0)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    wait_explained(run, "of max_instances 10000")  # as many as a list may name
    assert_nothing_lost(run, run.finish())
    assert told(run, "connect_info") == [*names, "truth"]


@pytest.mark.parametrize("lies, text", [
    ("open 1 - segfault", "checker: takes no jobs: the provider worker was killed by signal 11"),
    ("list 1 - segfault", "the provider worker was killed by signal 11"),
    ("list 1 - hang", KILLED_LATE),
])
def test_a_neighbour_goes_on(folder, binary, plugin_dir, fakes, lies, text):
    run = lying_run(folder, binary, plugin_dir, fakes, lies, call_ms=1500)
    add_neighbour(run, max_use_count=1)
    run.coordinator.add(*[make_job(i, str(run.marks)) for i in range(1, 4)])
    run.start()
    wait_explained(run, text)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert run.watch.max_instances == 0, "they ran in the neighbour's group"
    lie(run)
    wait_explained(run, "checker: asks GitLab for jobs")
    assert_nothing_lost(run, run.finish())


@pytest.mark.sample
def test_ids_of_others_are_not_believed(folder, binary, plugin_dir, fakes):
    """The neighbour's instance, and one that nobody has: a job that meets it is lost, and the next is not. There is room
    for an instance beside the two."""
    run = lying_run(folder, binary, plugin_dir, fakes, max_instances=3)
    add_neighbour(run, idle_count=1)
    run.start()
    place = run.state_dir / "local" / "neighbour" / "instances"
    assert wait_for(lambda: place.exists() and any(place.glob("local-*"))), run.log_tail()
    theirs = next(place.glob("local-*")).name
    wait_explained(run, f"neighbour: instance {theirs} is running, ")
    (run.folder / "liar" / "others").write_text(f"{theirs}\nlocal-nobody\n")
    lie(run, "list 1 - others")
    wait_explained(run, f"checker: instance {theirs} belongs to another runner entry")
    wait_explained(run, "checker: instance local-nobody ")
    jobs = [make_job(i, str(run.marks)) for i in range(1, 5)]
    for job in jobs:
        job.lost_as = "runner_system_failure"
    run.coordinator.add(*jobs)
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    assert sum(state.finals[0]["state"] == "failed" for state in run.coordinator.jobs.values()) <= 1
    lie(run)
    wait_explained(run, "local-nobody", there=False)
    breaches = run.finish()
    assert theirs not in told(run, "decreased")
    assert_nothing_lost(run, breaches)
