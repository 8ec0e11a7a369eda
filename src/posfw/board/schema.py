"""A closed schema for TOML files: unknown keys are errors, and all mistakes are told at once.

tomllib keeps no line numbers, so a small locator finds the line of a key in the text.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from posfw.values.errors import ConfigError

__all__ = ["Leaf", "Schema", "read_toml", "validate"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key: its TOML type, whether it must be there, and a rule that returns a complaint."""

    kind: type | tuple[type, ...]
    required: bool = False
    rule: Callable[[Any], str] = field(default=lambda _: "")


Schema = Mapping[str, "Leaf | Schema"]


def read_toml(text: str, *, source: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ConfigError: not TOML; names file and line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}.", code="CFG-002") from error


def validate(document: Mapping[str, Any], schema: Schema, *, text: str, source: str) -> None:
    """Check a document against a schema.

    Raises:
        ConfigError: lists every mistake, one a line, as `file:line: key: what is wrong`.
    """
    mistakes = [
        f"{source}:{_line(text, path)}: {path}: {complaint}"
        for path, complaint in _mistakes(document, schema, "")
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes), mistakes=mistakes)


def _mistakes(document: Mapping[str, Any], schema: Schema, prefix: str) -> list[tuple[str, str]]:
    found = []
    for key, value in document.items():
        path = f"{prefix}{key}"
        rule = schema.get(key, schema.get("*"))
        if rule is None:
            found.append((path, "is not known here" + _did_you_mean(key, schema)))
        elif isinstance(rule, Leaf):
            complaint = _leaf(value, rule)
            found += [(path, complaint)] if complaint else []
        elif isinstance(value, Mapping):
            found += _mistakes(value, rule, f"{path}.")
        else:
            found.append((path, "must be a table"))
    found += [
        (f"{prefix}{key}", "is missing")
        for key, rule in schema.items()
        if isinstance(rule, Leaf) and rule.required and key not in document
    ]
    return found


def _leaf(value: object, leaf: Leaf) -> str:
    kinds = leaf.kind if isinstance(leaf.kind, tuple) else (leaf.kind,)
    # bool is an int in Python; a profile that says `baud = true` is wrong all the same.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        return f"must be {' or '.join(kind.__name__ for kind in kinds)}, not {value!r:.40}"
    return leaf.rule(value)


def _did_you_mean(key: str, schema: Schema) -> str:
    near = difflib.get_close_matches(key, list(schema), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _line(text: str, path: str) -> int:
    """Return the line of a dotted key, or of the nearest table that holds it; 1 if none."""
    *tables, key = path.split(".")
    best, at = 1, ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            at = header.group(1).replace('"', "").replace(" ", "")
            best = number if at == path or at == ".".join(tables) else best
        elif at == ".".join(tables) and re.match(rf'\s*"?{re.escape(key)}"?\s*=', line):
            return number
    return best
