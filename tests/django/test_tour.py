"""`make demo-check`: the whole site, walked through by a script as a person would."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.django.postoffice import POSTOFFICE, free_port

pytest.importorskip("playwright", reason="NOT RUN: the tour of the example; pip install playwright")

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="NOT RUN: the tour; apt-get install chromium"),
]

TRAVELLERS = (
    "desktop, English",
    "phone, Russian, dark",
    "keyboard only, Russian",
    "without script, English",
    "phone, English",
    "desktop, Russian, dark",
)


def take_tour(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(POSTOFFICE / "tour.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=380, check=False)


def test_the_tour_is_walked_to_its_end_in_both_languages_at_both_widths_and_without_a_mouse(tmp_path: Path) -> None:
    tour = take_tour("--screenshots", str(tmp_path))
    assert tour.returncode == 0, tour.stdout + tour.stderr
    positions = [tour.stdout.index(f"{traveller}:") for traveller in TRAVELLERS]
    assert positions == sorted(positions)
    assert "✗" not in tour.stdout
    assert "the daily reports are in the mailbox" in tour.stdout
    assert {path.name for path in tmp_path.iterdir()} >= {
        f"{page}-{traveller}.png"
        for page in ("letters", "experiments", "daily")
        for traveller in ("desktop-en", "phone-ru-dark", "phone-en", "desktop-ru-dark")
    }


def test_a_site_that_is_not_as_it_should_be_is_said_in_a_sentence_with_status_1() -> None:
    tour = take_tour("--address", f"http://127.0.0.1:{free_port()}/")
    assert tour.returncode == 1
    assert "✗ desktop, English, begin: " in tour.stdout
    assert "Traceback" not in tour.stdout + tour.stderr
