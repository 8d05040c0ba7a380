"""The admin of periodic tasks in a real browser, beside a real worker with a scheduler.

Needs Playwright for Python and Debian's chromium: `pip install playwright`, `apt-get install chromium`.
"""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.django.small_site import PATIENCE, SmallSite, wait_until

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="NOT RUN: the admin in a browser; pip install playwright"
)

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason="NOT RUN: the admin in a browser; apt-get install chromium"),
]

SETTINGS = """
CONTRIB = ["admin", "auth", "contenttypes", "sessions", "messages", "staticfiles"]
INSTALLED_APPS += [f"django.contrib.{name}" for name in CONTRIB]
STATIC_URL = "static/"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "garden.policy.allow_nothing_inline",
]
TEMPLATES[0]["OPTIONS"] = {"context_processors": [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]}
"""
POLICY = """
def allow_nothing_inline(get_response):
    def answer(request):
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'; img-src 'self' data:"
        return response
    return answer
"""
URLS = """
from django.contrib import admin
from django.urls import path
urlpatterns = [path("admin/", admin.site.urls)]
"""
SUPERUSER = "from django.contrib.auth.models import User; User.objects.create_superuser('root', password='root')"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the site is, which has the admin, a policy against anything inline, and a worker with a scheduler."""
    site = SmallSite(tmp_path)
    site.append("garden/settings.py", SETTINGS)
    site.write("garden/policy.py", POLICY)
    site.write("garden/urls.py", URLS)
    assert site.manage("migrate", "-v0").returncode == 0
    assert site.manage("shell", "-v0", "-c", SUPERUSER).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site.start("manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    site.start("manage.py", "celeriac", "worker", "-B", "-c", "1").wait_for("is ready")
    wait_until(lambda: answers(port), "the site to answer")
    yield f"http://127.0.0.1:{port}/admin/"
    site.close()


def answers(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def page(address: str) -> Iterator[Any]:
    """A page of a superuser's, logged in; at the end nothing must have gone wrong in a script."""
    errors: list[str] = []
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(locale="en")
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Policy" in message.text else None)
        page.goto(f"{address}login/?next=/admin/celeriac/scheduledtask/add/")
        page.fill("#id_username", "root")
        page.fill("#id_password", "root")
        page.get_by_role("button", name="Log in").click()
        yield page
        browser.close()
    assert errors == []


def test_a_periodic_task_is_written_saved_run_and_looked_at(page: Any) -> None:
    page.get_by_role("button", name="Save", exact=True).first.click()
    page.wait_for_load_state("networkidle")
    assert "This field is required." in page.locator(".field-name .errorlist").inner_text()

    means = page.locator(".celeriac-preview")
    page.get_by_label("Expression:").fill("0 3 * *")
    page.locator(".field-expression .errorlist", has_text="has 4 fields; it needs five").wait_for()
    page.get_by_label("Expression:").fill("0 3 * * mon-fri")
    page.get_by_label("Time zone:").fill("Europe/Moscow")
    means.get_by_text("every weekday at 03:00 Europe/Moscow").wait_for()
    assert page.locator(".field-expression .errorlist").count() == 0
    assert means.locator("li").count() == 10

    page.get_by_label("Name:").fill("Water the roses")
    page.get_by_label("Task:").fill("beds.tasks.water")
    page.get_by_text("water(litres)", exact=True).wait_for()
    page.locator(".field-args .errorlist", has_text="missing a required argument: 'litres'").wait_for()
    page.get_by_label("Arguments:", exact=True).fill("[3]")
    page.wait_for_function("() => document.querySelectorAll('.errorlist').length === 0")
    page.get_by_role("button", name="Save and continue editing").first.click()
    page.get_by_text("was added successfully").wait_for()

    page.get_by_role("button", name="Run now").click()
    page.get_by_role("listitem").filter(has_text="A run of Water the roses is published").get_by_role("link").click()
    wait_until(lambda: page.reload() and page.get_by_text("SUCCESS").count(), "the task to have run")
    assert page.locator("dd pre", has_text="3").count()

    page.goto(page.url.partition("result/")[0])
    page.get_by_role("link", name="Water the roses").click()
    page.get_by_role("link", name="Runs", exact=True).click()
    run = page.locator("#content tbody tr")
    assert run.count() == 1
    assert "by hand" in run.inner_text()
    assert "SUCCESS" in run.inner_text()
