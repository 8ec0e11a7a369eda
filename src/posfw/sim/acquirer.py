"""The simulated acquirer: TLS, frames, COSE and the protocol's rules in front of the bank."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskStatus
from anyio.streams.tls import TLSListener, TLSStream

from posfw.codec.frame import Deframer, frame
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.sim.bank import Bank, Place, Verdict
from posfw.sim.certificates import Certificates
from posfw.uplink.messages import Field, InquiryState, Message, MessageType
from posfw.uplink.session import Opened, open_card, open_request, protect_answer
from posfw.values.errors import PosfwError
from posfw.values.identity import Key

__all__ = ["Acquirer", "Faults"]

_STATES = {
    "approved": InquiryState.APPROVED,
    "declined": InquiryState.DECLINED,
    "reversed": InquiryState.REVERSED,
    "not_found": InquiryState.NOT_FOUND,
}


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
class Acquirer:
    """One acquirer with a bank behind it.

    Attributes:
        base_key: the base derivation key, 32 bytes.
        bank: the books.
        faults: what goes wrong now.
        asked: counts of authorisation requests, for whoever waits for one.
    """

    base_key: bytes
    bank: Bank = field(default_factory=Bank)
    faults: Faults = field(default_factory=Faults)
    asked: int = 0
    refused: int = 0
    ended: int = 0
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
        self._lines.add(stream)
        try:
            async with stream, anyio.create_task_group() as group:
                while not self.faults.down:
                    for payload in deframer.feed(await stream.receive()):
                        group.start_soon(self._request, payload, stream, sending)
        except* (*gone, PosfwError):
            self.ended += 1  # gone, or it talked nonsense: this line ends, the acquirer goes on
        finally:
            self._lines.discard(stream)

    async def _request(self, payload: bytes, stream: ByteStream, sending: anyio.Lock) -> None:
        gone = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)
        await anyio.sleep(self.faults.delay_s)
        for answer in self.answers(payload):
            with suppress(*gone):
                async with sending:
                    await stream.send(frame(answer))

    def answers(self, payload: bytes) -> list[bytes]:
        """Return the answers to one request: none, one, or more where faults say so."""
        try:
            request = open_request(payload, self.element_of)
        except PosfwError:
            self.refused += 1
            return []  # an unverifiable message was never received
        seen = self._seen.setdefault((request.key_id, request.counter), request.digest)
        if seen != request.digest:
            self.refused += 1
            return []  # a counter protects one message only
        message = request.message
        fields = self._handlers()[message.type](request)
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

    def _faulty(self, message: Message, answer: bytes) -> list[bytes]:
        faults = self.faults
        place = _place(message)
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
            MessageType.ECHO: lambda _: _ok(),
            MessageType.SIGN_ON: lambda _: _ok(),
            MessageType.SIGN_OFF: lambda _: _ok(),
            MessageType.VITALS: lambda _: _ok(),
            MessageType.PARAMETERS: lambda _: _ok(),
            MessageType.ACTIVATION: lambda _: _ok(),
            MessageType.SCRIPT_RESULT: lambda _: _ok(),
            MessageType.AUTHORISE: self._authorise,
            MessageType.ADVICE: self._advice,
            MessageType.REVERSAL: self._reversal,
            MessageType.INQUIRY: self._inquiry,
            MessageType.SETTLE: self._settle,
            MessageType.UPLOAD: self._settle,
        }

    def _authorise(self, request: Opened) -> dict[Field, Any]:
        fields = request.message.fields
        original = fields.get(Field.ORIGINAL)
        verdict = self.bank.authorise(
            _place(request.message),
            kind=str(fields[Field.KIND]),
            amount=_number(fields[Field.AMOUNT]),
            card=_card(request),
            original=tuple(original) if isinstance(original, (list, tuple)) else None,  # type: ignore[arg-type]  # shape checked by the codec
        )
        return _verdict_fields(verdict)

    def _advice(self, request: Opened) -> dict[Field, Any]:
        fields = request.message.fields
        kind, amount = str(fields[Field.KIND]), _number(fields[Field.AMOUNT])
        place = _place(request.message)
        return _verdict_fields(
            self.bank.advise(place, kind=kind, amount=amount, card=_card(request))
        )

    def _reversal(self, request: Opened) -> dict[Field, Any]:
        return _verdict_fields(self.bank.reverse(_place(request.message)))

    def _inquiry(self, request: Opened) -> dict[Field, Any]:
        state, verdict = self.bank.inquire(_place(request.message))
        return _verdict_fields(verdict) | {Field.INQUIRY_STATE: int(_STATES[state])}

    def _settle(self, request: Opened) -> dict[Field, Any]:
        message = request.message
        details = message.fields.get(Field.DETAILS, {})
        told = details if isinstance(details, Mapping) else {}
        ours = self.bank.totals(message.terminal, message.batch)
        balanced = all(told.get(name) == value for name, value in ours.items())
        records = self.bank.records(message.terminal, message.batch)
        return _ok() | {
            Field.DETAILS: {"result": 1 if balanced else 2, **ours},
            Field.RECORDS: records,
        }


def _ok() -> dict[Field, Any]:
    now = datetime.now().astimezone()
    return {Field.RESPONSE_CODE: "00", Field.HOST_TIME: now.strftime("%Y%m%d%H%M%S")}


def _verdict_fields(verdict: Verdict) -> dict[Field, Any]:
    fields: dict[Field, Any] = {Field.RESPONSE_CODE: verdict.code}
    if verdict.auth_code:
        fields[Field.AUTH_CODE] = verdict.auth_code
    if verdict.reference:
        fields[Field.REFERENCE] = verdict.reference
    return fields


def _place(message: Message) -> Place:
    return (message.terminal, message.batch, message.stan)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _card(request: Opened) -> str:
    sealed = request.message.fields.get(Field.CARD)
    if not isinstance(sealed, bytes):
        return ""
    key = Key(*_place(request.message))
    return open_card(sealed, key=key, element=request.element).number.reveal()
