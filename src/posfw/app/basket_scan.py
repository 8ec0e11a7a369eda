"""A basket filled at the scanner: each scanned goods number is one more of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from posfw.app.goods import Goods
from posfw.app.holders import sentence
from posfw.app.scans import Item, ScanDesk
from posfw.app.verbs import Body, Progress, Verb
from posfw.card.codes import BAD_SCAN
from posfw.goods.catalogue import Catalogue
from posfw.values.errors import CodecError, RefusedError
from posfw.values.texts import Texts

__all__ = ["VERBS", "BasketScan"]

VERBS = ("goods_scan", "goods_scan_done")
QUIET_S = 30.0
MOST_ITEMS = 1000


@dataclass(slots=True)
class BasketScan:
    """Verbs over catalogue and scanner.

    Attributes:
        goods: catalogue and baskets.
        scans: the scanner.
        texts: of the screen.
    """

    goods: Goods
    scans: ScanDesk
    texts: Texts
    _scope: anyio.CancelScope | None = None
    _lines: dict[str, int] = field(default_factory=dict)

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs, `VERBS`."""
        return {"goods_scan": self._scan, "goods_scan_done": self._done}

    async def _done(self, _: Body, __: Progress) -> Body:
        """End the basket; whoever began it gets it."""
        if self._scope is None:
            return {"ok": False}
        self._scope.cancel()
        return {"ok": True}

    async def _scan(self, body: Body, progress: Progress) -> Body:
        """Take scans until `count` of them, `goods_scan_done`, or `quiet_s` without one.

        What is no goods number, or not in the catalogue, is told and not taken.
        """
        count, quiet_s = body.get("count", MOST_ITEMS), body.get("quiet_s", QUIET_S)
        if type(count) is not int or not 0 < count <= MOST_ITEMS:
            raise CodecError(f"`count` is 1 to {MOST_ITEMS}.")
        if isinstance(quiet_s, bool) or not isinstance(quiet_s, int | float) or quiet_s <= 0:
            raise CodecError("`quiet_s` is in seconds.")
        if not self.scans.present:
            raise RefusedError(
                "There is no scanner.", code="GDS-116", next_step="Type the codes instead."
            )
        if self._scope is not None:
            raise RefusedError("A basket is being scanned.", code="GDS-117")
        self._lines = {}
        try:
            with anyio.CancelScope() as self._scope:
                await self._fill(count, float(quiet_s), progress)
        finally:
            self._scope = None
        lines = [[code, many] for code, many in self._lines.items()]
        must = bool(body.get("must_be_in_stock"))
        request = {"lines": lines, "must_be_in_stock": must}
        return await self.goods.told(request) | {"codes": lines}

    async def _fill(self, count: int, quiet_s: float, progress: Progress) -> None:
        catalogue = await self.goods.catalogue()
        with self.scans.taken() as scans:
            progress({"screen": "scan", "text": self.texts("Scan the goods.")})
            while sum(self._lines.values()) < count:
                with anyio.move_on_after(quiet_s) as patience:
                    item = await scans.receive()
                if patience.cancelled_caught:
                    return
                progress(self._taken(item, catalogue))

    def _taken(self, item: Item, catalogue: Catalogue) -> Body:
        """Put one scan into the basket and return what the screen says."""
        if isinstance(item, str):
            return {"screen": "scan", "code": item, "text": sentence(item, self.texts)}
        gtin = item.gtin
        found = catalogue.find(gtin) if gtin else None
        if found is None:
            code = "GDS-202" if gtin else BAD_SCAN
            told = gtin and self.texts("There is no such article: {code}", code=gtin)
            return {"screen": "scan", "code": code, "text": told or sentence(code, self.texts)}
        many = self._lines[found.gtin] = self._lines.get(found.gtin, 0) + 1
        text = f"{found.name}  {many} x {found.price}"
        return {"screen": "scanned", "gtin": found.gtin, "count": many, "text": text}
