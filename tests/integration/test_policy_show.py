"""`flotilla policy show`, which asks the configuration alone."""

import json
import os
import subprocess

import pytest

CONFIG = """\
concurrent = 30
[[runners]]
  name = "linux"
  url = "https://gitlab.invalid"
  token = "glrt-abc"
  executor = "instance"
  [runners.autoscaler]
    plugin = "local"
    capacity_per_instance = 4
    max_use_count = 2  # so two of four slots are used
    max_instances = 4
    instance_price = 0.25
    [[runners.autoscaler.policy]]
      idle_time = "0s"
    [[runners.autoscaler.policy]]
      periods = ["* 8-15 * * mon-fri"]
      timezone = "Europe/Berlin"
      idle_count = 5
      idle_time = "30m"
      scale_factor = 0.5
      scale_factor_limit = 9
    [[runners.autoscaler.policy]]
      periods = ["30-59 9 * * tue", "* * 29 2 *"]
      timezone = "Europe/Berlin"
      idle_count = 20
[[runners]]
  name = "other \\u001b[2J"
  url = "https://gitlab.invalid"
  token = "glrt-abd"
  executor = "instance"
  [runners.autoscaler]
    plugin = "local"
    [[runners.autoscaler.policy]]
      periods = ["* 0-23 * * *"]
      idle_count = 1
      scale_factor = 0.5
      scale_factor_limit = 1
"""


@pytest.fixture
def show(folder, binary):
    (folder / "config.toml").write_text(CONFIG)
    (folder / "config.toml").chmod(0o600)

    def ask(*arguments, status=0, **environment):
        ran = subprocess.run([binary, "policy", "show", "--config", folder / "config.toml", *arguments], timeout=60,
                             capture_output=True, text=True, env={**os.environ, "TZ": "Asia/Kathmandu", **environment})
        assert ran.returncode == status, ran.stderr
        assert "note: " not in ran.stderr  # they are for `config check`
        return ran.stdout if status == 0 else ran.stderr.splitlines()[-1]

    return ask


def test_a_week_in_jobs_instances_and_money(show):
    told = show("linux", "--at", "2026-03-28T12:00", "--days", "3")
    assert [" ".join(line.split()) for line in told.splitlines()] == [
        "linux",
        "FROM UNTIL POLICY IDLE JOBS IDLE TIME INSTANCES MONEY AN HOUR",
        "Sat 2026-03-28 12:00 +01:00 Mon 2026-03-30 08:00 +02:00 policy[0] 0 0s 0 0",
        "Mon 2026-03-30 08:00 +02:00 Mon 2026-03-30 16:00 +02:00 policy[1] 5+ 30m0s 3 0.75",
        "Mon 2026-03-30 16:00 +02:00 Tue 2026-03-31 08:00 +02:00 policy[0] 0 0s 0 0",
        "Tue 2026-03-31 08:00 +02:00 Tue 2026-03-31 09:30 +02:00 policy[1] 5+ 30m0s 3 0.75",
        "Tue 2026-03-31 09:30 +02:00 Tue 2026-03-31 10:00 +02:00 policy[2] 20 0s 4 1.00",
        "Tue 2026-03-31 10:00 +02:00 Tue 2026-03-31 16:00 +02:00 policy[1] 5+ 30m0s 3 0.75",
        "policy[0]: idle_count 0, idle_time 0s, preemptive_mode off",
        "policy[1] (* 8-15 * * mon-fri in Europe/Berlin): idle_count 5, idle_time 30m0s, scale_factor 0.5 up to 9, "
        "preemptive_mode on",
        "policy[2] (30-59 9 * * tue, * * 29 2 * in Europe/Berlin): idle_count 20, idle_time 0s, preemptive_mode on",
    ]


@pytest.mark.parametrize("at", ["2026-03-30T08:00", "2026-03-30T06:00Z", "2026-03-30 11:45+05:45"])
def test_a_time_may_be_local_or_say_its_offset(show, at):
    holds = json.loads(show("linux", "--json", "--at", at))["runners"][0]["holds"]
    assert holds == [{
        "from": "2026-03-30T08:00:00+02:00", "until": "2026-03-30T16:00:00+02:00", "policy": 1, "idle_count": 5,
        "idle_time_ms": 1800000, "scale_factor": 0.5, "scale_factor_limit": 9, "preemptive_mode": True, "instances": 3,
        "price_an_hour": 0.75}]


def test_what_has_no_end_and_no_price(show):
    """Without a zone, the system's."""
    found = json.loads(show("--json"))["runners"][1]
    assert found["timezone"] is None
    [holds] = found["holds"]
    assert holds["until"] is None and holds["price_an_hour"] is None and holds["instances"] == 1
    assert holds["from"].endswith("+05:45")
    table = show("--at", "2026-03-30T08:00")
    assert "1+" not in table  # a scale_factor that asks for no more
    assert "\x1b" not in table and "other \\x1b[2J" in table
    assert "Mon 2026-03-30 08:00 +05:45  no end in sight" in table and table.splitlines()[-2].endswith("unknown")


def test_a_change_of_years_ahead_is_found(show):
    """A search looks a year ahead; the command looks on."""
    holds = json.loads(show("linux", "--json", "--at", "2027-12-31T16:00", "--days", "60"))["runners"][0]["holds"]
    [leap_day] = [stretch for stretch in holds if stretch["policy"] == 2 and stretch["from"].startswith("2028-02-29")]
    assert leap_day["until"] == "2028-03-01T00:00:00+01:00"


@pytest.mark.parametrize("arguments, sentence", [
    (["--at", "noon"], "flotilla: --at 'noon' is no time; one is 2026-03-30T08:00, or 2026-03-30T06:00Z"),
    (["nobody"], "flotilla: there is no runner 'nobody' in "),
])
def test_what_cannot_be_shown(show, arguments, sentence):
    assert show(*arguments, status=1).startswith(sentence)


def test_a_wrong_zone_of_the_system(show):
    assert show(status=1, TZ="Mars/Base") == "flotilla: runner 'other \\x1b[2J': policy[0]: TZ of the environment: " \
                                             'there is no time zone "Mars/Base" in /usr/share/zoneinfo'


@pytest.mark.parametrize("arguments, sentence", [
    ([], "flotilla policy: show is missing; see `flotilla policy --help`"),
    (["list"], "flotilla policy: 'list' is not show; see `flotilla policy --help`"),
    (["show", "--days", "0"], "flotilla policy: --days must be 1 to 366, not '0'; see `flotilla policy --help`"),
    (["show", "a", "b"], "flotilla policy: there is no argument 'b'; see `flotilla policy --help`"),
])
def test_a_wrong_command_line(binary, arguments, sentence):
    ran = subprocess.run([binary, "policy", *arguments], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr.strip()) == (2, sentence)
