"""Keys that sign bundles: development ones are made here on demand, release ones are brought.

A certificate's name says which it is, and an image takes only one kind: its keyring holds the
authority of that kind alone. No key is ever part of the repository.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from station.image_packages import run
from station.outcome import BenchError, Exit

__all__ = ["DEVELOPMENT", "Keys", "development_keys", "kind_of"]

DEVELOPMENT: Final = "posfw development"
YEARS_10: Final = "3650"


@dataclass(frozen=True, slots=True)
class Keys:
    """Files in PEM: the authority that images trust, the signer's certificate and its key."""

    authority: Path
    certificate: Path
    key: Path


def development_keys(folder: Path) -> Keys:
    """Return development keys, made in the folder when it has none yet."""
    keys = Keys(folder / "authority.pem", folder / "signer.pem", folder / "signer.key")
    if keys.key.is_file():
        return keys
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mask = os.umask(0o077)
    try:
        root_key, request = folder / "authority.key", folder / "signer.csr"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        name = f"/CN={DEVELOPMENT}"
        run(["openssl", "req", "-x509", *curve, "-keyout", root_key, "-out", keys.authority,
            "-days", YEARS_10, "-subj", f"{name} authority"])  # fmt: skip
        run(["openssl", "req", *curve, "-keyout", keys.key, "-out", request,
            "-subj", f"{name} signer"])  # fmt: skip
        run(["openssl", "x509", "-req", "-in", request, "-CA", keys.authority, "-CAkey", root_key,
            "-CAcreateserial", "-days", YEARS_10, "-out", keys.certificate])  # fmt: skip
        request.unlink()
    finally:
        os.umask(mask)
    return keys


def kind_of(certificate: Path) -> str:
    """Return development or release, by the certificate's name.

    Raises:
        BenchError: INPUT; not a certificate.
    """
    try:
        said = run(["openssl", "x509", "-in", certificate, "-noout", "-subject"])
    except BenchError as error:
        raise BenchError(Exit.INPUT, f"{certificate} is not a certificate.") from error
    return "development" if DEVELOPMENT in said else "release"
