"""Application selection (EMV Book 1, chapter 12).

The card's own list (PSE) first, the terminal's list of AIDs where there is none; the cardholder
chooses where there is a choice; the chosen one is selected last. A blocked card ends it, a blocked
application leaves the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from posfw.codec.tlv import Node, find
from posfw.emv.apdu import Response, read_record, select
from posfw.emv.codes import Code
from posfw.emv.completion import finish
from posfw.emv.context import Candidate, Context, Exit, Turn, card_objects, template
from posfw.emv.effects import Answer, Cancelled, ChooseApplication, Chosen, Transmit, Verdict
from posfw.emv.parameters import AidParameters, EmvParameters
from posfw.emv.tags import Tag
from posfw.emv.terminal import terminal_objects
from posfw.values.errors import CardDataError, MisuseError

__all__ = ["enter", "receive"]

PSE: Final = b"1PAY.SYS.DDF01"
CARD_BLOCKED: Final = 0x6A81
APPLICATION_BLOCKED: Final = 0x6283
NO_MORE_RECORDS: Final = 0x6A83
# Bounds of our own: ISO 7816-4 allows 254 records and endless "next" answers.
MAX_DIRECTORY_RECORDS: Final = 16
MAX_CANDIDATES: Final = 16
MAX_NEXT: Final = 8


@dataclass(frozen=True, slots=True)
class _Directory:
    """Reading the PSE; SFI 0 while its SELECT is under way."""

    sfi: int = 0
    record: int = 0
    found: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class _Listing:
    """Trying the terminal's AIDs one by one (12.3.3)."""

    index: int = 0
    nexts: int = 0
    found: tuple[Candidate, ...] = ()
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class _Choosing:
    """The cardholder looks at these, in this order."""

    shown: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class _Final:
    """The chosen one's SELECT is under way."""

    chosen: Candidate


def enter(context: Context) -> Turn:
    """Ask for the card's own list, or choose again among what is left."""
    if context.candidates is not None:
        # What the refused application said must not stay behind.
        fresh = terminal_objects(context.parameters, context.request)
        return _choose(context.but(data=fresh), context.candidates)
    return context.but(local=_Directory()), Transmit(select(PSE))


def receive(context: Context, answer: Answer) -> Turn:
    """Go on with the answer."""
    match context.local, answer:
        case _Directory(0), Response():
            return _pse(context, answer)
        case _Directory(), Response():
            return _directory(context, context.local, answer)
        case _Listing(), Response():
            return _listing(context, context.local, answer)
        case _Final(chosen), Response():
            return _final(context, chosen, answer)
        case _Choosing(), Cancelled():
            return finish(context, Verdict.CANCELLED, Code.CANCELLED)
        case _Choosing(shown), Chosen(index) if 0 <= index < len(shown):
            return _select(context, shown[index])
    raise MisuseError(f"{type(answer).__name__} does not answer application selection.")


def _pse(context: Context, response: Response) -> Turn:
    """12.3.2, steps 1–2; every fault of the directory leads to the list of AIDs."""
    if response.sw == CARD_BLOCKED:
        return finish(context, Verdict.TERMINATED, Code.CARD_BLOCKED)
    try:
        sfi = _directory_sfi(response)
    except CardDataError:
        return _list(context)
    return context.but(local=_Directory(sfi, 1)), Transmit(read_record(sfi, 1))


def _directory_sfi(response: Response) -> int:
    if not response.ok:
        raise CardDataError("There is no directory.")
    sfi = card_objects(template(response.data, Tag.FCI)).get(Tag.SFI, b"\x00")[0]
    if not 1 <= sfi <= 10:
        raise CardDataError("The directory has no place.")
    return sfi


def _directory(context: Context, local: _Directory, response: Response) -> Turn:
    """12.3.2, steps 3–5."""
    if response.sw == NO_MORE_RECORDS or local.record >= MAX_DIRECTORY_RECORDS:
        return _choose(context, local.found) if local.found else _list(context)
    try:
        found = local.found + tuple(_entries(context.parameters, response))
    except CardDataError:
        return _list(context)
    following = _Directory(local.sfi, local.record + 1, found[:MAX_CANDIDATES])
    return context.but(local=following), Transmit(read_record(local.sfi, local.record + 1))


def _entries(parameters: EmvParameters, response: Response) -> Iterator[Candidate]:
    if not response.ok:
        raise CardDataError("A directory record cannot be read.")
    for entry in find(template(response.data, Tag.RECORD), Tag.APPLICATION_TEMPLATE):
        candidate = _entry(parameters, entry)
        if candidate is not None:
            yield candidate


def _entry(parameters: EmvParameters, entry: Node) -> Candidate | None:
    objects = card_objects(entry.children)
    name = objects.get(Tag.APPLICATION_IDENTIFIER)
    if name is None:
        return None  # a DDF entry: not followed since EMV 4.0
    application = _match(parameters, name)
    return _candidate(name, application, objects) if application is not None else None


