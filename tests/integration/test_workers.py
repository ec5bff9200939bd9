"""Job workers end with their jobs, whatever became of the manager meanwhile."""

import os
import time

import pytest

from checker.jobs import make_job
from checker.run import Run


def workers(run):
    """Workers that hold a spool of this run, an unlinked one, too."""
    spools = str(run.state_dir / "spool")
    found = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and any(os.readlink(fd.path).startswith(spools)
                                            for fd in os.scandir(f"/proc/{entry.name}/fd")):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("point", ["result_row.after", "result_stored.before"])
def test_a_worker_whose_row_was_closed_without_it_ends(point, folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    run.coordinator.add(make_job(1, str(run.marks)))
    run.start(kill_at=f"{point}:1")
    assert run.wait_dead(30), run.log_tail()
    assert workers(run), "the worker has a result that nobody answered"
    run.start()
    breaches = run.finish()
    assert breaches == [], "\n".join(breaches) + "\n\n" + run.log_tail()
    deadline = time.monotonic() + 10
    while (left := workers(run)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
