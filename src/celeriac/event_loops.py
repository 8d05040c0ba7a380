"""asyncio, imported when something of it is first used.

It is a third of the time that importing an app with tasks takes, and a program without coroutines needs nothing of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["asyncio"]

if TYPE_CHECKING:
    import asyncio
else:

    class _Asyncio:
        """Stands for the module; keeps what was asked for, so that it is looked up once."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module("asyncio"), name)
            setattr(self, name, value)
            return value

    asyncio = _Asyncio()
