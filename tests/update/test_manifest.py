from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.update.manifest import (
    Manifest,
    Release,
    parse_manifest,
    parse_release,
    parse_words,
    version_of,
)
from posfw.values.errors import CodecError

HERE = Manifest("posfw-qemu-virt-arm64", "0.2.0", 3, (1, 2), "0.1.0")
RELEASE = Release("posfw-qemu-virt-arm64", "0.1.0", 3, (1, 2), "0.1.0", "development")

numbers = st.integers(0, 9999)
versions = st.builds("{}.{}.{}".format, numbers, numbers, numbers)


@given(versions, st.integers(0, 999_999_999), st.integers(1, 99), st.integers(0, 99), versions)
def test_words_come_back(version: str, counter: int, low: int, more: int, least: str) -> None:
    made = Manifest("posfw-x", version, counter, (low, low + more), least)
    assert parse_words(made.compatible, made.version, made.build) == made
    text = f"[update]\ncompatible={made.compatible}\nversion={version}\nbuild={made.build}\n"
    assert parse_manifest(text + "[bundle]\nformat=verity\n") == made


@pytest.mark.parametrize(
    ("compatible", "version", "build"),
    [
        (None, "0.2.0", HERE.build),
        ("posfw-x", None, HERE.build),
        ("posfw-x", "0.2.0", None),
        ("POSFW X", "0.2.0", HERE.build),
        ("posfw-x", "0.2", HERE.build),
        ("posfw-x", "0.2.00", HERE.build),
        ("posfw-x", "0.2.0", "counter=3 schema=2-1 from=0.1.0"),
        ("posfw-x", "0.2.0", "counter=3 schema=0-1 from=0.1.0"),
        ("posfw-x", "0.2.0", "counter=-3 schema=1-1 from=0.1.0"),
        ("posfw-x", "0.2.0", "counter=3 schema=1-1 from=0.1"),
        ("posfw-x", "0.2.0", HERE.build + " more=1"),
        ("posfw-x", "0.2.0", HERE.build + "\n"),
        ("posfw-x", "0.2.0", ""),
    ],
)
def test_words_that_cannot_be_are_refused(
    compatible: object, version: object, build: object
) -> None:
    with pytest.raises(CodecError) as refused:
        parse_words(compatible, version, build)
    assert refused.value.stable_code == "UPD-205"


@pytest.mark.parametrize("text", ["", "[bundle]\nformat=verity", "x", "[update]\n[update]\n"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        parse_manifest(text)


def test_a_release_comes_back() -> None:
    assert parse_release(RELEASE.to_json()) == RELEASE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"counter": 3', '"counter": "3"'),
        ('"counter": 3', '"counter": true'),
        ("[1, 2]", "[1]"),
        ("[1, 2]", "12"),
        ('"keys"', '"key"'),
        ('"0.1.0"', '"0.1"'),
        ("{", "["),
    ],
)
def test_a_release_that_cannot_be_is_refused(old: str, new: str) -> None:
    with pytest.raises(CodecError):
        parse_release(RELEASE.to_json().replace(old, new))


def test_versions_compare_by_number() -> None:
    assert version_of("0.10.0") > version_of("0.9.9")
