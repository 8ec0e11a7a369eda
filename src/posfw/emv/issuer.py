"""The issuer's word to the card: issuer authentication and scripts (EMV Book 3, 10.9, 10.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from posfw.codec.tlv import Node, parse
from posfw.emv.apdu import Command, Response, external_authenticate, script_command
from posfw.emv.bits import AIP, TSI, TVR
from posfw.emv.context import Context, Exit, Turn
from posfw.emv.effects import Answer, Transmit
from posfw.emv.tags import Tag
from posfw.values.errors import InputError, MisuseError

__all__ = ["IssuerData", "Script", "enter_authentication", "issuer_data", "receive_authentication"]

# Script results, high nibble of the first byte (Book 4, annex A5).
FAILED: Final = 0x10
SUCCESSFUL: Final = 0x20
# Ours: the Books oblige to 128 bytes (Book 3, 10.10); an answer frame holds no more than this.
MAX_COMMANDS: Final = 32
MAX_SCRIPTS: Final = 8


@dataclass(frozen=True, slots=True)
class Script:
    """One issuer script: identifier 9F18, its commands, and whether all could be read."""

    identifier: bytes
    commands: tuple[Command, ...]
    readable: bool = True


@dataclass(frozen=True, slots=True)
class IssuerData:
    """Tags 91, 71 and 72 of an answer."""

    authentication: bytes = b""
    before: tuple[Script, ...] = ()
    after: tuple[Script, ...] = ()


@dataclass(frozen=True, slots=True)
class _Running:
    """Scripts under way."""

    scripts: tuple[Script, ...]
    script: int = 0
    command: int = 0


def issuer_data(data: bytes) -> IssuerData:
    """Read an answer's chip data.

    Raises:
        CodecError: not BER-TLV, two 91, or a 91 that is not 8 to 16 bytes.
    """
    nodes = parse(data)
    found = [node.value for node in nodes if node.tag == Tag.ISSUER_AUTHENTICATION]
    if len(found) > 1 or (found and not 8 <= len(found[0]) <= 16):
        raise InputError("Issuer authentication data must be one object of 8 to 16 bytes.")
    return IssuerData(
        found[0] if found else b"",
        tuple(_scripts(nodes, Tag.SCRIPT_BEFORE)),
        tuple(_scripts(nodes, Tag.SCRIPT_AFTER)),
    )


def _scripts(nodes: list[Node], tag: int) -> Iterator[Script]:
    for node in [each for each in nodes if each.tag == tag][:MAX_SCRIPTS]:
        identifiers = [each.value for each in node.children if each.tag == Tag.SCRIPT_IDENTIFIER]
        identifier = (identifiers[0] if identifiers else b"")[:4].rjust(4, b"\x00")
        raw = [each.value for each in node.children if each.tag == Tag.SCRIPT_COMMAND]
        try:
            yield Script(identifier, tuple(script_command(each) for each in raw[:MAX_COMMANDS]))
        except InputError:
            yield Script(identifier, (), readable=False)


def enter_authentication(context: Context) -> Turn:
    """Pass 91 on where the card's AIP says it takes EXTERNAL AUTHENTICATE (10.9).

    Otherwise 91 reaches the card in the second GENERATE AC, if its CDOL2 asks for it.
    """
    try:
        found = issuer_data(context.issuer_data)
    except InputError:
        # Unreadable data never approves; nothing of it is used.
        return context.but(issuer_data=b"", unreadable=True), Exit.REFUSE
    if not found.authentication:
        return context.but(issuer=found), Exit.DONE
    context = context.put({Tag.ISSUER_AUTHENTICATION: found.authentication}, issuer=found)
    if not context.aip(AIP.ISSUER_AUTHENTICATION):
        return context, Exit.DONE
    context = context.mark(tsi=TSI.ISSUER_AUTHENTICATION)
    return context, Transmit(external_authenticate(found.authentication))


def receive_authentication(context: Context, answer: Answer) -> Turn:
    """Any status but 9000 has failed; the card decides in the second GENERATE AC."""
    if not isinstance(answer, Response):
        raise MisuseError(f"{type(answer).__name__} does not answer EXTERNAL AUTHENTICATE.")
    failed = TVR.NONE if answer.ok else TVR.ISSUER_AUTHENTICATION_FAILED
    return context.mark(failed), Exit.DONE


def enter_before(context: Context) -> Turn:
    """Begin with the scripts of tag 71, before the final cryptogram."""
    scripts = context.issuer.before if context.issuer else ()
    return _begin(context, scripts, _BEFORE)


def receive_before(context: Context, answer: Answer) -> Turn:
    """Go on with scripts of tag 71."""
    return _receive(context, answer, _BEFORE)


def enter_after(context: Context) -> Turn:
    """Begin with the scripts of tag 72, after the final cryptogram."""
    scripts = context.issuer.after if context.issuer else ()
    return _begin(context, scripts, _AFTER)


def receive_after(context: Context, answer: Answer) -> Turn:
    """Go on with scripts of tag 72."""
    return _receive(context, answer, _AFTER)


def cut_short(context: Context) -> Context:
    """Return the context with the script under way, and all behind it, as failed or not done."""
    running = context.local[1]
    context = _result(context, running, FAILED, _AFTER)
    for rest in running.scripts[running.script + 1 :]:
        context = context.but(script_results=context.script_results + b"\x00" + rest.identifier)
    return context


def _begin(context: Context, scripts: tuple[Script, ...], failed: TVR) -> Turn:
    if not scripts:
        return context, Exit.DONE
    context = context.mark(tsi=TSI.SCRIPT_PROCESSING)
    return _go(context.but(local=(context.local, _Running(scripts))), failed)


def _go(context: Context, failed: TVR) -> Turn:
    """Send the next command; a script without any left has succeeded (10.10)."""
    kept, running = context.local
    while running.script < len(running.scripts):
        script = running.scripts[running.script]
        if running.command < len(script.commands):
            context = context.but(local=(kept, running))
            return context, Transmit(script.commands[running.command])
        outcome = SUCCESSFUL if script.readable else FAILED
        context = _result(context, running, outcome, failed)
        running = _Running(running.scripts, running.script + 1)
    return context.but(local=kept), Exit.DONE


def _receive(context: Context, answer: Answer, failed: TVR) -> Turn:
    """9000 and the warnings 62xx, 63xx go on; anything else ends this script (10.10)."""
    if not isinstance(answer, Response):
        raise MisuseError(f"{type(answer).__name__} does not answer a script command.")
    kept, running = context.local
    if answer.ok or answer.sw >> 8 in (0x62, 0x63):
        following = replace(running, command=running.command + 1)
    else:
        context = _result(context, running, FAILED, failed)
        following = _Running(running.scripts, running.script + 1)
    return _go(context.but(local=(kept, following)), failed)


def _result(context: Context, running: _Running, outcome: int, failed: TVR) -> Context:
    """Append five bytes: outcome, number of the failing command (F: 15th or later), identifier."""
    script = running.scripts[running.script]
    if outcome == SUCCESSFUL:
        number, bit = 0, TVR.NONE
    else:
        number, bit = (min(running.command + 1, 15) if script.readable else 0), failed
    entry = bytes((outcome | number,)) + script.identifier
    return context.mark(bit, script_results=context.script_results + entry)


_BEFORE: Final = TVR.SCRIPT_FAILED_BEFORE_FINAL_AC
_AFTER: Final = TVR.SCRIPT_FAILED_AFTER_FINAL_AC