def _match(parameters: EmvParameters, name: bytes) -> AidParameters | None:
    """Return the longest AID that fits: whole, or as a beginning where allowed (12.3.1)."""
    fitting = [
        each
        for each in parameters.aids
        if name == each.aid or (each.partial and name.startswith(each.aid))
    ]
    return max(fitting, key=lambda each: len(each.aid), default=None)


def _candidate(name: bytes, application: AidParameters, objects: dict[int, bytes]) -> Candidate:
    return Candidate(
        name, application, _label(objects, name), objects.get(Tag.PRIORITY, b"\x00")[0]
    )


def _label(objects: dict[int, bytes], name: bytes) -> str:
    """The preferred name where its code table is ISO 8859-1, else the label (12.4)."""
    preferred = objects.get(Tag.PREFERRED_NAME)
    if preferred and objects.get(Tag.CODE_TABLE) == b"\x01":
        text = preferred.decode("latin-1")
    else:
        text = objects.get(Tag.APPLICATION_LABEL, b"").decode("ascii", "replace")
    return "".join(each for each in text if each.isprintable()).strip() or name.hex().upper()


def _list(context: Context) -> Turn:
    """12.3.3: the terminal's own list, one SELECT each."""
    return context.but(local=_Listing()), Transmit(select(context.parameters.aids[0].aid))


def _listing(context: Context, local: _Listing, response: Response) -> Turn:
    first = local.index == 0 and local.nexts == 0
    if first and response.sw == CARD_BLOCKED:
        return finish(context, Verdict.TERMINATED, Code.CARD_BLOCKED)
    application = context.parameters.aids[local.index]
    partly = False
    if response.sw in (0x9000, APPLICATION_BLOCKED):
        name, objects = _named(response)
        whole = name == application.aid
        partly = not whole and application.partial and name.startswith(application.aid)
        if response.ok and (whole or partly):
            found = _candidate(name, application, objects)
            if found.name not in {each.name for each in local.found}:
                local = replace(local, found=(*local.found, found)[:MAX_CANDIDATES])
        local = replace(local, blocked=local.blocked or not response.ok)
    if partly and local.nexts < MAX_NEXT:
        following = replace(local, nexts=local.nexts + 1)
        return context.but(local=following), Transmit(
            select(application.aid, next_occurrence=True)
        )
    return _next_aid(context, replace(local, index=local.index + 1, nexts=0))


def _next_aid(context: Context, local: _Listing) -> Turn:
    if local.index < len(context.parameters.aids):
        aid = context.parameters.aids[local.index].aid
        return context.but(local=local), Transmit(select(aid))
    if not local.found:
        code = Code.APPLICATION_BLOCKED if local.blocked else Code.NO_APPLICATION
        return finish(context, Verdict.TERMINATED, code)
    return _choose(context, local.found)


def _named(response: Response) -> tuple[bytes, dict[int, bytes]]:
    """Return name and objects of an FCI, an empty name where it cannot be read."""
    try:
        objects = card_objects(template(response.data, Tag.FCI))
    except CardDataError:
        return b"", {}
    return objects.get(Tag.DF_NAME, b""), objects


def _choose(context: Context, candidates: tuple[Candidate, ...]) -> Turn:
    """12.4: one that needs no word is taken; the rest is the cardholder's choice."""
    if not candidates:
        return finish(context, Verdict.TERMINATED, Code.NO_APPLICATION)
    ordered = tuple(sorted(candidates, key=lambda each: each.rank))
    context = context.but(candidates=ordered)
    if not context.parameters.choice:
        free = [each for each in ordered if not each.confirm]
        if not free:
            return finish(context, Verdict.TERMINATED, Code.NO_APPLICATION)
        return _select(context, free[0])
    if len(ordered) == 1 and not ordered[0].confirm:
        return _select(context, ordered[0])
    labels = tuple(each.label for each in ordered)
    return context.but(local=_Choosing(ordered)), ChooseApplication(labels)


def _select(context: Context, chosen: Candidate) -> Turn:
    return context.but(local=_Final(chosen)), Transmit(select(chosen.name))


def _final(context: Context, chosen: Candidate, response: Response) -> Turn:
    """12.4, final selection; an application that does not come leaves the list."""
    left = tuple(each for each in context.candidates or () if each != chosen)
    try:
        objects = _selected(chosen, response)
    except CardDataError:
        if not left:
            blocked = response.sw == APPLICATION_BLOCKED
            code = Code.APPLICATION_BLOCKED if blocked else Code.NO_APPLICATION
            return finish(context, Verdict.TERMINATED, code)
        return _choose(context, left)
    aid = chosen.application
    terminal = {
        Tag.AID_TERMINAL: aid.aid,
        Tag.VERSION_TERMINAL: aid.version,
        Tag.FLOOR_LIMIT: aid.floor_minor.to_bytes(4, "big"),
    }
    return context.put(objects | terminal, application=aid, candidates=left, local=None), Exit.DONE


def _selected(chosen: Candidate, response: Response) -> dict[int, bytes]:
    if not response.ok:
        raise CardDataError("The application cannot be selected.")
    objects = card_objects(template(response.data, Tag.FCI))
    if objects.get(Tag.DF_NAME) != chosen.name:
        raise CardDataError("The card selected another application.")
    return objects
