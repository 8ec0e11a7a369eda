"""The simulated acquirer: TLS, frames, COSE and the protocol's rules in front of the bank.

It keeps its own books (sim.ledger) beside the bank's, and checks what a real one must: that the
key and the line's certificate belong to the terminal that a message names.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskStatus
from anyio.streams.tls import TLSAttribute, TLSListener, TLSStream

from posfw.activate.bundle import open_request as open_activation
from posfw.codec.frame import Deframer, frame
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.sim.bank import Place
from posfw.sim.certificates import Authority, Certificates
from posfw.sim.payments import Payments, details_of, ok, place_of
from posfw.uplink.messages import (
    VERSIONS,
    DoFirstFlag,
    Field,
    Message,
    MessageType,
)
from posfw.uplink.session import Opened, open_request, protect_answer
from posfw.values.anchor import Head
from posfw.values.errors import PosfwError

__all__ = ["Acquirer", "Faults"]

NO_COMMON_VERSION = "30"  # ISO 8583: format error
NO_SUCH_SERVICE = "12"


@dataclass(slots=True)
class Faults:
    """What goes wrong on the line; the counted ones end by themselves."""

    down: bool = False
    delay_s: float = 0.0
    lose_answers: int = 0  # authorisation answers that never leave
    hold_answers: int = 0  # authorisation answers kept until after the reversal
    lose_inquiries: int = 0
    duplicate_answers: int = 0
    wrong_macs: int = 0


@dataclass(slots=True)
class Acquirer(Payments):
    """One acquirer with a bank behind it; what it does with money stands in `sim.payments`.

    Attributes:
        base_key: the base derivation key, 32 bytes.
        faults: what goes wrong now.
        terminals: which terminal a key belongs to; a key not listed is bound by its first message.
        do_first: what the next answers want done before the next sale.
        parameters: sets by name, as the parameters message hands them out.
        vitals: the last vitals of each terminal.
        signed_on: terminals that are.
        anchors: what each terminal told of its journal: code by number of the entry, the first
            that was told.
        certifier: answers activation files that come over the line; None refuses them.
        asked: counts of authorisation requests, for whoever waits for one.
        tap: sees every frame inside TLS, both ways, before it is judged: a wire capture.
    """

    base_key: bytes
    faults: Faults = field(default_factory=Faults)
    terminals: dict[bytes, str] = field(default_factory=dict)
    do_first: set[DoFirstFlag] = field(default_factory=set)
    parameters: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    vitals: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    signed_on: set[str] = field(default_factory=set)
    anchors: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: int = 0
    tap: Callable[[bytes], object] = lambda _: None
    refused: int = 0
    ended: int = 0
    _authority: Authority | None = None
    _held: dict[Place, bytes] = field(default_factory=dict)
    _seen: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    _lines: set[TLSStream] = field(default_factory=set)

    def element_of(self, key_id: bytes) -> SoftwareElement:
        """Return the key holder of a terminal."""
        return SoftwareElement(initial_key(self.base_key, key_id), key_id, bytes(32))

    async def serve(
        self,
        certificates: Certificates,
        port: int,
        *,
        task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve on 127.0.0.1 until cancelled; reports the port that it got."""
        self._authority = await anyio.to_thread.run_sync(Authority.load, certificates.ca.parent)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificates.server, certificates.server_key)
        context.load_verify_locations(certificates.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        sockets = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
        listener = TLSListener(sockets, context, standard_compatible=False)
        async with listener:
            task_status.started(sockets.extra(SocketAttribute.local_port))  # noqa: S610 - not Django
            await listener.serve(self._line)

    async def set_down(self, *, down: bool) -> None:
        """Take the line down (open connections are cut, new ones closed at once) or up."""
        self.faults.down = down
        if down:
            for line in list(self._lines):
                with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await line.aclose()

    async def _line(self, stream: TLSStream) -> None:
        gone = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
        deframer, sending = Deframer(), anyio.Lock()
        peer = _peer(stream)
        self._lines.add(stream)
        try:
            async with stream, anyio.create_task_group() as group:
                while not self.faults.down:
                    for payload in deframer.feed(await stream.receive()):
                        group.start_soon(self._request, payload, stream, sending, peer)
        except* (*gone, PosfwError):
            self.ended += 1  # gone, or it talked nonsense: this line ends, the acquirer goes on
        finally:
            self._lines.discard(stream)

    async def _request(
        self, payload: bytes, stream: ByteStream, sending: anyio.Lock, peer: str
    ) -> None:
        gone = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)
        self.tap(payload)
        await anyio.sleep(self.faults.delay_s)
        for answer in self.answers(payload, peer):
            self.tap(answer)
            with suppress(*gone):
                async with sending:
                    await stream.send(frame(answer))

    def answers(self, payload: bytes, peer: str = "") -> list[bytes]:
        """Return the answers to one request: none, one, or more where faults say so.

        Args:
            payload: one frame's.
            peer: the terminal that the line's certificate names, "" where there is none.
        """
        try:
            request = open_request(payload, self.element_of)
        except PosfwError:
            self.refused += 1
            return []  # an unverifiable message was never received
        if not self._belongs(request, peer) or not self._fresh(request):
            self.refused += 1
            return []
        message = request.message
        witness = self._witness(message)
        fields = self._handlers()[message.type](request) | witness
        if self.do_first:
            fields[Field.DO_FIRST] = sorted(self.do_first)
        answer = protect_answer(
            Message(
                message.type,
                message.terminal,
                message.merchant,
                message.batch,
                message.stan,
                fields,
            ),
            request,
        )
        return self._faulty(message, answer)

    def _belongs(self, request: Opened, peer: str) -> bool:
        """Whether key, body and line name the same terminal (wire.md, Protection)."""
        terminal = request.message.terminal
        if peer not in ("", terminal):
            return False
        if request.key_id not in self.terminals and terminal in self.terminals.values():
            return False  # the terminal has another key
        return self.terminals.setdefault(request.key_id, terminal) == terminal

    def _fresh(self, request: Opened) -> bool:
        """Whether the counter has protected no other message; a repeated frame is answered."""
        seen = self._seen.setdefault((request.key_id, request.counter), request.digest)
        return seen == request.digest

    def _witness(self, message: Message) -> dict[Field, Any]:
        """Keep a request's anchor; return the furthest one before it where it is asked for."""
        kept = self.anchors.setdefault(message.terminal, {})
        told: dict[Field, Any] = {}
        if message.type in (MessageType.ECHO, MessageType.SIGN_ON) and kept:
            last = max(kept)
            told = {Field.WITNESS: Head(last, kept[last]).encode()}
        anchor = message.fields.get(Field.ANCHOR)
        if isinstance(anchor, bytes):
            head = Head.decode(anchor)
            kept.setdefault(head.entry, head.code)
        return told

    def _faulty(self, message: Message, answer: bytes) -> list[bytes]:
        faults = self.faults
        place = place_of(message)
        if message.type is MessageType.AUTHORISE:
            self.asked += 1
            if faults.lose_answers:
                faults.lose_answers -= 1
                return []
            if faults.hold_answers:
                faults.hold_answers -= 1
                self._held[place] = answer
                return []
            if faults.wrong_macs:
                faults.wrong_macs -= 1
                return [answer[:-1] + bytes([answer[-1] ^ 1])]
            if faults.duplicate_answers:
                faults.duplicate_answers -= 1
                return [answer, answer]
        if message.type is MessageType.INQUIRY and faults.lose_inquiries:
            faults.lose_inquiries -= 1
            return []
        held = self._held.pop(place, None) if message.type is MessageType.REVERSAL else None
        return [answer, held] if held is not None else [answer]

    def _handlers(self) -> Mapping[MessageType, Any]:
        return {
            MessageType.ECHO: lambda _: ok(),
            MessageType.SIGN_ON: self._sign_on,
            MessageType.SIGN_OFF: self._sign_off,
            MessageType.VITALS: self._vitals,
            MessageType.PARAMETERS: self._parameters,
            MessageType.ACTIVATION: self._activation,
            MessageType.SCRIPT_RESULT: self.voucher,
            MessageType.AUTHORISE: self.authorise,
            MessageType.ADVICE: self.advice,
            MessageType.REVERSAL: self.reversal,
            MessageType.INQUIRY: self.inquiry,
            MessageType.SETTLE: self.settle,
            MessageType.UPLOAD: self.upload,
        }

    def _sign_on(self, request: Opened) -> dict[Field, Any]:
        offered = details_of(request).get("versions", [1])
        common = [each for each in VERSIONS if isinstance(offered, list) and each in offered]
        if not common:
            return {Field.RESPONSE_CODE: NO_COMMON_VERSION}
        self.signed_on.add(request.message.terminal)
        self.do_first.discard(DoFirstFlag.SIGN_ON)
        told = {"version": common[-1], **self._numbers(request)}
        return ok() | {Field.DETAILS: told}

    def _numbers(self, request: Opened) -> dict[str, int]:
        """Return the last STAN and key counter seen of a terminal, for one that lost its own."""
        mine = [place for place in self.bank.asked if place[0] == request.message.terminal]
        counters = [counter for key_id, counter in self._seen if key_id == request.key_id]
        return {"last_stan": mine[-1][2] if mine else 0, "last_counter": max(counters, default=0)}

    def _sign_off(self, request: Opened) -> dict[Field, Any]:
        self.signed_on.discard(request.message.terminal)
        return ok()

    def _vitals(self, request: Opened) -> dict[Field, Any]:
        self.vitals[request.message.terminal] = details_of(request)
        self.do_first.discard(DoFirstFlag.STATUS)
        return ok()

    def _parameters(self, request: Opened) -> dict[Field, Any]:
        """Hand out the sets whose version the terminal does not have."""
        have = details_of(request).get("have", {})
        known = have if isinstance(have, Mapping) else {}
        sets = {
            name: dict(each)
            for name, each in sorted(self.parameters.items())
            if known.get(name) != each.get("version")
        }
        self.do_first.discard(DoFirstFlag.PARAMETERS)
        return ok() | {Field.DETAILS: {"sets": sets}}

    def _activation(self, request: Opened) -> dict[Field, Any]:
        """Answer an activation file; renew or issue the device certificate of who asks."""
        details = details_of(request)
        if "code" in details:
            return self._certified(details, request.message.terminal)
        csr = details.get("csr")
        if self._authority is None or not isinstance(csr, bytes):
            return ok()
        try:
            certificate = self._authority.answer(csr, request.message.terminal)
        except PosfwError:
            return {Field.RESPONSE_CODE: NO_SUCH_SERVICE}
        return ok() | {Field.DETAILS: {"certificate": certificate}}

    def _certified(self, details: Mapping[str, Any], terminal: str) -> dict[Field, Any]:
        """Activate by code: the bank's answer to the file, if code and terminal are its own."""
        bank, file = self.certifier, details.get("request")
        if bank is None or details["code"] not in bank.codes or not isinstance(file, bytes):
            return {Field.RESPONSE_CODE: NO_SUCH_SERVICE}
        try:
            if open_activation(file).terminal != terminal:
                return {Field.RESPONSE_CODE: NO_SUCH_SERVICE}
            answer = bank.certify(file)
        except PosfwError:
            return {Field.RESPONSE_CODE: NO_SUCH_SERVICE}
        return ok() | {Field.DETAILS: {"answer": answer}}


def _peer(stream: TLSStream) -> str:
    """Return the common name of the line's certificate."""
    certificate: Any = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 - not Django
    names = dict(part[0] for part in certificate["subject"])
    return str(names.get("commonName", ""))
