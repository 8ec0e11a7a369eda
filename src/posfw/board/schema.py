"""A closed schema for TOML files: unknown keys are errors, and all mistakes are told at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from posfw.board.locate import KeyPath, dotted, locate
from posfw.values.errors import ConfigError

__all__ = [
    "Leaf",
    "Mistake",
    "Schema",
    "mistakes_of",
    "one_of",
    "positive",
    "read_toml",
    "texts",
    "validate",
]

NUMBER = (int, float)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key: its TOML type, whether it must be there, and a rule that returns a complaint."""

    kind: type | tuple[type, ...]
    required: bool = False
    rule: Callable[[Any], str] = field(default=lambda _: "")


Schema = Mapping[str, "Leaf | Schema"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at which key; where that key stands is the reader's business."""

    path: KeyPath
    complaint: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.complaint}" if self.path else self.complaint


def one_of(*choices: str) -> Leaf:
    """Return a leaf that takes one of some words."""

    def rule(value: str) -> str:
        if value in choices:
            return ""
        return f"must be one of {', '.join(choices)}" + _did_you_mean(value, choices)

    return Leaf(str, rule=rule)


def positive(kind: type | tuple[type, ...] = NUMBER) -> Leaf:
    """Return a leaf that takes a number above zero."""
    return Leaf(kind, rule=lambda v: "" if v > 0 else "must be above zero")


def texts(*choices: str, required: bool = False) -> Leaf:
    """Return a leaf that takes a list of texts, of `choices` only where some are given."""

    def rule(value: list[object]) -> str:
        for item in value:
            if not isinstance(item, str):
                return f"must hold texts only, not {item!r:.40}"
            if choices and item not in choices:
                known = f"{item!r} is not one of {', '.join(choices)}"
                return known + _did_you_mean(item, choices)
        return ""

    return Leaf(list, required=required, rule=rule)


def read_toml(text: str, *, source: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ConfigError: not TOML; names file and line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}.", code="CFG-002") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: it is nested too deeply.", code="CFG-002") from error


def validate(document: Mapping[str, Any], schema: Schema, *, text: str, source: str) -> None:
    """Check a document of one text against a schema.

    Raises:
        ConfigError: lists every mistake, one a line, as `file:line: key: what is wrong`.
    """
    found = mistakes_of(document, schema)
    if found:
        lines = locate(text)
        told = [f"{source}:{_nearest(lines, wrong.path)}: {wrong}" for wrong in found]
        raise ConfigError("\n".join(told), mistakes=told)


def mistakes_of(
    document: Mapping[str, Any], schema: Schema, prefix: KeyPath = ()
) -> list[Mistake]:
    """Return everything that does not fit the schema, in the document's order."""
    found: list[Mistake] = []
    for key, value in document.items():
        path = (*prefix, key)
        rule = schema.get(key, schema.get("*"))
        if rule is None:
            found.append(Mistake(path, "is not known here" + _did_you_mean(key, schema)))
        elif isinstance(rule, Leaf):
            complaint = _leaf(value, rule)
            found += [Mistake(path, complaint)] if complaint else []
        elif isinstance(value, Mapping):
            found += mistakes_of(value, rule, path)
        else:
            found.append(Mistake(path, "must be a table"))
    found += [
        Mistake((*prefix, key), "is missing")
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


def _did_you_mean(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _nearest(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Return the line of a key, or of the nearest table that holds it; 1 if none."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1)
