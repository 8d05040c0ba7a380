"""Periodic tasks in the database: what may be entered, and what the timetable learns of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from celeriac import shared_task
from celeriac.app.base import Celeriac
from celeriac.timetables.base import FOREVER

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]


def row(**more: Any):
    from celeriac.django.models import ScheduledTask

    said = {"name": "nightly", "task": "letters.tasks.send", "expression": "0 3 * * mon-fri"}
    return ScheduledTask(**said | more)


def faults(**more: Any) -> dict[str, list[str]]:
    try:
        row(**more).full_clean()
    except ValidationError as error:
        return error.message_dict
    return {}


def known(app: Celeriac) -> dict[str, Any]:
    """Return the timetable's entries."""
    timetable = app.timetable()
    found = {state.entry.name: state for state in timetable.entries()}
    timetable.close()
    return found


def test_a_row_says_when_it_runs_on_the_clock_of_its_zone(settings):
    settings.TIME_ZONE = "Europe/Moscow"
    assert row().describe() == "every weekday at 03:00 Europe/Moscow"
    abroad = row(time_zone="America/New_York")
    assert abroad.describe() == "every weekday at 03:00 America/New_York"
    runs = abroad.next_runs(3)
    assert [f"{run:%H:%M}" for run in runs] == ["03:00"] * 3
    assert runs[0] > datetime.now(UTC)


def test_its_entry_has_what_the_row_says():
    entry = row(
        args=[1],
        kwargs={"a": 2},
        queue="slow",
        priority=3,
        expires=60,
        options={"headers": {"tenant": "north"}},
        missed="all",
        missed_bound=5,
        overlap="skip",
        enabled=False,
    ).entry()
    assert (entry.args, entry.kwargs) == ((1,), {"a": 2})
    assert entry.options == {"queue": "slow", "priority": 3, "expires": 60, "headers": {"tenant": "north"}}
    assert (entry.missed, entry.missed_bound, entry.overlap, entry.enabled) == ("all", 5, "skip", False)
    assert entry.source == "database of postoffice"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("expression", "0 3 * *", "has 4 fields; it needs five"),
        ("expression", "0 25 * * *", "There is no hour 25"),
        ("time_zone", "Europe/Atlantis", "There is no time zone"),
        ("kind", "weekly", "not a valid choice"),
        ("task", " letters.tasks.send", "without spaces"),
        ("args", {"a": 1}, "Write a list"),
        ("kwargs", [1], "Write an object"),
        ("options", [1], "Write an object"),
        ("options", {"queue": "slow"}, "There is a field for 'queue'"),
        ("options", {"rooting_key": "slow"}, "did you mean 'routing_key'"),
        ("options", {"headers": {"celeriac-due": "now"}}, "is the message's own"),
        ("options", {"serializer": "runes"}, "runes"),
        ("missed", "never", "not a valid choice"),
        ("missed_bound", 0, "greater than or equal to 1"),
        ("overlap", "push", "not a valid choice"),
        ("ends_at", datetime(2001, 1, 1, tzinfo=UTC), "its last run lies in the past"),
    ],
)
def test_a_mistake_is_told_at_its_field(field, value, sentence):
    found = faults(**{field: value})
    assert list(found) == [field]
    assert sentence in " ".join(found[field])


def test_a_row_that_is_right_has_no_faults():
    assert faults() == {}
    assert faults(kind="every", expression="10 minutes", options={"headers": {"tenant": "north"}}) == {}


def test_arguments_are_compared_with_a_task_that_is_known():
    @shared_task(name="letters.count")
    def count(since, until=None):
        pass

    assert "missing a required argument: 'since'" in faults(task="letters.count")["args"][0]
    assert faults(task="letters.count", kwargs={"since": 1}) == {}
    assert faults(task="letters.another_site.count") == {}


def test_a_name_of_the_codes_is_refused(site):
    site.conf.beat_schedule = {"nightly": {"task": "letters.tasks.send", "schedule": 60.0}}
    assert "The code has an entry 'nightly' already" in faults()["name"][0]


def test_a_saved_row_is_in_the_timetable_after_the_commit(site):
    with transaction.atomic():
        row().save()
        assert known(site) == {}
    [state] = known(site).values()
    assert state.entry == row().entry()
    assert state.next_at == row().next_runs(1)[0].timestamp()


def test_what_is_rolled_back_is_not(site):
    with transaction.atomic():
        row().save()
        transaction.set_rollback(True)
    assert known(site) == {}


def test_a_change_keeps_the_next_moment_and_the_pause_unless_it_is_one_of_when(site):
    entered = row()
    entered.save()
    timetable = site.timetable()
    timetable.pause("nightly")
    before = timetable.get("nightly")
    entered.kwargs = {"a": 1}
    entered.save()
    after = timetable.get("nightly")
    assert (after.next_at, after.paused_until, after.entry.kwargs) == (before.next_at, FOREVER, {"a": 1})
    entered.expression = "0 4 * * *"
    entered.save()
    assert timetable.get("nightly").next_at == entered.next_runs(1)[0].timestamp()
    timetable.close()


