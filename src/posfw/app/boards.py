"""The shelf of board profiles: folders searched strongest first, parents, drop-ins, detection."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from posfw.app.later import lazily
from posfw.board.compose import Composed, Layer
from posfw.board.profile import BoardProfile, Match, composed, parse
from posfw.values.errors import ConfigError

if TYPE_CHECKING:
    from posfw.board import detect
else:
    detect = lazily("posfw.board.detect")

__all__ = ["Shelf", "evidence", "named_board"]

FILE: Final = "board.toml"
# `extends = ["soc/imx6ull"]` -> boards/_soc/imx6ull.toml
SHARED: Final = {"soc": "_soc", "mechanism": "_mechanism"}


def evidence(root: Path = Path("/")) -> detect.Evidence:
    """Read what this machine says of itself; what cannot be read is absent."""
    # Not /proc/device-tree, a link to this: the service sees only processes there (ProcSubset).
    tree = _bytes(root / "sys/firmware/devicetree/base/compatible")
    name = _bytes(root / "sys/class/dmi/id/board_name")
    return detect.Evidence(detect.split_compatible(tree), name.decode("utf-8", "replace").strip())


def named_board(environment: Mapping[str, str], root: Path = Path("/")) -> str:
    """Return the board set by $POSFW_BOARD or /etc/posfw/board, "" where none is."""
    told = _bytes(root / "etc/posfw/board").decode("utf-8", "replace")
    return environment.get("POSFW_BOARD", "") or told.strip()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Profiles in folders; a board in a stronger folder masks the same id in a weaker one."""

    folders: Sequence[Path]
    root: Path = Path("/")

    def names(self) -> list[str]:
        """Return the ids of all boards."""
        return sorted({path.parent.name for f in self.folders for path in f.glob(f"*/{FILE}")})

    def load(self, name: str, *, revision: str = "") -> BoardProfile:
        """Load and check a board by id, or a folder where the name holds a slash.

        Raises:
            ConfigError: unknown, or every mistake with file and line.
        """
        layer = self._layer(name)
        board_id = Path(layer.source).resolve().parent.name
        return parse(
            layer.text,
            source=layer.source,
            board_id=board_id,
            parents=self._parents(layer),
            dropins=self._dropins(board_id),
            revision=revision,
        )

    def composed(self, name: str, *, revision: str = "") -> Composed:
        """Return a board's merged document with the origin of each value.

        Raises:
            ConfigError: unknown, or a text that is not TOML.
        """
        layer = self._layer(name)
        dropins = self._dropins(Path(layer.source).resolve().parent.name)
        parents = self._parents(layer)
        return composed(layer, parents=parents, dropins=dropins, revision=revision)

    def matches(self) -> Mapping[str, Match]:
        """Return how each board is recognised; boards with mistakes are left out."""
        found: dict[str, Match] = {}
        for name in self.names():
            try:
                found[name] = self.load(name).match
            except ConfigError:
                continue  # `board check` tells; detection must not fail for a foreign mistake
        return found

    def conflicts(self) -> list[str]:
        """Return complaints about strings that select more than one board."""
        return detect.duplicates(self.matches())

    def detect(self, override: str = "", *, production: bool = False) -> detect.Detection:
        """Say which board this machine is.

        Raises:
            ConfigError: see `board.detect.detect`.
        """
        found = evidence(self.root)
        return detect.detect(found, self.matches(), override=override, production=production)

    def revision(self, match: Match) -> str:
        """Return this machine's revision of a board."""
        if not match.revision_file:
            return match.revision_default
        told = _bytes(self.root / match.revision_file.lstrip("/"))
        return detect.revision_of(match, told.decode("utf-8", "replace") if told else None)

    def _layer(self, name: str) -> Layer:
        folders = [Path(name)] if "/" in name else [folder / name for folder in self.folders]
        for folder in folders:
            if (folder / FILE).is_file():
                return _read(folder / FILE)
        near = difflib.get_close_matches(name, self.names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"There is no board {name!r}; known are: {', '.join(self.names())}.{hint}",
            code="CFG-003",
        )

    def _dropins(self, board_id: str) -> list[Layer]:
        """Return site drop-ins `<id>/board.d/*.toml`; the same file name masks a weaker one."""
        found: dict[str, Path] = {}
        for folder in reversed(self.folders):
            found |= {path.name: path for path in (folder / board_id / "board.d").glob("*.toml")}
        return [_read(found[name]) for name in sorted(found)]

    def _parents(self, layer: Layer) -> Parent:
        beside = Path(layer.source).resolve().parents[1]
        return Parent([*self.folders, beside])


@dataclass(frozen=True, slots=True)
class Parent:
    """Finds what a profile extends (compose.Parents)."""

    folders: Sequence[Path]

    def __call__(self, name: str) -> Layer | None:
        """Return `soc/NAME` or `mechanism/NAME`, None where there is no such file."""
        kind, _, part = name.partition("/")
        if kind not in SHARED or not part or part != Path(part).name:
            return None
        for folder in self.folders:
            path = folder / SHARED[kind] / f"{part}.toml"
            if path.is_file():
                return _read(path)
        return None


def _read(path: Path) -> Layer:
    try:
        return Layer(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 at byte {error.start}.", code="CFG-002") from None
