"""Periods against brute force: each minute, by Python's own zones and an evaluation of cron's fields that shares nothing
with ours. The ordinary run looks at the days around each change of the clocks, leap days and turns of the year; with
--full at every minute of four years."""

import os
import subprocess
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

DAY = 86400
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca",
         "America/St_Johns", "Pacific/Apia", "Antarctica/Troll", "Europe/Dublin", "UTC"]
PERIODS = ["* 8-15 * * mon-fri", "* 2 * * *", "59 23 * * *", "0 0 1 * *", "* * 29 2 *", "0-30 13,16 * * SUN", "*/7 * * * *",
           "* * 13 * fri", "* */5 1-7 Jan,Mar-oct/2 *", "1-59/2,*/15 0-12/2 * * 6-7", "* * 30 12 *", "* 0-1 * * sat-sun"]
# Samoa skipped December 30, 2011; Newfoundland changed at one past midnight until then; tables end with 2037, then rules hold.
YEARS = [(2010, 2012), (2024, 2028), (2037, 2039)]
NAMES = [None, None, None, ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
         ["sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]


def second(year, month=1, day=1):
    return int(datetime(year, month, day, tzinfo=timezone.utc).timestamp())


def values(text, names, low, high):
    found = set()
    for item in text.lower().split(","):
        item, _, step = item.partition("/")
        first, dash, last = item.partition("-")
        if item == "*":
            first, dash, last = str(low), "-", str(high)
        ends = [names.index(end) if names and end in names else int(end) for end in (first, last) if end]
        if names and len(ends) == 2 and ends[1] == 0 and last == "sun" and ends[0] > 0:
            ends[1] = 7
        found |= set(range(ends[0], ends[-1] + 1, int(step or 1)))
    return {value % 7 for value in found} if high == 7 else found


class Cron:
    def __init__(self, text):
        fields = text.split()
        self.sets = [values(field, names, *limits) for field, names, limits in zip(fields, NAMES, RANGES)]
        self.either = "*" not in fields[2] and "*" not in fields[4]

    def has_date(self, local):
        _, _, days, months, weekdays = self.sets
        day, weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return local.month in months and (day or weekday if self.either else day and weekday)

    def minutes_of(self, local):
        """Those of its date that are active, by their number; bytes, because there are millions."""
        if not self.has_date(local):
            return bytes(1440)
        return bytes(hour in self.sets[1] and minute in self.sets[0] for hour in range(24) for minute in range(60))

    def has(self, local):
        return bool(self.minutes_of(local)[local.hour * 60 + local.minute])


def changes(zone, first, last):
    """The hours in which the zone's offset changes."""
    def offset(at):
        return datetime.fromtimestamp(at, zone).utcoffset()

    days = range(second(first), second(last), DAY)
    return [at for day in days if offset(day) != offset(day + DAY)
            for at in range(day, day + DAY, 3600) if offset(at) != offset(at + 3600)]


def windows(zone):
    """Stretches of time to look at."""
    if os.environ.get("FLOTILLA_TEST_FULL"):
        yield second(2024), second(2028)
    for first, last in YEARS:
        for at in changes(zone, first, last):
            yield at - 5 * 3600, at + 5 * 3600
    yield second(2024, 2, 28), second(2024, 3, 2)
    yield second(2025, 12, 30), second(2026, 1, 2)


def ask(build, zone, questions):
    ran = subprocess.run([build / "tests" / "integration" / "list_active", zone], text=True, capture_output=True,
                         input="".join(f"{begin} {end} {period}\n" for begin, end, period in questions), timeout=280)
    assert ran.returncode == 0, ran.stderr
    answers = ran.stdout.splitlines()
    assert len(answers) == len(questions)
    return [[tuple(map(int, stretch.split("-"))) for stretch in answer.split()] for answer in answers]


def minutes_in(begin, end, active):
    """A byte for each minute of a stretch of time: whether it is in one of the active ones."""
    found = bytearray((end - begin) // 60)
    for first, last in active:
        found[(first - begin) // 60:(last - begin) // 60] = b"\1" * ((last - first) // 60)
    return found


@pytest.mark.parametrize("name", ZONES)
def test_each_minute_agrees(build, name):
    zone = ZoneInfo(name)
    looked_at = list(windows(zone))
    answers = iter(ask(build, name, [(*window, period) for window in looked_at for period in PERIODS]))
    crons = [Cron(period) for period in PERIODS]
    for begin, end in looked_at:
        ours = [minutes_in(begin, end, next(answers)) for _ in PERIODS]
        date, of_date = None, []
        for number, at in enumerate(range(begin, end, 60)):
            local = datetime.fromtimestamp(at, zone)
            if local.date() != date:
                date, of_date = local.date(), [cron.minutes_of(local) for cron in crons]
            minute = local.hour * 60 + local.minute
            if any(mine[number] != right[minute] for mine, right in zip(ours, of_date)):
                wrong = [period for period, mine, right in zip(PERIODS, ours, of_date) if mine[number] != right[minute]]
                pytest.fail(f"{wrong} in {name} at {local.isoformat()}")


def test_the_comparison_would_notice():
    """The oracle itself, by hand."""
    berlin = ZoneInfo("Europe/Berlin")
    assert Cron("* 8-15 * * mon-fri").has(datetime(2026, 3, 30, 8, 0, tzinfo=berlin))
    assert not Cron("* 8-15 * * mon-fri").has(datetime(2026, 3, 29, 8, 0, tzinfo=berlin))
    assert Cron("* * 13 * fri").has(datetime(2026, 4, 13, tzinfo=berlin))
    assert len(changes(berlin, 2024, 2028)) == 8
    apia = ZoneInfo("Pacific/Apia")
    skipped = changes(apia, 2011, 2012)
    assert any(datetime.fromtimestamp(at + 3600, apia).utcoffset() - datetime.fromtimestamp(at, apia).utcoffset() ==
               timedelta(days=1) for at in skipped)
