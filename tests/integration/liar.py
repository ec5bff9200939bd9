"""Managers whose provider lies (tests/fakes/liar_provider.c); its instances are real."""

import subprocess

from checker.run import Run, wait_for

NEIGHBOUR = """
[[runners]]
  name = "neighbour"
  url = "{url}"
  token = "{token}"
  executor = "instance"
  shell = "sh"
  [runners.autoscaler]
    plugin = "local"
    max_use_count = {max_use_count}
    max_instances = 2
    update_interval = "2s"
    update_interval_when_expecting = "100ms"
    delete_instances_on_shutdown = true
    [runners.autoscaler.plugin_config]
      name = "neighbour"
    [[runners.autoscaler.policy]]
      idle_count = {idle_count}
      idle_time = "1h"
"""

# Pauses after failures, and the times that a provider has for a call and for an instance to appear, in milliseconds.
LIMITS = "back_off=50,pending={pending_ms},provider_call={call_ms}"


def lying_run(folder, binary, plugin_dir, fakes, *lies, call_ms=60000, pending_ms=60000, **settings) -> Run:
    run = Run(folder, binary, plugin_dir, plugin=fakes / "liar_provider.so", update_interval="100ms",
              plugin_extra=f'      liar = "{folder}/liar"\n', **settings)
    run.environment["FLOTILLA_LIMITS"] = LIMITS.format(call_ms=call_ms, pending_ms=pending_ms)
    (folder / "liar").mkdir()
    lie(run, *lies)
    return run


def add_neighbour(run, coordinator=None, max_use_count=0, idle_count=0):
    """A second entry, whose provider tells the truth."""
    coordinator = coordinator or run.coordinator
    with open(run.config, "a") as config:
        config.write(NEIGHBOUR.format(url=coordinator.url, token=coordinator.runner_token,
                                      max_use_count=max_use_count, idle_count=idle_count))


def lie(run, *lies):
    """From the next call on. Each is "CALL FIRST LAST LIE"; without any, all is true."""
    new = run.folder / "liar" / "new"
    new.write_text("".join(line + "\n" for line in lies))
    new.rename(run.folder / "liar" / "lies")


def told(run, name) -> list[str]:
    """What the calls of a slot answered so far: "truth" or the lie; `decreased`: ids that were to go."""
    path = run.folder / "liar" / name
    return path.read_text().splitlines() if path.exists() else []


def control(run, *words) -> str:
    """What one of the operator's commands answers."""
    return subprocess.run([run.binary, *words, "--state-dir", run.state_dir], capture_output=True, text=True,
                          timeout=60).stdout


def explain(run) -> str:
    return control(run, "explain")


def wait_explained(run, text, there=True):
    """Until `flotilla explain` says it, or says it no more. For what lasts until the test ends it: what passes by itself
    may pass unseen."""
    assert wait_for(lambda: (answer := explain(run)) and (text in answer) == there), \
        f"'{text}' is {'not ' if there else ''}in:\n{explain(run)}\n{run.log_tail()}"
