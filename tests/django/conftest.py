"""The example's Django, set up in this process for its tests and for nobody else's."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest

from celeriac import local, signals
from celeriac.app.base import Celeriac
from celeriac.publication import integration
from celeriac.stand_ins import look_for_stand_ins
from tests.django.postoffice import POSTOFFICE

_STATE = tempfile.TemporaryDirectory(prefix="postoffice-")
_WATCHED = (
    signals.before_task_publish,
    signals.after_task_publish,
    signals.task_prerun,
    signals.task_postrun,
    signals.worker_init,
    signals.worker_process_init,
    signals.worker_process_shutdown,
)


def pytest_configure() -> None:
    sys.path.insert(0, str(POSTOFFICE))
    before = local._apps.make_default, dict(vars(integration)), [signal.receivers for signal in _WATCHED]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SETTINGS_MODULE", "postoffice.settings")
        patch.setenv("POSTOFFICE_DIRECTORY", _STATE.name)
        django.setup()
    # Tests in other folders know nothing of Django; those here that want the site ask for the fixture `site`.
    local._apps.make_default = before[0]
    vars(integration).update(before[1])
    look_for_stand_ins(None)
    for signal, receivers in zip(_WATCHED, before[2], strict=True):
        signal.receivers = receivers


def pytest_unconfigure() -> None:
    _STATE.cleanup()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celeriac]:
    """The site's celeriac app as a freshly started site has it, with broker and results in this test's folder."""
    from celeriac.django.site_app import make_site_app
    from insight import recording

    monkeypatch.delenv("CELERIAC_BROKER_URL", raising=False)
    app = make_site_app()
    app.conf.update(
        broker_url=f"sqlite:///{tmp_path}/queue.sqlite3", result_backend=f"sqlite:///{tmp_path}/queue.sqlite3"
    )
    previous = local._apps.current
    local.set_current_app(app)
    recorded = (signals.before_task_publish, signals.after_task_publish)
    receivers = [signal.receivers for signal in recorded]
    recording.connect()
    yield app
    for signal, before in zip(recorded, receivers, strict=True):
        signal.receivers = before
    app.close()
    local.set_current_app(previous)