def test_another_name_is_another_entry_and_a_deleted_row_is_none(site):
    from celeriac.django.models import ScheduledTask

    row().save()
    entered = ScheduledTask.objects.get()
    entered.name = "hourly"
    entered.save()
    assert list(known(site)) == ["hourly"]
    entered.delete()
    assert known(site) == {}


def test_a_deleted_row_leaves_the_codes_entry_of_its_name(site):
    from celeriac.schedule_entry import ScheduleEntry

    entered = row()
    entered.save()
    timetable = site.timetable()
    timetable.remove("nightly")
    timetable.save(ScheduleEntry(name="nightly", task="other", schedule={"type": "interval", "every": 9}), None)
    entered.delete()
    assert timetable.get("nightly").entry.task == "other"
    timetable.close()


def test_a_store_that_is_away_keeps_nobody_from_saving(site, tmp_path, caplog):
    site.conf.broker_url = site.conf.result_backend = f"sqlite:///{tmp_path}/no/such/folder/queue.sqlite3"
    row().save()
    assert "a scheduler sees it in the database when it can" in caplog.text


def test_a_row_that_can_be_no_entry_is_saved_and_keeps_no_other_from_running(site, caplog):
    with transaction.atomic():
        row(name="first", expression="99 3 * * *").save()
        row(name="second", args={"a": 1}).save()
        row(name="third").save()
    assert list(known(site)) == ["third"]
    assert "'first' is saved, and does not run. The periodic task 'first' has no schedule. There is no" in caplog.text
    assert "'second' is saved, and does not run." in caplog.text


def test_every_way_of_changing_rows_but_sql_is_seen():
    from celeriac.django.models import ScheduledTask

    long_ago = timezone.now() - timedelta(days=1)
    row().save()

    def is_seen() -> bool:
        changed_at = ScheduledTask.objects.get().changed_at
        ScheduledTask.objects.update(changed_at=long_ago)
        return changed_at > long_ago

    assert is_seen()
    entered = ScheduledTask.objects.get()
    entered.save(update_fields=["enabled"])
    assert is_seen()
    ScheduledTask.objects.filter(name="nightly").update(enabled=False)
    assert is_seen()
    entered.description = "letters"
    ScheduledTask.objects.bulk_update([entered], ["description"])
    assert is_seen()
    ScheduledTask.objects.bulk_create([row(name="hourly")])
    assert ScheduledTask.objects.get(name="hourly").changed_at > long_ago


def test_a_one_off_row_runs_first_from_its_start_which_is_now_if_nobody_says(site):
    entered = row(one_off=True)
    entered.save()
    [only] = entered.next_runs()
    assert only > timezone.now()
    assert known(site)["nightly"].next_at == only.timestamp()
    assert entered.describe().startswith("once, on ")
    start = timezone.now() + timedelta(days=400)
    assert row(one_off=True, starts_at=start).next_runs()[0] >= start


def test_the_bounds_of_a_row_hold():
    start, end = timezone.now() + timedelta(days=30), timezone.now() + timedelta(days=60)
    bounded = row(expression="0 3 * * *", starts_at=start, ends_at=end)
    runs = bounded.next_runs(100)
    assert 29 <= len(runs) <= 31  # clocks may be set in between
    assert start <= runs[0]
    assert runs[-1] <= end
    assert "from" in bounded.describe()


def test_the_deployment_check_finds_rows_that_do_not_run_and_no_table_is_no_fault(site):
    from celeriac.django.checks import check_deployment

    def found(*databases: str) -> list[str]:
        said = check_deployment(databases=databases or ["default"])
        return [f"{each.id}: {each.msg}" for each in said if each.id in {"celeriac.W015", "celeriac.W016"}]

    row(name="right", task="celeriac.prune").save()
    row(name="asleep", enabled=False).save()
    assert found() == []
    row(name="slip", task="celeriac.prun").save()
    row(name="wrong", expression="99 3 * * *").save()
    assert found("other") == []
    slip, wrong = found()
    assert slip.startswith("celeriac.W016: The periodic task 'slip' in the database calls 'celeriac.prun'")
    assert slip.endswith("Did you mean 'celeriac.prune'?")
    assert wrong.startswith("celeriac.W015: The periodic task 'wrong' in the database does not run.")
    call_command("migrate", "celeriac", "zero", verbosity=0)
    assert found() == []
    call_command("migrate", "celeriac", verbosity=0)


def test_the_migration_is_the_models_and_can_be_taken_back(settings):
    settings.DEFAULT_AUTO_FIELD = "django.db.models.UUIDField"
    call_command("makemigrations", "celeriac", check=True, dry_run=True, verbosity=0)
    call_command("migrate", "celeriac", "zero", verbosity=0)
    assert "celeriac_scheduledtask" not in connection.introspection.table_names()
    call_command("migrate", "celeriac", verbosity=0)
    assert "celeriac_scheduledtask" in connection.introspection.table_names()
