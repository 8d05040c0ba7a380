"""The id of a run: one schedule entry at one due moment, which is also the id of the task it publishes."""

import hashlib

__all__ = ["run_id"]


def run_id(namespace: str, entry: str, due: float) -> str:
    """Return the id of an entry's run at a due moment (unix time): the same whoever asks, and however often.

    So a run that is published twice is one task. ``namespace`` tells one timetable's entries from another's
    (``Timetable.namespace``). It is a version 7 UUID like the ids of other tasks: it begins with the due moment, and
    the rest is a digest where theirs is random.
    """
    milliseconds = round(due * 1000)
    name = "\0".join((namespace, entry, str(milliseconds)))
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    head = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    variant = "89ab"[int(digits[0], 16) & 3]
    return f"{head[:8]}-{head[8:]}-7{digits[1:4]}-{variant}{digits[4:7]}-{digits[7:19]}"
