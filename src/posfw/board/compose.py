"""Composing a profile: parents in order, then the file, then a revision, then site drop-ins.

Tables merge, arrays and values are replaced, and nothing is dropped unless `"!remove"` says so.
Every value remembers the file and line that set it, so a mistake inherited from a parent is told
where it stands, and `posfw board show --explain` can show the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from posfw.board.locate import KeyPath, dotted, locate
from posfw.board.schema import Mistake, read_toml
from posfw.values.errors import ConfigError

__all__ = ["Composed", "Layer", "Origin", "Parents", "compose", "explain", "layers_of"]

EXTENDS: Final = "extends"
REMOVE: Final = "!remove"
REVISIONS: Final = "revisions"


@dataclass(frozen=True, slots=True)
class Layer:
    """One TOML text and the name it goes by in messages."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Which line of which file set a value."""

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


Parents: TypeAlias = Callable[[str], Layer | None]


@dataclass(slots=True)
class Composed:
    """A merged document, where each of its keys came from, and what went wrong while merging."""

    main: str
    document: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    mistakes: list[tuple[Origin, Mistake]] = field(default_factory=list)

    def origin(self, path: KeyPath) -> Origin:
        """Return where a key, or the nearest table that holds it, was set last."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return Origin(self.main, 1)

    def told(self, mistakes: Sequence[Mistake]) -> list[str]:
        """Return all mistakes as `file:line: key: what is wrong`, in the files' order."""
        placed = self.mistakes + [(self.origin(wrong.path), wrong) for wrong in mistakes]
        placed.sort(key=lambda item: (item[0].source != self.main, item[0].source, item[0].line))
        return [f"{origin}: {wrong}" for origin, wrong in placed]


def layers_of(top: Layer, parents: Parents) -> list[Layer]:
    """Return a file's parents in order and the file itself last; each parent once.

    Raises:
        ConfigError: not TOML, an unknown parent, or a circle.
    """
    found: list[Layer] = []
    _collect(top, parents, (), found)
    return found


def _collect(layer: Layer, parents: Parents, above: tuple[str, ...], found: list[Layer]) -> None:
    document = read_toml(layer.text, source=layer.source)
    names = document.get(EXTENDS, [])
    if not isinstance(names, list):
        return  # the schema says what it must be
    for name in map(str, names):
        parent = parents(name)
        line = locate(layer.text)[EXTENDS,]
        if parent is None:
            raise ConfigError(f"{layer.source}:{line}: extends: there is no {name!r}.")
        if parent.source in (*above, layer.source):
            raise ConfigError(f"{layer.source}:{line}: extends: {name!r} extends itself.")
        if parent not in found:
            _collect(parent, parents, (*above, layer.source), found)
    found.append(layer)


def compose(layers: Sequence[Layer], *, main: str, revision: str = "") -> Composed:
    """Merge layers, the weakest first, then the tables of a revision.

    Raises:
        ConfigError: a layer is not TOML.
    """
    composed = Composed(main)
    for layer in layers:
        _apply(composed, layer)
    revisions = composed.document.get(REVISIONS)
    if revision and isinstance(revisions, Mapping) and isinstance(revisions.get(revision), dict):
        overlay = revisions[revision]
        at = (REVISIONS, revision)
        lines = {path[2:]: o for path, o in composed.origins.items() if path[:2] == at}
        _merge(composed, overlay, lines, ())
    return composed


def _apply(composed: Composed, layer: Layer) -> None:
    document = read_toml(layer.text, source=layer.source)
    lines = {path: Origin(layer.source, line) for path, line in locate(layer.text).items()}
    document.pop(EXTENDS, None)
    names = document.pop(REMOVE, [])
    if not isinstance(names, list):
        composed.mistakes.append((lines[REMOVE,], Mistake((REMOVE,), "must be a list of keys")))
        names = []
    for name in names:
        origin = lines[REMOVE,]
        if not _remove(composed, tuple(str(name).split("."))):
            complaint = f"{name!r} is not inherited, so there is nothing to remove"
            composed.mistakes.append((origin, Mistake((REMOVE,), complaint)))
    _merge(composed, document, lines, ())


def _merge(
    composed: Composed, table: Mapping[str, Any], lines: Mapping[KeyPath, Origin], at: KeyPath
) -> None:
    target = composed.document
    for key in at:
        target = target[key]
    for key, value in table.items():
        path = (*at, key)
        composed.origins[path] = lines[path]
        if isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            _merge(composed, value, lines, path)
        else:
            target[key] = value


def _remove(composed: Composed, path: KeyPath) -> bool:
    target: Any = composed.document
    for key in path[:-1]:
        target = target.get(key) if isinstance(target, dict) else None
    if not isinstance(target, dict) or path[-1] not in target:
        return False
    del target[path[-1]]
    for known in [known for known in composed.origins if known[: len(path)] == path]:
        del composed.origins[known]
    return True


def explain(composed: Composed) -> list[tuple[str, object, Origin]]:
    """Return every value with the file and line that set it, in the document's order."""
    found: list[tuple[str, object, Origin]] = []

    def walk(table: Mapping[str, Any], at: KeyPath) -> None:
        for key, value in table.items():
            path = (*at, key)
            if isinstance(value, dict) and value:
                walk(value, path)
            else:
                found.append((dotted(path), value, composed.origin(path)))

    walk(composed.document, ())
    return found
