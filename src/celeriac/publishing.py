"""Publishing: from the arguments of a call to a message at the broker.

``TaskCall`` and ``Message`` are values; what is decided here is what goes into them: the ids of the family a call
belongs to, moments from numbers of seconds, the queue, and whether it has to wait before it is published.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from celeriac import signals
from celeriac.backends.base import StoredResult
from celeriac.call_forms import CallForms
from celeriac.call_options import (
    FIELDS,
    TO_BE_READ,
    eta_of,
    expires_of,
    refuse_slips,
    refuse_wrong_arguments,
    refuse_wrong_values,
)
from celeriac.canvas import as_list
from celeriac.courier import Courier
from celeriac.event_loops import asyncio
from celeriac.exceptions import EncodeError
from celeriac.identifiers import node_origin, uuid, uuids
from celeriac.local import Frame, current_frame, frame_variable
from celeriac.protocol import serialization
from celeriac.protocol.call_form import CallForm, FilledForm
from celeriac.protocol.message import Message
from celeriac.protocol.task_call import TaskCall, decode_task, encode_task
from celeriac.publication import Publication, integration
from celeriac.routing import Route

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.app.task_core import TaskCore

__all__ = ["Publisher"]


class Publisher:
    """Makes messages of task calls and gives them to the app's broker. Safe for use by many threads."""

    def __init__(self, app: "Celeriac") -> None:
        self._app = app
        self._courier = Courier(app)
        self._forms = CallForms()

    # From a call to a message.

    def message(
        self,
        name: str,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        options: dict[str, Any],
        *,
        task: "TaskCore | None" = None,
        is_child: bool = True,
        is_follow_up: bool = False,
        has_form: bool = True,
    ) -> Message:
        """Return the message of a call; the options are those of ``Task.apply_async`` and may be changed here.

        Raises ``TypeError`` and ``ValueError`` for arguments that are no list and dict and for options that cannot be
        understood, ``EncodeError`` for an argument that cannot be written. Inside a task the call is its child, unless
        ``is_child`` is false: a retry has the same parent as the task. What is no follow-up may have to wait before it
        is published, and is announced then. ``has_form=False``: the caller has looked for a form in vain.
        """
        args = () if args is None else args
        kwargs = {} if kwargs is None else kwargs
        refuse_wrong_arguments(name, args, kwargs)
        revision = self._app.conf.revision
        form = self.form(name, options) if has_form else None
        filled = None if form is None else self.fill(form, ((args, kwargs),))
        if filled is not None:
            return filled.messages()[0]
        frame = current_frame()
        if frame is not None and is_child:
            self._join_family(options, frame)
        refuse_slips(name, options)
        route = self._app.router.route(options.get("route_name") or name, args, kwargs, options=options, task=task)
        if route.options:
            options.update({option: value for option, value in route.options.items() if options.get(option) is None})
        call = TaskCall(task=name, args=args, kwargs=kwargs, **{"id": uuid(), **self._fields(name, options)})
        message = self._encode(call, options, route, task)
        if self.takes_forms() and self._app.router.is_static and not route.options:
            self._forms.keep(name, options, message, self._app.conf, revision)
        if signals.before_task_publish.receivers and (is_follow_up or self._awaited(options) is None):
            message = self._announce(call, message, options, task)
        return message

    def takes_forms(self) -> bool:
        """Say whether calls made here and now belong to no family, and nobody shapes them on their way."""
        return (
            frame_variable.get() is None and integration.carried is None and not signals.before_task_publish.receivers
        )

    def form(self, name: str, options: Mapping[str, Any]) -> CallForm | None:
        """Return the form of calls with these options; None if there is none yet, or none may be used."""
        return self._forms.find(name, options, self._app.conf.revision) if self.takes_forms() else None

    def fill(self, form: CallForm, calls: Sequence[tuple[Sequence[Any], Mapping[str, Any]]]) -> FilledForm | None:
        """Fill the arguments of calls into their form; None if some cannot be written: ``message`` says why."""
        fillings = form.fill((uuid(),) if len(calls) == 1 else uuids(len(calls)), calls)
        if len(fillings) != len(calls):
            return None
        return FilledForm(form, fillings, node_origin(), self._app.reply_address)

    def messages(
        self, name: str, calls: Sequence[Sequence[Any]], options: dict[str, Any], *, task: "TaskCore"
    ) -> list[Message]:
        """Return the messages of many calls of one task with the same options, each call its positional arguments.

        What the options say is worked out once. Raises what ``message`` raises.
        """
        if options.get("task_id") is not None:
            raise TypeError(f"Many calls of {name} cannot have one task_id; leave it out.")
        if signals.before_task_publish.receivers or not calls:
            return [self.message(name, args, None, dict(options), task=task) for args in calls]
        # The first one finds out what is wrong with the options, and what they mean.
        first = self.message(name, calls[0], None, options, task=task)
        return [first, *self._others(name, calls[1:], options, task)] if len(calls) > 1 else [first]

    def _others(
        self, name: str, calls: Sequence[Sequence[Any]], options: dict[str, Any], task: "TaskCore"
    ) -> list[Message]:
        """Return the messages of calls whose options have been understood."""
        form = self.form(name, options)
        filled = None if form is None else self.fill(form, [(args, {}) for args in calls])
        if filled is not None:
            return filled.messages()
        fields = self._fields(name, options)
        find_route = self._app.router.route
        return [
            self._encode(
                TaskCall(task=name, id=task_id, args=args, **fields),
                options,
                find_route(name, args, options=options, task=task),
                task,
            )
            for args, task_id in zip(calls, uuids(len(calls)), strict=True)
        ]

    def follow_up(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: dict[str, Any],
        *,
        task: "TaskCore | None" = None,
        is_child: bool = True,
    ) -> Message:
        """Return the message of a call that the node publishes when it settles what runs now; its signals are sent."""
        message = self.message(name, args, kwargs, options, task=task, is_child=is_child, is_follow_up=True)
        if signals.after_task_publish.receivers:
            self._courier.announce_published([message])
        return message

    def _fields(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        refuse_wrong_values(name, options)
        # Only what was given costs anything.
        fields = {FIELDS[option]: value for option, value in options.items() if option in FIELDS and value is not None}
        if not options.keys().isdisjoint(TO_BE_READ):
            fields.update(self._read(name, options))
        fields.setdefault("origin", node_origin())
        fields.setdefault("ignore_result", None)
        fields.setdefault("reply_to", self._app.reply_address)
        carried = integration.carried() if integration.carried is not None else None
        if carried:
            fields["headers"] = {**fields.get("headers", {}), **carried}
        return fields

    def _read(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that are not simply as the options say."""
        get = options.get
        hard, soft = get("time_limit"), get("soft_time_limit")
        if hard is not None and soft is not None and soft > hard:
            raise ValueError(
                f"The soft time limit of {name} ({soft} s) must not be longer than the hard one ({hard} s)."
            )
        return {
            "callbacks": as_list(get("link")) or None,
            "errbacks": as_list(get("link_error")) or None,
            "eta": eta_of(name, get("eta"), get("countdown"), lambda: self._app.timezone),
            "expires": expires_of(name, get("expires"), lambda: self._app.timezone),
            "timelimit": (hard, soft),
            "stamps": {stamp: options[stamp] for stamp in get("stamped_headers") or () if stamp in options},
        }

    def _join_family(self, options: dict[str, Any], frame: Frame | None) -> None:
        """Fill in what a call has from the task that publishes it: parent, root, and if wanted the priority."""
        while frame is not None and frame.request.called_directly:
            frame = frame.outer
        if frame is None:
            return
        parent = frame.request
        if not options.get("root_id"):
            options["root_id"] = parent.root_id or parent.id
        if not options.get("parent_id"):
            options["parent_id"] = parent.id
        if self._app.conf.task_inherit_parent_priority and options.get("priority") is None:
            options["priority"] = (parent.delivery_info or {}).get("priority")

    def _encode(
        self, call: TaskCall, options: Mapping[str, Any], route: Route | Message, task: "TaskCore | None"
    ) -> Message:
        conf = self._app.conf
        serializer = options.get("serializer") or conf.task_serializer
        try:
            return encode_task(
                call,
                queue=route.queue,
                exchange=route.exchange,
                routing_key=route.routing_key if route.exchange else None,
                serializer=serializer,
                compression=options.get("compression") or conf.task_compression,
                priority=route.priority,
                delivery_mode=route.delivery_mode,
                repr_levels=conf.task_repr_maxlevels,
            )
        except EncodeError as error:
            blamed = _blame(call, serializer, task)
            raise (blamed or error) from error.__cause__

    def _announce(
        self, call: TaskCall, message: Message, options: Mapping[str, Any], task: "TaskCore | None"
    ) -> Message:
        """Send ``before_task_publish``, whose receivers may change headers and arguments in place."""
        embed = {"callbacks": call.callbacks, "errbacks": call.errbacks, "chain": call.chain, "chord": call.chord}
        args, kwargs = list(call.args), dict(call.kwargs)
        signals.before_task_publish.send(
            sender=call.task,
            body=(args, kwargs, embed),
            exchange=message.exchange,
            routing_key=message.routing_key or message.queue,
            headers=message.headers,
            properties=_properties(message),
            declare=[],
            retry_policy=options.get("retry_policy") or self._app.conf.task_publish_retry_policy,
        )
        if args != list(call.args) or kwargs != call.kwargs:
            call = msgspec.structs.replace(call, args=args, kwargs=kwargs)
        again = self._encode(call, options, message, task)
        return msgspec.structs.replace(again, headers=message.headers)

    # From a message to the broker.

    def send(
        self,
        messages: Sequence[Message],
        *,
        options: Mapping[str, Any],
        results: Mapping[str, StoredResult] | None = None,
        then: Callable[[], None] | None = None,
    ) -> Publication | None:
        """Publish the messages in one step, trying again as the policy says until the deadline.

        ``results``, by task id, are stored in the same step, so that they are there before anybody takes a message;
        ``then`` is called when all is published, and raises nothing. Where the messages have to wait (``on_commit``,
        ``using``) the publication is returned, and nothing has been published yet. Raises what ``Courier.send`` raises.
        """
        publication = None if integration.gate is None else self._held(messages, options, results, then)
        if publication is None:
            self.send_now(messages, options, results)
            if then is not None:
                then()
        return publication

    async def asend(self, messages: Sequence[Message], *, options: Mapping[str, Any]) -> Publication | None:
        """Do what ``send`` does without blocking the event loop."""
        publication = None if integration.gate is None else self._held(messages, options)
        if publication is None:
            if self._app.broker.capabilities.shared:
                await asyncio.to_thread(self.send_now, messages, options)
            else:
                self.send_now(messages, options)
        return publication

    def send_filled(self, filled: FilledForm, *, options: Mapping[str, Any]) -> Publication | None:
        """Do what ``send`` does with calls of one form."""
        if integration.gate is not None and self._awaited(options) is not None:
            return self._held(filled.messages(), options)
        self._courier.send_filled(filled, options)
        return None

    async def asend_filled(self, filled: FilledForm, *, options: Mapping[str, Any]) -> Publication | None:
        """Do what ``send_filled`` does without blocking the event loop."""
        if integration.gate is not None and self._awaited(options) is not None:
            return self._held(filled.messages(), options)
        if self._app.broker.capabilities.shared:
            await asyncio.to_thread(self._courier.send_filled, filled, options)
        else:
            self._courier.send_filled(filled, options)
        return None

    def _held(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        results: Mapping[str, StoredResult] | None = None,
        then: Callable[[], None] | None = None,
    ) -> Publication | None:
        """Return the publication if it has to wait, and is being held until then."""
        awaited = self._awaited(options)
        gate = integration.gate
        if awaited is None or gate is None:
            return None
        publication = Publication(
            messages,
            options,
            sender=self,
            awaited=f"the commit of the transaction on {awaited!r}",
            results=results,
            then=then,
        )
        gate.hold(publication, awaited)
        return publication

    def _awaited(self, options: Mapping[str, Any]) -> str | None:
        """Return what a call with these options has to wait for; None: nothing."""
        if integration.gate is None:
            return None
        on_commit = options.get("on_commit")
        if not (self._app.conf.task_publish_on_commit if on_commit is None else on_commit):
            return None
        return integration.gate.awaited(options.get("using"))

    def announce(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Sequence[Message]:
        """Send ``before_task_publish`` for messages that have waited: signals belong to the publish, not to the call.

        Returns the messages as the receivers want them.
        """
        if not signals.before_task_publish.receivers:
            return messages
        return [self._announce_read(message, options) for message in messages]

    def _announce_read(self, message: Message, options: Mapping[str, Any]) -> Message:
        call = decode_task(message, [message.content_type])
        return self._announce(call, message, options, self._app.own_tasks.get(call.task))

    def send_now(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        results: Mapping[str, StoredResult] | None = None,
    ) -> None:
        """Do what ``send`` does, waiting for nothing but the broker."""
        self._courier.send(messages, options, results)

    # For what others publish: the node, and the timetable.

    def presume(self, queues: Iterable[str]) -> None:
        """Take these queues for declared, since the node takes from them."""
        self._courier.presume(queues)

    def has_declared(self, messages: Sequence[Message]) -> bool:
        """Say whether ``declare`` has nothing to do for these messages."""
        return self._courier.has_declared(messages)

    def declare(self, messages: Sequence[Message]) -> None:
        """Make sure that the queues of these messages exist; raises ``OperationalError``."""
        self._courier.declare(messages)

    def announce_published(self, messages: Sequence[Message]) -> None:
        """Send ``after_task_publish`` for messages that have been published."""
        if signals.after_task_publish.receivers:
            self._courier.announce_published(messages)


def _blame(call: TaskCall, serializer: str, task: "TaskCore | None") -> EncodeError | None:
    """Return an error that names the argument which cannot be written, or None if it is none of the arguments."""
    named = [(f"argument {position}", value) for position, value in enumerate(call.args, start=1)]
    names = task.arity.names if task is not None else ()
    named = [
        (f"{words} ({names[position]})" if position < len(names) else words, value)
        for position, (words, value) in enumerate(named)
    ]
    named += [(f"argument {key!r}", value) for key, value in call.kwargs.items()]
    for words, value in named:
        try:
            serialization.dumps(value, serializer)
        except EncodeError as error:
            return EncodeError(
                f"The {words} of {call.task} is a {type(value).__name__} that {serializer} cannot write: "
                f"{error.__cause__ or error}. Pass plain values instead, such as the id of an object."
            )
    return None


def _properties(message: Message) -> dict[str, Any]:
    return {
        "correlation_id": message.id,
        "reply_to": message.reply_to,
        "priority": message.priority,
        "delivery_mode": message.delivery_mode,
    }
