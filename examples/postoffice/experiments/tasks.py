"""The tasks of the experiments. Each is given the id of its run, where it notes what it does."""

import asyncio
import csv
import os
import signal
import time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from celeriac import Task, shared_task
from celeriac.exceptions import SoftTimeLimitExceeded
from experiments.models import Event, ImportedAddress, Run
from experiments.verification import verify
from letters.correspondence import PEOPLE

#: Rows of a file that are imported in one step, and the seconds to pause after it, so that there is something to watch.
BATCH = 50
PAUSE = 0.15


@shared_task
def look_up_price(run_id: int) -> int:
    """Look up a price that is not in the list."""
    Run.objects.get(pk=run_id).begin()
    prices = {"letter": 95, "parcel": 619}
    return prices["postcard"]


@shared_task(soft_time_limit=2, time_limit=4)
def dawdle(run_id: int) -> None:
    """Be too slow, and then be too slow to tidy up."""
    run = Run.objects.get(pk=run_id)
    run.begin()
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        run.note(Event.Kind.SOFT_LIMIT)
        time.sleep(60)


@shared_task
def survive(run_id: int) -> str:
    """Work for three seconds; the first time, be killed half-way."""
    run = Run.objects.get(pk=run_id)
    attempt = run.begin()
    time.sleep(1.5)
    if attempt == 1:
        run.note(Event.Kind.KILLING)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1.5)
    run.note(Event.Kind.DONE)
    return f"done by process {os.getpid()}"


@shared_task(bind=True)
async def verify_ten(self: Task, run_id: int) -> dict[str, Any]:
    """Ask the SMTP server about ten addresses at once, and tell of each answer as it comes."""
    run = await Run.objects.aget(pk=run_id)
    await run.anote(Event.Kind.BEGUN)
    started = time.perf_counter()
    verdicts = []
    for answer in asyncio.as_completed([verify(address) for _, address in PEOPLE]):
        verdicts.append((await answer)._asdict())
        await self.aupdate_state(state="PROGRESS", meta={"verdicts": verdicts})
    return {"verdicts": verdicts, "seconds": time.perf_counter() - started}


@shared_task(bind=True)
def import_addresses(self: Task, run_id: int) -> dict[str, Any]:
    """Import the addresses of a file, batch by batch; run again, it goes over the same rows and changes nothing."""
    run = Run.objects.get(pk=run_id)
    run.begin()
    rows = list(csv.DictReader(run.document.splitlines()))
    progress = {"total": len(rows), "done": 0, "faulty": 0, "cancelled": False}
    for start in range(0, len(rows), BATCH):
        if run.is_cancel_requested():
            run.note(Event.Kind.CANCELLED)
            return progress | {"cancelled": True}
        batch = rows[start : start + BATCH]
        sound = [row for row in batch if is_address(row["email"])]
        ImportedAddress.objects.bulk_create(
            (ImportedAddress(run=run, name=row["name"], email=row["email"]) for row in sound), ignore_conflicts=True
        )
        progress["done"] += len(batch)
        progress["faulty"] += len(batch) - len(sound)
        self.update_state(state="PROGRESS", meta=progress)
        time.sleep(PAUSE)
    return progress


def is_address(text: str) -> bool:
    """Say whether this can be an e-mail address."""
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
