"""A crontab means the same to a real Celery, apart from the nights on which clocks are set."""

import importlib.util
import json
import os
import random
import re
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from celeriac.schedules import crontab, crontab_parser, schedule, solar

#: Answers, in one process, how Celery expands fields and when it would run entries.
SCRIPT = """
import json, sys
from datetime import datetime
from zoneinfo import ZoneInfo
from celery import Celery
from celery.schedules import crontab, crontab_parser, schedule, solar

app = Celery(set_as_current=False)

def answer(question):
    kind = question.pop("kind")
    try:
        if kind == "field":
            return sorted(crontab_parser(question["count"], question["smallest"]).parse(question["text"]))
        zone = ZoneInfo(question["zone"])
        now, last = (datetime.fromisoformat(question[name]).astimezone(zone) for name in ("now", "last"))
        if kind == "crontab":
            entry = crontab.from_string(question["expression"])
        elif kind == "interval":
            entry = schedule(question["every"], question["relative"])
        else:
            entry = solar(question["event"], question["lat"], question["lon"])
        entry.app, entry.nowfun, entry.tz = app, lambda: now, zone
        return [entry.remaining_estimate(last).total_seconds(), *entry.is_due(last)]
    except ValueError:
        return "refused"
    except Exception as error:
        return "refused" if type(error).__name__ == "ParseException" else repr(error)

json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
"""

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham")
GRAMMAR = re.compile(r"(\*|\w+(-\w+)?)(/\d+)?")
DAYS = ("sun", "mon", "tuesday", "Wed", "thu", "fri", "sat")


def ask(peer_python: str, questions: list[dict[str, Any]]) -> list[Any]:
    done = subprocess.run(
        [peer_python, "-c", SCRIPT], input=json.dumps(questions), capture_output=True, text=True, check=True, timeout=90
    )
    answers: list[Any] = json.loads(done.stdout)
    return answers


def random_field(chance: random.Random, smallest: int, largest: int) -> str:
    def number() -> str:
        return str(chance.randint(smallest, largest))

    def part() -> str:
        return chance.choice(
            (
                number,
                number,
                lambda: f"{number()}-{number()}",
                lambda: f"*/{chance.randint(1, 20)}",
                lambda: f"{number()}-{number()}/{chance.randint(1, 5)}",
            )
        )()

    return "*" if chance.random() < 0.35 else ",".join(part() for _ in range(chance.choice((1, 1, 1, 2, 3))))


def random_expression(chance: random.Random) -> str:
    day_of_week = chance.choice(
        ("*", "*", random_field(chance, 0, 6), chance.choice(DAYS), f"{chance.choice(DAYS)}-{chance.choice(DAYS)}")
    )
    month = chance.choice(("*", "*", random_field(chance, 1, 12), "jan-mar", "nov-feb"))
    day = chance.choice(("*", random_field(chance, 1, 31)))
    return f"{random_field(chance, 0, 59)} {random_field(chance, 0, 23)} {day} {month} {day_of_week}"


def clocks_are_set_near(instant: datetime, zone: str) -> bool:
    there = ZoneInfo(zone)
    return len({(instant + timedelta(hours=hours)).astimezone(there).utcoffset() for hours in range(-27, 28, 3)}) > 1


def moment(chance: random.Random) -> datetime:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return start + timedelta(seconds=chance.randrange(3 * 365 * 86400), microseconds=chance.choice((0, 0, 250000)))


def test_fields_mean_the_same(peer_python: str) -> None:
    chance = random.Random(6)
    alphabet = "0123456789*/,-"
    questions = []
    for _ in range(4000):
        count, smallest = chance.choice(((60, 0), (24, 0), (7, 0), (31, 1), (12, 1)))
        text = chance.choice(
            (
                random_field(chance, smallest, smallest + count - 1),
                f"{chance.choice(DAYS)}-{chance.choice(('sat', 'mar', 'december', '3'))}",
                "".join(chance.choices(alphabet, k=chance.randint(0, 6))),
            )
        )
        questions.append({"kind": "field", "text": text, "count": count, "smallest": smallest})
    read = refused = 0
    for question, theirs in zip(questions, ask(peer_python, questions), strict=True):
        try:
            ours: Any = sorted(crontab_parser(question["count"], question["smallest"]).parse(question["text"]))
        except ValueError:
            ours = "refused"
        if ours == "refused" and theirs != "refused":
            # What follows a readable beginning Celery leaves out: to it '*/5-3' is '*/5', and '1-5-9' is '1-5'.
            assert not all(GRAMMAR.fullmatch(part) for part in question["text"].split(",")), (question, theirs)
            refused += 1
            continue
        assert ours == theirs, question
        read += ours != "refused"
    assert read > 1000
    assert refused < 100


