"""GENERATE AC, first and second (EMV Book 3, 10.7, 10.8, 10.11; CDA: Book 2, 6.6).

The card may answer with less than it was asked for, never with more; a signature that was asked
for must verify before the answer counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from posfw.codec.tlv import Node, encode, parse
from posfw.emv.action import first_request, offline_request
from posfw.emv.apdu import Response, generate_ac
from posfw.emv.authentication import open_signature, transaction_hash
from posfw.emv.bits import TSI, TVR, CryptogramType
from posfw.emv.codes import Code
from posfw.emv.completion import finish
from posfw.emv.context import Context, Exit, Turn, card_objects
from posfw.emv.dol import tags
from posfw.emv.effects import Answer, Transmit, Verdict
from posfw.emv.online import APPROVED
from posfw.emv.tags import Tag
from posfw.values.errors import AuthenticityError, CardDataError, CodecError, MisuseError

__all__ = ["Decision", "enter_first", "enter_refusal", "enter_second", "enter_unable"]

# Authorisation response codes the terminal itself makes (Book 4, annex A6).
Y1, Z1, Y3, Z3 = b"Y1", b"Z1", b"Y3", b"Z3"
AAC, TC, ARQC = CryptogramType.AAC, CryptogramType.TC, CryptogramType.ARQC
_REQUIRED: Final = (Tag.CRYPTOGRAM_INFORMATION, Tag.ATC)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was asked for."""

    kind: int
    cda: bool


def enter_first(context: Context) -> Turn:
    """Ask for what terminal action analysis decided."""
    kind = first_request(context)
    return _ask(context, kind, Tag.CDOL1)


def receive_first(context: Context, answer: Answer) -> Turn:
    """Take the card's word: refused, approved, or to be asked online (10.8)."""
    asked: Decision = context.local
    context, kind, genuine = _take(context, asked, answer)
    if not genuine:
        context = context.mark(TVR.CDA_FAILED)
        if kind == ARQC:
            # Book 2, 6.6.2: the transaction is completed offline with an AAC.
            return context.put({Tag.AUTHORISATION_RESPONSE_CODE: Z1}, cda=False), Exit.REFUSE
        return finish(context, Verdict.DECLINED_OFFLINE, Code.SIGNATURE_FAILED)
    if kind == ARQC:
        return context, Exit.DONE
    if kind == TC:
        context = context.put({Tag.AUTHORISATION_RESPONSE_CODE: Y1})
        return finish(context, Verdict.APPROVED_OFFLINE)
    context = context.put({Tag.AUTHORISATION_RESPONSE_CODE: Z1})
    code = Code.TERMINAL_DECLINED if asked.kind == AAC else Code.CARD_DECLINED
    return finish(context, Verdict.DECLINED_OFFLINE, code)


def enter_second(context: Context) -> Turn:
    """Ask for a TC where the issuer approved, for an AAC everywhere else (10.11)."""
    return _ask(context, TC if context.host_code == APPROVED else AAC, Tag.CDOL2)


def enter_unable(context: Context) -> Turn:
    """No line: the default action codes decide, Y3 or Z3 (10.7, Book 4 annex A6)."""
    kind = offline_request(context)
    code = Y3 if kind == TC else Z3
    return _ask(context.put({Tag.AUTHORISATION_RESPONSE_CODE: code}), kind, Tag.CDOL2)


def enter_refusal(context: Context) -> Turn:
    """Complete with an AAC: no line and none allowed without, or a bad signature."""
    if Tag.AUTHORISATION_RESPONSE_CODE not in context.data:
        context = context.put({Tag.AUTHORISATION_RESPONSE_CODE: Z3})
    return _ask(context, AAC, Tag.CDOL2)


def receive_second(context: Context, answer: Answer) -> Turn:
    """Take the card's last word; after it only scripts (72) follow."""
    asked: Decision = context.local
    context, kind, genuine = _take(context, asked, answer)
    if kind == ARQC:
        raise CardDataError("The card asks for a line a second time.")
    if not genuine:
        context = context.mark(TVR.CDA_FAILED)
    approved = kind == TC and genuine
    return context.but(local=(approved, asked.kind, genuine)), Exit.DONE


def conclude(context: Context, *, approved: bool, asked: int, genuine: bool) -> Turn:
    """End after the second GENERATE AC and its scripts (10.12)."""
    online = bool(context.host_code)
    if approved:
        return finish(context, Verdict.APPROVED_ONLINE if online else Verdict.APPROVED_OFFLINE)
    declined = Verdict.DECLINED_ONLINE if online else Verdict.DECLINED_OFFLINE
    if not genuine or TVR.CDA_FAILED in context.tvr:
        return finish(context, declined, Code.SIGNATURE_FAILED)
    if context.unreadable:
        return finish(context, declined, Code.ISSUER_DATA)
    if online and asked == AAC:
        return finish(context, declined, Code.ISSUER_DECLINED)
    if online:
        return finish(context, declined, Code.CARD_OVERRULED)
    return finish(
        context, declined, Code.OFFLINE_NOT_ALLOWED if asked == AAC else Code.CARD_DECLINED
    )


