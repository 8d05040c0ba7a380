from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac import Celeriac, local
from celeriac.testing import TaskRecorder, record_tasks


class NamingApp(Celeriac):
    """Calls its tasks by its own name, wherever they are written."""

    def gen_task_name(self, name: str, module: str | None) -> str:
        return f"{self.main}.{name}"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celeriac]:
    """An app whose settings name a broker and results in a file, as a project's do."""
    before = local._apps.current
    url = f"sqlite:///{tmp_path}/real.sqlite3"
    app = NamingApp("letters", broker=url, backend=url)
    yield app
    app.close()
    local.set_current_app(before)


@pytest.fixture
def tasks(app: Celeriac) -> Iterator[TaskRecorder]:
    with record_tasks() as recorder:
        yield recorder
