"""What the kernel knows in the middle of a transaction, and how a block hands on.

A block is a pure function: a context and an answer in, a context and what to do next out. It
raises CardDataError where the Books end the transaction because of the card's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from posfw.codec.tlv import Node, parse
from posfw.emv.bits import TSI, TVR
from posfw.emv.dol import build
from posfw.emv.effects import Effect, PublicKey, Request
from posfw.emv.parameters import AidParameters, EmvParameters
from posfw.emv.tags import CARD, Tag
from posfw.values.card import Secret
from posfw.values.errors import CardDataError, CodecError, MisuseError

__all__ = ["Candidate", "Context", "Exit", "Turn", "card_objects", "template"]


class Exit(IntEnum):
    """How a block ends where it is not the end; the kernel's table says what follows."""

    DONE = auto()
    RESELECT = auto()  # GET PROCESSING OPTIONS said 6985
    REFUSE = auto()  # complete with an AAC and no line
    UNABLE = auto()  # no line


@dataclass(frozen=True, slots=True)
class Candidate:
    """An application that card and terminal both know (Book 1, 12.3)."""

    name: bytes
    application: AidParameters
    label: str = ""
    priority: int = 0

    @property
    def confirm(self) -> bool:
        """Bit 8 of the priority indicator: not without the cardholder's confirmation."""
        return self.priority & 0x80 != 0

    @property
    def rank(self) -> int:
        """1 is first; 0, no priority, comes last (Book 1, 12.4)."""
        return self.priority & 0x0F or 16


@dataclass(frozen=True)
class Context:
    """One transaction so far. Card data inside: it is never shown.

    Attributes:
        data: objects of card and terminal by tag.
        candidates: what is still to choose from, None before the list was built.
        dol_data: values sent for PDOL and CDOLs, which CDA signs (Book 2, 6.6.1).
        static: data that static signatures cover, None if the card's records rule it out.
        issuer_key: recovered from the issuer's certificate.
        icc_key: recovered from the card's certificate.
        cda: GENERATE AC asks for a signature.
        host_code: the issuer's answer, "" before it came.
        maybe_booked: the issuer may hold money for this sale.
        issuer: the issuer's chip data once it was read (emv.issuer.IssuerData).
        unreadable: the issuer's chip data could not be read.
        local: the present block's own state.
    """

    parameters: EmvParameters
    request: Request
    data: Mapping[int, bytes] = field(repr=False)
    tvr: TVR = TVR.NONE
    tsi: TSI = TSI.NONE
    application: AidParameters | None = None
    candidates: tuple[Candidate, ...] | None = None
    dol_data: bytes = field(default=b"", repr=False)
    static: bytes | None = field(default=b"", repr=False)
    issuer_key: PublicKey | None = None
    icc_key: PublicKey | None = None
    cda: bool = False
    pin_block: Secret = field(default=Secret(b""), repr=False)
    signature: bool = False
    host_code: str = ""
    issuer_data: bytes = field(default=b"", repr=False)
    maybe_booked: bool = False
    issuer: Any = field(default=None, repr=False)
    unreadable: bool = False
    script_results: bytes = b""
    local: Any = None

    def but(self, **changes: Any) -> Context:
        """Return the context with changes.

        Raises:
            MisuseError: a change of something a context has not.
        """
        # dataclasses.replace sets every field by itself: 6 us, half the kernel's time (measured).
        # A dictionary is copied in 0.5, which is why this class alone has no slots.
        mine = self.__dict__
        merged = {**mine, **changes}
        if len(merged) != len(mine):
            raise MisuseError(f"A context has no {min(changes.keys() - mine.keys())}.")
        other = _new(Context)
        _set(other, "__dict__", merged)
        return other

    def put(self, objects: Mapping[int, bytes], **changes: Any) -> Context:
        """Return the context with further data objects."""
        return self.but(data={**self.data, **objects}, **changes)

    def mark(self, tvr: TVR = TVR.NONE, tsi: TSI = TSI.NONE, **changes: Any) -> Context:
        """Return the context with more bits set; no bit is ever taken back."""
        if tvr:
            changes["tvr"] = self.tvr | tvr
        if tsi:
            changes["tsi"] = self.tsi | tsi
        return self.but(**changes)

    def value(self, tag: int) -> bytes:
        """Return an object's value, b"" if there is none."""
        found = self.data.get(tag)
        if found is not None:
            return found
        if tag == Tag.TVR:
            return self.tvr.to_bytes5()
        return self.tsi.to_bytes2() if tag == Tag.TSI else b""

    def objects(self) -> dict[int, bytes]:
        """Return all objects, TVR and TSI as they stand now among them."""
        return {Tag.TVR: self.tvr.to_bytes5(), Tag.TSI: self.tsi.to_bytes2(), **self.data}

    def fill(self, dol: bytes) -> bytes:
        """Return a data object list's data."""
        held = self.objects()
        return build(dol, lambda tag: held.get(tag, b""))

    def aip(self, bit: int) -> bool:
        """Whether byte 1 of the Application Interchange Profile has a bit."""
        return self.data[Tag.AIP][0] & bit != 0

    @property
    def aid(self) -> AidParameters:
        """The chosen application's parameters.

        Raises:
            CardDataError: none was chosen; no block that needs it runs before.
        """
        if self.application is None:
            raise CardDataError("No application was chosen.")
        return self.application


_new, _set = object.__new__, object.__setattr__

Turn = tuple[Context, Effect | Exit]


def template(data: bytes, tag: int) -> tuple[Node, ...]:
    """Return the children of the one template that the data must be.

    Raises:
        CardDataError: it is something else.
    """
    try:
        nodes = parse(data)
    except CodecError as error:
        raise CardDataError("The card's data is not BER-TLV.") from error
    if len(nodes) != 1 or nodes[0].tag != tag:
        raise CardDataError(f"The card's data is no template {tag:X}.")
    return nodes[0].children


def card_objects(nodes: tuple[Node, ...]) -> dict[int, bytes]:
    """Return the primitive objects a card may send, by tag; others are ignored (Book 3, 7.1).

    Raises:
        CardDataError: an object of the wrong length (Book 3, 7.5), or twice (Book 3, 10.2).
    """
    found: dict[int, bytes] = {}
    for node in nodes:
        bounds = CARD.get(node.tag)
        if bounds is None:
            if node.children:
                found = _merge(found, card_objects(node.children))
            continue
        size = len(node.value)
        if not bounds[0] <= size <= bounds[1]:
            raise CardDataError(f"The card's object {node.tag:X} has {size} bytes.")
        if node.tag in found:
            raise CardDataError(f"The card sent {node.tag:X} twice.")
        found[node.tag] = node.value
    return found


def _merge(one: dict[int, bytes], other: dict[int, bytes]) -> dict[int, bytes]:
    twice = one.keys() & other.keys()
    if twice:
        raise CardDataError(f"The card sent {min(twice):X} twice.")
    return one | other
