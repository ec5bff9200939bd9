"""A runner's token is renewed before it expires: GitLab is asked once, and whatever happens then, the new token is not lost."""

import datetime
import fcntl
import os
import re
import signal
import threading
import tomllib

import pytest

from checker.jobs import make_job
from checker.run import Run, wait_for
from test_health import get, served_at, set_top
from test_reload import change, reload
from test_run import assert_nothing_lost, wait_for_trace

DUE = 80, 20  # days since it was obtained, and until it expires
RESET = "runners/reset_authentication_token"


def life(ago, left):
    now = datetime.datetime.now(datetime.timezone.utc)
    obtained, expires = now - datetime.timedelta(days=ago), now + datetime.timedelta(days=left)
    return (f'  # from GitLab\n  token_obtained_at = {obtained:%Y-%m-%dT%H:%M:%SZ}\n'
            f'  token_expires_at = {expires:%Y-%m-%dT%H:%M:%SZ}  # not for ever')


def manager(folder, binary, plugin_dir, days=DUE, more="", **settings):
    run = Run(folder, binary, plugin_dir, runner_extra=life(*days) + more, **settings)
    run.coordinator.runners.expires = "2099-01-01T00:00:00Z"
    return run


def runner(run):
    return tomllib.loads(run.config.read_text())["runners"][0]


def resets(run):
    return [request.status for request in run.coordinator.runners.requests if request.path == RESET]


def polls(run, status):
    return sum(record.path.endswith("/request") and record.status == status for record in run.coordinator.records)


def says(run, text):
    return text in run.daemon_log.read_text(errors="replace")


def wait_until(run, condition):
    assert wait_for(condition), run.log_tail()


def saved(run, start):
    """How often the configuration was written since that start, and how often it could not be."""
    _, text = get(served_at(run, start), "/metrics")
    return tuple(re.search(rf"^gitlab_runner_configuration_{what}_total (\d+)$", text, re.M)[1] for what in ("saved", "saving_error"))


def is_renewed(run):
    return runner(run)["token"] == run.coordinator.runner_token and not (run.state_dir / "new_token.json").exists()


def test_at_three_quarters_of_its_life_a_token_is_renewed_and_jobs_go_on(folder, binary, plugin_dir):
    run = manager(folder, binary, plugin_dir)
    old, before = run.coordinator.runner_token, run.config.read_text()
    run.coordinator.runners.waits = threading.Event()  # GitLab does nothing until a job runs
    run.coordinator.add(run.held_job(1))
    run.start()
    wait_for_trace(run, 1, b"line 0003")
    run.coordinator.runners.waits.set()
    wait_until(run, lambda: resets(run) and is_renewed(run))
    run.coordinator.add(make_job(2, str(run.marks)))
    run.release(1)
    assert_nothing_lost(run, run.finish())
    new = run.coordinator.runner_token
    assert resets(run) == [201] and new != old
    assert old not in run.daemon_log.read_text() and new not in run.daemon_log.read_text()
    after = run.config.read_text()
    assert [line for line in after.splitlines() if "token" not in line] == [
        line for line in before.splitlines() if "token" not in line]
    assert after.count("# not for ever") == 1 and runner(run)["token_expires_at"].year == 2099
    assert (datetime.datetime.now(datetime.timezone.utc) - runner(run)["token_obtained_at"]).days == 0


def test_before_that_it_stays(folder, binary, plugin_dir):
    run = manager(folder, binary, plugin_dir, days=(70, 30))
    before = run.config.read_text()
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert_nothing_lost(run, run.finish())
    assert resets(run) == [] and run.config.read_text() == before


def test_the_flag_of_gitlab_runner_only_tells(folder, binary, plugin_dir):
    run = manager(folder, binary, plugin_dir,
                  more="\n  [runners.feature_flags]\n    FF_DISABLE_AUTOMATIC_TOKEN_ROTATION = true")
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert_nothing_lost(run, run.finish())
    assert resets(run) == [] and says(run, "its token expires soon and is not renewed")


@pytest.mark.parametrize("point", ["token_keep.after", "edit_file.before", "edit_file.after"])
def test_a_manager_that_dies_on_the_way_has_the_new_token(folder, binary, plugin_dir, point):
    run = manager(folder, binary, plugin_dir)
    run.start(kill_at=f"{point}:1")
    assert run.wait_dead(60)
    run.start()
    wait_until(run, lambda: is_renewed(run) and polls(run, 204) > 0)
    assert_nothing_lost(run, run.finish())
    assert resets(run) == [201]


