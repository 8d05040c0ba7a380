"""A task: a function (or class) that can be called later, elsewhere."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast

from celeriac.app.eager import run_eagerly, run_eagerly_async, through_serializer
from celeriac.app.retrying import RetryingTask
from celeriac.async_result import AsyncResult as Result  # the class has a method of that name
from celeriac.backends.base import StoredResult
from celeriac.call_options import CallOptions, refuse_wrong_arguments
from celeriac.canvas import Signature
from celeriac.courier import BATCH
from celeriac.eager_result import EagerResult
from celeriac.event_loops import asyncio
from celeriac.local import denied_join_result, get_current_worker_task
from celeriac.protocol.call_form import FilledForm
from celeriac.publication import Publication
from celeriac.request import Context

__all__ = ["Context", "Task"]

Item = TypeVar("Item")
P = ParamSpec("P")
R = TypeVar("R")

_NOTHING: Mapping[str, Any] = {}
_SEQUENCES = frozenset({list, tuple})


class Task(RetryingTask, Generic[P, R]):
    """A task: called as a function it runs here and now; ``delay`` and ``apply_async`` have a worker run it.

    ``P`` are its parameters (without ``self`` for bound ones), ``R`` is what it returns (what an ``async def`` returns
    when awaited). Subclasses define ``run``, or are given as ``base`` to the decorator.
    """

    # Publishing.

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Publish a call with these arguments."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        link: "Signature[Any] | Sequence[Signature[Any]] | None" = None,
        link_error: "Signature[Any] | Sequence[Signature[Any]] | None" = None,
        shadow: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[R]:
        """Publish a call with options (``CallOptions``).

        ``link`` and ``link_error`` are signatures called after success and failure, ``shadow`` is the name to show.
        Raises ``TypeError`` for arguments that do not fit the task, ``EncodeError`` for one that cannot be sent,
        ``BrokerUnavailable`` when nothing was published, ``PublishUnconfirmed`` when nobody knows.
        """
        chosen: dict[str, Any] = options  # type: ignore[assignment]
        if task_id is not None or link is not None or link_error is not None or shadow is not None:
            chosen = self._options(options, task_id, link, link_error, shadow)
        filled = None if chosen else self._filled_alone(args, kwargs, chosen)
        if filled is None:
            is_alone, chosen = not chosen, self.call_options(args, kwargs, chosen)
            if self.app.conf.task_always_eager:
                return self._apply_instead(args, kwargs, chosen)
            filled = self._filled(args, kwargs, chosen, is_alone=is_alone)
        publisher = self.app.publisher
        if filled is not None:
            return self._make_result(filled.fillings[0][0], chosen, publisher.send_filled(filled, options=chosen))
        message = publisher.message(self.name, args, kwargs, chosen, task=self, has_form=False)
        return self._result(message.id, chosen, publisher.send([message], options=chosen))

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """``delay`` without blocking the event loop."""
        return await self.aapply_async(args, kwargs)

    async def aapply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        link: "Signature[Any] | Sequence[Signature[Any]] | None" = None,
        link_error: "Signature[Any] | Sequence[Signature[Any]] | None" = None,
        shadow: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[R]:
        """``apply_async`` without blocking the event loop."""
        chosen: dict[str, Any] = options  # type: ignore[assignment]
        if task_id is not None or link is not None or link_error is not None or shadow is not None:
            chosen = self._options(options, task_id, link, link_error, shadow)
        filled = None if chosen else self._filled_alone(args, kwargs, chosen)
        if filled is None:
            is_alone, chosen = not chosen, self.call_options(args, kwargs, chosen)
            if self.app.conf.task_always_eager:
                args, kwargs = through_serializer(self, args, kwargs, chosen)
                with denied_join_result():
                    return cast("EagerResult[R]", await run_eagerly_async(self, args, kwargs, chosen))
            filled = self._filled(args, kwargs, chosen, is_alone=is_alone)
        publisher = self.app.publisher
        if filled is not None:
            held = await publisher.asend_filled(filled, options=chosen)
            return self._make_result(filled.fillings[0][0], chosen, held)
        message = publisher.message(self.name, args, kwargs, chosen, task=self, has_form=False)
        return self._result(message.id, chosen, await publisher.asend([message], options=chosen))

    def delay_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """``delay``, after the commit of the open transaction: in Django ``delay`` does that by itself."""
        return self.apply_async(args, kwargs, on_commit=True)

    def apply_async_on_commit(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Result[R]:
        """``apply_async``, after the commit of the open transaction. Celery's returns None, this one the result."""
        return self.apply_async(args, kwargs, **{**options, "on_commit": True})

    def delay_many(self, calls: Iterable[Sequence[Any]], **options: Unpack[CallOptions]) -> list[Result[R]]:
        """Publish many calls in few round trips; each element is the positional arguments of one call.

        ``tasks.send.delay_many([(1,), (2,), (3,)])`` costs little more than one ``delay``. The options hold for all.
        For calls of different tasks, or with keyword arguments, see ``app.publish_many``.
        """
        results: list[Result[R]] = []
        for batch in batches(calls):
            chosen = self._options_of_many(batch, options)
            publisher = self.app.publisher
            if self.app.conf.task_always_eager:
                results += [self._apply_instead(args, None, dict(chosen)) for args in batch]
            elif (filled := self._filled_many(batch, chosen)) is not None:
                held = publisher.send_filled(filled, options=chosen)
                results += self._results([filling[0] for filling in filled.fillings], chosen, held)
            else:
                messages = publisher.messages(self.name, batch, chosen, task=self)
                held = publisher.send(messages, options=chosen)
                results += self._results([message.id for message in messages], chosen, held)
        return results

    async def adelay_many(self, calls: Iterable[Sequence[Any]], **options: Unpack[CallOptions]) -> list[Result[R]]:
        """``delay_many`` without blocking the event loop."""
        results: list[Result[R]] = []
        for batch in batches(calls):
            chosen = self._options_of_many(batch, options)
            publisher = self.app.publisher
            if self.app.conf.task_always_eager:
                results += [await self.aapply_async(args, **options) for args in batch]
            elif (filled := self._filled_many(batch, chosen)) is not None:
                held = await publisher.asend_filled(filled, options=chosen)
                results += self._results([filling[0] for filling in filled.fillings], chosen, held)
            else:
                messages = publisher.messages(self.name, batch, chosen, task=self)
                held = await publisher.asend(messages, options=chosen)
                results += self._results([message.id for message in messages], chosen, held)
        return results

    # Running here and now.

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        link: Any = None,
        link_error: Any = None,
        task_id: str | None = None,
        retries: int | None = None,
        throw: bool | None = None,
        logfile: Any = None,
        loglevel: Any = None,
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """Run the task in this thread, with retries, handlers and signals, and return its result.

        ``throw`` raises the task's error at once (default: ``task_eager_propagates``). An ``async def`` gets an event
        loop of its own.
        """
        options.update(link=link, link_error=link_error, task_id=task_id, retries=retries, headers=headers)
        return cast("EagerResult[R]", run_eagerly(self, args, kwargs, options, throw=throw))

    async def aapply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        throw: bool | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """``apply`` in this event loop."""
        return cast("EagerResult[R]", await run_eagerly_async(self, args, kwargs, options, throw=throw))

    # Signatures and results.

    def signature(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        immutable: bool = False,
        **more_options: Any,
    ) -> Signature[R]:
        """Return a signature: a call that is not sent yet."""
        return Signature(self, args, kwargs, options, immutable=immutable, app=self._app, **more_options)

    subtask = signature

    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """Return a signature with these arguments; more can be added before them later."""
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """Return a signature that takes no more arguments, not even the result of a task before it."""
        return self.signature(args, kwargs, immutable=True)

    def AsyncResult(self, task_id: str, **kwargs: Any) -> Result[R]:  # noqa: N802 - Celery's name
        """Return the result of a call of this task, by its id."""
        return self.app.AsyncResult(task_id, backend=self._backend, task_name=self.name, **kwargs)

    # What a running task can do.

    def add_trail(self, result: Any) -> Any:
        """Note a result as a child of the running call; returns it."""
        if self.trail:
            self.request.children.append(result)
        return result

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **kwargs: Any
    ) -> None:
        """Store a state of your own for the running call (or another), such as how far it is, in ``meta``.

        Does nothing where there is no call or where nothing is stored: called as a function, eagerly, results off.
        Blocks as long as the result backend takes; in an ``async def`` use ``aupdate_state``.
        """
        stored = self._state_to_store(task_id, state, meta)
        if stored is not None:
            self.backend.store([stored])

    async def aupdate_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None) -> None:
        """``update_state`` without blocking the event loop."""
        stored = self._state_to_store(task_id, state, meta)
        if stored is not None:
            await asyncio.to_thread(self.backend.store, [stored])

    def send_event(self, type_: str, retry: bool = True, retry_policy: Any = None, **fields: Any) -> None:
        """Tell observers of the running call; does nothing where no events are sent."""
        self.app.send_event(type_, uuid=self.request.id, **fields)

    # Inside.

    def call_options(
        self, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the options of a call with the task's own beneath; raises ``TypeError`` for unfit arguments."""
        plan = self.plan
        given = () if args is None else args, {} if kwargs is None else kwargs
        refuse_wrong_arguments(self.name, *given)
        if self._checks_arguments:
            plan.arity.check(self.name, *given)
        if plan.options:
            options = {**plan.options, **{name: value for name, value in options.items() if value is not None}}
        if options.get("ignore_result") is None:
            options["ignore_result"] = plan.ignore_result
        if plan.has_shadow_name and not options.get("shadow"):
            options["shadow"] = self.shadow_name(args, kwargs, options)
        return options

    @property
    def _checks_arguments(self) -> bool:
        typing = self.typing
        return self.app.strict_typing if typing is None else typing

    @staticmethod
    def _options(options: Any, task_id: str | None, link: Any, link_error: Any, shadow: str | None) -> dict[str, Any]:
        chosen: dict[str, Any] = options
        if task_id is not None:
            chosen["task_id"] = task_id
        if link is not None:
            chosen["link"] = link
        if link_error is not None:
            chosen["link_error"] = link_error
        if shadow is not None:
            chosen["shadow"] = shadow
        return chosen

    def _apply_instead(
        self, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, options: dict[str, Any]
    ) -> EagerResult[R]:
        args, kwargs = through_serializer(self, args, kwargs, options)
        with denied_join_result():
            return cast("EagerResult[R]", run_eagerly(self, args, kwargs, options))

    def _filled_alone(
        self, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, options: dict[str, Any]
    ) -> FilledForm | None:
        """Return a call without options of its own, if there is a form for it; adds the task's to the options.

        Raises ``TypeError`` for unfit arguments.
        """
        # Each look at a property costs as much as a part of the message: this is done for every call.
        app, plan = self._app, self._plan
        if app is None or plan is None or plan.form is None or plan.revision != app.conf.revision:
            return None
        publisher = app.publisher
        if kwargs is None:
            kwargs = _NOTHING
        if args is None or type(args) not in _SEQUENCES or type(kwargs) is not dict or not publisher.takes_forms():
            return None
        typing = self.typing
        if app.strict_typing if typing is None else typing:
            plan.arity.check(self.name, args, kwargs)
        filled = publisher.fill(plan.form, ((args, kwargs),))
        if filled is not None:
            options["ignore_result"] = plan.ignore_result
        return filled

    def _filled(
        self, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, options: dict[str, Any], *, is_alone: bool
    ) -> FilledForm | None:
        """Return a call with all its options, if there is a form for it."""
        publisher = self.app.publisher
        form = publisher.form(self.name, options)
        if form is None:
            return None
        if is_alone and not self.plan.has_shadow_name:
            self.plan.form = form
        return publisher.fill(form, ((() if args is None else args, {} if kwargs is None else kwargs),))

    def _filled_many(self, calls: Sequence[Sequence[Any]], options: Mapping[str, Any]) -> FilledForm | None:
        publisher = self.app.publisher
        form = publisher.form(self.name, options)
        return None if form is None else publisher.fill(form, [(args, _NOTHING) for args in calls])

    def _options_of_many(self, calls: Sequence[Sequence[Any]], options: Any) -> dict[str, Any]:
        """Return the options of many calls; raises ``TypeError`` for unfit arguments of any."""
        name, arity = self.name, self.plan.arity if self._checks_arguments else None
        for args in calls:
            if not isinstance(args, (list, tuple)):
                raise TypeError(
                    f"Each call of many is a tuple of arguments, and {args!r:.100} is none: write ({args!r:.100},)."
                )
            if arity is not None:
                arity.check(name, args, _NOTHING)
        return self.call_options(calls[0], None, dict(options))

    def _results(
        self, task_ids: Sequence[str], options: Mapping[str, Any], held: Publication | None
    ) -> list[Result[R]]:
        results = [self._make_result(task_id, options, held) for task_id in task_ids]
        if get_current_worker_task() is not None:
            for result in results:
                note_child(result, options)
        return results

    def _result(self, task_id: str, options: Mapping[str, Any], held: Publication | None) -> Result[R]:
        """Return the result of a call that has been published or is held, noted as a child of the running one."""
        result = self._make_result(task_id, options, held)
        note_child(result, options)
        return result

    def _make_result(self, task_id: str, options: Mapping[str, Any], held: Publication | None) -> Result[R]:
        result: Result[R] = Result(task_id, self._backend, self.name, self.app)
        if held is not None:
            result.publication = held
        if options.get("ignore_result"):
            result.ignored = True
        return result

    def _state_to_store(self, task_id: str | None, state: str | None, meta: Any) -> StoredResult | None:
        request = self.request
        backend = self.backend
        task_id = task_id or request.id
        if not task_id or not state or not backend.stores_results:
            return None
        if request.is_eager and not self.store_eager_result:
            return None
        if task_id != request.id:
            request = Context(id=task_id, task=self.name, hostname=request.hostname)
        return self.app.result_format.write(request, state, meta)


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the items in lists of as many as are published in one step."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def note_child(result: Result[Any], options: Mapping[str, Any]) -> None:
    """Note the result as a child of the task that runs here, if one does and it is wanted."""
    parent = get_current_worker_task()
    if parent is not None and options.get("add_to_parent") is not False:
        parent.add_trail(result)
