"""Energy of a directly driven head: pulse length, and which dots may be on at once. Pure.

Equations of the Seiko LTP01-245 and LTP02-245 reference manuals (p37, p31), figures in
`HeadProfile`. A printer behind ESC/POS does this in its own firmware; only `head-spi` needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

from posfw.values.hardware import HeadProfile

__all__ = ["division", "dot_energy_mj", "head_voltage", "loaded_ohm", "pulse_us", "supply_ma"]


def dot_energy_mj(head: HeadProfile, head_c: float) -> float:
    """Return the energy of one dot: `E25 - Tc * (T - 25)`; a warm head needs less."""
    return head.energy_mj_25c - head.energy_tc_mj_per_c * (head_c - 25)


def loaded_ohm(head: HeadProfile, dots_on: int) -> float:
    """Return `(RH + Ri + Rc * N)^2 / RH`: the common path takes its part with N dots on."""
    return (head.resistance_ohm + head.ri_ohm + head.rc_ohm * dots_on) ** 2 / head.resistance_ohm


def head_voltage(supply: float) -> float:
    """Return the corrected voltage of an LTP1245R (manual p35): 1.2 V - 1.8, steep below 5.5."""
    return 1.2 * supply - 1.8 if supply >= 5.5 else 1.4 * supply - 2.9


def pulse_us(head: HeadProfile, *, head_c: float, voltage: float, dots_on: int) -> float | None:
    """Return how long N dots are on: `E * R / V^2`; None where the head must not fire.

    None: the supply is outside the head's range, or the pulse would exceed `max_pulse_us` (too
    cold and too weak a battery), or the head is so warm that nothing is left to add.
    """
    if not head.voltage_min <= voltage <= head.voltage_max:
        return None
    needed = dot_energy_mj(head, head_c) * loaded_ohm(head, dots_on) / voltage**2 * 1000
    return needed if 0 < needed <= head.max_pulse_us else None


def supply_ma(head: HeadProfile, *, dots_on: int, voltage: float) -> float:
    """Return the current of N dots at the lowest resistance of the series: `N * V / Rmin`."""
    return dots_on * voltage / head.r_min_ohm * 1000


def division(row: bytes, limit: int) -> Sequence[tuple[int, int]]:
    """Divide a row into parts of at most `limit` black dots that fire one after another.

    Counts black dots instead of fixed blocks: 3 to 6 times faster on text (APS ELM205 p12).

    Args:
        row: packed dots, most significant bit left.
        limit: dots that may be on at once, at least 1.

    Returns:
        (first column, end column) of each part, in order; blank rows have none.
    """
    parts: list[tuple[int, int]] = []
    first = on = 0
    for column in range(len(row) * 8):
        if not row[column // 8] >> (7 - column % 8) & 1:
            continue
        if on == limit:
            parts.append((first, column))
            first, on = column, 0
        on += 1
    if on:
        parts.append((first, len(row) * 8))
    return parts