def test_crontabs_run_at_the_same_times(peer_python: str) -> None:
    chance = random.Random(7)
    questions: list[dict[str, Any]] = []
    while len(questions) < 3000:
        last = moment(chance)
        zone = chance.choice(ZONES)
        try:
            entry = crontab.from_string(random_expression(chance), tz=zone)
        except ValueError:  # the 30th of February
            continue
        following = entry.next_after(last)
        assert following is not None
        now = last + (following - last) * chance.choice((0.5, 1, 1.25))
        after = entry.next_after(now)
        assert after is not None
        if any(clocks_are_set_near(instant, zone) for instant in (last, following, now, after)):
            continue
        questions.append(
            {
                "kind": "crontab",
                "expression": entry.expression,
                "zone": zone,
                "now": now.isoformat(),
                "last": last.isoformat(),
            }
        )
    for question, (remaining, due, following_in) in zip(questions, ask(peer_python, questions), strict=True):
        now, last = datetime.fromisoformat(question["now"]), datetime.fromisoformat(question["last"])
        entry = crontab.from_string(question["expression"], tz=question["zone"], nowfun=lambda now=now: now)
        assert entry.remaining_estimate(last).total_seconds() == remaining, question
        assert entry.is_due(last) == (due, following_in), question


def test_intervals_are_due_at_the_same_times(peer_python: str) -> None:
    chance = random.Random(8)
    questions: list[dict[str, Any]] = []
    while len(questions) < 1500:
        last, zone = moment(chance), chance.choice(ZONES)
        every = chance.choice((0.5, 1, 10, 45, 60, 90, 600, 3600, 5400, 7200, 86400, 100000, 604800))
        now = last + timedelta(seconds=chance.choice((0.25, 1, 1.5)) * every)
        if any(clocks_are_set_near(last + timedelta(seconds=k * every), zone) for k in range(4)):
            continue
        relative = every >= 1 and chance.random() < 0.5
        questions.append(
            {
                "kind": "interval",
                "every": every,
                "relative": relative,
                "zone": zone,
                "now": now.isoformat(),
                "last": last.isoformat(),
            }
        )
    for question, (remaining, due, following_in) in zip(questions, ask(peer_python, questions), strict=True):
        now, last = datetime.fromisoformat(question["now"]), datetime.fromisoformat(question["last"])
        entry = schedule(question["every"], question["relative"], lambda now=now: now, tz=question["zone"])
        assert entry.remaining_estimate(last).total_seconds() == remaining, question
        assert entry.is_due(last) == (due, following_in), question


def test_the_sun_rises_for_both_within_a_second(peer_python: str) -> None:
    there = subprocess.run([peer_python, "-c", "import ephem"], capture_output=True, check=False).returncode == 0
    if not there or importlib.util.find_spec("ephem") is None:
        reason = "NO EPHEM, here or beside the peer's Celery: `make test` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    chance = random.Random(9)
    events = ("dawn_astronomical", "dawn_civil", "sunrise", "solar_noon", "sunset", "dusk_nautical")
    questions = []
    for _ in range(300):
        last = moment(chance)
        place = {"lat": round(chance.uniform(-70, 70), 2), "lon": round(chance.uniform(-180, 180), 2)}
        questions.append(
            {
                "kind": "solar",
                "event": chance.choice(events),
                **place,
                "zone": "UTC",
                "now": last.isoformat(),
                "last": last.isoformat(),
            }
        )
    for question, (remaining, _, _) in zip(questions, ask(peer_python, questions), strict=True):
        last = datetime.fromisoformat(question["last"])
        following = solar(question["event"], question["lat"], question["lon"]).next_after(last)
        assert following is not None
        assert abs((following - last).total_seconds() - remaining) < 1.1, question
