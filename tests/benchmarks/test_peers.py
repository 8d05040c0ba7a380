"""What the reports say of the peers' settings is what the peers get."""

import pytest

from benchmarks.peers import PEERS, Peer
from tests.pages import ROOT

#: Packages that the settings name where a peer has them.
NAMED = ("hiredis", "msgpack", "orjson", "uvloop")
#: Whose workers run in uvloop wherever it is installed, without being told.
FINDS_UVLOOP = ("taskiq",)

of_each_peer = pytest.mark.parametrize(
    "peer", [peer for peer in PEERS if peer.environment], ids=lambda peer: f"{peer.name}, {peer.engines[0]}"
)


def installed(peer: Peer) -> set[str]:
    lines = (ROOT / "benchmarks" / "constraints" / f"{peer.environment}.txt").read_text().splitlines()
    return {line.partition("==")[0] for line in lines if not line.startswith("#")}


@of_each_peer
def test_what_its_settings_name_is_in_its_environment(peer):
    assert {name for name in NAMED if name in peer.settings} <= installed(peer)


@of_each_peer
def test_a_peer_with_redis_py_has_its_parser_in_c(peer):
    assert "redis" not in installed(peer) or "hiredis" in installed(peer)


@of_each_peer
def test_a_peer_with_uvloop_has_a_worker_that_runs_in_it(peer):
    if "uvloop" in installed(peer) and peer.name not in FINDS_UVLOOP:
        assert "uvloop" in (ROOT / "benchmarks" / "tasks" / f"{peer.module}.py").read_text()
