"""What kernel files say, as numbers: milli-degrees, converter counts, capacities. Pure."""

from __future__ import annotations

from typing import Final

from posfw.board.thermistor import Thermistor

__all__ = ["celsius_of_milli", "celsius_of_voltage", "number"]

# Below absolute zero and above melting solder no sensor reads: such a value is a broken register.
_LEAST_C: Final = -60.0
_MOST_C: Final = 250.0


def number(text: str | None) -> float | None:
    """Return the number a sysfs file holds, None for anything else (also nan and inf)."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None


def celsius_of_milli(text: str | None, fault: str | None = None) -> float | None:
    """Return degrees of a milli-degree file; None where the driver reports a fault."""
    value = number(text)
    if value is None or number(fault):
        return None
    return _believable(value / 1000)


def celsius_of_voltage(
    raw: str | None, *, scale: str | None, offset: str | None, thermistor: Thermistor
) -> float | None:
    """Return degrees of an IIO voltage: (raw + offset) * scale is millivolts (sysfs-bus-iio)."""
    count, factor = number(raw), number(scale)
    if count is None or factor is None:
        return None
    celsius = thermistor.celsius((count + (number(offset) or 0.0)) * factor)
    return None if celsius is None else _believable(celsius)


def _believable(celsius: float) -> float | None:
    return celsius if _LEAST_C <= celsius <= _MOST_C else None
