"""Cardholder verification (EMV Book 3, 10.5): the CVM list, rule by rule.

The PIN never comes here: the PIN pad makes the block for VERIFY or for the issuer. A PIN entry
that was passed over or cannot be made counts for every PIN method after it (Book 4, 6.3.4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from posfw.codec.tlv import parse
from posfw.emv.apdu import Response, get_challenge, get_data, verify
from posfw.emv.authentication import pin_key
from posfw.emv.bits import AIP, TSI, TVR
from posfw.emv.codes import Code
from posfw.emv.completion import finish
from posfw.emv.context import Context, Exit, Turn, card_objects
from posfw.emv.cvm import Method, Rule, applies, method_of, rules, supported
from posfw.emv.effects import (
    Answer,
    Cancelled,
    CheckIdentity,
    EnterOfflinePin,
    EnterOnlinePin,
    IdentityChecked,
    PinBypassed,
    PinEntered,
    PublicKey,
    Transmit,
    Verdict,
)
from posfw.emv.pan import digits_of
from posfw.emv.tags import Tag
from posfw.values.card import CardNumber, Secret
from posfw.values.errors import AuthenticityError, InputError, MisuseError

__all__ = ["enter", "receive"]

UNKNOWN: Final = 0x00
FAILED: Final = 0x01
SUCCESSFUL: Final = 0x02
NO_CVM_RESULT: Final = bytes.fromhex("3F0000")
NONE_APPLIED: Final = bytes.fromhex("3F0001")
TRY_LIMIT: Final = frozenset({0x6983, 0x6984})
# ISO 7816-4 counts tries to 15; a card that never counts down is not asked for ever.
MAX_ENTRIES: Final = 15


@dataclass(frozen=True, slots=True)
class _Verifying:
    """Where the list stands.

    Attributes:
        at: the rule under way.
        passed_over: a PIN was not entered or cannot be: no PIN method is tried any more.
        waiting: the answer that is waited for: tries, challenge, pad, verify, online, identity.
    """

    rules: tuple[Rule, ...]
    at: int = 0
    passed_over: bool = False
    waiting: str = ""
    tries: int | None = None
    entries: int = 0
    wrong: bool = False
    key: PublicKey | None = None

    @property
    def rule(self) -> Rule:
        """The rule under way."""
        return self.rules[self.at]


def enter(context: Context) -> Turn:
    """Begin with the first rule; a card without a list is not asked (10.5)."""
    if not context.aip(AIP.CARDHOLDER_VERIFICATION):
        return context.put({Tag.CVM_RESULTS: NO_CVM_RESULT}), Exit.DONE
    if Tag.CVM_LIST not in context.data:
        return context.mark(TVR.ICC_DATA_MISSING), Exit.DONE
    found = rules(context.data[Tag.CVM_LIST])
    if not found:
        return context.mark(TVR.ICC_DATA_MISSING), Exit.DONE
    return _next(context.mark(tsi=TSI.CARDHOLDER_VERIFICATION), _Verifying(found, at=-1))


def receive(context: Context, answer: Answer) -> Turn:
    """Go on with the rule under way."""
    local = context.local
    if not isinstance(local, _Verifying):
        raise MisuseError("Cardholder verification has not begun.")
    if isinstance(answer, Response):
        after = _RESPONSES.get(local.waiting)
        if after is not None:
            return after(context, local, answer)
    elif isinstance(answer, IdentityChecked) and local.waiting == "identity":
        if answer.matches:
            return _succeeded(context, local, SUCCESSFUL)
        return _failed(context, local)
    elif local.waiting in ("pad", "online"):
        return _entered(context, local, answer)
    raise MisuseError(f"{type(answer).__name__} does not answer cardholder verification.")


def _entered(context: Context, local: _Verifying, answer: Answer) -> Turn:
    match answer:
        case Cancelled():
            return finish(context, Verdict.CANCELLED, Code.CANCELLED)
        case PinBypassed():
            return _passed_over(context, local, TVR.PIN_NOT_ENTERED)
        case PinEntered(block) if local.waiting == "online":
            entered = context.mark(TVR.ONLINE_PIN_ENTERED, pin_block=block)
            return _succeeded(entered, local, UNKNOWN)
        case PinEntered(block):
            return _send(context, local, block)
    return _passed_over(context, local, TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING)


def _next(context: Context, local: _Verifying) -> Turn:
    """Go to the next rule that applies; behind the last one verification has failed."""
    for at in range(local.at + 1, len(local.rules)):
        rule = local.rules[at]
        if applies(rule, context):
            return _perform(context, replace(local, at=at, waiting="", entries=0, wrong=False))
    tried = context.data[Tag.CVM_RESULTS] != NO_CVM_RESULT
    result = context.data[Tag.CVM_RESULTS] if tried else NONE_APPLIED
    return context.mark(TVR.CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL).put(
        {Tag.CVM_RESULTS: result}, local=None
    ), Exit.DONE


def _perform(context: Context, local: _Verifying) -> Turn:
    rule, aid = local.rule, context.aid
    method = method_of(rule, aid.rid)
    if method is None:
        return _failed(context.mark(TVR.UNRECOGNISED_CVM), local)
    if not supported(method, context.parameters):
        pad = TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING if method.pin else TVR.NONE
        return _failed(context.mark(pad), local)
    if method.pin and local.passed_over:
        return _failed(context, local)
    return _METHODS.get(method, _offline_pin)(context, local)


def _online_pin(context: Context, local: _Verifying) -> Turn:
    number = CardNumber(digits_of(context.data[Tag.PAN]))
    return context.but(local=replace(local, waiting="online")), EnterOnlinePin(number)


def _signature(context: Context, local: _Verifying) -> Turn:
    return _succeeded(context.but(signature=True), local, UNKNOWN)


def _no_cvm(context: Context, local: _Verifying) -> Turn:
    return _succeeded(context, local, SUCCESSFUL)


def _identity(context: Context, local: _Verifying) -> Turn:
    kind = context.value(Tag.IDENTITY_KIND) or b"\xff"
    shown = Secret(context.value(Tag.IDENTITY_NUMBER))
    return context.but(local=replace(local, waiting="identity")), CheckIdentity(kind[0], shown)


def _offline_pin(context: Context, local: _Verifying) -> Turn:
    """10.5.1: how many tries are left, where the card says it."""
    key = None
    if method_of(local.rule, context.aid.rid) in _ENCIPHERED:
        try:
            key = pin_key(context)
        except AuthenticityError:
            return _failed(context, local)
    waiting = replace(local, waiting="tries", key=key)
    return context.but(local=waiting), Transmit(get_data(Tag.PIN_TRY_COUNTER))


def _tries(context: Context, local: _Verifying, response: Response) -> Turn:
    tries = _try_counter(response)
    if tries == 0:
        return _failed(context.mark(TVR.PIN_TRY_LIMIT_EXCEEDED), local)
    return _ask(context, replace(local, tries=tries))


def _try_counter(response: Response) -> int | None:
    """Return 9F17, None where the card does not give it: not an error (10.5.1)."""
    if not response.ok:
        return None
    try:
        found = card_objects(tuple(parse(response.data)))
    except InputError:
        return None
    value = found.get(Tag.PIN_TRY_COUNTER)
    return value[0] if value else None


def _ask(context: Context, local: _Verifying) -> Turn:
    if local.key is not None:
        return context.but(local=replace(local, waiting="challenge")), Transmit(get_challenge())
    waiting = context.but(local=replace(local, waiting="pad"))
    return waiting, EnterOfflinePin(tries_left=local.tries, wrong=local.wrong)


def _challenge(context: Context, local: _Verifying, response: Response) -> Turn:
    """Book 2, 7.2: eight unpredictable bytes of the card, or the method has failed."""
    if not response.ok or len(response.data) != 8:
        return _failed(context, local)
    effect = EnterOfflinePin(local.key, response.data, local.tries, local.wrong)
    return context.but(local=replace(local, waiting="pad")), effect


def _send(context: Context, local: _Verifying, block: Secret) -> Turn:
    data, key = block.reveal(), local.key
    if len(data) != (key.size if key else 8):
        return _passed_over(context, local, TVR.PIN_PAD_NOT_PRESENT_OR_NOT_WORKING)
    waiting = replace(local, waiting="verify", entries=local.entries + 1)
    return context.but(local=waiting), Transmit(verify(data, enciphered=key is not None))


def _verified(context: Context, local: _Verifying, response: Response) -> Turn:
    """10.5.1 and Book 3, 6.5.12."""
    if response.ok:
        if method_of(local.rule, context.aid.rid) in _SIGNED:
            return _succeeded(context.but(signature=True), local, UNKNOWN)
        return _succeeded(context, local, SUCCESSFUL)
    left = response.sw & 0x0F if response.sw & 0xFFF0 == 0x63C0 else None
    if left == 0 or response.sw in TRY_LIMIT:
        return _failed(context.mark(TVR.PIN_TRY_LIMIT_EXCEEDED), local)
    if left is None or local.entries >= MAX_ENTRIES:
        return _failed(context, local)
    return _ask(context, replace(local, tries=left, wrong=True))


def _passed_over(context: Context, local: _Verifying, bit: TVR) -> Turn:
    return _failed(context.mark(bit), replace(local, passed_over=True))


def _failed(context: Context, local: _Verifying) -> Turn:
    """Go on where the rule's bit 7 says so; else verification is over and has failed."""
    rule = local.rule
    context = context.put({Tag.CVM_RESULTS: bytes((rule.code, rule.condition, FAILED))})
    if rule.go_on:
        return _next(context, local)
    failed = context.mark(TVR.CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL, local=None)
    return failed, Exit.DONE


def _succeeded(context: Context, local: _Verifying, result: int) -> Turn:
    rule = local.rule
    results = bytes((rule.code, rule.condition, result))
    return context.put({Tag.CVM_RESULTS: results}, local=None), Exit.DONE


_ENCIPHERED: Final = frozenset({Method.ENCIPHERED_PIN, Method.ENCIPHERED_PIN_AND_SIGNATURE})
_SIGNED: Final = frozenset(
    {Method.PLAINTEXT_PIN_AND_SIGNATURE, Method.ENCIPHERED_PIN_AND_SIGNATURE}
)
_METHODS: Final[dict[Method, Callable[[Context, _Verifying], Turn]]] = {
    Method.FAIL: _failed,
    Method.ONLINE_PIN: _online_pin,
    Method.SIGNATURE: _signature,
    Method.NO_CVM: _no_cvm,
    Method.IDENTITY: _identity,
}
_RESPONSES: Final[dict[str, Callable[[Context, _Verifying, Response], Turn]]] = {
    "tries": _tries,
    "challenge": _challenge,
    "verify": _verified,
}
