"""Flower, unmodified, lists celeriac's workers beside Celery's."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.interop.grounds import SIDES, Grounds
from tests.interop.sides import wait_until

pytestmark = pytest.mark.timeout(240)


def workers_of(address: str) -> dict[str, dict[str, Any]]:
    """Return the workers that Flower shows, by name; none while it does not listen yet."""
    try:
        with urllib.request.urlopen(f"{address}workers?json=1", timeout=10) as answer:
            return {worker["hostname"]: worker for worker in json.load(answer)["data"]}
    except (urllib.error.URLError, ConnectionError):
        return {}


@pytest.mark.parametrize("server", ["redis", "rabbitmq"])
def test_flower_lists_the_workers_of_both_sides_as_alive(grounds: Grounds, server: str) -> None:
    wire = grounds.wire(server)
    names = {grounds.worker(side, wire).name for side in SIDES}
    address = grounds.flower(wire)
    wait_until(lambda: names <= workers_of(address).keys(), f"Flower to list {names}")
    listed = workers_of(address)
    assert {name: listed[name]["status"] for name in names} == dict.fromkeys(names, True)
    assert all(listed[name]["pid"] for name in names)
