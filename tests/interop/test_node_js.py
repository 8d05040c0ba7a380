"""A producer that is neither Celery nor celeriac, nor even Python: celery-node, from npm."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.grounds import Grounds
from tests.interop.sides import PROJECT, Side
from tests.interop.wire import PREFIX

pytestmark = pytest.mark.timeout(240)

VARIABLE = "CELERIAC_NODE_PEER"


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """Return where celery-node is; `make node-peer` puts it there."""
    modules = Path(os.environ.get(VARIABLE, ""), "node_modules")
    if shutil.which("node") and (modules / "celery-node").is_dir():
        return modules
    reason = f"{VARIABLE} names no folder with celery-node, or there is no node; `make test` sees to it where npm is"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(f"NO NODE.JS: {reason}")


@pytest.mark.parametrize("runner", ["celeriac", pytest.param("celery", marks=pytest.mark.soak)])
@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("server", ["redis", "rabbitmq"])
def test_node_js_publishes_tasks_and_reads_their_results(
    grounds: Grounds, node_modules: Path, server: str, protocol: int, runner: Side
) -> None:
    wire = grounds.wire(server)
    grounds.worker(runner, wire)
    text = "ключ \U0001f955"
    calls: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("work.echo", [1, "two", None, [True, {"x": text}]], {"ключ": 1.5}),
        ("work.look", [], {}),
        ("work.fail", [], {}),
    ]
    order = {
        "broker": wire.broker.removesuffix("//"),
        "backend": wire.backend,
        "queue": grounds.queue(runner, wire),
        "prefix": f"{PREFIX}:",
        "protocol": protocol,
        "calls": calls,
    }
    done = subprocess.run(
        ["node", str(PROJECT / "producer.js"), json.dumps(order)],
        env=os.environ | {"NODE_PATH": str(node_modules)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    echoed, seen, failed = json.loads(done.stdout)
    assert echoed["value"] == {"args": [1, "two", None, [True, {"x": text}]], "kwargs": {"ключ": 1.5}}
    assert (seen["value"]["id"], seen["value"]["side"], seen["value"]["retries"]) == (seen["id"], runner, 0)
    assert failed["error"] == "Error: FAILURE", "and not for being waited for in vain"
