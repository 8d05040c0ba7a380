"""Language and time zone of a request, as the tasks that it publishes see them."""

from pathlib import Path

from tests.django.postoffice import run_in_site

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["celeriac.django"]
CELERIAC = {"broker_url": "memory://", "result_backend": "memory://"}
LANGUAGE_CODE, TIME_ZONE = "en", "UTC"
"""

PRELUDE = """
import asyncio
from celeriac import shared_task
from celeriac.django.finding import find_app
app = find_app("garden")
from django.utils import timezone, translation
from celeriac.execution import Execution

def here():
    return translation.get_language(), timezone.get_current_timezone_name()

@shared_task
def look():
    return here()

@shared_task
async def look_async():
    await asyncio.sleep(0)
    return here()

def execution(message):
    return Execution.from_message(app, message, ordinal=1, redelivered=False, hostname="garden")

def next_message():
    return app.broker.peek("celery", 1)[0]

def carried(message):
    return {name: value for name, value in message.headers.items() if name.startswith("celeriac-")}
"""


def run(code: str, folder: Path) -> list[str]:
    package = folder / "garden"
    package.mkdir()
    (package / "settings.py").write_text(SETTINGS)
    return run_in_site(PRELUDE + code, directory=folder, PYTHONPATH=str(folder)).splitlines()


def test_a_task_runs_in_the_language_and_time_zone_of_the_request_and_leaves_them_behind(tmp_path: Path) -> None:
    code = """
with translation.override("ru"), timezone.override("Europe/Moscow"):
    look.delay()
print(carried(next_message()))
report = execution(next_message()).run()
print(report.retval if hasattr(report, "retval") else app.result_format.read(report.result).result, here())
"""
    lines = run(code, tmp_path)
    assert lines[0] == "{'celeriac-language': 'ru', 'celeriac-timezone': 'Europe/Moscow'}"
    assert lines[1].replace("[", "(").replace("]", ")") == "('ru', 'Europe/Moscow') ('en', 'UTC')"


def test_coroutines_side_by_side_have_each_their_own(tmp_path: Path) -> None:
    code = """
messages = []
for language in ("ru", "de"):
    app.broker.purge("celery") if messages else None
    with translation.override(language):
        look_async.delay()
    messages.append(next_message())

async def main():
    reports = await asyncio.gather(*(execution(message).arun() for message in messages))
    return [app.result_format.read(report.result).result[0] for report in reports]

print(asyncio.run(main()), here())
"""
    assert run(code, tmp_path) == ["['ru', 'de'] ('en', 'UTC')"]


def test_what_a_task_publishes_goes_on_in_the_same_language(tmp_path: Path) -> None:
    code = """
with translation.override("ru"):
    look.apply_async(link=look.si())
print([carried(message) for message in execution(next_message()).run().follow_ups])
"""
    assert run(code, tmp_path) == ["[{'celeriac-language': 'ru'}]"]


def test_the_site_s_own_language_costs_no_header_and_an_unknown_one_no_task(tmp_path: Path) -> None:
    code = """
import msgspec
with translation.override("en"), timezone.override("UTC"):
    look.delay()
print(carried(next_message()))
strange = {**next_message().headers, "celeriac-language": "xx-klingon", "celeriac-timezone": "Mars/Base"}
report = execution(msgspec.structs.replace(next_message(), headers=strange)).run()
print(report.state, app.result_format.read(report.result).result)
"""
    assert run(code, tmp_path) == ["{}", "SUCCESS ['en', 'UTC']"]
