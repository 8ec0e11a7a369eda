"""A board profile: what the hardware is, from `boards/<id>/board.toml`, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from posfw.board.compose import Composed, Layer, Parents, compose, layers_of
from posfw.board.locate import KeyPath
from posfw.board.rules import cross_checks
from posfw.board.schema import Mistake, mistakes_of
from posfw.board.sources import Source, parse_source
from posfw.board.thermistor import Thermistor
from posfw.board.vocabulary import SCHEMA
from posfw.values.errors import ConfigError
from posfw.values.hardware import HeadProfile, PrinterProfile, SerialProfile, ThermalProfile

__all__ = ["BoardProfile", "Match", "composed", "parse"]

OF_NODE = "of_node:"


@dataclass(frozen=True, slots=True)
class Match:
    """How a board is recognised; texts are compared whole, never searched in.

    Attributes:
        compatible: device-tree strings that select the board.
        soc: system-on-chip strings; select it only where `generic`.
        dmi: names of /sys/class/dmi/id/board_name.
        generic: whether it may stand in for any board of its system-on-chip.
        revision_file: file whose text tells the revision, "" where there is one only.
        revisions: that text -> revision.
        revision_default: revision where the file tells nothing known.
    """

    compatible: tuple[str, ...] = ()
    soc: tuple[str, ...] = ()
    dmi: tuple[str, ...] = ()
    generic: bool = False
    revision_file: str = ""
    revisions: Mapping[str, str] = field(default_factory=dict)
    revision_default: str = ""


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """One board.

    Attributes:
        id: the folder's name.
        name: for people.
        status: supported, community, wip, eol or simulated.
        tried: what has really been tried on it, in words.
        compatible: device-tree strings that select it.
        match: all ways of recognising it.
        revision: the one this profile was composed for, "" where there is one only.
        simulated: whether the software secure element and the rig are allowed.
        ports: serial ports by role (card, printer); a path `of_node:/…` is looked up at start.
        printer: the printing mechanism.
        thermistor: circuit of a head sensor that is read as a voltage.
        sources: kernel objects by dotted key (`leds.power`, `buzzer.pwm`, `keypad.input`, …).
        keypad: kernel key name -> the terminal's key.
        watchdog: (identity, timeout in seconds), None where the board has none.
        reserve_mib: free space below which no new sale is taken.
        document: the whole composed profile, for readers of other keys (flash, selftest, display).
    """

    id: str
    name: str
    status: str
    compatible: tuple[str, ...]
    ports: Mapping[str, SerialProfile]
    printer: PrinterProfile
    reserve_mib: int = 16
    tried: str = ""
    match: Match = field(default_factory=Match)
    revision: str = ""
    thermistor: Thermistor | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    keypad: Mapping[str, str] = field(default_factory=dict)
    watchdog: tuple[str, int] | None = None
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether this is a board without real hardware."""
        return self.status == "simulated"

    def table(self, name: str) -> Mapping[str, Any]:
        """Return a top-level table of the composed profile, empty where it has none."""
        found = self.document.get(name, {})
        return found if isinstance(found, Mapping) else {}


def parse(
    text: str,
    *,
    source: str,
    board_id: str,
    parents: Parents = lambda _: None,
    dropins: Sequence[Layer] = (),
    revision: str = "",
) -> BoardProfile:
    """Read and check a profile with its parents and site drop-ins.

    Raises:
        ConfigError: every mistake with the file and line where it stands.
    """
    layer = Layer(source, text)
    merged = composed(layer, parents=parents, dropins=dropins, revision=revision)
    document = merged.document
    told = merged.told(_mistakes(document, board_id=board_id, revision=revision))
    for name in _other_revisions(document, revision):
        other = composed(layer, parents=parents, dropins=dropins, revision=name)
        found = other.told(_mistakes(other.document, board_id=board_id, revision=name))
        told += [f"{line} (revision {name})" for line in found if line not in told]
    if told:
        raise ConfigError("\n".join(told), mistakes=told)
    return _build(document, revision)


