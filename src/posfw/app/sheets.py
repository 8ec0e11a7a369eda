"""Sheets of paper beside slips: parameters, the application, the goods of a sale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from posfw import __version__
from posfw.activate import machine
from posfw.activate.slip import application_slip
from posfw.app.parameters import fold as sets_in
from posfw.board.site import Site
from posfw.goods.catalogue import fold as catalogue_in
from posfw.goods.slip import goods_slip, sold_lines
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.settle.slips import parameter_slip
from posfw.values.document import Document
from posfw.values.events import Topic
from posfw.values.slip import Merchant
from posfw.values.texts import Texts

__all__ = ["APPLICATION", "GOODS", "PARAMETERS", "compose", "parameter_values"]

PARAMETERS: Final = "parameters"
APPLICATION: Final = "application"
GOODS: Final = "goods "  # and a transaction's key
_LARGE: Final = 8  # values of a set beside its version; a larger set is counted, not listed


async def compose(
    subject: str,
    journal: Journal,
    merchant: Merchant,
    texts: Texts,
    clock: Clock,
    site: Site | None,
) -> Document | None:
    """Return the sheet of a subject, None where there is nothing of that name."""
    if subject == PARAMETERS:
        sets = sets_in(await journal.read(Topic.PARAMETERS))
        values = parameter_values(site, sets)
        return parameter_slip(values, merchant, texts, at=clock.now())
    if subject == APPLICATION:
        activation = machine.fold(await journal.read(Topic.ACTIVATION))
        if not activation.application:
            return None
        applied = {str(name): str(value) for name, value in activation.application.items()}
        return application_slip(
            applied, activation.papers, activation.profile, merchant, texts, at=clock.now()
        )
    if subject.startswith(GOODS):
        records = await journal.read(Topic.GOODS)
        key = subject.removeprefix(GOODS)
        lines = sold_lines(records, key)
        return goods_slip(key, lines, catalogue_in(records), merchant, texts) if lines else None
    return None


def parameter_values(
    site: Site | None, sets: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, str]:
    """Return what the sheet lists: program, site file, the acquirer's sets by version."""
    found = {"程序/PROGRAM": __version__}
    if site is not None:
        at = f"{site.settle_at:%H:%M}" if site.settle_at else "-"
        found |= {
            "收单方案/PROFILE": site.profile,
            "结算时间/SETTLE AT": at,
            "自动结算/AUTOMATIC": "1" if site.settle_automatic else "0",
        }
        found |= {f"policy {name}": _short(value) for name, value in sorted(site.policy.items())}
        found["rules"] = str(len(site.rules))
    for name, values in sorted(sets.items()):
        found[f"参数/SET {name}"] = str(values.get("version", ""))
        rest = {key: value for key, value in sorted(values.items()) if key != "version"}
        plain = {key: v for key, v in rest.items() if isinstance(v, (bool, int, str))}
        if len(plain) == len(rest) <= _LARGE:
            found |= {f"{name} {key}": _short(value) for key, value in plain.items()}
        else:
            found |= {
                f"{name} {key}": str(len(v))
                for key, v in rest.items()
                if isinstance(v, (list, tuple))
            }
    return found


def _short(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value)
    return str(int(value) if isinstance(value, bool) else value)[:40]
