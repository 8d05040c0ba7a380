"""What celeriac shows in Django, in Russian: nothing is left out, and what is compiled is what is written."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation.template import templatize

import celeriac
from celeriac.schedules import crontab, schedule

SOURCE = Path(celeriac.__file__).parent
CATALOGUE = SOURCE / "django" / "locale" / "ru" / "LC_MESSAGES"
MARKERS = {"_", "gettext", "gettext_lazy", "ngettext", "pgettext"}
#: Translated by Django's own admin.
DJANGOS = {"Home", "Yes", "No"}

#: Context, which may be None, and the singular, as they stand in the code.
Key = tuple[str | None, str]


def texts_of(code: str) -> Iterator[Key]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in MARKERS and node.args and isinstance(node.args[0], ast.Constant):
                context, text = (
                    (node.args[0].value, ast.literal_eval(node.args[1]))
                    if name == "pgettext"
                    else (
                        None,
                        node.args[0].value,
                    )
                )
                yield context, text


def texts_of_templates() -> Iterator[Key]:
    text = r"""u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    for path in (SOURCE / "django" / "templates").rglob("*.html"):
        for found in re.findall(rf"gettext\({text}", templatize(path.read_text(encoding="utf-8"))):
            yield None, ast.literal_eval(found)


def used() -> set[Key]:
    code = [*(SOURCE / "schedules").glob("*.py"), *(SOURCE / "django").rglob("*.py")]
    found = {key for path in code for key in texts_of(path.read_text(encoding="utf-8"))}
    return {key for key in {*found, *texts_of_templates()} if key[1] not in DJANGOS}


def entries() -> Iterator[tuple[Key, list[str]]]:
    for block in (CATALOGUE / "django.po").read_text(encoding="utf-8").strip().split("\n\n")[1:]:
        fields = {name: ast.literal_eval(text) for name, text in re.findall(r'^(msg\S+) (".*")$', block, re.MULTILINE)}
        yield (
            (fields.get("msgctxt"), fields["msgid"]),
            [text for name, text in fields.items() if name.startswith("msgstr")],
        )


def test_every_text_is_translated_and_no_other() -> None:
    assert {key for key, _ in entries()} == used()
    assert all(text for _, translations in entries() for text in translations)


def test_what_is_compiled_is_what_is_written() -> None:
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for (context, text), translations in entries():
        found = compiled.gettext(text) if context is None else compiled.pgettext(context, text)
        assert found == translations[0]


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        (crontab.from_string("0 3 * * mon-fri"), "каждый будний день в 03:00"),
        (crontab.from_string("0 3 * * *"), "каждый день в 03:00"),
        (crontab.from_string("30 4 * * 1,3"), "по понедельникам и средам в 04:30"),
        (crontab.from_string("0 0 1 1-3 *"), "1-го числа месяцев с января по март в 00:00"),  # noqa: RUF001 - Russian
        (crontab.from_string("0 0 1,15 * *"), "1 и 15 числа каждого месяца в 00:00"),
        (crontab.from_string("*/5 9-17 * * *"), "каждые 5 минут с 09:00 до 17:55"),  # noqa: RUF001 - Russian
        (schedule(60), "каждую минуту"),
        (schedule(21 * 60), "каждую 21 минуту"),
        (schedule(22 * 60), "каждые 22 минуты"),
        (schedule(3600 * 5), "каждые 5 часов"),
    ],
)
def test_schedules_are_told_in_russian(when: schedule, sentence: str) -> None:
    with translation.override("ru"):
        assert when.describe(translation) == sentence
