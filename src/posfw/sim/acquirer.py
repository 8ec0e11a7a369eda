"""The simulated acquirer: TLS, frames, COSE and the protocol's rules in front of the bank.

It keeps its own books (sim.ledger) beside the bank's, and checks what a real one must: that the
key and the line's certificate belong to the terminal that a message names.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskStatus
from anyio.streams.tls import TLSAttribute, TLSListener, TLSStream

from posfw.activate.bundle import open_request as open_activation
from posfw.codec.frame import Deframer, frame
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.sim.bank import Bank, Place, Verdict
from posfw.sim.certificates import Authority, Certificates
from posfw.sim.certifier import Certifier
from posfw.sim.chip.issuer import Issuer, Script
from posfw.sim.ledger import Ledger
from posfw.uplink.messages import (
    VERSIONS,
    DoFirstFlag,
    Field,
    InquiryState,
    Message,
    MessageType,
)
from posfw.uplink.session import Opened, open_card, open_request, protect_answer
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import PosfwError
from posfw.values.identity import Key

__all__ = ["Acquirer", "Faults"]

NO_COMMON_VERSION = "30"  # ISO 8583: format error
NO_SUCH_SERVICE = "12"
WRONG_CRYPTOGRAM = "05"
BALANCE_MINOR = 1_234_500  # of every account

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
        bank: the issuer's books.
        ledger: the acquirer's own; it judges settlements.
        faults: what goes wrong now.
        terminals: which terminal a key belongs to; a key not listed is bound by its first message.
        do_first: what the next answers want done before the next sale.
        parameters: sets by name, as the parameters message hands them out.
        vitals: the last vitals of each terminal.
        signed_on: terminals that are.
        certifier: answers activation files that come over the line; None refuses them.
        issuer: checks the cryptograms of chips and answers them.
        scripts: what the issuer has for the next chips.
        asked: counts of authorisation requests, for whoever waits for one.
        tap: sees every frame inside TLS, both ways, before it is judged: a wire capture.
    """

    base_key: bytes
    bank: Bank = field(default_factory=Bank)
    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    terminals: dict[bytes, str] = field(default_factory=dict)
    do_first: set[DoFirstFlag] = field(default_factory=set)
    parameters: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    vitals: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    signed_on: set[str] = field(default_factory=set)
    certifier: Certifier | None = None
    issuer: Issuer = field(default_factory=Issuer)
    scripts: Sequence[Script] = ()
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
        fields = self._handlers()[message.type](request)
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
            MessageType.SIGN_ON: self._sign_on,
            MessageType.SIGN_OFF: self._sign_off,
            MessageType.VITALS: self._vitals,
            MessageType.PARAMETERS: self._parameters,
            MessageType.ACTIVATION: self._activation,
            MessageType.SCRIPT_RESULT: self._voucher,
            MessageType.AUTHORISE: self._authorise,
            MessageType.ADVICE: self._advice,
            MessageType.REVERSAL: self._reversal,
            MessageType.INQUIRY: self._inquiry,
            MessageType.SETTLE: self._settle,
            MessageType.UPLOAD: self._upload,
        }

    def _sign_on(self, request: Opened) -> dict[Field, Any]:
        offered = _details(request).get("versions", [1])
        common = [each for each in VERSIONS if isinstance(offered, list) and each in offered]
        if not common:
            return {Field.RESPONSE_CODE: NO_COMMON_VERSION}
        self.signed_on.add(request.message.terminal)
        self.do_first.discard(DoFirstFlag.SIGN_ON)
        told = {"version": common[-1], **self._numbers(request)}
        return _ok() | {Field.DETAILS: told}

    def _numbers(self, request: Opened) -> dict[str, int]:
        """Return the last STAN and key counter seen of a terminal, for one that lost its own."""
        mine = [place for place in self.bank.asked if place[0] == request.message.terminal]
        counters = [counter for key_id, counter in self._seen if key_id == request.key_id]
        return {"last_stan": mine[-1][2] if mine else 0, "last_counter": max(counters, default=0)}

    def _sign_off(self, request: Opened) -> dict[Field, Any]:
        self.signed_on.discard(request.message.terminal)
        return _ok()

    def _vitals(self, request: Opened) -> dict[Field, Any]:
        self.vitals[request.message.terminal] = _details(request)
        self.do_first.discard(DoFirstFlag.STATUS)
        return _ok()

    def _parameters(self, request: Opened) -> dict[Field, Any]:
        """Hand out the sets whose version the terminal does not have."""
        have = _details(request).get("have", {})
        known = have if isinstance(have, Mapping) else {}
        sets = {
            name: dict(each)
            for name, each in sorted(self.parameters.items())
            if known.get(name) != each.get("version")
        }
        self.do_first.discard(DoFirstFlag.PARAMETERS)
        return _ok() | {Field.DETAILS: {"sets": sets}}

    def _activation(self, request: Opened) -> dict[Field, Any]:
        """Answer an activation file; renew or issue the device certificate of who asks."""
        details = _details(request)
        if "code" in details:
            return self._certified(details, request.message.terminal)
        csr = details.get("csr")
        if self._authority is None or not isinstance(csr, bytes):
            return _ok()
        try:
            certificate = self._authority.answer(csr, request.message.terminal)
        except PosfwError:
            return {Field.RESPONSE_CODE: NO_SUCH_SERVICE}
        return _ok() | {Field.DETAILS: {"certificate": certificate}}

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
        return _ok() | {Field.DETAILS: {"answer": answer}}

    def _voucher(self, request: Opened) -> dict[Field, Any]:
        """Keep what belongs to one transaction; a repeat is 94."""
        kept = self.ledger.vouchers.setdefault(_place(request.message), [])
        name = request.message.type.name.lower()
        if name in kept:
            return {Field.RESPONSE_CODE: "94"}
        kept.append(name)
        return _ok()

    def _authorise(self, request: Opened) -> dict[Field, Any]:
        fields, place = request.message.fields, _place(request.message)
        original = fields.get(Field.ORIGINAL)
        kind, minor = str(fields.get(Field.KIND)), _number(fields.get(Field.AMOUNT))
        chip = _chip(request)
        if chip is not None and not self._genuine(chip):
            # Remembered as any decline: a repeat and an inquiry hear the same.
            return _verdict_fields(self.bank.answers.setdefault(place, Verdict(WRONG_CRYPTOGRAM)))
        verdict = self.bank.authorise(
            place,
            kind=kind,
            amount=minor,
            card=_card(request),
            original=tuple(original) if isinstance(original, (list, tuple)) else None,  # type: ignore[arg-type]  # shape checked by the codec
        )
        if verdict.code == "00":
            self.ledger.move(place, kind, minor)
        told = {Field.BALANCE: BALANCE_MINOR} if kind == "balance" else {}
        return _verdict_fields(verdict) | told | self._issuer_data(chip, verdict.code)

    def _genuine(self, chip: CardRead) -> bool:
        """Whether the card itself made the cryptogram (ARQC), over this very transaction."""
        number, sequence = chip.number.reveal(), chip.sequence or 0
        return self.issuer.genuine(chip.emv.reveal(), number, sequence)

    def _issuer_data(self, chip: CardRead | None, code: str) -> dict[Field, Any]:
        """Answer a chip with ARPC and scripts."""
        if chip is None:
            return {}
        data = self.issuer.answer(
            chip.emv.reveal(),
            chip.number.reveal(),
            chip.sequence or 0,
            code=code,
            scripts=self.scripts,
        )
        return {Field.ISSUER_DATA: data} if data else {}

    def _advice(self, request: Opened) -> dict[Field, Any]:
        fields, place = request.message.fields, _place(request.message)
        kind, minor = str(fields.get(Field.KIND)), _number(fields.get(Field.AMOUNT))
        verdict = self.bank.advise(place, kind=kind, amount=minor, card=_card(request))
        if verdict.code == "00":
            self.ledger.move(place, kind, minor)
        return _verdict_fields(verdict)

    def _reversal(self, request: Opened) -> dict[Field, Any]:
        place = _place(request.message)
        verdict = self.bank.reverse(place)
        if verdict.code in ("00", "25"):
            self.ledger.undo(place)
        return _verdict_fields(verdict)

    def _inquiry(self, request: Opened) -> dict[Field, Any]:
        state, verdict = self.bank.inquire(_place(request.message))
        return _verdict_fields(verdict) | {Field.INQUIRY_STATE: int(_STATES[state])}

    def _settle(self, request: Opened) -> dict[Field, Any]:
        message = request.message
        told = _details(request)
        ours = self.ledger.totals(message.terminal, message.batch)
        balanced = all(told.get(name) == value for name, value in ours.items())
        records = self.ledger.records(message.terminal, message.batch)
        if self.certifier is not None:
            net_minor = ours["debit_minor"] - ours["credit_minor"]
            self.certifier.settled_minor[message.terminal] = net_minor
        return _ok() | {
            Field.DETAILS: {"result": 1 if balanced else 2, **ours},
            Field.RECORDS: records,
        }

    def _upload(self, request: Opened) -> dict[Field, Any]:
        """Keep a part of a batch upload (STAN 0), or what one transaction still owed."""
        message = request.message
        if message.stan:
            return self._voucher(request)
        rows = message.fields.get(Field.RECORDS)
        if not isinstance(rows, list) or not all(_is_record(row) for row in rows):
            return {Field.RESPONSE_CODE: NO_COMMON_VERSION}
        received = self.ledger.upload(message.terminal, message.batch, rows)
        unlike = self.ledger.unlike(message.terminal, message.batch)
        return _ok() | {Field.DETAILS: {"received": received, "unlike": unlike}}


def _peer(stream: TLSStream) -> str:
    """Return the common name of the line's certificate."""
    certificate: Any = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 - not Django
    names = dict(part[0] for part in certificate["subject"])
    return str(names.get("commonName", ""))


def _details(request: Opened) -> Mapping[str, Any]:
    details = request.message.fields.get(Field.DETAILS)
    return details if isinstance(details, Mapping) else {}


def _is_record(row: object) -> bool:
    """[STAN, minor units, direction, ...] with room for what later versions add."""
    return isinstance(row, list) and len(row) >= 3 and all(type(each) is int for each in row[:3])


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
    card = _read(request)
    return card.number.reveal() if card else ""


def _chip(request: Opened) -> CardRead | None:
    """Return the card that was inserted; a tap's data come from readers with kernels of theirs."""
    card = _read(request)
    return card if card is not None and card.entry_mode is EntryMode.CHIP else None


def _read(request: Opened) -> CardRead | None:
    sealed = request.message.fields.get(Field.CARD)
    if not isinstance(sealed, bytes):
        return None
    key = Key(*_place(request.message))
    return open_card(sealed, key=key, element=request.element)
