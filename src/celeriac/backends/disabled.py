"""The backend that keeps nothing: results are off."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

from celeriac.backends.base import ChordProgress, ResultBackend, StoredResult
from celeriac.brokers.base import Broker
from celeriac.exceptions import ResultsDisabled

__all__ = ["DisabledBackend"]


class DisabledBackend(ResultBackend):
    """Takes results and drops them; reading one is an error that says what to do."""

    stores_results: ClassVar[bool] = False

    def __init__(
        self, url: str = "disabled://", *, options: Mapping[str, Any] | None = None, broker: Broker | None = None
    ) -> None:
        self.url = url

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def store(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        return []

    def fetch(self, task_ids: Sequence[str]) -> dict[str, StoredResult]:
        self._refuse()

    def wait(self, task_ids: Sequence[str], timeout: float, minimum: int = 1) -> dict[str, StoredResult]:
        self._refuse()

    def forget(self, task_ids: Sequence[str]) -> None:
        pass

    def save_group(self, group_id: str, document: bytes, lifetime: float | None = None) -> None:
        self._refuse()

    def load_group(self, group_id: str) -> bytes | None:
        self._refuse()

    def forget_group(self, group_id: str) -> None:
        pass

    def chord_part(
        self, group_id: str, *, size: int, index: int, document: bytes, lifetime: float | None = None
    ) -> ChordProgress:
        self._refuse()

    def prune(self) -> int:
        return 0

    def _refuse(self) -> NoReturn:
        raise ResultsDisabled(
            "No result backend is configured, so no state and no result is kept. "
            "Set result_backend, for example to 'sqlite:///results.sqlite3'."
        )
