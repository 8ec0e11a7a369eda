"""The merchant's parts put together: operators, activation, evening, goods, accounts, upkeep."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import time
from typing import TYPE_CHECKING, Any

from posfw.app.activation import Activations, Check, Device, TryRound
from posfw.app.demands import Demands
from posfw.app.office import Office
from posfw.app.operators import Operators
from posfw.app.parameters import Parameters
from posfw.app.settlement import Settlement
from posfw.app.terms import faults
from posfw.app.verbs import Verb
from posfw.app.world import World
from posfw.journal.store import Journal
from posfw.ports import Acquirer, SecureElement
from posfw.sale.limits import Limits, Refusal
from posfw.settle.schedule import Schedule
from posfw.values.money import Money

if TYPE_CHECKING:
    from posfw.activate.profile import Profile
    from posfw.crypto.sign1 import PublicKey

__all__ = ["Merchant", "merchant"]

SITE_LIMITS = Limits()  # of a site file that sets none
NO_MODELS: Mapping[str, Sequence[str]] = {}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Merchant:
    """All of it, as the wiring and tests hold it."""

    operators: Operators
    activation: Activations
    settlement: Settlement
    office: Office
    parameters: Parameters
    demands: Demands

    def verbs(self) -> Mapping[str, Verb]:
        """Return every verb of the merchant's parts."""
        parts = (
            self.operators,
            self.activation,
            self.settlement,
            self.office,
            self.parameters,
        )
        return {name: verb for part in parts for name, verb in part.verbs().items()}

    async def refusal(self, amount: Money) -> Refusal | None:
        """Return why no live sale may begin: not active, something first, or the batch presses."""
        refusal = await self.activation.refusal() or await self.demands.refusal()
        return refusal or await self.settlement.refusal(amount)


def merchant(
    *,
    journal: Journal,
    acquirer: Acquirer,
    element: SecureElement,
    world: World,
    profiles: Mapping[str, Profile],
    acquirer_id: str,
    merchant_id: str,
    device: Device,
    bank_key: Callable[[], PublicKey] | None,
    check: Check,
    try_round: TryRound,
    pre_activated: bool,
    automatic: bool,
    settle_at: time | None = None,
    limits: Limits = SITE_LIMITS,
    apply: Callable[[Limits], None] = lambda _: None,
    tell: Callable[[Mapping[str, Mapping[str, Any]]], None] = lambda _: None,
    models: Mapping[str, Sequence[str]] = NO_MODELS,
) -> Merchant:
    """Build the parts over one journal.

    Args:
        journal: the terminal's.
        acquirer: the line.
        element: its chain key gives the passwords' pepper.
        world: clocks and chance.
        profiles: `acquirers.load_profiles()`, read before the loop runs.
        acquirer_id: whose fees and settlement time count; an unknown one takes unionpay's.
        merchant_id: for exports.
        device: identity and device key for the activation file.
        bank_key: gives what verifies the bank's answers; None where none is installed.
        check: hardware and stability check.
        try_round: does acceptance rounds.
        pre_activated: a demonstration that sells without an activation.
        automatic: settle by the profile's schedule; False where people settle by hand.
        settle_at: another local time than the profile's.
        limits: of the site file.
        apply: takes the limits that count once the acquirer's are known.
        tell: takes the acquirer's sets of parameters.
        models: of parts that may be fitted, by kind.
    """
    chosen = profiles.get(acquirer_id, profiles["unionpay"])
    # The pepper is derived, so it never lies beside the journal that holds the digests.
    pepper = hmac.digest(element.chain_key(), b"operators", "sha256")
    parameters = Parameters(journal, acquirer, world.clock, limits, apply, tell, faults)
    demands = Demands(journal, world.clock, element, parameters)
    parameters = replace(parameters, loaded=demands.loaded)
    operators = Operators(journal, world.clock, world.random, pepper)
    schedule = Schedule(settle_at or chosen.settle_at, chosen.warn_min, chosen.window_min)
    return Merchant(
        operators=operators,
        activation=Activations(
            journal=journal,
            acquirer=acquirer,
            operators=operators,
            clock=world.clock,
            random=world.random,
            device=device,
            profiles=profiles,
            bank_key=bank_key,
            check=check,
            try_round=try_round,
            parameters=parameters,
            pre_activated=pre_activated,
        ),
        settlement=Settlement(
            journal,
            acquirer,
            operators,
            world.clock,
            schedule=schedule if automatic else None,
            sign_off=chosen.sign_off and automatic,
            largest_minor=limits.per_transaction_minor,
        ),
        office=Office(journal, world.clock, chosen, merchant_id, models),
        parameters=parameters,
        demands=demands,
    )
