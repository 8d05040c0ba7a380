"""Asking the SMTP server whether it knows an address."""

import asyncio
import time
from typing import NamedTuple

from django.conf import settings


class Verdict(NamedTuple):
    """What the server said of an address, and how long it took over it."""

    address: str
    exists: bool
    seconds: float


async def verify(address: str) -> Verdict:
    """Ask with VRFY. Raises ``OSError`` if the server is not there."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection(settings.SMTP_HOST, settings.SMTP_PORT)
    try:
        await reader.readline()  # the greeting
        writer.write(f"VRFY {address}\r\nQUIT\r\n".encode())
        answer = await reader.readline()
    finally:
        writer.close()
    return Verdict(address, exists=answer.startswith(b"250"), seconds=time.perf_counter() - started)
