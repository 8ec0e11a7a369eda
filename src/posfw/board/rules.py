"""Cross-checks: what single keys cannot show.

A resume above the stop, a head that asks more current than the supply gives, a pulse longer than
the head stands or the paper's motion leaves time for, a thermistor outside its converter, one pin
with two owners, a key too small for a finger. Figures: Seiko LTP02-245 p31, LTP01-245 p37.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from typing import Any, Final

from posfw.board.locate import KeyPath
from posfw.board.schema import Mistake
from posfw.board.sources import parse_source
from posfw.board.thermistor import Thermistor
from posfw.values.hardware import HeadProfile, PrinterProfile, ThermalProfile

__all__ = ["cross_checks"]

# Beyond stop_c by how much a head inside the tolerances may pass (docs/thermal.md).
MARGIN_C: Final = 5.0
BAND_ROWS: Final = 24
SENSE_TWICE_S: Final = 0.5
HYSTERESIS_C: Final = 5.0  # less would switch at every band; 10 to 20 is better
FINGER_MM: Final = 9.0  # WCAG 2.2 targets turned into millimetres; see docs/boards.md
COUNTS_PER_C: Final = 4.0  # below, one converter step is more than a quarter of a degree
HEAT: Final = ("printer", "thermal")
HEAD: Final = ("printer", "head")


class _Unusable(Exception):  # noqa: N818 - control flow inside this module, never leaves it
    """A value the rule needs is already told as a mistake of its own."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """A document whose mistaken values are out of reach, so that no rule trips over them."""

    document: Mapping[str, Any]
    bad: frozenset[KeyPath]

    def table(self, path: KeyPath) -> Mapping[str, Any]:
        found: Any = self.document
        for length, key in enumerate(path, start=1):
            if path[:length] in self.bad:
                raise _Unusable
            found = found.get(key, {})
        return found if isinstance(found, Mapping) else {}

    def get(self, path: KeyPath, default: Any = None) -> Any:
        if path in self.bad:
            raise _Unusable
        return self.table(path[:-1]).get(path[-1], default)

    def thermal(self, name: str) -> Any:
        return self.get((*HEAT, name), _default(ThermalProfile, name))

    def head(self, name: str) -> float:
        return float(self.get((*HEAD, name), _default(HeadProfile, name)))

    def printer(self, name: str) -> Any:
        return self.get(("printer", name), _default(PrinterProfile, name))

    def thermistor(self) -> Thermistor | None:
        at = ("printer", "thermistor")
        if not self.table(at):
            return None
        return Thermistor(**{f.name: self.get((*at, f.name)) for f in fields(Thermistor)})


def _default(kind: type, name: str) -> Any:
    found = next(f.default for f in fields(kind) if f.name == name)
    return None if found is MISSING else found


def cross_checks(document: Mapping[str, Any], bad: frozenset[KeyPath]) -> list[Mistake]:
    """Return what does not fit together; `bad` are keys already told as mistaken."""
    facts = _Facts(document, bad)
    found: list[Mistake] = []
    for rule in _RULES:
        try:
            found += rule(facts)
        except _Unusable:
            continue  # told already: a second message about the same key would mislead
    return found


def _zones(facts: _Facts) -> Iterator[Mistake]:
    stop, resume, slow = (facts.thermal(f"{name}_c") for name in ("stop", "resume", "slow"))
    limit = facts.thermal("max_c")
    if stop < resume + HYSTERESIS_C:
        told = f"{stop} must be at least {HYSTERESIS_C:g} above resume_c ({resume})"
        yield Mistake((*HEAT, "stop_c"), told)
    if slow > stop:
        yield Mistake((*HEAT, "slow_c"), f"{slow} must not be above stop_c ({stop})")
    if stop > limit:
        yield Mistake((*HEAT, "stop_c"), f"{stop} must not be above max_c ({limit})")


def _room(facts: _Facts) -> Iterator[Mistake]:
    """What the throttle takes for granted (docs/thermal.md), else it could only stand still."""
    stop, limit = facts.thermal("stop_c"), facts.thermal("max_c")
    ambient, resume = facts.thermal("ambient_c"), facts.thermal("resume_c")
    if limit < stop + MARGIN_C:
        told = f"{limit} must be at least {MARGIN_C:g} above stop_c ({stop}): heads vary by 20 %"
        yield Mistake((*HEAT, "max_c"), told)
    if ambient >= resume:
        yield Mistake((*HEAT, "ambient_c"), f"{ambient} must be below resume_c ({resume})")
    black_c = BAND_ROWS * facts.printer("dots") * facts.thermal("rise_c_per_kdot") / 1000
    if ambient + black_c > stop - 1:
        told = f"a black band of {BAND_ROWS} rows alone heats by {black_c:.1f} C: above stop_c"
        yield Mistake((*HEAT, "rise_c_per_kdot"), told)
    if facts.thermal("max_age_s") < SENSE_TWICE_S:
        told = f"must be at least {SENSE_TWICE_S:g}: the sensor is read every 0.25 s"
        yield Mistake((*HEAT, "max_age_s"), told)


def _bounds(facts: _Facts) -> Iterator[Mistake]:
    names = ("open_c", "cold_c", "stop_c", "short_c")
    values = [facts.thermal(name) for name in names]
    for low, high, name, above in zip(values, values[1:], names, names[1:], strict=False):
        if low >= high:
            yield Mistake((*HEAT, name), f"{low} must be below {above} ({high})")


def _duty(facts: _Facts) -> Iterator[Mistake]:
    table = facts.table((*HEAT, "duty"))
    try:
        points = sorted((float(ambient), share) for ambient, share in table.items())
    except ValueError:
        yield Mistake((*HEAT, "duty"), "keys must be ambient temperatures in C")
        return
    if any((*HEAT, "duty", key) in facts.bad for key in table):
        raise _Unusable
    for (cooler, share), (warmer, less) in pairwise(points):
        if less > share:
            told = f"{less} at {warmer:g} C must not be above {share} at {cooler:g} C"
            yield Mistake((*HEAT, "duty"), told)


def _sensor(facts: _Facts) -> Iterator[Mistake]:
    source = parse_source(facts.thermal("source"))
    raw = facts.printer("driver") == "head-spi"
    if raw and source is not None and not source.real:
        told = "a directly driven head needs a temperature sensor; without one nothing stops it"
        yield Mistake((*HEAT, "source"), told)
    if raw and not facts.table(HEAD):
        yield Mistake(HEAD, "is missing: a directly driven head needs its electrical data")
    given = facts.table(("printer", "thermistor"))
    volts = source is not None and source.kind == "iio" and source.channel.startswith("voltage")
    if volts and not given:
        yield Mistake((*HEAT, "source"), "is a voltage: printer.thermistor must say what it means")
    lacking = [f.name for f in fields(Thermistor) if f.name not in given]
    if given and lacking:
        yield Mistake(("printer", "thermistor"), f"lacks {', '.join(lacking)}")


def _converter(facts: _Facts) -> Iterator[Mistake]:
    table = facts.table(("printer", "thermistor"))
    if not all(f.name in table for f in fields(Thermistor)):
        return
    part = facts.thermistor()
    if part is None:
        return
    margin = part.adc_max / 100
    for name in ("open_c", "stop_c", "short_c"):
        celsius = facts.thermal(name)
        count = part.count(celsius)
        if not margin <= count <= part.adc_max - margin:
            told = (
                f"{celsius} C is {part.ohm(celsius):.0f} ohm, count {count:.0f} of"
                f" {part.adc_max}: outside what the converter can tell"
            )
            yield Mistake((*HEAT, name), told)
    stop = facts.thermal("stop_c")
    steps = part.count(stop - 0.5) - part.count(stop + 0.5)
    if steps < COUNTS_PER_C:
        told = (
            f"one degree at {stop} C is {steps:.1f} counts; at least {COUNTS_PER_C:g} are needed"
        )
        yield Mistake(("printer", "thermistor", "pullup_ohm"), told)


def _current(facts: _Facts) -> Iterator[Mistake]:
    budget = facts.get(("power", "budget_ma"))
    if budget is None or not facts.table(HEAD):
        return
    dots, volts = facts.head("max_dots_on"), facts.head("voltage_max")
    head_ma = dots * volts / facts.head("r_min_ohm") * 1000
    need_ma = head_ma + facts.get(("power", "motor_ma"), 0)
    if need_ma > budget:
        told = (
            f"{dots:g} dots at {volts:g} V take {need_ma:.0f} mA with the motor;"
            f" power.budget_ma is {budget}"
        )
        yield Mistake((*HEAD, "max_dots_on"), told)


def _voltages(facts: _Facts) -> Iterator[Mistake]:
    if not facts.table(HEAD):
        return
    low, usual, high = (facts.head(f"voltage_{name}") for name in ("min", "nominal", "max"))
    if not low <= usual <= high:
        told = f"{usual:g} must lie between voltage_min ({low:g}) and voltage_max ({high:g})"
        yield Mistake((*HEAD, "voltage_nominal"), told)
    if facts.head("r_min_ohm") > facts.head("resistance_ohm"):
        yield Mistake((*HEAD, "r_min_ohm"), "must not be above resistance_ohm")


def _pulse_us(facts: _Facts, celsius: float, volts: float) -> float:
    """Return the pulse that one dot needs: t = E * Radj / V^2, Radj = loaded^2 / R."""
    ohm = facts.head("resistance_ohm")
    loaded = ohm + facts.head("ri_ohm") + facts.head("rc_ohm") * facts.head("max_dots_on")
    energy = facts.head("energy_mj_25c") - facts.head("energy_tc_mj_per_c") * (celsius - 25)
    return energy * loaded**2 / ohm / volts**2 * 1000


def _pulse(facts: _Facts) -> Iterator[Mistake]:
    if not facts.table(HEAD):
        return
    limit, cold, low = (
        facts.head("max_pulse_us"),
        facts.thermal("cold_c"),
        facts.head("voltage_min"),
    )
    longest = _pulse_us(facts, cold, low)
    if longest > limit:
        told = f"{limit:g} is less than the {longest:.0f} us needed at {cold} C and {low:g} V"
        yield Mistake((*HEAD, "max_pulse_us"), told)
    line_us = facts.printer("line_mm") / facts.printer("max_speed_mm_s") * 1e6
    usual = _pulse_us(facts, 25, facts.head("voltage_nominal"))
    if usual > line_us:
        told = (
            f"a line passes in {line_us:.0f} us, a dot needs {usual:.0f} us at 25 C:"
            " the paper is faster than the head"
        )
        yield Mistake(("printer", "max_speed_mm_s"), told)


def _ports(facts: _Facts) -> Iterator[Mistake]:
    owners: dict[str, str] = {}
    for role in facts.table(("serial",)):
        port = facts.table(("serial", role))
        places = [str(port[key]) for key in ("path", "of_node") if key in port]
        if len(places) != 1 and not port.get("reserved", False):
            yield Mistake(("serial", role), "needs one of path and of_node")
        for place in places:
            if place in owners:
                told = f"{place} already belongs to serial.{owners[place]}"
                yield Mistake(("serial", role), told)
            owners.setdefault(place, role)


def _pins(facts: _Facts) -> Iterator[Mistake]:
    owners: dict[tuple[str, str, str], KeyPath] = {}
    for path, text in _texts(facts.document, ()):
        source = parse_source(text) if path[0] != "revisions" else None
        if source is None or source.kind not in ("gpio", "pwm", "leds"):
            continue
        pin = (source.kind, source.name, source.channel)
        if pin in owners:
            told = f"{text} already belongs to {'.'.join(owners[pin])}"
            yield Mistake(path, told)
        owners.setdefault(pin, path)


def _texts(table: Mapping[str, Any], at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _texts(value, (*at, key))
        elif isinstance(value, str):
            yield (*at, key), value


def _finger(facts: _Facts) -> Iterator[Mistake]:
    at = ("display",)
    if not facts.get((*at, "touch"), default=False):
        return
    key_px, dpi = facts.get((*at, "key_px")), facts.get((*at, "dpi"))
    if key_px is None or dpi is None:
        yield Mistake((*at, "touch"), "needs key_px and dpi: a finger counts in millimetres")
        return
    size_mm = key_px * 25.4 / dpi
    if size_mm < FINGER_MM:
        told = f"{key_px} px at {dpi:g} dpi are {size_mm:.1f} mm; a finger needs {FINGER_MM:g} mm"
        yield Mistake((*at, "key_px"), told)


def _printed_width(facts: _Facts) -> Iterator[Mistake]:
    """A pitch that does not fit the dots an inch is a slip in one of the two."""
    line_mm, dpi = facts.printer("line_mm"), facts.printer("dpi")
    if not 0.8 <= line_mm * dpi / 25.4 <= 1.2:
        told = f"{line_mm} does not fit {dpi} dpi (one dot is {25.4 / dpi:.3f} mm)"
        yield Mistake(("printer", "line_mm"), told)


def _slots(facts: _Facts) -> Iterator[Mistake]:
    slots = facts.table(("storage", "slots"))
    if len(slots) == 1:
        yield Mistake(("storage", "slots"), "needs both a and b, or neither")
    elif slots and slots["a"] == slots["b"]:
        yield Mistake(("storage", "slots"), "a and b must differ")


def _revision(facts: _Facts) -> Iterator[Mistake]:
    known = set(facts.table(("revisions",)))
    table = facts.table(("match", "revision"))
    if known and not table:
        yield Mistake(("revisions",), "match.revision must say how they are told apart")
    if not table or not known:
        return
    named: dict[KeyPath, Any] = {
        ("match", "revision", "default"): facts.get(("match", "revision", "default"))
    }
    for key, name in facts.table(("match", "revision", "map")).items():
        named["match", "revision", "map", key] = name
    for path, name in named.items():
        if name not in known:
            yield Mistake(path, f"{name!r} is none of the revisions {', '.join(sorted(known))}")


def _honest(facts: _Facts) -> Iterator[Mistake]:
    element, status = facts.get(("keys", "element")), facts.get(("status",))
    if element == "software" and status not in ("simulated", None):
        told = "is for simulated boards only: keys in a file are no secure element"
        yield Mistake(("keys", "element"), told)
    low, high = (facts.get(("selftest", f"rise_{name}_c")) for name in ("min", "max"))
    if low is not None and high is not None and low >= high:
        yield Mistake(("selftest", "rise_min_c"), f"{low} must be below rise_max_c ({high})")


_RULES: Final[tuple[Callable[[_Facts], Iterator[Mistake]], ...]] = (
    _zones,
    _room,
    _bounds,
    _duty,
    _sensor,
    _converter,
    _current,
    _voltages,
    _pulse,
    _ports,
    _pins,
    _finger,
    _printed_width,
    _slots,
    _revision,
    _honest,
)
