"""Everything dies at random, and no message is lost, nothing is stuck, and whatever ran twice is explained."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.outages.chaos import CALM_PATIENCE, SLACK, Chaos
from tests.outages.conftest import Fleet

SECONDS = float(os.environ.get("CELERIAC_CHAOS_SECONDS", "600"))
#: Where the counts go, if anywhere: a line of JSON a run.
REPORT = os.environ.get("CELERIAC_CHAOS_REPORT", "")


@pytest.mark.soak
def test_chaos(fleet: Fleet) -> None:
    seed = int(os.environ.get("CELERIAC_CHAOS_SEED", time.time()))
    report = Chaos(fleet, seed=seed).run(SECONDS)
    said = json.dumps({"server": type(fleet.ground).__name__, **vars(report)})
    if REPORT:
        with Path(REPORT).open("a") as file:
            file.write(said + "\n")
    assert not report.lost, said
    assert not report.unexplained, said
    assert report.longest_calm < CALM_PATIENCE + SLACK
