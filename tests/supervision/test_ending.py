import signal

import pytest

from celeriac.supervision.ending import UNKNOWN_ENDING, Ending


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending(0, None), "exited with status 0"),
        (Ending(3, None), "exited with status 3"),
        (Ending(None, signal.SIGKILL), "was killed by SIGKILL"),
        (Ending(None, 40), "was killed by OS signal 40"),
        (UNKNOWN_ENDING, "ended, and nobody knows how"),
    ],
)
def test_describes_itself_in_words(ending: Ending, words: str) -> None:
    assert ending.describe() == words


def test_is_read_from_a_wait_status() -> None:
    assert Ending.from_wait_status(3 << 8) == Ending(3, None)
    assert Ending.from_wait_status(9) == Ending(None, 9)
    assert Ending.from_wait_status(0x80 | 11) == Ending(None, 11), "with a core dump"


def test_is_read_from_a_return_code() -> None:
    assert Ending.from_return_code(3) == Ending(3, None)
    assert Ending.from_return_code(-9) == Ending(None, 9)
