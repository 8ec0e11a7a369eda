"""A board profile: what the hardware is, read from `boards/<id>/board.toml`, checked as a whole.

The cross-checks look at what single keys cannot show: a resume above the stop, a head that asks
more current than the supply gives, a pulse longer than the head stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from posfw.board.schema import Leaf, Schema, read_toml, validate
from posfw.values.errors import ConfigError
from posfw.values.hardware import HeadProfile, PrinterProfile, SerialProfile, ThermalProfile

__all__ = ["BoardProfile", "parse"]

NUMBER = (int, float)


def _one_of(*choices: str) -> Leaf:
    return Leaf(str, rule=lambda v: "" if v in choices else f"must be one of {', '.join(choices)}")


def _positive(kind: type | tuple[type, ...] = NUMBER) -> Leaf:
    return Leaf(kind, rule=lambda v: "" if v > 0 else "must be above zero")


_SERIAL: Schema = {
    "path": Leaf(str),
    "of_node": Leaf(str),
    "baud": _positive(int),
    "rtscts": Leaf(bool),
    "reserved": Leaf(bool),
}
_HEAD: Schema = {name: _positive() for name in HeadProfile.__dataclass_fields__}
_THERMAL: Schema = {
    name: Leaf(NUMBER) for name in ThermalProfile.__dataclass_fields__ if name != "duty"
} | {"source": Leaf(str), "duty": {"*": _positive()}}
SCHEMA: Schema = {
    "schema": Leaf(int, required=True, rule=lambda v: "" if v == 1 else "must be 1"),
    "id": Leaf(str, required=True),
    "name": Leaf(str, required=True),
    "status": _one_of("supported", "community", "wip", "eol", "simulated"),
    "tried": Leaf(str),
    "match": {"compatible": Leaf(list), "soc": Leaf(list)},
    "soc": {"arch": Leaf(str), "cores": _positive(int), "ram_mib": _positive(int)},
    "serial": {"*": _SERIAL},
    "card": {"driver": _one_of("magstripe", "scanner", "vivotech2", "pcsc", "pinpad")},
    "printer": {
        "driver": _one_of("escpos-serial", "escpos-tcp", "escpos-usb", "head-spi"),
        "font": _one_of("gb18030", "raster"),
        "status": _one_of("epson", "esc-v", "star", "none"),
        "dots": _positive(int),
        "dpi": _positive(int),
        "line_mm": _positive(),
        "max_speed_mm_s": _positive(),
        "cutter": _one_of("none", "partial", "full"),
        "head": _HEAD,
        "thermal": _THERMAL,
    },
    "power": {"budget_ma": _positive(int), "motor_ma": _positive(int)},
    "keys": {"element": _one_of("software", "pkcs11")},
    "storage": {"reserve_mib": _positive(int)},
}


@dataclass(frozen=True, slots=True)
class BoardProfile:
    """One board.

    Attributes:
        id: the folder's name.
        name: for people.
        status: supported, community, wip, eol or simulated.
        compatible: device-tree strings that select it.
        simulated: whether the software secure element and the rig are allowed.
        ports: serial ports by role (card, printer).
        printer: the printing mechanism.
        reserve_mib: free space below which no new sale is taken.
    """

    id: str
    name: str
    status: str
    compatible: tuple[str, ...]
    ports: Mapping[str, SerialProfile]
    printer: PrinterProfile
    reserve_mib: int = 16

    @property
    def simulated(self) -> bool:
        """Whether this is a board without real hardware."""
        return self.status == "simulated"


def parse(text: str, *, source: str, board_id: str) -> BoardProfile:
    """Read and check a profile.

    Raises:
        ConfigError: every mistake with file and line.
    """
    document = read_toml(text, source=source)
    validate(document, SCHEMA, text=text, source=source)
    printer = _printer(document.get("printer", {}))
    mistakes = _cross_checks(printer, document.get("power", {}))
    if document["id"] != board_id:
        mistakes.append(f"id: {document['id']!r} must equal the folder's name {board_id!r}")
    if mistakes:
        raise ConfigError("\n".join(f"{source}: {text}" for text in mistakes), mistakes=mistakes)
    return BoardProfile(
        id=document["id"],
        name=document["name"],
        status=document.get("status", "wip"),
        compatible=tuple(document.get("match", {}).get("compatible", ())),
        ports={
            role: SerialProfile(
                path=port.get("path", port.get("of_node", "")),
                baud=port.get("baud", 115_200),
                rtscts=port.get("rtscts", False),
            )
            for role, port in document.get("serial", {}).items()
            if not port.get("reserved", False)
        },
        printer=printer,
        reserve_mib=document.get("storage", {}).get("reserve_mib", 16),
    )


def _printer(table: Mapping[str, Any]) -> PrinterProfile:
    thermal = dict(table.get("thermal", {}))
    if "duty" in thermal:
        thermal["duty"] = tuple((float(c), float(d)) for c, d in sorted(thermal["duty"].items()))
    plain = {k: v for k, v in table.items() if k not in ("head", "thermal")}
    head = HeadProfile(**table["head"]) if "head" in table else None
    return PrinterProfile(**plain, head=head, thermal=ThermalProfile(**thermal))


def _cross_checks(printer: PrinterProfile, power: Mapping[str, Any]) -> list[str]:
    thermal = printer.thermal
    found = []
    if thermal.stop_c < thermal.resume_c + 5:
        found.append(
            f"printer.thermal.stop_c: {thermal.stop_c} must be at least 5 above"
            f" resume_c ({thermal.resume_c})"
        )
    if not thermal.slow_c <= thermal.stop_c <= thermal.max_c:
        found.append("printer.thermal: slow_c <= stop_c <= max_c must hold")
    if not thermal.open_c < thermal.cold_c < thermal.stop_c < thermal.short_c:
        found.append("printer.thermal: open_c < cold_c < stop_c < short_c must hold")
    if printer.head is not None:
        found += _electrical(printer.head, thermal, power)
    return found


def _electrical(head: HeadProfile, thermal: ThermalProfile, power: Mapping[str, Any]) -> list[str]:
    """Current and pulse of a directly driven head (Seiko LTP02-245 manual p31, LTP01-245 p37)."""
    found = []
    current_ma = head.max_dots_on * head.voltage_max / head.r_min_ohm * 1000
    need_ma = current_ma + power.get("motor_ma", 0)
    if "budget_ma" in power and need_ma > power["budget_ma"]:
        found.append(
            f"printer.head.max_dots_on: {head.max_dots_on} dots at {head.voltage_max} V take"
            f" {need_ma:.0f} mA with the motor; power.budget_ma is {power['budget_ma']}"
        )
    loaded = head.resistance_ohm + head.ri_ohm + head.rc_ohm * head.max_dots_on
    energy_mj = head.energy_mj_25c - head.energy_tc_mj_per_c * (thermal.cold_c - 25)
    pulse_us = energy_mj * loaded**2 / head.resistance_ohm / head.voltage_min**2 * 1000
    if pulse_us > head.max_pulse_us:
        found.append(
            f"printer.head.max_pulse_us: {head.max_pulse_us} is less than the {pulse_us:.0f} us"
            f" needed at {thermal.cold_c} C and {head.voltage_min} V"
        )
    return found
