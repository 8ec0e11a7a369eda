"""What is done beside selling: goods, accounts, upkeep. Loaded after the terminal is ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from posfw.app.later import later, lazily
from posfw.app.verbs import Verb
from posfw.journal.store import Journal
from posfw.ports import Clock

if TYPE_CHECKING:
    from posfw.activate.profile import Profile
    from posfw.app import accounts, acquirers, goods, upkeep
else:
    accounts = lazily("posfw.app.accounts")
    acquirers = lazily("posfw.app.acquirers")
    goods = lazily("posfw.app.goods")
    upkeep = lazily("posfw.app.upkeep")

__all__ = ["Office"]

GOODS: Final = (
    "goods_import",
    "goods_list",
    "goods_find",
    "goods_count",
    "goods_basket",
    "goods_sold",
    "goods_reserve",
    "goods_release",
    "delivery_new",
    "delivery_move",
    "delivery_notice",
    "delivery_list",
    "delivery_check",
)
ACCOUNTS: Final = ("fees", "fee_entry", "turnover", "export", "day_picture")
UPKEEP: Final = ("upkeep_due", "upkeep_done", "upkeep_fault", "upkeep_log", "upkeep_score")


@dataclass(frozen=True)  # no slots: each part is kept in the instance once it is built
class Office:
    """The parts over one journal.

    Attributes:
        journal: the terminal's.
        clock: local time.
        chosen: the acquirer whose fees count.
        merchant_id: for exports.
        models: of parts that may be fitted.
    """

    journal: Journal
    clock: Clock
    chosen: Profile
    merchant_id: str
    models: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def goods(self) -> goods.Goods:
        """Catalogue, baskets, stock, deliveries."""
        return goods.Goods(self.journal, self.clock)

    @cached_property
    def accounts(self) -> accounts.Accounts:
        """Fees, exports, pictures of the day."""
        fees = acquirers.schedule_of(self.chosen)
        agreed = (self.chosen.prepaid_minor, self.chosen.prepaid_turnover_minor)
        return accounts.Accounts(self.journal, self.clock, fees, self.merchant_id, *agreed)

    @cached_property
    def upkeep(self) -> upkeep.Maintenance:
        """Maintenance, faults, stability."""
        return upkeep.Maintenance(self.journal, self.clock, self.models)

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs of all parts; none of them is built yet."""
        return {
            **later(GOODS, lambda: self.goods),
            **later(ACCOUNTS, lambda: self.accounts),
            **later(UPKEEP, lambda: self.upkeep),
        }
