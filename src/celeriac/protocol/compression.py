"""Bytes to fewer bytes and back, by content type.

Names and content types are kombu's (``kombu/compression.py``), where ``gzip`` is in truth the zlib format.
"""

import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from celeriac.exceptions import DecodeError, EncodeError

__all__ = ["MAX_DECOMPRESSED", "compress", "decompress"]

#: Bytes. More than this is taken for an attack with a few bytes that swell without end.
MAX_DECOMPRESSED = 256 * 1024 * 1024
#: Bytes given at a time to the decompressor that cannot be told when to stop: bounds by how much it overshoots.
_PIECE = 1024


class _DamagedError(Exception):
    """The data ends too early, goes on too long or contradicts itself."""


class _TooLargeError(Exception):
    """More than the limit has come out."""


class _Method(NamedTuple):
    content_type: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]


def compress(data: bytes, method: str) -> tuple[bytes, str]:
    """Return the compressed data and its content type; raises ``EncodeError``.

    ``method`` is a name (zlib, gzip, bzip2, lzma, brotli, zstd) or a content type.
    """
    entry = _methods.get(method)
    if entry is None:
        raise EncodeError(f"There is no compression {method!r}; there are: {', '.join(_NAMES)}.")
    try:
        return entry.compress(data), entry.content_type
    except Exception as error:  # the libraries have an exception class each
        raise EncodeError(f"{len(data)} bytes could not be compressed with {method}: {error}.") from error


def decompress(data: bytes, content_type: str, *, limit: int = MAX_DECOMPRESSED) -> bytes:
    """Return the data as it was before ``compress``; raises ``DecodeError``, also for more than ``limit`` bytes."""
    entry = _methods.get(content_type)
    if entry is None:
        raise DecodeError(f"The compression {content_type!r} is unknown; known are: {', '.join(_NAMES)}.")
    try:
        return entry.decompress(data, limit)
    except _TooLargeError as error:
        raise DecodeError(
            f"{len(data)} bytes of {entry.content_type} become more than {limit} bytes, which is the most that is read."
        ) from error
    except Exception as error:  # the libraries have an exception class each
        raise DecodeError(f"These {len(data)} bytes are not whole {entry.content_type}: {error}.") from error


def _decompress_zlib(data: bytes, limit: int) -> bytes:
    decompressor = zlib.decompressobj()
    plain = decompressor.decompress(data, limit + 1)
    return _checked(plain, limit, ended=decompressor.eof, rest=decompressor.unused_data)


def _decompress_with(decompressor: Any, data: bytes, limit: int) -> bytes:
    """Use a decompressor of the standard library's common shape: bz2, lzma and, on Python 3.14, zstd."""
    plain = decompressor.decompress(data, limit + 1)
    return _checked(plain, limit, ended=decompressor.eof, rest=decompressor.unused_data)


def _checked(plain: bytes, limit: int, *, ended: bool, rest: bytes) -> bytes:
    if len(plain) > limit:
        raise _TooLargeError
    if not ended:
        raise _DamagedError("the end is missing")
    if rest:
        raise _DamagedError(f"{len(rest)} bytes follow the end")
    return plain


def _compress_bz2(data: bytes) -> bytes:
    compressed: bytes = _import("bz2").compress(data)
    return compressed


def _decompress_bz2(data: bytes, limit: int) -> bytes:
    return _decompress_with(_import("bz2").BZ2Decompressor(), data, limit)


def _compress_lzma(data: bytes) -> bytes:
    compressed: bytes = _import("lzma").compress(data)
    return compressed


def _decompress_lzma(data: bytes, limit: int) -> bytes:
    return _decompress_with(_import("lzma").LZMADecompressor(memlimit=MAX_DECOMPRESSED), data, limit)


def _compress_brotli(data: bytes) -> bytes:
    compressed: bytes = _import("brotli", extra="brotli").compress(data)
    return compressed


def _decompress_brotli(data: bytes, limit: int) -> bytes:
    decompressor = _import("brotli", extra="brotli").Decompressor()
    plain = decompressor.process(data, output_buffer_limit=limit + 1)
    return _checked(plain, limit, ended=decompressor.is_finished(), rest=b"")


def _compress_zstd(data: bytes) -> bytes:
    compressed: bytes
    if sys.version_info >= (3, 14):
        compressed = _import("compression.zstd").compress(data)
    else:
        compressed = _import("zstandard", extra="zstd").ZstdCompressor().compress(data)
    return compressed


def _decompress_zstd(data: bytes, limit: int) -> bytes:
    if sys.version_info >= (3, 14):
        return _decompress_with(_import("compression.zstd").ZstdDecompressor(), data, limit)
    decompressor = _import("zstandard", extra="zstd").ZstdDecompressor().decompressobj()
    parts = []
    size = 0
    for start in range(0, len(data), _PIECE):
        parts.append(decompressor.decompress(data[start : start + _PIECE]))
        size += len(parts[-1])
        if size > limit:
            raise _TooLargeError
    return _checked(b"".join(parts), limit, ended=decompressor.eof, rest=decompressor.unused_data)


def _import(module: str, *, extra: str = "") -> Any:
    """Import at first use: optional packages, and parts of the standard library that a lean Python may lack."""
    try:
        return import_module(module)
    except ImportError as error:
        cure = f"; install it with: pip install 'celeriac[{extra}]'" if extra else ", this Python was built without it"
        raise ImportError(f"the module {module} is not there{cure}") from error


_ZLIB = _Method("application/x-gzip", zlib.compress, _decompress_zlib)
_BZ2 = _Method("application/x-bz2", _compress_bz2, _decompress_bz2)
_LZMA = _Method("application/x-lzma", _compress_lzma, _decompress_lzma)
_BROTLI = _Method("application/x-brotli", _compress_brotli, _decompress_brotli)
_ZSTD = _Method("application/zstd", _compress_zstd, _decompress_zstd)
_NAMES = {
    "zlib": _ZLIB,
    "gzip": _ZLIB,
    "bzip2": _BZ2,
    "bzip": _BZ2,
    "lzma": _LZMA,
    "xz": _LZMA,
    "brotli": _BROTLI,
    "zstd": _ZSTD,
    "zstandard": _ZSTD,
}
_methods = _NAMES | {method.content_type: method for method in _NAMES.values()}