def test_a_token_that_cannot_be_written_is_used_and_kept_until_it_can(folder, binary, plugin_dir):
    run = manager(folder, binary, plugin_dir)
    run.coordinator.runners.held = threading.Event()
    set_top(run, 'listen_address = "127.0.0.1:0"')
    other = os.open(folder, os.O_RDONLY)
    run.start()
    wait_until(run, lambda: run.coordinator.runners.requests)
    fcntl.flock(other, fcntl.LOCK_EX)  # as another flotilla that changes the file
    run.coordinator.runners.held.set()
    wait_until(run, lambda: says(run, "another flotilla is changing it"))
    seen = polls(run, 204)
    wait_until(run, lambda: polls(run, 204) > seen)
    assert runner(run)["token"] != run.coordinator.runner_token
    assert saved(run, 1) == ("0", "1")
    run.kill()
    run.start()
    seen = polls(run, 204)
    wait_until(run, lambda: polls(run, 204) > seen)
    run.kill()
    os.close(other)
    run.start()
    wait_until(run, lambda: is_renewed(run))
    assert saved(run, 3) == ("1", "0")
    assert_nothing_lost(run, run.finish())
    assert resets(run) == [201]


def test_a_manager_that_is_stopped_waits_for_the_token(folder, binary, plugin_dir):
    run = manager(folder, binary, plugin_dir)
    run.coordinator.runners.held = threading.Event()
    run.start()
    wait_until(run, lambda: run.coordinator.runners.requests)
    run.process.send_signal(signal.SIGTERM)
    wait_until(run, lambda: says(run, "received shutdown signal"))
    run.coordinator.runners.held.set()
    assert run.wait_dead(60)
    assert is_renewed(run) or (run.state_dir / "new_token.json").exists()
    run.coordinator.close()


@pytest.mark.sample  # what would be used after it was freed, sanitizers see
def test_an_entry_that_leaves_while_gitlab_is_asked_takes_nothing_along(folder, binary, plugin_dir):
    run = manager(folder, binary, plugin_dir)
    run.coordinator.runners.held = threading.Event()
    run.start()
    wait_until(run, lambda: run.coordinator.runners.requests)
    change(run, ('name = "checker"', 'name = "renamed"'))
    reload(run)
    wait_until(run, lambda: says(run, "provisioner shutdown completed: runner 'checker'"))
    run.coordinator.runners.held.set()
    wait_until(run, lambda: is_renewed(run) and polls(run, 204) > 0)
    assert_nothing_lost(run, run.finish())
    assert resets(run) == [201]


@pytest.mark.parametrize("point", ["", "edit_file.after:1"])  # the times are written, the token is not
def test_a_token_in_a_file_of_its_own_is_renewed_there(folder, binary, plugin_dir, point):
    run = manager(folder, binary, plugin_dir, more=f'\n  token_file = "{folder}/token"')
    file = folder / "token"
    file.write_text(run.coordinator.runner_token)
    file.chmod(0o600)
    run.config.write_text(run.config.read_text().replace("  token =", "  # token ="))
    run.start(kill_at=point)
    if point:
        assert run.wait_dead(60)
        assert file.read_text() != run.coordinator.runner_token + "\n"
        run.start()
    wait_until(run, lambda: file.read_text() == run.coordinator.runner_token + "\n" and
               not (run.state_dir / "new_token.json").exists())
    run.coordinator.add(make_job(1, str(run.marks)))
    assert_nothing_lost(run, run.finish())
    assert resets(run) == [201] and runner(run)["token_expires_at"].year == 2099


def test_entries_of_one_runner_get_its_new_token_at_once(scripted):
    run = scripted(runner=life(*DUE) + "\n", others=[{"name": "second"}])
    run.coordinator.runners.expires = "2099-01-01T00:00:00Z"
    run.start()
    run.wait(lambda: resets(run) and not (run.state_dir / "new_token.json").exists() and
             run.config.read_text().count(f'token = "{run.coordinator.runner_token}"') == 2, "both have it")
    assert resets(run) == [201]


def test_what_gitlab_refuses_changes_nothing(folder, binary, plugin_dir):
    run = manager(folder, binary, plugin_dir)
    before = run.config.read_text()
    run.coordinator.runners.answers = [(403, {}, b"")]
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start()
    assert_nothing_lost(run, run.finish())
    assert resets(run) == [403] and run.config.read_text() == before
    assert says(run, "Resetting runner authentication token... failed: status 403, retrying")
