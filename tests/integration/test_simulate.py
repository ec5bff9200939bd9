"""`flotilla simulate`: the seed examples as they are, jobs of every source, and what it says of a wrong use."""

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"
EXAMPLES = sorted(path.name for path in DATA.glob("*.toml"))
CONFIG = """concurrent = 20
{entries}
"""
ENTRY = """[[runners]]
  name = "{name}"
  url = "http://127.0.0.1:1"
  token = "glrt-t1_k9XyZ012345abcdefgh"
  executor = "instance"
  [runners.autoscaler]
    plugin = "no-such-plugin"
    max_instances = 5
    capacity_per_instance = 1
    [[runners.autoscaler.policy]]
      idle_count = {idle}
      idle_time = "10m"
"""


def write_config(path, *runners):
    path.write_text(CONFIG.format(entries="".join(ENTRY.format(name=name, idle=idle) for name, idle in runners)))
    path.chmod(0o600)
    return path.name


@pytest.fixture
def simulate(folder, binary):
    def run(*arguments):
        return subprocess.run([binary, "simulate", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=folder, timeout=120, env={**os.environ, "HOME": str(folder)})
    return run


@pytest.fixture
def simulated(simulate):
    """The results as --json has them."""
    def run(*arguments):
        result = simulate("--json", *arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)["results"]
    return run


@pytest.mark.sample
def test_the_examples_are_simulated_as_they_are(folder, simulated):
    for name in EXAMPLES:
        shutil.copy(DATA / name, folder)
        (folder / name).chmod(0o600)
    options = [word for name in EXAMPLES for word in ("--config", name)]
    results = simulated(*options, "--daily", "40:2", "--duration", "lognormal:5m,0.5", "--for", "2d")
    assert [result["name"] for result in results] == EXAMPLES
    for result in results:
        jobs = result["jobs"]
        assert jobs["arrived"] == sum(count for key, count in jobs.items() if key != "arrived") > 900
        assert result["wait_ms"]["p50"] <= result["wait_ms"]["p95"] <= result["wait_ms"]["max"]
    one_job = [result for result in results if "1-job" in result["name"]]
    assert one_job and all(result["removals"]["uses_spent"] == result["jobs"]["done"] for result in one_job)


def test_the_same_seed_gives_the_same_bytes(folder, simulate):
    write_config(folder / "a.toml", ("only", 2))
    options = ["--config", "a.toml", "--json", "--poisson", "500/1d", "--duration", "exponential:20m",
               "--boot-time", "lognormal:40s,0.4", "--fail-rate", "0.1", "--interrupted", "3h"]
    first, again, other = (simulate(*options, "--seed", seed).stdout for seed in ("5", "5", "6"))
    assert first == again != other


def test_jobs_of_a_file(folder, simulated):
    write_config(folder / "a.toml", ("only", 0))
    (folder / "jobs.csv").write_text("name,arrival,duration\na,2026-05-04T12:30:00Z,5m\nb,2026-05-04T12:30:00Z,600\n")
    result, = simulated("--config", "a.toml", "--jobs", "jobs.csv", "--price", "3.6")
    assert result["jobs"]["done"] == 2 and result["created"] == 2
    assert result["instance_ms"]["busy"] == 900000
    assert result["begin_ms"] == 1777896000000, "the hour of the first job"
    # Each is paid for 40 s of boot, its job, and 10 min of idling, at a thousandth a second; for whole seconds.
    assert result["cost_micros"] == pytest.approx((2 * 40 + 900 + 2 * 600) * 1000, abs=2000)


def test_more_idle_capacity_costs_and_saves_waiting(folder, simulate, simulated):
    for idle in (0, 3):
        write_config(folder / f"idle-{idle}.toml", ("only", idle))
    options = ["--config", "idle-0.toml", "--config", "idle-3.toml", "--poisson", "20/1h", "--for", "2d", "--price", "1"]
    none, three = simulated(*options)
    assert none["wait_ms"]["p95"] >= 30000 > three["wait_ms"]["p95"]
    assert none["cost_micros"] < three["cost_micros"] and none["waste"] < three["waste"]
    table = simulate(*options)
    assert table.returncode == 0 and table.stderr == ""
    assert table.stdout.splitlines()[0].split() == ["idle-0.toml", "idle-3.toml"]


def ledger_of(path, rows):
    """What past_jobs.c reads of a ledger."""
    path.mkdir(mode=0o700)
    with sqlite3.connect(path / "ledger.db") as ledger:
        ledger.execute("CREATE TABLE jobs (seq INTEGER PRIMARY KEY, runner TEXT, received_ms INTEGER, assigned_ms INTEGER,"
                       " finished_ms INTEGER)")
        ledger.executemany("INSERT INTO jobs (runner, received_ms, assigned_ms, finished_ms) VALUES (?, ?, ?, ?)", rows)


def test_the_history_is_that_of_the_runner(folder, simulated):
    write_config(folder / "a.toml", ("one", 0), ("two", 0))
    began = 1777896000000
    ledger_of(folder / "state", [("one", began, began + 1000, began + 61000), ("two", began, began + 1000, began + 9000),
                                 ("one", began + 5000, 0, 0), ("one", began + 9000, began + 9000, 0)])
    result, = simulated("--config", "a.toml", "--runner", "one", "--history", "--state-dir", str(folder / "state"))
    assert result["jobs"]["done"] == result["jobs"]["arrived"] == 1
    assert result["instance_ms"]["busy"] == 60000


def test_a_wrong_use_is_told_in_one_line(folder, simulate):
    rows = {
        (): "there are no jobs: --jobs, --history, --poisson, --daily or --burst",
        ("--poisson", "100"): "--poisson: '100' is no N/PERIOD such as 100000/30d",
        ("--poisson", "0/1d"): "is no N/PERIOD",
        ("--daily", "10"): "--daily: '10' is no PEAK:OFFPEAK in jobs an hour, such as 400:20",
        ("--burst", "5"): "--burst: '5' is no N@TIME such as 500@9h",
        ("--burst", "5@1h", "--duration", "long"): "--duration: 'long' is no time: it is such as 40s",
        ("--burst", "5@1h", "--fail-rate", "1.5"): "--fail-rate: '1.5' is no share from 0 to 1",
        ("--burst", "5@1h", "--price", "-1"): "--price: '-1' is no price such as 0.34",
        ("--burst", "5@1h", "--billed", "60s"): "--billed: '60s' is no MIN/UNIT such as 60s/1s",
        ("--burst", "5@1h", "--cloud-limit", "0"): "--cloud-limit: '0' is no number from 1 to",
        ("--burst", "5@1h", "--start", "monday"): "--start: 'monday' is no time such as 2026-05-04T12:00:00Z",
        ("--burst", "5@1h", "--for", "0s"): "--for: '0s' is no time such as 12h or 30d",
        ("--burst", "5@1h", "--seed", "x"): "--seed: 'x' is no number",
        ("--burst", "5@1h", "--notice", "2m"): "--notice is for --interrupted",
        ("--burst", "5@1h", "--state-dir", "/x"): "--state-dir is for --history",
        ("--burst", "5@1h", *["--config", "x"] * 9): "--config: more than 8 are too many",
        ("--burst", "5@1h", "more"): "there is no argument 'more'",
        ("--nonsense",): "there is no option --nonsense",
        ("--jobs",): "option --jobs needs a value",
    }
    for arguments, sentence in rows.items():
        result = simulate(*arguments)
        assert (result.returncode, result.stdout) == (2, ""), arguments
        assert result.stderr.startswith("flotilla simulate: ") and sentence in result.stderr, arguments
        assert result.stderr.count("\n") == 1


def test_names_are_shown_safe_for_a_terminal(folder, simulate):
    (folder / "state").mkdir()
    db = sqlite3.connect(folder / "state" / "ledger.db")
    with db:
        db.execute("CREATE TABLE groups (id INTEGER PRIMARY KEY, key TEXT)")
        db.execute("CREATE TABLE journal (id INTEGER PRIMARY KEY, group_id INTEGER, line TEXT)")
        db.execute("INSERT INTO groups VALUES (1, 'k\x1b[31m')")
        db.execute("INSERT INTO journal (group_id, line) VALUES (1, 'begin\x1b[2J')")
    db.close()
    config = write_config(folder / "a.toml", ("r\\u001b[31m", 1))
    for arguments in (["--replay", "--state-dir", "state"], ["--config", config, "--runner", "\x1b[1m", "--burst", "1@1h"],
                      ["--config", config, "--burst", "\x1b[1m"], ["--config", "\x1b[1m", "--burst", "1@1h"]):
        result = simulate(*arguments)
        assert result.returncode != 0
        assert "\x1b" not in result.stdout + result.stderr and "\\x1b" in result.stdout + result.stderr, arguments


def test_what_cannot_be_simulated_is_told(folder, simulate):
    write_config(folder / "two.toml", ("one", 0), ("two", 0))
    write_config(folder / "one.toml", ("one", 0))
    (folder / "bad.csv").write_text("10,60\n20,soon\n")
    (folder / "empty.csv").write_text("arrival,duration\n")
    (folder / "broken.toml").write_text("concurrent = \n")
    ledger_of(folder / "state", [])
    some = ("--poisson", "10/1h")
    rows = {
        ("--config", "two.toml", *some): "two.toml has several runners; --runner says which: 'one', 'two'",
        ("--config", "one.toml", "--runner", "x", *some): "one.toml has no runner 'x', but 'one'",
        ("--config", "none.toml", *some): "none.toml: No such file or directory",
        ("--config", "broken.toml", *some): "broken.toml:1:",
        ("--config", "one.toml", "--jobs", "bad.csv"): "bad.csv:2: 'soon' is no duration: it is a number of seconds",
        ("--config", "one.toml", "--jobs", "empty.csv"): "there are no jobs to simulate",
        ("--config", "one.toml", "--jobs", "none.csv"): "none.csv: No such file or directory",
        ("--config", "one.toml", "--history", "--state-dir", "none"): "there is no ledger at none/ledger.db",
        ("--config", "one.toml", "--history", "--state-dir", "state"): "the ledger of state remembers no job that ended",
        ("--config", "one.toml", "--poisson", "20000000/1s", "--for", "2d"): "there are too many jobs",
        some: "/.flotilla/config.toml" if os.geteuid() else "/etc/flotilla/config.toml",
    }
    for arguments, sentence in rows.items():
        result = simulate(*arguments)
        assert (result.returncode, result.stdout) == (1, ""), arguments
        assert sentence in result.stderr, (arguments, result.stderr)
