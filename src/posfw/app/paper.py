"""The print queue over the board's printer, with what draws for it: loaded behind a first card."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio

from posfw.app.devices import kernel_root, port_of
from posfw.app.world import OpenPort, World
from posfw.board.driver.sensors import KernelHeadSensor
from posfw.board.driver.sysfs import serial_path
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.board.sources import parse_source
from posfw.journal.store import Journal
from posfw.ports import Documents, HeadSensor, Wire
from posfw.printer.driver import OpenWire, WirePrinter, open_node
from posfw.printer.queue import PrinterView
from posfw.printer.raster import Raster
from posfw.printer.store import open_glyphs
from posfw.printer.task import Printing as PrintQueue
from posfw.values.errors import ConfigError

__all__ = ["canvas", "run"]


def canvas(board: BoardProfile) -> Raster | None:
    """Return what draws slips; without glyphs the printer's own characters must do (PRN-310)."""
    try:
        return Raster(open_glyphs(), board.printer.dots)
    except ConfigError:
        return None


async def run(
    *,
    board: BoardProfile,
    site: Site,
    state: Path,
    world: World,
    journal: Journal,
    documents: Documents,
    canvas: Raster | None,
    watch: Callable[[PrinterView], None],
) -> None:
    """Print what waits until cancelled; ends at once on a board without a printer."""
    wire = _wire(board, site, state, world.open_port)
    if wire is None:
        return
    port = port_of("printer", board, site, state)
    printer = WirePrinter(board.printer, wire, baud=port.baud if port is not None else 0)
    queue = PrintQueue(
        journal=journal,
        records=journal,
        documents=documents,
        printer=printer,
        clock=world.clock,
        profile=board.printer,
        canvas=canvas,
        sensor=_sensor(board, state),
        watch=watch,
    )
    async with anyio.create_task_group() as group:
        group.start_soon(printer.run)
        group.start_soon(queue.run)


def _sensor(board: BoardProfile, state: Path) -> HeadSensor | None:
    """Return the sensor of the print head, None where the board has none."""
    source = parse_source(board.printer.thermal.source)
    if source is None or not source.real:
        return None
    return KernelHeadSensor(source, thermistor=board.thermistor, root=kernel_root(board, state))


def _wire(board: BoardProfile, site: Site, state: Path, open_port: OpenPort) -> OpenWire | None:
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
