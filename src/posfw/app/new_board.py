"""Begins a board profile: a folder with board.toml and README.md, made to be filled in.

What the machine says of itself is written down; what nobody knows yet is a comment, never a
guess, so the file passes its check before and after it is filled in.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from posfw.board.detect import Evidence
from posfw.values.errors import ConfigError, RefusedError

__all__ = ["write_new_board"]

_PROFILE = """\
# Keys and their units: docs/boards.md. Check with: posfw board check {folder}
schema = 1
id = {id}
name = {id}                # what people call it
status = "wip"
tried = "nothing yet"      # say honestly what has run on the real board
{extends}
[match]
compatible = {compatible}

# Roles of serial ports: of_node for a UART of the chip, a /dev/posfw/ROLE link for USB
# (udev rule in docs/boards.md). Never ttyS0: the node proves nothing and numbers move.
#[serial.card]
#of_node = "/soc/..."
#baud = 9600
#[serial.printer]
#of_node = "/soc/..."
#baud = 115200

#[leds]
#power = "leds:NAME"       # ls /sys/class/leds
#[watchdog]
#identity = "NAME"         # cat /sys/class/watchdog/*/identity
#timeout_s = 30
"""

_README = """\
# {id}

Wiring: fill in which port is which role, with the connector's pins.
Quirks: none known yet.
Lamps: none named yet.
Tried: nothing yet.
"""


def write_new_board(
    folder: Path, name: str, *, extends: tuple[str, ...], seen: Evidence
) -> tuple[Path, Path]:
    """Write the two files and return their paths; the folder of boards is made if need be.

    Raises:
        ConfigError: the name cannot be a board's id.
        RefusedError: the board is there already.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,40}", name):
        raise ConfigError(
            f"{name!r} cannot be a board's id: small letters, digits and hyphens.",
            next_step="Choose another name.",
        )
    home = folder / name
    if home.exists():
        raise RefusedError(f"{home} is there already.", next_step="Choose another name.")
    home.mkdir(parents=True)
    profile, readme = home / "board.toml", home / "README.md"
    quoted = json.dumps(name)  # a JSON text is a TOML basic string
    text = _PROFILE.format(
        folder=home,
        id=quoted,
        extends=f"extends = {json.dumps(list(extends))}\n" if extends else "",
        compatible=json.dumps(list(seen.compatible)[:1]),
    )
    profile.write_text(text, encoding="utf-8")
    readme.write_text(_README.format(id=name), encoding="utf-8")
    return profile, readme
