"""Arity: whether arguments fit a function, decided before they are sent to where nobody waits for the answer."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Arity"]

_NONE = inspect.Parameter.empty


class Arity:
    """The parameters of a function, reduced to what a quick check needs."""

    __slots__ = ("_keywords", "_least", "_most_alone", "_required", "_signature", "_takes_any_keyword", "most", "names")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function).replace(return_annotation=inspect.Signature.empty)
        parameters = list(self._signature.parameters.values())
        kinds = {parameter.kind for parameter in parameters}
        positional = [
            parameter
            for parameter in parameters
            if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
        ]
        keyword_only = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
        #: Positional parameters by name; empty text for one that cannot be given by name.
        self.names = tuple(
            "" if parameter.kind is parameter.POSITIONAL_ONLY else parameter.name for parameter in positional
        )
        #: How many positional arguments fit at most.
        self.most = float("inf") if inspect.Parameter.VAR_POSITIONAL in kinds else len(positional)
        # Without keyword arguments, as many positional ones as between these two fit; none if a keyword is needed.
        needs_keyword = any(parameter.default is _NONE for parameter in keyword_only)
        self._least = sum(parameter.default is _NONE for parameter in positional)
        self._most_alone = -1 if needs_keyword else self.most
        # With keyword arguments.
        self._keywords = frozenset(name for name in self.names if name) | {each.name for each in keyword_only}
        self._required = frozenset(
            parameter.name for parameter in (*positional, *keyword_only) if parameter.default is _NONE
        )
        self._takes_any_keyword = inspect.Parameter.VAR_KEYWORD in kinds or "" in self.names

    @property
    def parameters(self) -> str:
        """The parameters as they are written, e.g. ``(x, y=1)``."""
        return str(self._signature)

    def check(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise ``TypeError`` with one sentence if the arguments do not fit the task of this name."""
        if not kwargs:
            if self._least <= len(args) <= self._most_alone:
                return
        elif not self._takes_any_keyword and len(args) <= len(self.names):
            taken = self.names[: len(args)]
            given = kwargs.keys()
            if given <= self._keywords and given.isdisjoint(taken) and self._required <= given | set(taken):
                return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"The task {name}{self.parameters} cannot be called like this: {error}.") from None

    def rearranged(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments, with a keyword argument in the place of the positional one of the same name."""
        rest = dict(kwargs)
        names = (*self.names, *[""] * len(args))
        return tuple(rest.pop(name, value) if name else value for name, value in zip(names, args, strict=False)), rest
