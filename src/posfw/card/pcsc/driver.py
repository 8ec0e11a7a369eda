"""PC/SC slots through pyscard's thin binding: every call in a thread, every wait can be cancelled.

pyscard is synchronous and gives up the interpreter lock (measured: two readers, 1.0 ms worst loop
lag). A slot has a context and a thread of its own, so that `SCardCancel` ends just its own wait;
pyscard's CardMonitor is not used: it is one polling thread for everybody. Nothing is logged:
commands and answers hold card data.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final

import anyio
from smartcard import scard

from posfw.card.pcsc.status import SUCCESS, Absence, absence, is_present, protocol_of
from posfw.values.errors import DeviceError

__all__ = ["PcscCard", "PcscSlot", "reader_names"]

# ISO/IEC 7816-3 lets a T=0 card take its time; a chip that is silent for this long is mute.
ANSWER_S: Final = 10.0
REMOVAL_S: Final = 0.5
# A command that a stuck card never answers holds the context inside pcscd; nobody waits for it.
CLOSE_S: Final = 2.0


async def reader_names(prefix: str = "") -> list[str]:
    """Return the readers that PC/SC knows, in order.

    Raises:
        DeviceError: the PC/SC service is not there.
    """
    async with PcscSlot(prefix) as slot:
        return await slot.names()


class PcscSlot:
    """One slot of a reader: `async with PcscSlot("Virtual PCD", 0) as slot`.

    Args:
        prefix: what the reader's name begins with.
        slot: which of the readers with this prefix, from 0.
        answer_s: silence after which a card counts as mute.
    """

    def __init__(self, prefix: str, slot: int = 0, *, answer_s: float = ANSWER_S) -> None:
        self._prefix = prefix
        self._slot = slot
        self._answer_s = answer_s
        self._context: Any = None
        self._limiter = anyio.CapacityLimiter(1)
        self._name = ""

    async def __aenter__(self) -> PcscSlot:
        code, self._context = await self._call(scard.SCardEstablishContext, scard.SCARD_SCOPE_USER)
        _check(code, "The PC/SC service does not answer.")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._call(scard.SCardReleaseContext, self._context, abandon=True)

    async def names(self) -> list[str]:
        """Return the readers with this prefix.

        Raises:
            DeviceError: the PC/SC service is gone.
        """
        code, found = await self._call(scard.SCardListReaders, self._context, [])
        if code & 0xFFFFFFFF == scard.SCARD_E_NO_READERS_AVAILABLE & 0xFFFFFFFF:
            return []
        _check(code, "The PC/SC service does not name its readers.")
        return sorted(name for name in found if name.startswith(self._prefix))

    async def inserted(self) -> None:
        """Return when a card is in.

        Raises:
            DeviceError: the reader or the service is gone.
        """
        await self._until(present=True)

    async def removed(self) -> None:
        """Return when the slot is empty.

        Raises:
            DeviceError: the reader or the service is gone.
        """
        await self._until(present=False)

    async def connect(self) -> PcscCard | Absence:
        """Power the card and take it for this process alone.

        Raises:
            DeviceError: the reader is gone or another program holds the card.
        """
        code, handle, protocol = await self._call(
            scard.SCardConnect,
            self._context,
            await self._reader(),
            scard.SCARD_SHARE_EXCLUSIVE,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        gone = absence(code)
        if gone is not None:
            return gone
        _check(code, f"The reader {self._name} does not give its card.")
        *_, atr = await self._call(scard.SCardStatus, handle)
        return PcscCard(handle, protocol, bytes(atr), self._call, self.removed, self._answer_s)

    async def _reader(self) -> str:
        if not self._name:
            names = await self.names()
            if len(names) <= self._slot:
                raise DeviceError(f"There is no PC/SC reader {self._prefix!r} {self._slot}.")
            self._name = names[self._slot]
        return self._name

    async def _until(self, *, present: bool) -> None:
        name, state = await self._reader(), scard.SCARD_STATE_UNAWARE
        while True:
            code, changed = await self._status_change(name, state)
            _check(code, f"The reader {name} is gone.")
            state = changed[0][1]
            found = is_present(state)
            if found is None:
                raise DeviceError(f"The reader {name} is gone.")
            if found is present:
                return

    async def _status_change(self, name: str, state: int) -> Any:
        """Wait in the thread; a cancelled wait is ended there too, not only here."""
        try:
            return await self._call(
                scard.SCardGetStatusChange,
                self._context,
                scard.INFINITE,
                [(name, state)],
                abandon=True,
            )
        except anyio.get_cancelled_exc_class():
            scard.SCardCancel(self._context)
            raise

    async def _call(self, call: Callable[..., Any], *args: Any, abandon: bool = False) -> Any:
        return await anyio.to_thread.run_sync(
            lambda: call(*args), limiter=self._limiter, abandon_on_cancel=abandon
        )


class PcscCard:
    """A powered card; made by `PcscSlot.connect`.

    Attributes:
        atr: Answer To Reset.
        protocol: 0 or 1, as `emv.apdu.Command.to_bytes` wants it.
    """

    def __init__(
        self,
        handle: Any,
        protocol: int,
        atr: bytes,
        call: Callable[..., Any],
        removed: Callable[[], Awaitable[None]],
        answer_s: float,
    ) -> None:
        self.atr = atr
        self.protocol = protocol_of(protocol)
        self._pci = scard.SCARD_PCI_T1 if self.protocol else scard.SCARD_PCI_T0
        self._handle = handle
        self._call = call
        self._removed = removed
        self._answer_s = answer_s

    async def transmit(self, command: bytes) -> bytes | Absence:
        """Return the answer with its status, or why there is none.

        Raises:
            DeviceError: the reader or the service is gone.
        """
        with anyio.move_on_after(self._answer_s):
            code, answer = await self._call(
                scard.SCardTransmit, self._handle, self._pci, list(command), abandon=True
            )
            if code == SUCCESS and answer:
                return bytes(byte & 0xFF for byte in answer)
            # vpcd reports a pulled card first as success without a byte (measured).
            gone = absence(code) if code != SUCCESS else Absence.MUTE
            if gone is Absence.MUTE:
                return await self._why()
            if gone is None:
                _check(code, "The card reader failed.")
            return Absence.REMOVED
        return Absence.MUTE

    async def close(self) -> None:
        """Take the power from the card and let go of it, also from a cancelled scope."""
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._call(
                scard.SCardDisconnect, self._handle, scard.SCARD_UNPOWER_CARD, abandon=True
            )

    async def _why(self) -> Absence:
        """A transmission broke off: the reader knows a moment later whether the card is still in.

        pcscd polls its readers (measured: a removal is known after 0.10 s).
        """
        with anyio.move_on_after(REMOVAL_S):
            await self._removed()
            return Absence.REMOVED
        return Absence.MUTE


def _check(code: int, cause: str) -> None:
    if code != SUCCESS:
        raise DeviceError(cause, pcsc=f"{code & 0xFFFFFFFF:08X}")
