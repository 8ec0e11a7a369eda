"""Terminal parameters for the simulated payment systems, as the file that a terminal reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from posfw.emv.parameters import EmvParameters
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.profile import SCHEMES, Profile

__all__ = ["demo_set", "demo_toml"]

FLOOR_MINOR: Final = 10_000


def demo_toml(profiles: Sequence[Profile] = SCHEMES, *, floor_minor: int = FLOOR_MINOR) -> str:
    """Return a parameter set for these cards with the simulated CA's keys (docs/emv.md).

    The CA keys are made anew in every process: cards of another process are not of this set.
    """
    made = parameters(profiles, floor_minor=floor_minor)
    return "\n".join(("# Simulated payment systems: no real card is known here.", *_lines(made)))


def demo_set(
    profiles: Sequence[Profile] = SCHEMES, *, floor_minor: int = FLOOR_MINOR
) -> dict[str, Any]:
    """Return the same as the set `emv` that an acquirer sends; its version is the caller's."""
    made = parameters(profiles, floor_minor=floor_minor)
    return {
        "terminal": {"country": made.country, "serial": made.serial},
        "aid": [
            {
                "aid": each.aid,
                "floor_minor": each.floor_minor,
                "tac_denial": each.tac_denial.to_bytes(5, "big"),
                "tac_online": each.tac_online.to_bytes(5, "big"),
                "tac_default": each.tac_default.to_bytes(5, "big"),
            }
            for each in made.aids
        ],
        "ca_key": [
            {
                "rid": key.rid,
                "index": key.index,
                "modulus": key.modulus,
                "exponent": key.exponent,
                "checksum": key.checksum,
            }
            for key in made.ca_keys
        ],
    }


def _lines(made: EmvParameters) -> list[str]:
    lines = ["[terminal]", f"country = {made.country}", f'serial = "{made.serial}"']
    for aid in made.aids:
        lines += ["", "[[aid]]", f'aid = "{aid.aid.hex()}"', f"floor_minor = {aid.floor_minor}"]
        tacs = {"denial": aid.tac_denial, "online": aid.tac_online, "default": aid.tac_default}
        lines += [f'tac_{name} = "{tac:010x}"' for name, tac in tacs.items()]
    for key in made.ca_keys:
        lines += ["", "[[ca_key]]", f'rid = "{key.rid.hex()}"', f"index = {key.index}"]
        values = {"modulus": key.modulus, "exponent": key.exponent, "checksum": key.checksum}
        lines += [f'{name} = "{value.hex()}"' for name, value in values.items()]
    return [*lines, ""]
