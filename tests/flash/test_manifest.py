from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from station.manifest import (
    BOOT_BYTES,
    check_image,
    load_manifest,
    make_manifest,
    verify_signature,
)
from station.outcome import BenchError, Exit

from tests.flash.benchtools import EXTENTS, SIZE, make_image, manifest_of


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path)


def refused(data: object) -> str:
    with pytest.raises(BenchError) as caught:
        load_manifest(json.dumps(data).encode())
    assert caught.value.code is Exit.INPUT
    return str(caught.value)


def test_the_manifest_maps_data_and_leaves_holes_out(image: Path) -> None:
    manifest = manifest_of(image)
    assert manifest.size == SIZE
    mapped = sum(length for _, length in EXTENTS)
    # Holes begin at blocks of the file system, so a little more is mapped than was written.
    assert mapped <= manifest.mapped < mapped + 64 * 1024
    assert all(not part.boot or part.start + part.length <= BOOT_BYTES for part in manifest.ranges)
    check_image(image, manifest)


def test_sums_are_those_of_sha256sum(image: Path, tmp_path: Path) -> None:
    part = manifest_of(image).ranges[-1]
    piece = tmp_path / "piece"
    piece.write_bytes(image.read_bytes()[part.start : part.start + part.length])
    told = subprocess.run(["sha256sum", piece], capture_output=True, text=True, check=True).stdout
    assert told.split()[0] == part.sha256


@pytest.mark.parametrize("where", [0, 2 << 20, SIZE - 1])
def test_one_flipped_bit_of_the_image_is_found(where: int, image: Path) -> None:
    manifest = manifest_of(image)
    with image.open("r+b") as file:
        file.seek(where)
        byte = file.read(1)[0]
        file.seek(where)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(BenchError, match="differs from its manifest") as caught:
        check_image(image, manifest)
    assert caught.value.code is Exit.INPUT


def test_a_truncated_image_is_told(image: Path) -> None:
    manifest = manifest_of(image)
    with image.open("r+b") as file:
        file.truncate(SIZE - 1)
    with pytest.raises(BenchError, match="truncated"):
        check_image(image, manifest)


def test_a_manifest_that_cannot_be_is_refused(image: Path) -> None:
    good = json.loads(make_manifest(image, board="host", version="1"))
    assert load_manifest(json.dumps(good).encode()).board == "host"
    first = good["ranges"][0]
    changes: tuple[dict[str, object], ...] = (
        {"ranges": []},
        {"ranges": [first, first]},
        {"ranges": [first | {"start": -1}]},
        {"ranges": [first | {"length": 0}]},
        {"ranges": [first | {"length": 2 << 20}]},
        {"ranges": [first | {"sha256": "00"}]},
        {"size": 10},
        {"size": True},
        {"schema": "other"},
        {"schema_version": 2},
        {"ranges": 3},
    )
    for change in changes:
        refused(good | change)
    refused([])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_one_error(data: bytes) -> None:
    with pytest.raises(BenchError) as caught:
        load_manifest(data)
    assert caught.value.code is Exit.INPUT


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_only_the_right_key_over_the_right_bytes_is_taken(image: Path, tmp_path: Path) -> None:
    path = image.with_name(image.name + ".manifest.json")
    for name in ("own", "other"):
        key, public = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    with pytest.raises(BenchError, match="There is no signature"):
        verify_signature(path, tmp_path / "own.pem")
    sign = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(tmp_path / "own.key")]
    subprocess.run([*sign, "-in", str(path), "-out", f"{path}.sig"], check=True)
    verify_signature(path, tmp_path / "own.pem")
    with pytest.raises(BenchError, match="not by the key"):
        verify_signature(path, tmp_path / "other.pem")
    path.write_bytes(path.read_bytes().replace(b'"host"', b'"hots"'))
    with pytest.raises(BenchError, match="not by the key"):
        verify_signature(path, tmp_path / "own.pem")
