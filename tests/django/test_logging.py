"""A site's LOGGING is what counts in a worker."""

import json
from pathlib import Path

from tests.django.mail_server import MailServer
from tests.django.mail_site import MailSite
from tests.pages import ROOT, read_page

TASKS = """
import logging
from celeriac import shared_task

@shared_task
def grow():
    logging.getLogger("beds.growth").info("one leaf more", extra={"leaves": 7})
    return [type(each).__name__ for each in logging.getLogger().handlers]
"""

MORE = """
LOGGING["handlers"]["file"] = {
    "class": "logging.FileHandler", "filename": BASE_DIR / "lines.json", "formatter": "json", "level": "INFO"
}
LOGGING["root"]["handlers"].append("file")
"""


def test_the_documented_logging_says_which_task_a_line_comes_from(tmp_path: Path) -> None:
    [example] = [block.code for block in read_page(ROOT / "docs" / "django.md").blocks if "TaskFilter" in block.code]
    with MailServer() as server:
        site = MailSite(tmp_path, server)
        settings = tmp_path / "garden" / "settings.py"
        settings.write_text(settings.read_text() + example + MORE)
        (tmp_path / "beds" / "tasks.py").write_text(TASKS)
        site.start_worker()
        try:
            result = site.app.send_task("beds.tasks.grow")
            assert result.get(timeout=60) == ["StreamHandler", "FileHandler"], "the root logger is the site's"
            line = f"INFO beds.growth beds.tasks.grow[{result.id}]: one leaf more"
            site.wait(lambda: line in site.log, line)
        finally:
            site.close()
    objects = [json.loads(each) for each in (tmp_path / "lines.json").read_text().splitlines()]
    [found] = [each for each in objects if each["logger"] == "beds.growth"]
    expected = {"message": "one leaf more", "leaves": 7, "task_name": "beds.tasks.grow", "task_id": result.id}
    assert expected.items() <= found.items()