def _ask(context: Context, kind: int, dol_tag: int) -> Turn:
    cda = context.cda and kind != AAC
    dol = context.data[dol_tag]
    context = _with_tc_hash(context, dol)
    data = context.fill(dol)
    context = context.but(dol_data=context.dol_data + data, local=Decision(kind, cda))
    return context, Transmit(generate_ac(kind, data, cda=cda))


def _with_tc_hash(context: Context, dol: bytes) -> Context:
    """Book 3, 10.7 (table 30) and 5.2.2: the TDOL's hash, where the card asks for it."""
    if Tag.TC_HASH not in tags(dol):
        return context
    tdol = context.value(Tag.TDOL)
    if Tag.TDOL not in context.data:
        tdol = context.aid.tdol
        context = context.mark(TVR.DEFAULT_TDOL_USED)
    return context.put({Tag.TC_HASH: transaction_hash(context.fill(tdol))})


def _take(context: Context, asked: Decision, answer: Answer) -> tuple[Context, int, bool]:
    """Return the context with the answer's objects, its type, and whether a signature verified.

    Raises:
        CardDataError: a status but 9000, a malformed answer, or more than was asked for.
    """
    if not isinstance(answer, Response):
        raise MisuseError(f"{type(answer).__name__} does not answer GENERATE AC.")
    if not answer.ok:
        raise CardDataError(f"GENERATE AC ended with {answer.sw:04X}.")
    nodes, objects = _objects(answer.data)
    kind = objects[Tag.CRYPTOGRAM_INFORMATION][0] & CryptogramType.MASK
    if kind not in _ALLOWED[asked.kind]:
        raise CardDataError("The card answered with another cryptogram than it may.")
    genuine = True
    if asked.cda and kind != AAC:
        objects, genuine = _open(context, nodes, objects)
    elif Tag.CRYPTOGRAM not in objects:
        raise CardDataError("The card's answer holds no cryptogram.")
    return context.put(objects).mark(tsi=TSI.CARD_RISK_MANAGEMENT), kind, genuine


def _objects(data: bytes) -> tuple[tuple[Node, ...], dict[int, bytes]]:
    """Both formats of Book 3, 6.5.5.4, as objects by tag."""
    try:
        outer = parse(data)
    except CodecError as error:
        raise CardDataError("The card's cryptogram is not BER-TLV.") from error
    if len(outer) != 1 or outer[0].tag not in (Tag.RESPONSE_FORMAT_1, Tag.RESPONSE_FORMAT_2):
        raise CardDataError("The card's cryptogram has neither format.")
    if outer[0].tag == Tag.RESPONSE_FORMAT_2:
        objects = card_objects(outer[0].children)
        objects = {tag: value for tag, value in objects.items() if tag in _ANSWER}
    else:
        value = outer[0].value
        if not 11 <= len(value) <= 43:
            raise CardDataError(f"The card's cryptogram has {len(value)} bytes.")
        parts = (value[:1], value[1:3], value[3:11], value[11:])
        objects = {tag: part for tag, part in zip(_ANSWER, parts, strict=False) if part}
    if any(tag not in objects for tag in _REQUIRED):
        raise CardDataError("The card's answer lacks what every cryptogram has.")
    return outer[0].children, objects


def _open(
    context: Context, nodes: tuple[Node, ...], objects: dict[int, bytes]
) -> tuple[dict[int, bytes], bool]:
    """Book 2, 6.6.2: the cryptogram comes inside the signature, over all that was exchanged."""
    signed = objects.get(Tag.SIGNED_DYNAMIC_DATA, b"")
    try:
        opened = open_signature(context, signed, context.data[Tag.UNPREDICTABLE_NUMBER])
    except AuthenticityError:
        return objects, False
    size = opened[0]
    rest = opened[1 + size :]
    information, cryptogram, digest = rest[:1], rest[1:9], rest[9:29]
    covered = encode(node for node in nodes if node.tag != Tag.SIGNED_DYNAMIC_DATA)
    genuine = (
        information == objects[Tag.CRYPTOGRAM_INFORMATION]
        and len(rest) >= 29
        and transaction_hash(context.dol_data + covered) == digest
    )
    if not genuine:
        return objects, False
    number = opened[1 : 1 + size]
    return objects | {Tag.CRYPTOGRAM: cryptogram, Tag.ICC_DYNAMIC_NUMBER: number}, True


# In the order of format 1; format 2 may add the signature.
_ANSWER: Final = (
    Tag.CRYPTOGRAM_INFORMATION,
    Tag.ATC,
    Tag.CRYPTOGRAM,
    Tag.ISSUER_APPLICATION_DATA,
    Tag.SIGNED_DYNAMIC_DATA,
)
_ALLOWED: Final = {AAC: (AAC,), ARQC: (AAC, ARQC), TC: (AAC, ARQC, TC)}
