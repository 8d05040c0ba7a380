"""The example in Russian: nothing is left out, and what is compiled is what is written."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation.template import templatize

from letters.models import Letter, Mailing
from letters.templatetags.quantities import duration, grouped
from tests.django.postoffice import POSTOFFICE

FOLDER = POSTOFFICE / "locale" / "ru" / "LC_MESSAGES"
MARKERS = {"_", "gettext", "gettext_lazy", "ngettext"}

#: One text of a catalogue: its singular and its plural, which may be None, as they stand in the code.
Key = tuple[str, str | None]


class Entry:
    """One entry of a .po file."""

    def __init__(self, block: str) -> None:
        self.is_fuzzy = "fuzzy" in "".join(re.findall(r"^#,.*$", block, re.MULTILINE))
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            found = re.match(r'(msg\S+) (".*")', line)
            name, text = found.groups() if found else (name, line)
            fields[name] = fields.get(name, "") + ast.literal_eval(text)
        self.key: Key = fields["msgid"], fields.get("msgid_plural")
        self.translations = [text for name, text in fields.items() if name.startswith("msgstr")]


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    blocks = (FOLDER / "django.po").read_text(encoding="utf-8").strip().split("\n\n")
    return [Entry(block) for block in blocks]


def files(pattern: str) -> Iterator[Path]:
    return (path for path in sorted(POSTOFFICE.glob(pattern)) if "var" not in path.relative_to(POSTOFFICE).parts)


def texts_of_code() -> Iterator[Key]:
    for path in files("*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS:
                singular, *others = [ast.literal_eval(argument) for argument in node.args if is_text(argument)]
                yield singular, others[0] if node.func.id == "ngettext" else None


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def texts_of_templates() -> Iterator[Key]:
    text = r"""u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    for path in files("*/templates/**/*.html"):
        code = templatize(path.read_text(encoding="utf-8"))
        for singular, plural in re.findall(rf"gettext\({text}(?:, {text}, count)?\)", code):
            yield ast.literal_eval(singular), ast.literal_eval(plural) if plural else None


def test_every_text_of_code_and_templates_is_translated_and_no_other(entries: list[Entry]) -> None:
    used = {*texts_of_code(), *texts_of_templates()}
    assert {key[0] for key in used} >= {"Ten letters, two ways", "waiting for attempt %(number)d", "Cancel the import"}
    assert {entry.key for entry in entries[1:]} == used


def test_no_translation_is_empty_or_doubtful(entries: list[Entry]) -> None:
    for entry in entries[1:]:
        assert not entry.is_fuzzy, entry.key
        assert len(entry.translations) == (3 if entry.key[1] else 1), entry.key
        assert all(entry.translations), entry.key


def test_translations_have_the_placeholders_of_the_text(entries: list[Entry]) -> None:
    def placeholders(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)[sd]|\{\w+\}|</?\w+>", text))

    for entry in entries[1:]:
        singular, plural = entry.key
        for text in entry.translations:
            assert placeholders(text) == placeholders(plural or singular), entry.key


def test_the_compiled_catalogue_is_that_of_the_text(entries: list[Entry]) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    expected: dict[object, str] = {}
    for entry in entries:
        if entry.key[1]:
            expected |= {(entry.key[0], form): text for form, text in enumerate(entry.translations)}
        else:
            expected[entry.key[0]] = entry.translations[0]
    assert compiled == expected, "compile it anew: manage.py compilemessages"


@pytest.mark.django_db
def test_the_language_is_chosen_without_script_and_stays(client: Client) -> None:
    assert 'lang="en"' in client.get("/experiments/").content.decode()
    response = client.post("/i18n/setlang/", {"language": "ru", "next": "/experiments/"})
    assert response["Location"] == "/experiments/"
    page = client.get("/experiments/").content.decode()
    assert '<html lang="ru">' in page
    assert "Что будет, если…" in page
    assert "Десять писем, два пути" in client.get("/").content.decode()


@pytest.mark.django_db
def test_states_are_translated_when_they_are_shown(client: Client) -> None:
    letter = Mailing.compose(Mailing.Way.BACKGROUND).letters.all()[0]
    letter.begin()
    letter.mark_delayed(OSError("no"))
    letter.begin()
    letter.mark_delayed(OSError("no"))
    assert Letter.objects.get(pk=letter.pk).state == "delayed"
    page = client.get("/", headers={"accept-language": "ru"}).content.decode()
    assert "ждёт попытки 3" in page
    assert "ждёт: 9" in page
    assert (
        "первых 2 попыток" in client.get(letter.get_absolute_url(), headers={"accept-language": "ru"}).content.decode()
    )


def test_numbers_are_written_as_in_the_language() -> None:
    with translation.override("en"):
        assert (duration(0.0141), duration(7.06), grouped(2000)) == ("14 ms", "7.1 s", "2,000")
    with translation.override("ru"):
        assert (duration(0.0141), duration(7.06), grouped(2000)) == (
            "14 мс",
            "7,1 \N{CYRILLIC SMALL LETTER ES}",
            "2\xa0000",
        )
