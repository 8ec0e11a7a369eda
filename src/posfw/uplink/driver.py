"""The line: TLS 1.3 with both sides authenticated, frames out, answers matched by their KSN."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream

from posfw.codec.frame import Deframer, frame
from posfw.crypto import cose
from posfw.ports import SecureElement
from posfw.uplink.faults import fault
from posfw.uplink.messages import Message
from posfw.uplink.session import Sealed, open_answer
from posfw.uplink.settings import UplinkSettings, host_and_port
from posfw.values.errors import ConfigError, InputError, KeyStoreError, LinkError

__all__ = [
    "LINE_ERRORS",
    "Dial",
    "Link",
    "Waiting",
    "client_context",
    "dial_code",
    "dialler",
    "read_code",
]

Dial: TypeAlias = Callable[[], Awaitable[ByteStream]]

LINE_ERRORS: Final = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)
MAX_WAITING: Final = 64  # beside the owed messages' window: sales, inquiries, calls, echoes
_READ_BYTES: Final = 4096
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, OpenSSL x509_vfy.h
# X509_V_ERR_…, OpenSSL x509_vfy.h; every other one is about the chain.
_VERIFY_CODES: Final = {9: "NET-105", 10: "NET-104", 62: "NET-106", 64: "NET-106"}
_TLS_REASONS: Final = (
    ("PROTOCOL_VERSION", "NET-103"),  # the peer's alert
    ("UNSUPPORTED_PROTOCOL", "NET-103"),  # our own finding
    ("WRONG_VERSION_NUMBER", "NET-108"),
    ("PACKET_LENGTH_TOO_LONG", "NET-108"),
    ("RECORD_LAYER_FAILURE", "NET-108"),
    ("HTTP_REQUEST", "NET-108"),
    ("ALERT", "NET-109"),
)


def client_context(
    *, ca: Path, certificate: Path, key: Path, timeless: bool = False
) -> ssl.SSLContext:
    """Return TLS 1.3 with our certificate, trusting this CA file only and checking the name.

    Args:
        ca: PEM file.
        certificate: PEM file.
        key: PEM file.
        timeless: the clock is wrong: who calls checks the certificate's times.

    Raises:
        ConfigError: a file is missing or not what it must be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if timeless:
        context.verify_flags |= _NO_CHECK_TIME
    try:
        context.load_verify_locations(cafile=ca)
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The TLS files cannot be used: {error}.") from error
    return context


def dialler(
    *,
    ca: Path,
    certificate: Path,
    key: Path,
    settings: UplinkSettings,
    floor: Callable[[], Awaitable[datetime]] | None = None,
) -> Dial:
    """Return what opens the line: the addresses in turn, each with its own time limit.

    The one that answered last is tried first: a dead one costs its time limit once. The TLS files
    are read for every connection: a renewed certificate needs no restart.

    Args:
        ca: the acquirer's CA, PEM; no other is trusted.
        certificate: this terminal's, PEM.
        key: its private key, PEM.
        settings: addresses and limits.
        floor: the latest time that is known to have passed; a clock behind it is not believed.

    Raises:
        ConfigError: TLS files or an address that cannot be used.
    """
    client_context(ca=ca, certificate=certificate, key=key)  # a mistake is told at start-up
    targets = deque(host_and_port(address) for address in settings.addresses)

    async def dial() -> ByteStream:
        behind = await _behind(floor)
        try:
            context = await anyio.to_thread.run_sync(
                lambda: client_context(
                    ca=ca, certificate=certificate, key=key, timeless=behind is not None
                )
            )
        except ConfigError as error:
            raise LinkError(error.cause, code="NET-109") from error
        codes: list[str] = []
        for host, port in tuple(targets):
            try:
                with anyio.fail_after(settings.connect_timeout_s):
                    stream = await anyio.connect_tcp(
                        host,
                        port,
                        ssl_context=context,
                        tls_hostname=settings.server_name,
                        tls_standard_compatible=True,
                    )
            except (*LINE_ERRORS, anyio.EndOfStream) as error:
                codes.append(dial_code(error))
                continue
            code = "" if behind is None else _time_code(stream, behind)
            if not code:
                targets.rotate(-targets.index((host, port)))
                return stream
            codes.append(code)
            await anyio.aclose_forcefully(stream)
        # Of several addresses the one that got furthest tells most: the highest code.
        raise LinkError(fault(max(codes)).cause, code=max(codes), codes=codes)

    return dial


