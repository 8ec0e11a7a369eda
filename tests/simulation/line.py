"""The line to the simulated acquirer, in memory, with everything that lines do to messages."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import anyio
from anyio.abc import ByteStream

from posfw.codec.frame import Deframer, frame
from posfw.crypto import cose
from posfw.sim.acquirer import Acquirer
from posfw.uplink.messages import Message
from posfw.values.errors import LinkError
from tests.simulation.loop import outside
from tests.simulation.options import Options
from tests.simulation.wires import End, pair

__all__ = ["Network"]

LONGEST_S: Final = 150.0  # beyond every time limit of the terminal
Sent = Callable[[Message, int, bytes], None]


class Network:
    """Everything between terminal and acquirer.

    Args:
        acquirer: the far end.
        options: how bad the line is.
        note: is told of every fault that happens.
        sent: is told of every message that leaves: message, key counter, bytes.
    """

    def __init__(
        self, acquirer: Acquirer, options: Options, note: Callable[[str], None], sent: Sent
    ) -> None:
        self.acquirer = acquirer
        self.down = False
        self.healed = False
        self.flying = 0
        self._options = options
        self._note = note
        self._sent = sent
        self._chance = Random(f"line {options.seed}")
        self._lines: list[_Line] = []

    def dialler(self, **_: Any) -> Callable[[], Any]:
        """World.dialler."""
        return self._dial

    async def _dial(self) -> ByteStream:
        await anyio.sleep(self._chance.uniform(0.01, 0.5))
        if self.down:
            raise LinkError("No acquirer address answers.", code="NET-101")
        near, far = pair()
        line = _Line(self, far)
        self._lines = [each for each in self._lines if not each.far._ended]
        self._lines.append(line)
        far.take = line.hear  # type: ignore[method-assign]  # what is sent goes straight on
        return near

    def break_all(self) -> None:
        """End every connection."""
        for line in self._lines:
            line.far.cut()
        self._lines.clear()

    def happens(self, fault: str) -> bool:
        """Draw whether a fault hits this message."""
        if self.healed or self._chance.random() >= self._options.rate(fault):
            return False
        self._note(fault)
        return True

    def deliver(self, what: Callable[[], None]) -> None:
        """Let something arrive at the other end, when the line is done with it."""
        delay_s = self._chance.uniform(0.02, 0.2)
        if self.happens("reordered"):
            delay_s += self._chance.uniform(0.0, 2.0)
        if self.happens("delayed"):
            delay_s += self._chance.uniform(0.0, LONGEST_S)
        self.flying += 1
        outside(delay_s, self._arrive, what)

    def _arrive(self, what: Callable[[], None]) -> None:
        self.flying -= 1
        what()

    def leave(self, data: bytes) -> None:
        """Note a message that leaves the terminal."""
        sealed = cose.parse_mac0(data)
        self._sent(Message.decode(sealed.payload), int.from_bytes(sealed.kid[-4:], "big"), data)

    def damaged(self, data: bytes) -> bytes:
        """Return the message as it arrives."""
        return data[:-1] + bytes([data[-1] ^ 1]) if self.happens("bad_mac") else data

    def part(self, size: int) -> int:
        """Return how many bytes get through before the line ends."""
        return self._chance.randrange(size)


class _Line:
    """One connection."""

    def __init__(self, network: Network, far: End) -> None:
        self.far = far
        self._network = network
        self._deframer = Deframer()

    def hear(self, data: bytes) -> None:
        """Take bytes from the terminal."""
        network = self._network
        for payload in self._deframer.feed(data):
            network.leave(payload)
            if network.happens("frame_cut"):
                self.far.cut()
            elif not network.happens("request_lost"):
                arriving = network.damaged(payload)
                for _ in range(2 if network.happens("doubled") else 1):
                    network.deliver(lambda arriving=arriving: self._arrive(arriving))  # type: ignore[misc]  # bound now

    def _arrive(self, payload: bytes) -> None:
        network = self._network
        for answer in network.acquirer.answers(payload):
            if not network.happens("answer_lost"):
                data = frame(network.damaged(answer))
                for _ in range(2 if network.happens("doubled") else 1):
                    network.deliver(lambda data=data: self._answer(data))  # type: ignore[misc]  # bound now

    def _answer(self, data: bytes) -> None:
        if self._network.happens("frame_cut"):
            self.far.peer.take(data[: self._network.part(len(data))])
            self.far.cut()
        else:
            self.far.peer.take(data)
