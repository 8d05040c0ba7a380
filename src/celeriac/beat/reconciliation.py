"""Reconciling the timetable with the sources of integrations: what they say holds, whoever has changed it, and how.

It is done in a thread of its own. A source may hang, and the runs that are due wait for no database.
"""

import logging
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from celeriac.app.entry_sources import SOURCES, EntrySource, FaultyEntry, SourcedEntry, name_of_source
from celeriac.beat.planning import first_due
from celeriac.exceptions import EncodeError, OperationalError
from celeriac.schedule_entry import ScheduleEntry
from celeriac.timetables.base import Changes, Timetable

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["Reconciler", "enumerated", "log_changes"]

logger = logging.getLogger("celeriac.beat")

#: Seconds between two looks at the fingerprints of sources.
_PAUSE = 2.0
#: Seconds after which a source is compared as a whole, whatever its fingerprint: somebody may have gone around that, or
#: been held up and told the timetable what was right before.
_THOROUGH = 60.0
#: As many times longer than it takes, at least: comparing is to cost a fiftieth of a processor at most.
_RARITY = 50.0
#: Seconds that the thread may take to end; one that waits for a database is left behind.
_PATIENCE = 2.0


class Reconciler:
    """Keeps an app's sources and its timetable in step, while its scheduler leads."""

    def __init__(self, app: "Celeriac", timetable: Timetable) -> None:
        self._kept = [
            _KeptSource(app, timetable, noun, source) for noun, source in SOURCES.items() if source.applies(app)
        ]
        self._leads = False
        self._stopping = threading.Event()
        self._waking = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="beat-sources", daemon=True)

    def start(self) -> None:
        """Begin; without any source there is nothing to do."""
        if self._kept:
            self._thread.start()

    def lead(self, leads: bool) -> None:
        """Say whether it is this scheduler that does the work; who begins to compares everything."""
        if leads != self._leads:
            with self._waking:
                self._leads = leads
                self._waking.notify_all()

    def close(self) -> None:
        """End it. Safe to call twice, and without ``start``."""
        self._stopping.set()
        with self._waking:
            self._waking.notify_all()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for kept in self._kept:
                    if self._leads:
                        kept.look()
                    else:
                        kept.forget()
                self._wait()
        finally:
            for kept in self._kept:
                kept.source.close()

    def _wait(self) -> None:
        """Wait until the next look; not as long if somebody begins to lead, or it is over."""
        with self._waking:
            leads = self._leads
            self._waking.wait_for(lambda: self._stopping.is_set() or self._leads is not leads, _PAUSE)


class _KeptSource:
    """One source, and what is known of it."""

    def __init__(self, app: "Celeriac", timetable: Timetable, noun: str, source: EntrySource) -> None:
        self.source = source
        self._app = app
        self._timetable = timetable
        self._noun = noun
        self._name = name_of_source(noun, app)
        #: What is in the timetable; None: nobody knows.
        self._seen: Hashable = None
        self._thorough_at = 0.0
        self._is_away = False
        #: What was said of entries that cannot be, by name.
        self._told: dict[str, str] = {}

    def forget(self) -> None:
        """Note that others do the work: what is in the timetable is theirs to know."""
        self._seen = None

    def look(self) -> None:
        """Put the timetable in order if the source says something else; raises nothing."""
        try:
            self._compare()
        except OperationalError as error:
            if not self._is_away:
                logger.error(
                    "The entries of the %s cannot be compared with the timetable, which stays as it is until they can. "
                    "%s",
                    self._noun,
                    error,
                )
            self._is_away = True
        except Exception:
            logger.exception("Comparing the entries of the %s has failed; the next look is in a while.", self._noun)
        else:
            if self._is_away:
                logger.warning("The entries of the %s can be compared again.", self._noun)
            self._is_away = False

    def _compare(self) -> None:
        fingerprint = self.source.fingerprint()
        began = time.monotonic()
        if fingerprint is None or (fingerprint == self._seen and began < self._thorough_at):
            return
        self._seen = None
        self._reconcile()
        ended = time.monotonic()
        self._thorough_at = ended + max(_THOROUGH, _RARITY * (ended - began))
        self._seen = fingerprint

    def _reconcile(self) -> None:
        wanted: dict[str, SourcedEntry] = {}
        faults: dict[str, str] = {}
        for each in self.source.entries(self._app):
            if isinstance(each, FaultyEntry):
                faults[each.name] = each.sentence
            else:
                wanted[each.entry.name] = each
        while not self._synced(wanted, faults):
            pass
        self._tell(faults)

    def _synced(self, wanted: dict[str, SourcedEntry], faults: dict[str, str]) -> bool:
        """Make these the source's entries; return False if some of them cannot be, which are faults from now on."""
        entries = [each.entry for each in wanted.values()]
        entries += [entry for name in faults if (entry := self._as_it_was(name)) is not None]

        def first(entry: ScheduleEntry) -> float | None:
            each = wanted[entry.name]
            try:
                return first_due(each.schedule, each.since)
            except Exception as error:
                raise _UnplannableError(entry.name, error) from error

        try:
            changes = self._timetable.sync(self._name, entries, first)
        except _UnplannableError as unplannable:
            del wanted[unplannable.name]
            faults[unplannable.name] = f"It is not known when it runs first. {unplannable.error}"
            return False
        except EncodeError:
            found = {name: fault for name, each in wanted.items() if (fault := _fault(each.entry)) is not None}
            if not found:
                raise
            for name, sentence in found.items():
                del wanted[name]
                faults[name] = sentence
            return False
        for name, source in changes.taken.items():
            faults[name] = f"There is one of this name already, of the source {source!r}: choose another name."
        log_changes(changes, f"the timetable, from the {self._noun}")
        return True

    def _as_it_was(self, name: str) -> ScheduleEntry | None:
        """Return the source's entry of this name as it is in the timetable; it stays, if its new form is none."""
        state = self._timetable.get(name) if name else None
        return state.entry if state is not None and state.entry.source == self._name else None

    def _tell(self, faults: Mapping[str, str]) -> None:
        for name, sentence in faults.items():
            if self._told.get(name) != sentence:
                logger.error("%r in the %s is left out. %s", name, self._noun, sentence)
        self._told = dict(faults)


class _UnplannableError(Exception):
    """A schedule that raises an error when it is asked."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


def _fault(entry: ScheduleEntry) -> str | None:
    """Return what keeps an entry from being written down, None if nothing does."""
    try:
        entry.encode()
    except EncodeError as error:
        return str(error)
    return None


def log_changes(changes: Changes, place: str) -> None:
    """Log what was changed."""
    for verb, names in (("Added", changes.added), ("Changed", changes.changed), ("Removed", changes.removed)):
        if names:
            logger.info("%s in %s: %s.", verb, place, enumerated(names))


def enumerated(names: Sequence[str]) -> str:
    """Return names for a line in the log, which is not to be as long as a timetable."""
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