async def _behind(floor: Callable[[], Awaitable[datetime]] | None) -> datetime | None:
    """Return the floor if the clock is behind it."""
    known = await floor() if floor else None
    return known if known is not None and datetime.now(UTC) < known else None


def _time_code(stream: TLSStream, at: datetime) -> str:
    """Judge the acquirer's certificate at a time that the clock does not show.

    Intermediate certificates are not looked at: CA and certificate are what the contract names.
    """
    found: Any = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 - not Django
    times = [ssl.cert_time_to_seconds(found[name]) for name in ("notBefore", "notAfter")]
    if at.timestamp() < times[0]:
        return "NET-105"
    return "NET-104" if at.timestamp() > times[1] else ""


def dial_code(error: BaseException) -> str:
    """Return the stable code (uplink.faults) of a connection that did not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, "NET-107")
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        for part, code in _TLS_REASONS:
            if part in reason:
                return code
        return "NET-110"
    if isinstance(error, TimeoutError):
        return "NET-102"
    if isinstance(error, socket.gaierror):
        return "NET-111"
    if isinstance(error, OSError):
        return "NET-101"
    return "NET-108"  # hung up in the middle of the handshake


def read_code(error: BaseException) -> str:
    """Return the stable code of a connection that ended while reading or writing."""
    # TLS 1.3: the acquirer's word about our certificate comes after the handshake.
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return "NET-109"
    return "NET-126"


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
        self._deframer = Deframer()
        self.code = ""
        self.ignored = 0

    @property
    def full(self) -> bool:
        """Whether no further request may be outstanding."""
        return len(self._waiting) >= MAX_WAITING

    async def ended(self) -> None:
        """Return when the connection cannot be used any more; `code` says why."""
        await self._ended.wait()

    def end(self, code: str) -> None:
        """Give the connection up: nobody waits any longer."""
        self.code = self.code or code
        self._ended.set()
        for waiting in self._waiting.values():
            waiting.done.set()

    @property
    def silence_code(self) -> str:
        """What a silent echo means: half an answer, answers that do not verify, or nothing."""
        if self._deframer.pending:
            return "NET-122"
        return "NET-123" if self.ignored else "NET-121"

    async def exchange(self, sealed: Sealed, timeout_s: float) -> Waiting:
        """Send a request and wait for its own answer, the time limit or the connection's end."""
        waiting = self._waiting[sealed.kid] = Waiting(sealed)
        try:
            with anyio.move_on_after(timeout_s):
                await self._write(waiting)
                await waiting.done.wait()
        finally:
            del self._waiting[sealed.kid]
        return waiting

    async def send(self, sealed: Sealed) -> Waiting:
        """Put a request on the line; whoever sends must then wait by `answer`."""
        waiting = self._waiting[sealed.kid] = Waiting(sealed)
        try:
            await self._write(waiting)
        except BaseException:
            del self._waiting[sealed.kid]
            raise
        return waiting

    async def answer(self, waiting: Waiting, timeout_s: float) -> Waiting:
        """Wait for a sent request's own answer, the time limit or the connection's end."""
        try:
            with anyio.move_on_after(timeout_s):
                await waiting.done.wait()
        finally:
            del self._waiting[waiting.sealed.kid]
        return waiting

    async def read(self) -> None:
        """Read answers until the connection ends."""
        try:
            while True:
                for payload in self._deframer.feed(await self._stream.receive(_READ_BYTES)):
                    self._take(payload)
        except anyio.EndOfStream:
            self.end("NET-125")
        except LINE_ERRORS as error:
            self.end(read_code(error))
        except InputError:
            self.end("NET-124")

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
                    self.end(read_code(error))
            if scope.cancelled_caught:
                self.end("NET-127")

    def _take(self, payload: bytes) -> None:
        """Give an answer to the request it verifies for; anything else was never received."""
        try:
            waiting = self._waiting[cose.parse_mac0(payload).kid]
            waiting.answer = open_answer(payload, element=self._element, request=waiting.sealed)
        except (InputError, KeyError):
            self.ignored += 1
            return
        except KeyStoreError:
            self.end("NET-132")  # nothing can be verified: what waits stays unknown
            return
        waiting.done.set()
