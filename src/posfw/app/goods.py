"""Goods and deliveries at the terminal: import, basket, stock, deliveries and their check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
import anyio.to_thread

from posfw.app.verbs import Body, Progress, Verb, operator_of, text_of
from posfw.goods import basket, catalogue, delivery
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.values.errors import CodecError, InputError, RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.identity import parse_key
from posfw.values.transaction import State, Transaction

__all__ = ["Goods"]

MOST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Goods:
    """Verbs over the GOODS and DELIVERY topics."""

    journal: Journal
    clock: Clock

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs about goods and deliveries."""
        return {
            "goods_import": self._import,
            "goods_list": self._list,
            "goods_find": self._find,
            "goods_count": self._count,
            "goods_basket": self._basket,
            "goods_sold": self._sold,
            "goods_reserve": self._reserve,
            "goods_release": self._release,
            "delivery_new": self._new,
            "delivery_move": self._move,
            "delivery_notice": self._notice,
            "delivery_list": self._deliveries,
            "delivery_check": self._check,
        }

    async def catalogue(self) -> catalogue.Catalogue:
        """Return articles and stock as the journal has them."""
        return catalogue.fold(await self.journal.read(Topic.GOODS))

    async def basket(self, body: Body) -> basket.Basket:
        """Return the basket of a request's `lines`: [[code, count], …].

        Raises:
            CodecError: another form.
            InputError: an unknown article or a wrong count.
        """
        lines = body.get("lines")
        if not isinstance(lines, Sequence) or not all(
            isinstance(line, Sequence) and len(line) == 2 and isinstance(line[0], str)
            for line in lines
        ):
            raise CodecError("`lines` is a list of [code, count].")
        wanted = [(line[0], line[1]) for line in lines]
        must = bool(body.get("must_be_in_stock"))
        return basket.fill(await self.catalogue(), wanted, must_be_in_stock=must)

    async def _note(
        self, topic: Topic, name: str, body: Mapping[str, Plain], operator: str
    ) -> None:
        await self.journal.append(Record(topic, name, self.clock.now(), operator, body))

    async def _import(self, body: Body, _: Progress) -> Body:
        """Import a file that lies on this terminal (a USB stick, say)."""
        path = anyio.Path(text_of(body, "path"))
        read = catalogue.read_toml if path.suffix == ".toml" else catalogue.read_csv
        try:
            if (await path.stat()).st_size > MOST_BYTES:
                raise InputError(f"{path} has more than {MOST_BYTES} bytes.", code="GDS-206")
            text = await path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error}.", code="GDS-207") from error
        items = await anyio.to_thread.run_sync(lambda: read(text, source=path.name))
        if body.get("dry_run"):
            return {"ok": True, "imported": 0, "checked": len(items)}
        now, operator = self.clock.now(), operator_of(body, "00")
        records = [
            Record(Topic.GOODS, "imported", now, operator, each)
            for each in catalogue.bodies(items)
        ]
        await self.journal.append(*records)  # one transaction: all of it or nothing
        return {"ok": True, "imported": len(items)}

    async def _list(self, _: Body, __: Progress) -> Body:
        found = await self.catalogue()
        return {"ok": True, "goods": [_shown(found, item) for item in found.items.values()]}

    async def _find(self, body: Body, _: Progress) -> Body:
        code = text_of(body, "code")
        fault = catalogue.gtin_fault(code)
        if fault:
            raise InputError(fault, code="GDS-208", next_step="Scan again.")
        found = await self.catalogue()
        item = found.find(code)
        if item is None:
            raise InputError(f"There is no article {code}.", code="GDS-202")
        return {"ok": True, **_shown(found, item)}

    async def _count(self, body: Body, _: Progress) -> Body:
        code, quantity = text_of(body, "code"), body.get("quantity")
        if type(quantity) is not int or not 0 <= quantity <= catalogue.MOST_STOCK:
            raise CodecError("`quantity` is a whole number.")
        found = await self.catalogue()
        item = found.find(code)
        if item is None:
            raise InputError(f"There is no article {code[:20]}.", code="GDS-202")
        counted: dict[str, Plain] = {
            "gtin": item.gtin,
            "quantity": quantity,
            "was": found.in_stock(code),
        }
        await self._note(Topic.GOODS, "counted", counted, operator_of(body, "00"))
        return {"ok": True, "difference": quantity - found.in_stock(code)}

    async def _basket(self, body: Body, _: Progress) -> Body:
        return await self.told(body)

    async def told(self, body: Body) -> dict[str, Any]:
        """Return what a basket comes to; see `basket`."""
        filled = await self.basket(body)
        return {
            "ok": True,
            "amount": str(filled.total),
            "amount_minor": filled.total.minor,
            "short": list(filled.short),
            "lines": [
                f"{line.item.name}  {line.count} x {line.item.price} = {line.total}"
                for line in filled.lines
            ],
        }

    async def _sold(self, body: Body, _: Progress) -> Body:
        """Take a basket out of stock for an approved sale of its amount, or back for a refund."""
        sale = await self._sale(text_of(body, "key"))
        back = bool(body.get("returned"))
        filled = await self.basket(body)
        name = "returned" if back else "sold"
        before = await self._lines_of(str(sale.key))
        lines: list[Plain] = [
            [line.item.gtin, line.count, line.item.price.minor] for line in filled.lines
        ]
        if back:
            _check_returned(before, filled)
        elif filled.total != sale.begun.intent.amount or sale.state is not State.APPROVED:
            raise RefusedError(
                f"The basket makes {filled.total}, the sale {sale.begun.intent.amount}"
                f" ({sale.state.value}).",
                code="GDS-112",
            )
        elif before:
            raise RefusedError(f"The goods of {sale.key} are booked already.", code="GDS-113")
        booked: dict[str, Plain] = {"key": str(sale.key), "lines": lines}
        now, operator = self.clock.now(), operator_of(body, "01")
        records = [Record(Topic.GOODS, name, now, operator, booked)]
        held = str(body.get("reserved", ""))
        if held and not back:
            await self._held(held)
            records.append(Record(Topic.GOODS, "released", now, operator, {"name": held}))
        await self.journal.append(*records)  # never sold and still reserved
        return {"ok": True, name: len(lines)}

    async def _held(self, name: str) -> None:
        if name not in (await self.catalogue()).held:
            raise InputError(f"Nothing is reserved as {name[:40]!r}.", code="GDS-214")

    async def _reserve(self, body: Body, _: Progress) -> Body:
        """备货: set a basket aside under a name, such as a delivery's; the stock must cover it."""
        name = text_of(body, "name").strip()
        if not 1 <= len(name) <= 40 or not name.isprintable():
            raise InputError("A reservation has a name of 1 to 40 characters.", code="GDS-215")
        if name in (await self.catalogue()).held:
            raise RefusedError(f"{name} is reserved already.", code="GDS-118")
        filled = await self.basket({**body, "must_be_in_stock": True})
        lines: list[Plain] = [[line.item.gtin, line.count] for line in filled.lines]
        fields: dict[str, Plain] = {"name": name, "lines": lines}
        await self._note(Topic.GOODS, "reserved", fields, operator_of(body, "01"))
        return {"ok": True, "reserved": name, "amount": str(filled.total)}

    async def _release(self, body: Body, _: Progress) -> Body:
        name = text_of(body, "name").strip()
        await self._held(name)
        await self._note(Topic.GOODS, "released", {"name": name}, operator_of(body, "01"))
        return {"ok": True, "released": name}

    async def pressing(self) -> list[str]:
        """Return the deliveries that somebody should see to now, for the idle screen."""
        found = delivery.fold(await self.journal.read(Topic.DELIVERY))
        return [each.id for each in delivery.pressing(found, self.clock.now())]

    async def _lines_of(self, key: str) -> Mapping[str, int]:
        """Return what is still out for a sale, by canonical code."""
        left: dict[str, int] = {}
        for record in await self.journal.read(Topic.GOODS):
            if record.name in ("sold", "returned") and record.body.get("key") == key:
                sign = 1 if record.name == "sold" else -1
                rows: Any = record.body["lines"]
                for gtin, count, _price in rows:
                    code = catalogue.canonical(gtin)
                    left[code] = left.get(code, 0) + sign * count
        return left

    async def _sale(self, key: str) -> Transaction:
        sale = await self.journal.transaction(parse_key(key))
        if sale is None:
            raise InputError(f"There is no transaction {key}.", code="SAL-301")
        return sale

    async def _new(self, body: Body, _: Progress) -> Body:
        sale = await self._sale(text_of(body, "key"))
        found = delivery.fold(await self.journal.read(Topic.DELIVERY))
        id_ = text_of(body, "delivery")
        if not id_.startswith(delivery.PREFIX) or not 5 <= len(id_) <= 40:
            raise InputError(f"A delivery is called {delivery.PREFIX}…", code="GDS-211")
        if id_ in found:
            raise RefusedError(f"{id_} exists already.", code="GDS-114")
        try:
            due_at = datetime.fromisoformat(text_of(body, "due"))
        except ValueError as error:
            raise InputError(
                "`due` is a time such as 2026-03-02T18:00.", code="GDS-212"
            ) from error
        if due_at.tzinfo is None:
            due_at = due_at.replace(tzinfo=self.clock.now().tzinfo)
        ordered: dict[str, Plain] = {
            "delivery": id_,
            "key": str(sale.key),
            "region": text_of(body, "region")[:60],
            "due_at": due_at.isoformat(),
            "far": bool(body.get("far")),
            "urgent": bool(body.get("urgent")),
            "courier": str(body.get("courier", ""))[:60],
        }
        await self._note(Topic.DELIVERY, "ordered", ordered, operator_of(body, "01"))
        return {"ok": True, "delivery": id_}

    async def _move(self, body: Body, _: Progress) -> Body:
        found = delivery.fold(await self.journal.read(Topic.DELIVERY))
        id_ = text_of(body, "delivery")
        try:
            status = delivery.Status(text_of(body, "status"))
        except ValueError as error:
            known = ", ".join(delivery.Status)
            raise InputError(f"A delivery is one of {known}.", code="GDS-213") from error
        delivery.check_move(found, id_, status)
        moved: dict[str, Plain] = {"delivery": id_, "status": status.value}
        now, operator = self.clock.now(), operator_of(body, "01")
        records = [Record(Topic.DELIVERY, "moved", now, operator, moved)]
        if status is delivery.Status.CANCELLED and id_ in (await self.catalogue()).held:
            records.append(Record(Topic.GOODS, "released", now, operator, {"name": id_}))
        await self.journal.append(*records)
        return {"ok": True, "delivery": id_, "status": status.value}

    async def _notice(self, body: Body, _: Progress) -> Body:
        """通知: the courier's or packer's notice as lines; `acknowledged` notes their answer."""
        found = delivery.fold(await self.journal.read(Topic.DELIVERY))
        id_ = text_of(body, "delivery")
        if id_ not in found:
            raise InputError(f"There is no delivery {id_[:30]!r}.", code="GDS-210")
        name = "acknowledged" if body.get("acknowledged") else "noticed"
        await self._note(Topic.DELIVERY, name, {"delivery": id_}, operator_of(body, "01"))
        each = found[id_]
        marks = [
            word for word, on in (("加急/URGENT", each.urgent), ("跨省市/FAR", each.far)) if on
        ]
        return {
            "ok": True,
            "lines": [
                f"配送通知 / Delivery notice  {id_}",
                *marks,
                f"地区 / Region  {each.region}",
                f"时限 / Due  {each.due_at:%Y-%m-%d %H:%M}",
                f"承运 / Courier  {each.courier}",
            ],
        }

    async def _deliveries(self, body: Body, _: Progress) -> Body:
        found = delivery.fold(await self.journal.read(Topic.DELIVERY))
        behind = delivery.late(found, self.clock.now())
        shown = behind if body.get("late") else tuple(found.values())
        return {
            "ok": True,
            "late": len(behind),
            "deliveries": [
                {
                    "delivery": each.id,
                    "status": each.status.value,
                    "key": each.key,
                    "region": each.region,
                    "due_at": each.due_at.isoformat(),
                    "urgent": each.urgent,
                    "far": each.far,
                    "acknowledged": each.acknowledged,
                }
                for each in shown
            ],
        }

    async def _check(self, _: Body, __: Progress) -> Body:
        """Compare deliveries with sales, refunds and returns (S49, S50)."""
        found = delivery.fold(await self.journal.read(Topic.DELIVERY))
        transactions: list[Transaction] = list(await self.journal.transactions())
        named = {delivery.key_of(each).batch for each in found.values()}
        for batch in sorted(named - {t.key.batch for t in transactions}):
            transactions += await self.journal.transactions(batch)
        problems = delivery.discrepancies(found, transactions)
        sales = {str(t.key): t.begun.intent.amount.minor for t in transactions}
        return {
            "ok": not problems,
            "deliveries": len(found),
            "sales_minor": sum(sales.get(key, 0) for key in {d.key for d in found.values()}),
            "problems": [
                {"problem": p.problem.value, "delivery": p.delivery, "key": p.key}
                for p in problems
            ],
        }


def _shown(found: catalogue.Catalogue, item: catalogue.Item) -> dict[str, Any]:
    return {
        "gtin": item.gtin,
        "name": item.name,
        "price": str(item.price),
        "stock": found.in_stock(item.gtin),
        "reserved": found.reserved(item.gtin),
        "description": item.description,
    }


def _check_returned(before: Mapping[str, int], filled: basket.Basket) -> None:
    for line in filled.lines:
        if before.get(catalogue.canonical(line.item.gtin), 0) < line.count:
            raise RefusedError(
                f"More of {line.item.gtin} would come back than was sold.", code="GDS-115"
            )
