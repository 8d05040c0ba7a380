"""Compressed bytes come back, and damaged or monstrous ones are refused."""

import sys
import tracemalloc
import zlib

import pytest

from celeriac.exceptions import DecodeError, EncodeError
from celeriac.protocol.compression import compress, decompress

METHODS = {
    "zlib": "application/x-gzip",
    "gzip": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "bzip": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
    "brotli": "application/x-brotli",
    "zstd": "application/zstd",
    "zstandard": "application/zstd",
}
DATA = b"the quick brown fox " * 500


@pytest.mark.parametrize(("method", "content_type"), METHODS.items())
def test_every_method_gives_celerys_content_type_and_the_data_back(method: str, content_type: str) -> None:
    compressed, named = compress(DATA, method)
    assert named == content_type
    assert len(compressed) < len(DATA)
    assert decompress(compressed, content_type) == DATA
    assert decompress(compressed, method) == DATA
    assert compress(DATA, content_type)[1] == content_type


@pytest.mark.parametrize("method", ["zlib", "bzip2", "lzma", "brotli", "zstd"])
@pytest.mark.parametrize("data", [b"", b"x"])
def test_little_or_nothing_can_be_compressed(method: str, data: bytes) -> None:
    assert decompress(*compress(data, method)) == data


@pytest.mark.parametrize("method", ["zlib", "bzip2", "lzma", "brotli", "zstd"])
def test_an_end_cut_off_is_an_error(method: str) -> None:
    compressed, content_type = compress(DATA, method)
    with pytest.raises(DecodeError, match=f"are not whole {content_type}"):
        decompress(compressed[:-3], content_type)


@pytest.mark.parametrize("method", ["zlib", "bzip2", "lzma", "brotli", "zstd"])
def test_bytes_after_the_end_are_an_error(method: str) -> None:
    compressed, content_type = compress(DATA, method)
    with pytest.raises(DecodeError, match="are not whole"):
        decompress(compressed + b"more", content_type)


@pytest.mark.parametrize("method", ["zlib", "bzip2", "lzma", "brotli", "zstd"])
def test_data_that_swells_beyond_the_limit_is_refused(method: str) -> None:
    compressed, content_type = compress(bytes(1_000_000), method)
    assert len(decompress(compressed, content_type, limit=1_000_000)) == 1_000_000
    with pytest.raises(DecodeError, match="become more than 999999 bytes, which is the most that is read"):
        decompress(compressed, content_type, limit=999_999)


@pytest.mark.parametrize("method", ["zlib", "bzip2", "lzma", "brotli", "zstd"])
def test_a_monster_is_refused_without_being_made_whole(method: str) -> None:
    size = 50_000_000
    compressed, content_type = compress(bytes(size), method)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="more than 1000000 bytes"):
            decompress(compressed, content_type, limit=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_unknown_methods_are_named_together_with_the_known_ones() -> None:
    with pytest.raises(EncodeError, match="no compression 'zpi'; there are: zlib, gzip"):
        compress(b"", "zpi")
    with pytest.raises(DecodeError, match="'application/x-zpi' is unknown; known are: zlib"):
        decompress(b"", "application/x-zpi")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    with pytest.raises(EncodeError, match=r"pip install 'celeriac\[brotli\]'"):
        compress(b"x", "brotli")
    with pytest.raises(DecodeError, match=r"pip install 'celeriac\[brotli\]'"):
        decompress(b"x", "application/x-brotli")


def test_gzip_is_in_truth_the_zlib_format_as_in_celery() -> None:
    assert zlib.decompress(compress(DATA, "gzip")[0]) == DATA
