"""The line: TLS 1.3 with both sides authenticated, frames out, answers matched by their KSN."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import anyio
from anyio.abc import ByteStream

from posfw.codec.frame import Deframer, frame
from posfw.crypto import cose
from posfw.ports import SecureElement
from posfw.uplink.messages import Message
from posfw.uplink.order import WINDOW
from posfw.uplink.session import Sealed, open_answer
from posfw.uplink.settings import UplinkSettings, host_and_port
from posfw.values.errors import ConfigError, InputError, LinkError

__all__ = ["LINE_ERRORS", "Dial", "Link", "Waiting", "client_context", "dialler"]

Dial: TypeAlias = Callable[[], Awaitable[ByteStream]]

LINE_ERRORS: Final = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)
MAX_WAITING: Final = 2 * WINDOW
_READ_BYTES: Final = 4096


def client_context(*, ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return TLS 1.3 with our certificate, trusting this CA file only and checking the name.

    Raises:
        ConfigError: a file is missing or not what it must be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cafile=ca)
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(f"The TLS files cannot be used: {error}.") from error
    return context


def dialler(*, ca: Path, certificate: Path, key: Path, settings: UplinkSettings) -> Dial:
    """Return what opens the line: the addresses in turn, each with its own time limit.

    Raises:
        ConfigError: TLS files or an address that cannot be used.
    """
    context = client_context(ca=ca, certificate=certificate, key=key)
    targets = [host_and_port(address) for address in settings.addresses]

    async def dial() -> ByteStream:
        causes = []
        for host, port in targets:
            try:
                with anyio.fail_after(settings.connect_timeout_s):
                    return await anyio.connect_tcp(
                        host,
                        port,
                        ssl_context=context,
                        tls_hostname=settings.server_name,
                        tls_standard_compatible=True,
                    )
            except (*LINE_ERRORS, anyio.EndOfStream) as error:
                causes.append(f"{host}:{port} {type(error).__name__}")
        raise LinkError(f"No acquirer address answers: {', '.join(causes)}.")

    return dial


@dataclass(slots=True, eq=False)
class Waiting:
    """A request on the line. `written` once its first byte may have left."""

    sealed: Sealed
    done: anyio.Event = field(default_factory=anyio.Event)
    written: bool = False
    answer: Message | None = None


class Link:
    """One connection: several requests outstanding, one reader.

    Args:
        stream: an open line; closed by whoever opened it.
        element: keys of the answers.
        write_timeout_s: a frame not taken by then ends the connection.
    """

    def __init__(self, stream: ByteStream, element: SecureElement, write_timeout_s: float) -> None:
        self._stream = stream
        self._element = element
        self._write_timeout_s = write_timeout_s
        self._waiting: dict[bytes, Waiting] = {}
        self._writing = anyio.Lock()
        self._ended = anyio.Event()
        self.cause = ""
        self.ignored = 0

    @property
    def full(self) -> bool:
        """Whether no further request may be outstanding."""
        return len(self._waiting) >= MAX_WAITING

    async def ended(self) -> None:
        """Return when the connection cannot be used any more; `cause` says why."""
        await self._ended.wait()

    def end(self, cause: str) -> None:
        """Give the connection up: nobody waits any longer."""
        self.cause = self.cause or cause
        self._ended.set()
        for waiting in self._waiting.values():
            waiting.done.set()

    async def exchange(self, sealed: Sealed, timeout_s: float) -> Waiting:
        """Send a request and wait for its own answer, the time limit or the connection's end."""
        waiting = Waiting(sealed)
        self._waiting[sealed.kid] = waiting
        try:
            with anyio.move_on_after(timeout_s):
                await self._write(waiting)
                await waiting.done.wait()
        finally:
            del self._waiting[sealed.kid]
        return waiting

    async def read(self) -> None:
        """Read answers until the connection ends."""
        deframer = Deframer()
        try:
            while True:
                for payload in deframer.feed(await self._stream.receive(_READ_BYTES)):
                    self._take(payload)
        except anyio.EndOfStream:
            self.end("the acquirer closed the line")
        except LINE_ERRORS as error:
            self.end(f"the line broke: {type(error).__name__}")
        except InputError:
            self.end("the acquirer sent a frame of an impossible length")

    async def _write(self, waiting: Waiting) -> None:
        async with self._writing:
            if self._ended.is_set():
                waiting.done.set()
                return
            waiting.written = True
            # A cancelled write would leave half a frame on the line, so it is shielded; the limit
            # keeps a line that takes nothing from holding the caller.
            with anyio.move_on_after(self._write_timeout_s, shield=True) as scope:
                try:
                    await self._stream.send(frame(waiting.sealed.data))
                except LINE_ERRORS as error:
                    self.end(f"the line broke: {type(error).__name__}")
            if scope.cancelled_caught:
                self.end("the line takes no bytes")

    def _take(self, payload: bytes) -> None:
        """Give an answer to the request it verifies for; anything else was never received."""
        try:
            waiting = self._waiting[cose.parse_mac0(payload).kid]
            waiting.answer = open_answer(payload, element=self._element, request=waiting.sealed)
        except (InputError, KeyError):
            self.ignored += 1
            return
        waiting.done.set()
