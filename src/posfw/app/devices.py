"""Opens what a board is made of: ports by role, the head's sensor. The one place that does."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from posfw.app.world import OpenPort
from posfw.board.driver.sensors import KernelHeadSensor
from posfw.board.driver.sysfs import serial_path
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.board.sources import parse_source
from posfw.ports import HeadSensor, Wire
from posfw.printer.driver import OpenWire, open_node
from posfw.values.hardware import SerialProfile

__all__ = ["head_sensor", "kernel_root", "port_of", "printer_wire"]


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


def head_sensor(board: BoardProfile, state: Path) -> HeadSensor | None:
    """Return the sensor of the print head, None where the board has none."""
    source = parse_source(board.printer.thermal.source)
    if source is None or not source.real:
        return None
    return KernelHeadSensor(source, thermistor=board.thermistor, root=kernel_root(board, state))


def printer_wire(
    board: BoardProfile, site: Site, state: Path, open_port: OpenPort
) -> OpenWire | None:
    """Return how the printer's wire is opened, None for a board without a printer port."""
    port = port_of("printer", board, site, state)
    if port is None:
        return None
    if board.printer.driver == "escpos-usb":
        return partial(open_node, port.path)
    root = kernel_root(board, state)

    async def open_wire() -> Wire:
        return await open_port(serial_path(port.path, root), baudrate=port.baud)

    return open_wire
