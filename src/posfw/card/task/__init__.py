"""Devices on serial ports, kept open and read: stripe reader, NEO 2 reader, scanner, PIN pad."""

from posfw.card.task.neo import NeoReader
from posfw.card.task.pinpad import AbecsPinPad
from posfw.card.task.port import OpenPort
from posfw.card.task.scanner import Scanner
from posfw.card.task.stripe import SerialCardReader

__all__ = ["AbecsPinPad", "NeoReader", "OpenPort", "Scanner", "SerialCardReader"]