def composed(
    layer: Layer, *, parents: Parents, dropins: Sequence[Layer] = (), revision: str = ""
) -> Composed:
    """Return the merged document with the origin of each value; nothing is checked yet.

    Raises:
        ConfigError: a text that is not TOML, an unknown parent, a circle.
    """
    layers = [*layers_of(layer, parents), *dropins]
    return compose(layers, main=layer.source, revision=revision)


def _mistakes(document: Mapping[str, Any], *, board_id: str, revision: str) -> list[Mistake]:
    found = mistakes_of(document, SCHEMA)
    bad: frozenset[KeyPath] = frozenset(wrong.path for wrong in found)
    if isinstance(document.get("id"), str) and document["id"] != board_id:
        told = f"{document['id']!r} must equal the folder's name {board_id!r}"
        found.append(Mistake(("id",), told))
    known = document.get("revisions", {})
    if revision and not (isinstance(known, Mapping) and revision in known):
        found.append(Mistake(("revisions",), f"there is no revision {revision!r}"))
    return found + cross_checks(document, bad)


def _other_revisions(document: Mapping[str, Any], revision: str) -> list[str]:
    known = document.get("revisions", {})
    if revision or not isinstance(known, Mapping):
        return []
    return [name for name, table in known.items() if isinstance(table, Mapping)]


def _build(document: Mapping[str, Any], revision: str) -> BoardProfile:
    match = document.get("match", {})
    told = match.get("revision", {})
    printer = document.get("printer", {})
    watchdog = document.get("watchdog")
    return BoardProfile(
        id=document["id"],
        name=document["name"],
        status=document["status"],
        tried=document["tried"],
        compatible=tuple(match.get("compatible", ())),
        match=Match(
            compatible=tuple(match.get("compatible", ())),
            soc=tuple(match.get("soc", ())),
            dmi=tuple(match.get("dmi", ())),
            generic=match.get("generic", False),
            revision_file=told.get("file", ""),
            revisions=told.get("map", {}),
            revision_default=told.get("default", ""),
        ),
        revision=revision,
        ports=_ports(document.get("serial", {})),
        printer=_printer(printer),
        thermistor=Thermistor(**printer["thermistor"]) if "thermistor" in printer else None,
        sources=_sources(document),
        keypad=document.get("keypad", {}).get("keys", {}),
        watchdog=(watchdog.get("identity", ""), watchdog.get("timeout_s", 30))
        if watchdog
        else None,
        reserve_mib=document.get("storage", {}).get("reserve_mib", 16),
        document=document,
    )


def _ports(table: Mapping[str, Any]) -> Mapping[str, SerialProfile]:
    return {
        role: SerialProfile(
            path=port["path"] if "path" in port else OF_NODE + port["of_node"],
            baud=port.get("baud", 115_200),
            rtscts=port.get("rtscts", False),
        )
        for role, port in table.items()
        if not port.get("reserved", False)
    }


def _printer(table: Mapping[str, Any]) -> PrinterProfile:
    thermal = dict(table.get("thermal", {}))
    if "duty" in thermal:
        duty = ((float(c), float(share)) for c, share in thermal["duty"].items())
        thermal["duty"] = tuple(sorted(duty))
    apart = ("head", "thermal", "thermistor", "paper")
    plain = {k: v for k, v in table.items() if k not in apart}
    head = HeadProfile(**table["head"]) if "head" in table else None
    return PrinterProfile(**plain, head=head, thermal=ThermalProfile(**thermal))


_SOURCE_KEYS = (
    ("printer", "thermal", "source"),
    ("printer", "paper", "end"),
    ("printer", "paper", "near_end"),
    ("printer", "paper", "cover"),
    ("power", "battery"),
    ("leds", "power"),
    ("leds", "net"),
    ("leds", "error"),
    ("leds", "paper"),
    ("buzzer", "pwm"),
    ("drawer", "gpio"),
    ("keypad", "input"),
    ("keys", "tamper"),
)


def _sources(document: Mapping[str, Any]) -> Mapping[str, Source]:
    found: dict[str, Source] = {}
    for path in _SOURCE_KEYS:
        value: Any = document
        for key in path:
            value = value.get(key, {})
        source = parse_source(value) if isinstance(value, str) else None
        if source is not None and source.kind != "none":
            found[".".join(path)] = source
    return found
