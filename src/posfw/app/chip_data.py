"""What a chip sale needs of the journal and of files: parameters, a card's history, slip lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from posfw.app.chip_sets import EMV, emv_set
from posfw.app.parameters import fold
from posfw.board.site import Site
from posfw.emv.bits import CryptogramType
from posfw.emv.effects import CardHistory
from posfw.emv.parameters import EmvParameters
from posfw.emv.tags import Tag
from posfw.ports import BatchJournal, Records, SecureElement
from posfw.values.card import CardNumber
from posfw.values.events import Topic
from posfw.values.transaction import ChipFacts

__all__ = ["ChipHistory", "ChipParameters", "slip_lines"]


@dataclass(slots=True)
class ChipParameters:
    """The newest set of the journal, else the file's, with the site's numbers in it.

    Attributes:
        records: where the acquirer's sets are kept (app.parameters): the set `emv`.
        site: terminal and merchant number.
        installed: of a file, None where there is none.
    """

    records: Records
    site: Site
    installed: EmvParameters | None = None
    _number: int = 0

    async def current(self) -> EmvParameters | None:
        """Return the parameters of the next sale, None where there are none: no chip is read.

        Raises:
            ConfigError: the newest set has mistakes; a set is never used in part.
        """
        news = await self.records.read(Topic.PARAMETERS, self._number)
        told = fold(news).get(EMV)
        if told is not None:
            self.installed = emv_set(told)
        if news:
            self._number = news[-1].number
        if self.installed is None:
            return None
        return replace(
            self.installed, terminal=self.site.terminal_id, merchant=self.site.merchant_id
        )

    def lists(self, number: CardNumber) -> bool:
        """Whether the card is on the exception file of the set that was read last."""
        return self.installed is not None and self.installed.exceptions.lists(number)


def _none_listed(_: CardNumber) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ChipHistory:
    """What the terminal knows of a card (app.chip.History).

    Attributes:
        journal: the open batch; what is stored without the bank is always in it.
        element: gives the token that stands for a card number.
        listed: the exception file (Book 3, 10.6).
    """

    journal: BatchJournal
    element: SecureElement
    listed: Callable[[CardNumber], bool] = _none_listed

    async def __call__(self, number: CardNumber, sequence: int | None) -> CardHistory:
        """Return the card's stored sales and whether it is listed.

        Card sequence numbers share one sum: that sends a sale online rather earlier.
        """
        del sequence
        token = self.element.token(number)
        stored = sum(
            each.begun.intent.amount.minor
            for each in await self.journal.transactions()
            if each.offline and not each.acknowledged and each.begun.intent.card_token == token
        )
        return CardHistory(stored, self.listed(number))


def slip_lines(facts: ChipFacts | None) -> tuple[tuple[str, str], ...]:
    """Return names and values of a slip's EMV block in printing order (payments page, 3.2)."""
    if facts is None:
        return ()
    tags = facts.tags
    information = tags.get(Tag.CRYPTOGRAM_INFORMATION, b"\x00")[0] & CryptogramType.MASK
    lines = [(_KINDS.get(information, "AAC"), tags.get(Tag.CRYPTOGRAM, b"").hex().upper())]
    lines += [(name, tags.get(tag, b"").hex().upper()) for name, tag in _HEX]
    label = tags.get(Tag.PREFERRED_NAME) or tags.get(Tag.APPLICATION_LABEL, b"")
    lines.append(("APP", _printable(label)))
    return tuple((name, value) for name, value in lines if value)


def _printable(label: bytes) -> str:
    """A card writes its label itself: only plain characters reach the printer."""
    return "".join(chr(byte) for byte in label[:16] if 0x20 <= byte < 0x7F).strip()


_KINDS: Final[Mapping[int, str]] = {CryptogramType.TC: "TC", CryptogramType.ARQC: "ARQC"}
_HEX: Final = (
    ("TVR", Tag.TVR),
    ("TSI", Tag.TSI),
    ("ATC", Tag.ATC),
    ("AID", Tag.DF_NAME),
    ("UNPR NUM", Tag.UNPREDICTABLE_NUMBER),
    ("AIP", Tag.AIP),
    ("CVMR", Tag.CVM_RESULTS),
)
