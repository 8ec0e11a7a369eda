"""Where a board's ports and its kernel's files are."""

from __future__ import annotations

from pathlib import Path

from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.values.hardware import SerialProfile

__all__ = ["kernel_root", "port_of"]


def port_of(role: str, board: BoardProfile, site: Site, state: Path) -> SerialProfile | None:
    """Return the port of a role, None where the board has none.

    The site file may name another path; a relative one lies in the state folder.
    """
    port = board.ports.get(role)
    if port is None:
        return None
    path = site.ports.get(role, port.path)
    if "://" not in path and not path.startswith("of_node:"):
        path = str(state / path)  # an absolute path stays as it is
    return SerialProfile(path, port.baud, port.rtscts)


def kernel_root(board: BoardProfile, state: Path) -> Path:
    """Return where /sys and /dev are: a simulated board has its kernel's files in the rig."""
    return state / "rig" if board.simulated else Path("/")
