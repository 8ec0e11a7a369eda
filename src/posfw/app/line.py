"""The way to the acquirer as a site file describes it: uplink, its certificate, offline policy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from posfw.app.certificate import CertificateCare, known_time
from posfw.app.world import World
from posfw.board.site import Site
from posfw.journal.store import Journal
from posfw.ports import Acquirer, SecureElement
from posfw.sale.limits import Limits, OfflinePolicy
from posfw.uplink.settings import UplinkSettings
from posfw.uplink.task import Uplink
from posfw.values.card import EntryMode

__all__ = ["certificate_care", "limits_of", "uplink_of"]


def limits_of(site: Site) -> Limits:
    """Return the limits of a site file's policy."""
    policy = dict(site.policy)
    keyed_allowed = policy.pop("keyed_allowed", True)
    if "entry_modes" in policy:
        modes = (EntryMode[name.upper()] for name in policy["entry_modes"])
        policy["entry_modes"] = frozenset(modes)
    return Limits(keyed_allowed=keyed_allowed, offline=OfflinePolicy(**policy))


def uplink_of(site: Site, journal: Journal, element: SecureElement, world: World) -> Uplink:
    """Return the uplink; before each dial it asks which time has surely passed.

    Raises:
        ConfigError: TLS files or an address that cannot be used.
    """
    settings = UplinkSettings(
        addresses=site.addresses,
        server_name=site.server_name,
        terminal=site.terminal_id,
        merchant=site.merchant_id,
        authorise_timeout_s=site.timing.authorise_s,
        heartbeat_s=site.timing.heartbeat_s,
        connect_timeout_s=site.timing.connect_s,
        retry_base_s=min(0.5, site.timing.retry_s),
        retry_cap_s=site.timing.retry_s,
        call_timeout_s=max(10.0, site.timing.authorise_s),
    )
    dial = world.dialler(
        ca=Path(site.ca),
        certificate=Path(site.certificate),
        key=Path(site.key),
        settings=settings,
        floor=partial(known_time, journal, Path(site.certificate)),
    )
    return Uplink(
        journal=journal,
        element=element,
        random=world.random,
        clock=world.clock,
        settings=settings,
        dial=dial,
    )


def certificate_care(
    site: Site, journal: Journal, acquirer: Acquirer, world: World
) -> CertificateCare:
    """Return what looks after the terminal's certificate."""
    return CertificateCare(
        acquirer=acquirer,
        records=journal,
        clock=world.clock,
        terminal=site.terminal_id,
        ca=Path(site.ca),
        certificate=Path(site.certificate),
        key=Path(site.key),
    )
