"""Terminal action analysis (EMV Book 3, 10.7): which cryptogram the terminal asks for."""

from __future__ import annotations

from posfw.emv.bits import CryptogramType
from posfw.emv.context import Context
from posfw.emv.tags import Tag

__all__ = ["first_request", "offline_request"]

NOTHING: int = 0
ALL: int = 0xFF_FF_FF_FF_FF


def first_request(context: Context) -> int:
    """Return AAC, ARQC or TC for the first GENERATE AC.

    Without issuer action codes nothing is denied by them and everything goes online (10.7).
    """
    tvr, aid, parameters = int(context.tvr), context.aid, context.parameters
    if tvr & (aid.tac_denial | _issuer(context, Tag.IAC_DENIAL, NOTHING)):
        return CryptogramType.AAC
    if not parameters.can_go_online:
        return offline_request(context)
    if parameters.online_only:
        return CryptogramType.ARQC
    if tvr & (aid.tac_online | _issuer(context, Tag.IAC_ONLINE, ALL)):
        return CryptogramType.ARQC
    return CryptogramType.TC


def offline_request(context: Context) -> int:
    """Return AAC or TC where no line is to be had: the default action codes (10.7)."""
    if context.parameters.online_only:
        return CryptogramType.AAC
    codes = context.aid.tac_default | _issuer(context, Tag.IAC_DEFAULT, ALL)
    return CryptogramType.AAC if int(context.tvr) & codes else CryptogramType.TC


def _issuer(context: Context, tag: int, missing: int) -> int:
    value = context.value(tag)
    return int.from_bytes(value, "big") if value else missing
