"""The timetable in Redis."""

import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from celeriac.brokers.base import Broker
from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import BrokerUnavailable, MessageRefused
from celeriac.protocol import envelope as envelopes
from celeriac.redis.errors import RedisRefused, ReplyError, explain_reply
from celeriac.redis.location import Kind, Location
from celeriac.redis.opening import server_at
from celeriac.redis.packing import Argument, Command, Reply, ScriptCall
from celeriac.redis.scripts import load_script
from celeriac.timetables.base import (
    FOREVER,
    HISTORY_LENGTH,
    Claim,
    Due,
    EntryState,
    Leader,
    Order,
    PlannedRun,
    RunRecord,
    Timetable,
)
from celeriac.timetables.comparison import Changes, Comparison, Definition, Known, compare, refuse_source
from celeriac.timetables.redis.keys import Keys
from celeriac.timetables.redis.rows import FIELDS, moment_text, to_record, to_run, to_state

__all__ = ["RedisTimetable"]

_SCRIPTS: Final = "celeriac.timetables.redis"
#: Seconds between two looks whether entries were changed.
_LOOK_INTERVAL: Final = 1.0
#: Entries changed, and moments claimed, in one step at the most: nobody else is served meanwhile.
_CHUNK: Final = 1000


class RedisTimetable(Timetable):
    """Beside the messages on a server, where a claim publishes; else apart from them."""

    def __init__(self, location: Location, *, broker: Broker | None = None) -> None:
        self.location = location
        self.url = location.url
        self._broker = broker if isinstance(broker, RedisBroker) and _is_beside(location, broker) else None
        self.publishes = self._broker is not None
        self._keys = Keys(location)
        self._server = server_at(location)
        self._woken = threading.Event()
        #: The counter of changes at the last look.
        self._seen = -1
        #: As long as the server has not lost it.
        self._namespace: str | None = None

    @classmethod
    def beside(cls, engine: Any, broker: Broker) -> "RedisTimetable":
        """Return the timetable on an engine's server."""
        return cls(engine.location, broker=broker)

    def open(self) -> None:
        self._server.open()

    def close(self) -> None:
        self._server.close()

    def namespace(self) -> str:
        if self._namespace is None:
            key = self._keys.namespace
            _, namespace = self._ask((b"SET", key, str(uuid.uuid4()), b"NX"), (b"GET", key))
            self._namespace = str(namespace.decode())
        return self._namespace

    def now(self) -> float:
        [[seconds, microseconds]] = self._ask((b"TIME",))
        return int(seconds) + int(microseconds) / 1_000_000

    def remove(self, name: str) -> bool:
        return self._change([_change("remove", name)])[1] == 1

    def pause(self, name: str, until: float = FOREVER) -> bool:
        return self._change([_change("pause", name, moment=moment_text(until))])[1] == 1

    def resume(self, name: str, next_at: float | None) -> bool:
        return self._change([_change("resume", name, moment=moment_text(next_at))])[1] == 1

    def due(self, limit: int, *, now: float | None = None) -> Due:
        keys = self._keys
        arguments = (keys.entry, limit, moment_text(now), *FIELDS)
        moment, changes, more, *entries = self._run("due", (keys.changes, keys.agenda), arguments)
        self._saw(int(changes))
        return Due(
            now=float(moment),
            states=tuple(to_state(fields) for fields in entries if fields[0] is not None),
            next_moment=float(more) if more else None,
        )

    def claim(self, claims: Sequence[Claim]) -> list[bool]:
        prepared = [self._claim_arguments(claim) for claim in claims]
        answers: list[Reply] = []
        for first in range(0, len(prepared), _CHUNK):
            answers += self._run_claims(prepared[first : first + _CHUNK])
        return [self._was_had(answer) for answer in answers]

    def run_by_hand(self, name: str, run: PlannedRun) -> bool:
        [answer] = self._run_claims([(name, "", "", "", "", 0, 0, 1, *self._run_arguments(run))])
        return self._was_had(answer)

    def pending(self, age: float, limit: int = 100) -> list[PlannedRun]:
        keys = self._keys
        found = self._run("pending", (keys.pending, keys.pending_runs), (round(age * 1_000_000), limit))
        return [to_run(run_id, content) for run_id, content in zip(found[::2], found[1::2], strict=True)]

    def mark_published(self, run_ids: Sequence[str]) -> None:
        keys = self._keys
        if run_ids:
            arguments = (keys.entry, keys.history, *run_ids)
            self._run("mark_published", (keys.pending, keys.pending_runs), arguments)

    def withdraw(self, run_ids: Sequence[str]) -> None:
        if run_ids:
            keys = self._keys
            # In this order: whoever looks in between finds a run without its place, which is none.
            self._ask((b"ZREM", keys.pending, *run_ids), (b"HDEL", keys.pending_runs, *run_ids))

    def lead(self, name: str, seconds: float) -> bool:
        leads: int = self._run("lead", (self._keys.leader,), (name, max(round(seconds * 1000), 1)))
        return leads == 1

    def step_down(self, name: str) -> None:
        self._run("lead", (self._keys.leader,), (name, 0))

    def leader(self) -> Leader | None:
        key = self._keys.leader
        leader, milliseconds, (now, microseconds) = self._ask((b"GET", key), (b"PTTL", key), (b"TIME",))
        if leader is None or milliseconds < 0:
            return None
        since, _, name = leader.partition(b":")
        until = int(now) + int(microseconds) / 1_000_000 + milliseconds / 1000
        return Leader(name=name.decode(), since=float(since), until=until)

    def wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            [changes] = self._ask((b"GET", self._keys.changes))
            if self._saw(int(changes or 0)):
                return True
            remaining = deadline - time.monotonic()
            if self._woken.is_set() or remaining <= 0:
                self._woken.clear()
                return False
            self._woken.wait(min(remaining, _LOOK_INTERVAL))

    def wake(self) -> None:
        self._woken.set()

    def get(self, name: str) -> EntryState | None:
        return next(iter(self._states([name])), None)

    def states(self, names: Sequence[str]) -> dict[str, EntryState]:
        return {state.entry.name: state for state in self._states(names)}

    def entries(self, offset: int = 0, limit: int = 100, *, order: Order = "name") -> list[EntryState]:
        keys = self._keys
        names: list[bytes]
        if order == "name":
            [names] = self._ask((b"ZRANGE", keys.names, offset, offset + limit - 1))
        else:
            planned = (b"ZRANGE", keys.agenda, offset, offset + limit - 1)
            count, names = self._ask((b"ZCARD", keys.agenda), planned)
            if len(names) < limit:
                [resting] = self._ask((b"ZDIFF", 2, keys.names, keys.agenda))
                first = max(0, offset - count)
                names += sorted(resting)[first : first + limit - len(names)]
        return self._states([name.decode() for name in names])

    def count(self) -> int:
        [count] = self._ask((b"ZCARD", self._keys.names))
        return int(count)

    def history(self, name: str, limit: int = HISTORY_LENGTH) -> list[RunRecord]:
        [lines] = self._ask((b"LRANGE", f"{self._keys.history}{name}", 0, limit - 1))
        return [to_record(line) for line in lines]

    def _saw(self, changes: int) -> bool:
        """Note how often entries have been changed; return whether that is news."""
        seen, self._seen = self._seen, changes
        if changes < seen:
            # The server has lost its data, or another one with less of it has taken over.
            self._namespace = None
        return changes != seen

    def _known(self, source: str, names: Sequence[str]) -> Mapping[str, Known]:
        return self._read_known(source, names)[1]

    def _replace(
        self, source: str, definitions: Mapping[str, Definition], moments: Mapping[str, float | None]
    ) -> Changes | None:
        count, known = self._read_known(source, list(definitions))
        comparison = compare(definitions, known)
        if any(definition.entry.name not in moments for definition in comparison.without_moment):
            return None
        changes = list(_changes(comparison, moments))
        for first in range(0, len(changes), _CHUNK):
            count, _ = self._change(changes[first : first + _CHUNK], expected=count)
            if count < 0:
                return None
        return comparison.changes

    def _put(self, definition: Definition, next_at: float | None) -> None:
        name = definition.entry.name
        while True:
            count, known = self._read_known(definition.entry.source, [name])
            if name in known:
                refuse_source(definition.entry, known[name].source)
            # The others of the source stay.
            comparison = compare({name: definition}, {each: known[each] for each in (name,) if each in known})
            changes = list(_changes(comparison, {name: next_at}))
            if not changes or self._change(changes, expected=count)[0] >= 0:
                return

    def _read_known(self, source: str, names: Sequence[str]) -> tuple[int, dict[str, Known]]:
        """Return how often entries had been changed before this was read, and what was."""
        changes, found = self._ask((b"GET", self._keys.changes), (b"HGETALL", f"{self._keys.source}{source}"))
        known: dict[str, Known] = {}
        for key, digests in _pairs(found):
            digest, _, timing = digests.decode().partition(":")
            known[key.decode()] = Known(source, digest, timing)
        others = [name for name in names if name not in known]
        fields = (b"source", b"digest", b"timing")
        replies = self._ask(*[(b"HMGET", f"{self._keys.entry}{name}", *fields) for name in others])
        for name, reply in zip(others, replies, strict=True):
            if reply[0] is not None:
                known[name] = Known(*(field.decode() for field in reply))
        return int(changes or 0), known

    def _change(self, changes: Sequence[tuple[Argument, ...]], *, expected: int | None = None) -> tuple[int, int]:
        """Change entries; return how often that was done now (-1: not now), and how many of them were there."""
        keys = self._keys
        arguments: list[Argument] = [keys.entry, keys.history, keys.source, "" if expected is None else expected]
        for change in changes:
            arguments += change
        count, found = self._run("change", (keys.changes, keys.names, keys.agenda), arguments)
        return count, found

    def _claim_arguments(self, claim: Claim) -> tuple[Argument, ...]:
        look_at = claim.next_at if claim.look_at is None else claim.look_at
        runs = [argument for run in claim.runs for argument in self._run_arguments(run)]
        return (
            *(claim.name, claim.generation, moment_text(claim.due), moment_text(claim.next_at), moment_text(look_at)),
            *(claim.missed, claim.skipped, len(claim.runs), *runs),
        )

    def _run_arguments(self, run: PlannedRun) -> list[Argument]:
        if self._broker is None:
            commands: Sequence[tuple[Argument, ...]] = [(envelopes.encode(run.message),)]
        else:
            commands = self._broker.commands_to_publish(run.message)
        arguments: list[Argument] = [run.id, moment_text(run.due), run.reason.value, len(commands)]
        for command in commands:
            arguments += (len(command), *command)
        return arguments

    def _run_claims(self, prepared: Sequence[tuple[Argument, ...]]) -> list[Reply]:
        keys = self._keys
        arguments: list[Argument] = [keys.entry, keys.history, "1" if self.publishes else "0", self.history_length]
        for claim in prepared:
            arguments += claim
        answers: list[Reply] = self._run("claim", (keys.agenda, keys.pending, keys.pending_runs), arguments)
        return answers

    def _was_had(self, answer: Reply) -> bool:
        if not isinstance(answer, bytes):
            return bool(answer)
        error = ReplyError(answer.decode(errors="replace"))
        # A key that is no list is none later either.
        kind = MessageRefused if error.code == "WRONGTYPE" else BrokerUnavailable
        raise kind(f"A run that is due could not be published, and stays due. {explain_reply(self.url, str(error))}")

    def _states(self, names: Sequence[str]) -> list[EntryState]:
        replies = self._ask(*[(b"HMGET", f"{self._keys.entry}{name}", *FIELDS) for name in names])
        return [to_state(fields) for fields in replies if fields[0] is not None]

    def _run(self, name: str, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Any:
        return self._ask(ScriptCall(load_script(_SCRIPTS, name), keys, arguments))[0]

    def _ask(self, *commands: Command) -> list[Reply]:
        """Return the answers; raises ``OperationalError``. All keys lie in one place, so one of them is as good."""
        place = self._keys.changes.encode()
        replies = self._server.scatter([(place, command) for command in commands]) if commands else []
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise RedisRefused(explain_reply(self.url, str(reply)), code=reply.code)
        return replies


def _is_beside(location: Location, broker: RedisBroker) -> bool:
    """Say whether one script reaches the messages too."""
    theirs = broker.location
    if Kind.CLUSTER in {location.kind, theirs.kind}:
        return False
    return (theirs.server, theirs.database) == (location.server, location.database)


def _change(action: str, name: str, *rest: Argument, moment: str = "") -> tuple[Argument, ...]:
    """Return one change as the script reads it."""
    return (action, name, *(rest or ("", "", "", "", "")), moment)


def _changes(comparison: Comparison, moments: Mapping[str, float | None]) -> Iterator[tuple[Argument, ...]]:
    groups = {"add": comparison.added, "retime": comparison.retimed, "change": comparison.changed}
    for action, definitions in groups.items():
        for each in definitions:
            entry = each.entry
            columns = (entry.source, each.data, each.digest, each.timing, int(entry.enabled))
            yield _change(action, entry.name, *columns, moment=moment_text(moments.get(entry.name)))
    for name in comparison.removed:
        yield _change("remove", name)


def _pairs(found: Any) -> list[tuple[bytes, bytes]]:
    """Return the fields and values of a hash: RESP2 answers a list, RESP3 a dictionary."""
    return list(found.items()) if isinstance(found, dict) else list(zip(found[::2], found[1::2], strict=True))
