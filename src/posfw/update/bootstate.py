"""What boot loader and terminal tell each other: which slot, how many tries, which counter.

Two copies lie apart on the state partition. Each is a U-Boot environment block: CRC-32 over the
rest, then NAME=value texts (U-Boot, env import -c). A write goes to the copy that does not count,
under the next number, so the copy that counts is never touched and a torn write loses only the
news. `booted` is what the boot script does (deploy/update/boot.cmd); both follow this table:

    what happens          order            tries left        trial    counter
    first                 x in front       x: 3              x
    bad                   x leaves         x: 0
    good                  x stays          x: 3              - if x   the image's, if greater; then
                                                                      the other slot is bad too
    booted                                 x: one less
    booted, none has any                   all in order: 3
    returned              trial leaves     trial: 0          -
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from posfw.values.errors import CodecError, MisuseError

__all__ = [
    "COPY_BYTES",
    "OFFSETS",
    "SLOTS",
    "TRIES",
    "BootState",
    "bad",
    "booted",
    "first",
    "from_bytes",
    "good",
    "newest",
    "other",
    "primary",
    "returned",
    "to_bytes",
    "to_write",
]

SLOTS: Final = ("A", "B")
TRIES: Final = 3
COPY_BYTES: Final = 0x1000
# Half a mebibyte apart: eMMC and SD erase in groups of up to 512 KiB (JESD84-B51, ERASE_GRP_SIZE).
OFFSETS: Final = (0, 0x80000)
_NAMES: Final = ("BOOT_ORDER", "BOOT_A_LEFT", "BOOT_B_LEFT", "BOOT_TRIAL", "BOOT_COUNTER")
_SEQUENCE: Final = "BOOT_SEQ"
_SEQUENCE_MAX: Final = 0xFFFF_FFFE


@dataclass(frozen=True, slots=True)
class BootState:
    """One state.

    Attributes:
        order: slots that may be tried, the first one first.
        left: tries left of slot A and of slot B, 0 to 3.
        trial: a slot that was installed and never marked good, "" for none.
        counter: least security counter of an image that may be installed, None where unknown.
        sequence: which copy is newer.
    """

    order: tuple[str, ...] = SLOTS
    left: tuple[int, int] = (TRIES, TRIES)
    trial: str = ""
    counter: int | None = None
    sequence: int = 0

    def tries(self, slot: str) -> int:
        """Return the tries left of a slot."""
        return self.left[_index(slot)]


def _index(slot: str) -> int:
    if slot not in SLOTS:
        raise MisuseError(f"There is no slot {slot[:8]!r}.")
    return SLOTS.index(slot)


def _with_tries(state: BootState, slot: str, tries: int) -> BootState:
    left = list(state.left)
    left[_index(slot)] = tries
    return replace(state, left=(left[0], left[1]))


def other(slot: str) -> str:
    """Return the other slot."""
    return SLOTS[1 - _index(slot)]


def primary(state: BootState) -> str:
    """Return the slot that the boot loader takes next, "" where it would refill the tries."""
    return next((slot for slot in state.order if state.tries(slot)), "")


def first(state: BootState, slot: str) -> BootState:
    """Let a freshly written slot be tried first."""
    rest = tuple(each for each in state.order if each != slot)
    return replace(_with_tries(state, slot, TRIES), order=(slot, *rest), trial=slot)


def bad(state: BootState, slot: str) -> BootState:
    """Take a slot out, as before it is overwritten; nothing brings it back but a new image.

    Raises:
        MisuseError: it is the only one.
    """
    rest = tuple(each for each in state.order if each != slot)
    if not rest:
        raise MisuseError(f"Slot {slot} is the only one; it cannot be taken out.")
    trial = "" if state.trial == slot else state.trial
    return replace(_with_tries(state, slot, 0), order=rest, trial=trial)


def good(state: BootState, slot: str, counter: int) -> BootState:
    """Keep a slot that has proved itself, and never go back over its security counter.

    Whatever was good before had a counter of at most the state's; if this one's is greater, the
    other slot has a hole that was mended, and is taken out.
    """
    order = state.order if slot in state.order else (slot, *state.order)
    kept = replace(_with_tries(state, slot, TRIES), order=order)
    if kept.trial == slot:
        kept = replace(kept, trial="")
    if state.counter is None or counter > state.counter:
        kept = replace(kept, counter=counter)
    raised = state.counter is not None and counter > state.counter
    if raised and other(slot) in kept.order and kept.trial != other(slot):
        return bad(kept, other(slot))
    return kept


def returned(state: BootState) -> BootState:
    """Note that the trial failed: its slot is out, the other one stays."""
    if not state.trial:
        return state
    return bad(state, state.trial)


def booted(state: BootState) -> tuple[str, BootState]:
    """Return the slot that the boot script takes and the state that it leaves behind."""
    slot = primary(state)
    if not slot:
        for each in state.order:
            state = _with_tries(state, each, TRIES)
        slot = state.order[0]
    return slot, _with_tries(state, slot, state.tries(slot) - 1)


def to_bytes(state: BootState) -> bytes:
    """Return one copy, COPY_BYTES long."""
    counter = "" if state.counter is None else str(state.counter)
    values = (
        " ".join(state.order),
        str(state.left[0]),
        str(state.left[1]),
        state.trial,
        counter,
        f"{state.sequence:x}",
    )
    # U-Boot keeps no empty variables: an absent name and an empty value are one thing.
    pairs = [f"{k}={v}" for k, v in zip((*_NAMES, _SEQUENCE), values, strict=True) if v]
    body = "\0".join(pairs).encode("ascii") + b"\0\0"
    body = body.ljust(COPY_BYTES - 4, b"\0")
    return zlib.crc32(body).to_bytes(4, "little") + body


def from_bytes(data: bytes) -> BootState:
    """Read one copy.

    Raises:
        CodecError: torn, empty or not a boot state; it does not count.
    """
    if len(data) != COPY_BYTES or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        raise CodecError("A copy of the boot state does not verify.", code="UPD-206")
    text = data[4:].split(b"\0\0", 1)[0]
    fields: dict[str, str] = {}
    for pair in text.decode("ascii", "replace").split("\0"):
        name, equals, value = pair.partition("=")
        if not equals or name in fields:
            raise CodecError("A copy of the boot state has a broken line.", code="UPD-206")
        fields[name] = value
    return _checked(fields)


def _checked(fields: dict[str, str]) -> BootState:
    order = tuple(fields.get(_NAMES[0], "").split())
    left = [fields.get(name, "") for name in _NAMES[1:3]]
    trial, counter = fields.get(_NAMES[3], ""), fields.get(_NAMES[4], "")
    sequence = fields.get(_SEQUENCE, "")
    right = (
        0 < len(order) == len(set(order))
        and set(order) <= set(SLOTS)
        and all(each in ("0", "1", "2", "3") for each in left)
        and trial in ("", *SLOTS)
        and (not counter or (counter.isdigit() and len(counter) <= 9))
        and 0 < len(sequence) <= 8
        and set(sequence) <= set("0123456789abcdef")
    )
    if not right:
        raise CodecError("A copy of the boot state has values that cannot be.", code="UPD-206")
    return BootState(
        order,
        (int(left[0]), int(left[1])),
        trial,
        int(counter) if counter else None,
        int(sequence, 16),
    )


def newest(copies: Sequence[bytes]) -> tuple[BootState, int] | None:
    """Return the state that counts and the number of its copy; None where no copy verifies."""
    found: tuple[BootState, int] | None = None
    for number, copy in enumerate(copies):
        try:
            state = from_bytes(copy)
        except CodecError:
            continue
        if found is None or state.sequence > found[0].sequence:
            found = (state, number)
    return found


def to_write(copies: Sequence[bytes], state: BootState) -> tuple[int, bytes]:
    """Return which copy to overwrite, and with what; the one that counts now stays.

    Raises:
        MisuseError: more writes than numbers; at one start an hour that is 490,000 years.
    """
    now = newest(copies)
    if now is None:
        return 0, to_bytes(replace(state, sequence=1))
    if now[0].sequence >= _SEQUENCE_MAX:
        raise MisuseError("The boot state has been written too often.")
    return 1 - now[1], to_bytes(replace(state, sequence=now[0].sequence + 1))
