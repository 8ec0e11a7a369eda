"""Offline data authentication (EMV Book 3, 10.3; Book 2, chapters 5 and 6): SDA, DDA, CDA."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final

from posfw.codec.tlv import parse
from posfw.emv.apdu import Response, internal_authenticate
from posfw.emv.bits import AIP, TSI, TVR, Capability
from posfw.emv.certificates import dynamic_data, icc_key, issuer_key, public_key, static_code
from posfw.emv.context import Context, Exit, Turn, card_objects
from posfw.emv.dol import tags
from posfw.emv.effects import Answer, PublicKey, Transmit
from posfw.emv.pan import digits_of
from posfw.emv.tags import Tag
from posfw.values.errors import AuthenticityError, CardDataError, CodecError, MisuseError

__all__ = [
    "Method",
    "enter",
    "method",
    "open_signature",
    "pin_key",
    "receive",
    "transaction_hash",
]


class Method(Enum):
    """What card and terminal can both do, best first."""

    CDA = (AIP.CDA, Capability.CDA, TVR.CDA_FAILED)
    DDA = (AIP.DDA, Capability.DDA, TVR.DDA_FAILED)
    SDA = (AIP.SDA, Capability.SDA, TVR.SDA_FAILED)

    @property
    def failed(self) -> TVR:
        """The TVR bit of its failure."""
        return self.value[2]


_BEST_FIRST: Final = tuple((each, *each.value[:2]) for each in Method)
# 10.3 and Book 3, table 29: what must be on the card for each method.
_ISSUER: Final = (Tag.CA_INDEX, Tag.ISSUER_CERTIFICATE, Tag.ISSUER_EXPONENT)
_NEEDS: Final = {
    Method.SDA: (*_ISSUER, Tag.SIGNED_STATIC_DATA),
    Method.DDA: (*_ISSUER, Tag.ICC_CERTIFICATE, Tag.ICC_EXPONENT),
    Method.CDA: (*_ISSUER, Tag.ICC_CERTIFICATE, Tag.ICC_EXPONENT),
}


def method(context: Context) -> Method | None:
    """Return the best method that both support (10.3)."""
    for each, in_aip, capability in _BEST_FIRST:
        if context.aip(in_aip) and context.parameters.can(capability):
            return each
    return None


def enter(context: Context) -> Turn:
    """Verify static data, or ask the card to sign."""
    chosen = method(context)
    if chosen is None:
        return context.mark(TVR.OFFLINE_DATA_AUTHENTICATION_NOT_PERFORMED), Exit.DONE
    context = context.mark(
        TVR.SDA_SELECTED if chosen is Method.SDA else TVR.NONE,
        TSI.OFFLINE_DATA_AUTHENTICATION,
    )
    if any(tag not in context.data for tag in _NEEDS[chosen]):
        return context.mark(TVR.ICC_DATA_MISSING | chosen.failed), Exit.DONE
    try:
        context = _with_issuer_key(context)
        if chosen is Method.SDA:
            return _static(context), Exit.DONE
        context = context.but(icc_key=_card_key(context))
        return _begin(context, chosen)
    except AuthenticityError:
        return context.mark(chosen.failed), Exit.DONE


def receive(context: Context, answer: Answer) -> Turn:
    """Verify what INTERNAL AUTHENTICATE signed (Book 2, 6.5).

    Raises:
        CardDataError: any status but 9000.
    """
    if not isinstance(answer, Response):
        raise MisuseError(f"{type(answer).__name__} does not answer INTERNAL AUTHENTICATE.")
    if not answer.ok:
        raise CardDataError(f"INTERNAL AUTHENTICATE ended with {answer.sw:04X}.")
    try:
        signed = _signed_dynamic_data(answer.data)
        opened = open_signature(context, signed, context.local)
    except (AuthenticityError, CardDataError):
        return context.mark(TVR.DDA_FAILED, local=None), Exit.DONE
    return context.put({Tag.ICC_DYNAMIC_NUMBER: _number(opened)}, local=None), Exit.DONE


def open_signature(context: Context, signed: bytes, terminal_data: bytes) -> bytes:
    """Return the ICC Dynamic Data under the card's key.

    Raises:
        AuthenticityError: it does not verify.
    """
    if context.icc_key is None:
        raise AuthenticityError("The card has no key that verified.")
    return dynamic_data(signed, context.icc_key, terminal_data)


def pin_key(context: Context) -> PublicKey:
    """Return the key for the PIN: the PIN key's certificate, else the card's own (Book 2, 7.1).

    Raises:
        AuthenticityError: neither is there and verifies.
    """
    data = context.data
    if any(tag not in data for tag in _ISSUER):
        raise AuthenticityError("The card has no issuer certificate.")
    context = _with_issuer_key(context)
    if Tag.PIN_CERTIFICATE not in data or Tag.PIN_EXPONENT not in data:
        return context.icc_key or _card_key(context)
    return _certified(
        context, Tag.PIN_CERTIFICATE, Tag.PIN_REMAINDER, Tag.PIN_EXPONENT, static=b""
    )


def _with_issuer_key(context: Context) -> Context:
    """Book 2, 5.2 and 5.3: the payment system's key, then the issuer's."""
    if context.issuer_key is not None:
        return context
    data, parameters, today = context.data, context.parameters, context.request.at.date()
    index, rid = data[Tag.CA_INDEX][0], context.aid.rid
    ca = parameters.ca_key(rid, index, today)
    if ca is None:
        raise AuthenticityError(f"There is no key {index:02X} of the payment system.")
    found = issuer_key(
        data[Tag.ISSUER_CERTIFICATE],
        public_key(ca.modulus, ca.exponent),
        remainder=data.get(Tag.ISSUER_REMAINDER, b""),
        exponent=data[Tag.ISSUER_EXPONENT],
        pan=digits_of(data[Tag.PAN]),
        today=today,
    )
    if parameters.is_revoked(rid, index, found.serial):
        raise AuthenticityError("The issuer's certificate is on the revocation list.")
    return context.put({Tag.CA_INDEX_TERMINAL: bytes((index,))}, issuer_key=found.key)


def _card_key(context: Context) -> PublicKey:
    if Tag.ICC_CERTIFICATE not in context.data or Tag.ICC_EXPONENT not in context.data:
        raise AuthenticityError("The card has no certificate.")
    return _certified(
        context,
        Tag.ICC_CERTIFICATE,
        Tag.ICC_REMAINDER,
        Tag.ICC_EXPONENT,
        static=_static_data(context),
    )


def _certified(
    context: Context, certificate: int, remainder: int, exponent: int, *, static: bytes
) -> PublicKey:
    data = context.data
    if context.issuer_key is None:
        raise AuthenticityError("The issuer's key is not known.")
    return icc_key(
        data[certificate],
        context.issuer_key,
        remainder=data.get(remainder, b""),
        exponent=data[exponent],
        static=static,
        pan=digits_of(data[Tag.PAN]),
        today=context.request.at.date(),
    )


def _static_data(context: Context) -> bytes:
    """10.3: the signed records, and the AIP where the Static Data Tag List names just that."""
    if context.static is None:
        raise AuthenticityError("A signed record is no template 70.")
    listed = context.value(Tag.STATIC_TAG_LIST)
    if not listed:
        return context.static
    if listed != bytes((Tag.AIP,)):
        raise AuthenticityError("The Static Data Tag List names more than the AIP.")
    return context.static + context.data[Tag.AIP]


def _static(context: Context) -> Context:
    if context.issuer_key is None:
        raise AuthenticityError("The issuer's key is not known.")
    signed = context.data[Tag.SIGNED_STATIC_DATA]
    code = static_code(signed, context.issuer_key, _static_data(context))
    return context.put({Tag.DATA_AUTHENTICATION_CODE: code})


def _begin(context: Context, chosen: Method) -> Turn:
    if chosen is Method.CDA:
        return context.but(cda=True), Exit.DONE  # the signature comes with the cryptogram
    ddol = context.value(Tag.DDOL) or context.aid.ddol
    try:
        asked = tags(ddol)
        data = context.fill(ddol)
    except CardDataError as error:
        raise AuthenticityError("The card's DDOL cannot be read.") from error
    if Tag.UNPREDICTABLE_NUMBER not in asked:
        raise AuthenticityError("The DDOL does not ask for the unpredictable number.")
    return context.but(local=data), Transmit(internal_authenticate(data))


def _signed_dynamic_data(data: bytes) -> bytes:
    """Book 3, 6.5.9.4: format 1 is the signature, format 2 holds it as 9F4B."""
    try:
        nodes = parse(data)
    except CodecError as error:
        raise CardDataError("The signature is not BER-TLV.") from error
    if len(nodes) == 1 and nodes[0].tag == Tag.RESPONSE_FORMAT_1:
        return nodes[0].value
    if len(nodes) == 1 and nodes[0].tag == Tag.RESPONSE_FORMAT_2:
        return card_objects(nodes[0].children).get(Tag.SIGNED_DYNAMIC_DATA, b"")
    return b""


def _number(opened: bytes) -> bytes:
    return opened[1 : 1 + opened[0]]


def transaction_hash(data: bytes) -> bytes:
    """Return the hash that CDA signs (Book 2, 6.6.1); SHA-1 is the Books' choice."""
    return hashlib.sha1(data, usedforsecurity=False).digest()
