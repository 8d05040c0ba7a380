"""Certificates for servers on loopback, signed by an authority made for one test run."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.servers.programs import need_program

__all__ = ["Certificates", "make_certificates"]


class Certificates(NamedTuple):
    """Files in PEM."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make an authority and a certificate for ``localhost`` and 127.0.0.1, which servers and clients may both use."""
    directory.mkdir(parents=True, exist_ok=True)
    openssl = need_program("openssl", package="openssl")
    files = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority_key, request = directory / "ca.key", directory / "server.csr"
    extensions = directory / "extensions"
    # Python 3.13 is strict: a certificate names the key that signed it, and an authority says what its key is for.
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")

    def run(*arguments: str | Path) -> None:
        subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    name = ("-subj", "/CN=Test authority")
    use = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    run("req", "-x509", *new_key, *name, *use, "-days", "2", "-keyout", authority_key, "-out", files.authority)
    run("req", *new_key, "-subj", "/CN=localhost", "-keyout", files.key, "-out", request)
    signing = ("-CA", files.authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2")
    run("x509", "-req", "-in", request, *signing, "-extfile", extensions, "-out", files.certificate)
    return files
