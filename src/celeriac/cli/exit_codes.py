"""What the command's exit status says. Numbers above 2 are those of BSD's ``sysexits.h``, as far as there are any."""

from typing import Final

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "NOT_YET", "SUMMARY", "UNAVAILABLE"]

#: It was done, and what came of it is bad: the task failed, the doctor found something.
FAILED: Final = 1
#: The command line, the app or its settings are wrong.
MISUSED: Final = 2
#: The broker or the result backend cannot be used, or no node answers.
UNAVAILABLE: Final = 69
#: The result is not there yet.
NOT_YET: Final = 75
#: Ctrl-C.
INTERRUPTED: Final = 130

SUMMARY: Final = (
    f"Exit status: 0 done; {FAILED} it was done and failed, or the doctor found something; {MISUSED} the command "
    f"line, the app or its settings are wrong; {UNAVAILABLE} the broker cannot be used, or no node answers; {NOT_YET} "
    f"the result is not there yet; {INTERRUPTED} interrupted."
)
