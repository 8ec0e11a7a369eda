"""Puts simulated cards into pcscd's virtual reader (vsmartcard-vpcd), one TCP port a slot.

vpcd's protocol: two bytes of length, then that many. One byte is a control: 00 off, 01 on,
02 reset, 04 ATR; anything else is a command. Debian's driver sends length and body apart, so
without TCP_QUICKACK after every read a command takes 44 ms instead of 0.1 (measured).
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Protocol

from posfw.sim.chip.card import ATR
from posfw.sim.chip.faults import CardPulled, CardSlow

__all__ = ["Slot"]

POWER = frozenset({0, 1, 2})
GET_ATR = 4


class AnyCard(Protocol):
    """What can be put into a slot."""

    def reset(self) -> None:
        """Lose power."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Answer one command."""
        ...


class Slot:
    """One slot of the virtual reader; the card answers in a thread of its own.

    Args:
        port: 35963 for slot 0, the next for slot 1.
        host: where pcscd runs.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._place = (host, port)
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def insert(self, card: AnyCard, atr: bytes = ATR) -> None:
        """Put a card in; pcscd sees it within 0.4 s. An empty ATR is a dead card."""
        self.remove()
        self._connection = socket.create_connection(self._place)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(
            target=self._serve, args=(self._connection, card, atr), daemon=True
        )
        self._thread.start()

    def remove(self) -> None:
        """Pull the card out."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _serve(self, connection: socket.socket, card: AnyCard, atr: bytes) -> None:
        with connection, suppress(OSError, EOFError, CardPulled):
            while True:
                (length,) = struct.unpack(">H", _receive(connection, 2))
                message = _receive(connection, length)
                if length != 1:
                    answer = _answer(card, message)
                elif message[0] == GET_ATR:
                    answer = atr
                else:
                    card.reset()
                    continue
                connection.sendall(struct.pack(">H", len(answer)) + answer)


def _answer(card: AnyCard, message: bytes) -> bytes:
    try:
        return card.transmit(message)
    except CardSlow as slow:
        time.sleep(slow.late_s)  # in the card's own thread: its slot waits, nobody else
        return slow.answer


def _receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    # The option does not last: it is set after every read.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    return data
