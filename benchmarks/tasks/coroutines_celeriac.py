"""What celeriac runs as a coroutine, apart from its other tasks: an app with none has no event loop in its workers."""

import asyncio

import work
from tasks_celeriac import app


@app.task
async def sleep(seconds: float) -> None:
    """Take so long, beside many others in the same process."""
    await asyncio.sleep(seconds)
    work.note_done()
