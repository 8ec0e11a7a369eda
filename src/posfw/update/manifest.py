"""What a bundle says about itself, and what an installed image says; both closed and checked.

A bundle's words stand in the manifest that RAUC signs (RAUC 1.8, manifest.raucm, [update]):
`compatible`, `version`, and `build`, in which ours are: counter=3 schema=1-2 from=0.1.0.
"""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from posfw.values.errors import CodecError

__all__ = ["Manifest", "Release", "parse_manifest", "parse_release", "parse_words", "version_of"]

_VERSION = re.compile(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})")
_BUILD = re.compile(r"counter=([0-9]{1,9}) schema=([0-9]{1,4})-([0-9]{1,4}) from=([0-9.]{1,14})")
_COMPATIBLE = re.compile(r"[a-z0-9][a-z0-9,._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A bundle's words.

    Attributes:
        compatible: board that it is for: posfw-<id of the profile>.
        version: of the program in it.
        counter: security counter: grows only when a hole was mended.
        schema: oldest journal schema that the program migrates, and the one that it writes.
        from_version: least version that it may replace.
    """

    compatible: str
    version: str
    counter: int
    schema: tuple[int, int]
    from_version: str

    @property
    def build(self) -> str:
        """Return the words for `build`."""
        low, high = self.schema
        return f"counter={self.counter} schema={low}-{high} from={self.from_version}"


@dataclass(frozen=True, slots=True)
class Release:
    """An installed image's words: /usr/lib/posfw/release.json in its read-only root.

    Attributes:
        oldest: least version that may be installed over it.
        keys: whose bundles it takes: release or development.
    """

    compatible: str
    version: str
    counter: int
    schema: tuple[int, int]
    oldest: str
    keys: str

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(asdict(self), sort_keys=True) + "\n"


def version_of(text: str) -> tuple[int, int, int]:
    """Return a version's three numbers.

    Raises:
        CodecError: not three numbers with points.
    """
    found = _VERSION.fullmatch(text)
    if found is None:
        raise CodecError(f"{text[:20]!r} is not a version such as 1.2.3.", code="UPD-205")
    return int(found[1]), int(found[2]), int(found[3])


def parse_words(compatible: object, version: object, build: object) -> Manifest:
    """Return the words of a bundle, as `rauc info` tells them.

    Raises:
        CodecError: one is missing or cannot be.
    """
    if not (isinstance(compatible, str) and isinstance(version, str) and isinstance(build, str)):
        raise CodecError("The bundle's manifest lacks words.", code="UPD-205")
    found = _BUILD.fullmatch(build)
    if found is None or not _COMPATIBLE.fullmatch(compatible):
        raise CodecError("The bundle's manifest says nothing that we know.", code="UPD-205")
    low, high = int(found[2]), int(found[3])
    if not 0 < low <= high:
        raise CodecError("The bundle's schema range cannot be.", code="UPD-205")
    version_of(version)
    version_of(found[4])
    return Manifest(compatible, version, int(found[1]), (low, high), found[4])


def parse_manifest(text: str) -> Manifest:
    """Return the words of a manifest.raucm.

    Raises:
        CodecError: not one, or its words cannot be.
    """
    reader = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    try:
        reader.read_string(text)
        table = reader["update"]
    except (configparser.Error, KeyError) as error:
        raise CodecError("The bundle has no readable manifest.", code="UPD-205") from error
    return parse_words(table.get("compatible"), table.get("version"), table.get("build"))


def parse_release(text: str) -> Release:
    """Return the words of a release.json.

    Raises:
        CodecError: not one.
    """
    try:
        table: Any = json.loads(text)
    except ValueError as error:
        raise CodecError("The image's release file cannot be read.", code="UPD-205") from error
    if not isinstance(table, dict) or set(table) != set(Release.__dataclass_fields__):
        raise CodecError("The image's release file has other keys.", code="UPD-205")
    counter, schema = table["counter"], table["schema"]
    words = [table[name] for name in ("compatible", "version", "oldest", "keys")]
    numbers = [counter, *schema] if isinstance(schema, list) and len(schema) == 2 else [None]
    if not all(isinstance(word, str) for word in words) or not all(
        type(number) is int for number in numbers
    ):
        raise CodecError("The image's release file has a value that cannot be.", code="UPD-205")
    for version in (table["version"], table["oldest"]):
        version_of(version)
    return Release(**{**table, "schema": (schema[0], schema[1])})
