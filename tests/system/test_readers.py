"""A terminal with reader, PIN pad and scanner on ptys: taps, chips, PINs, fall-backs, baskets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from posfw.app.graph import Terminal, running
from posfw.app.reader_desk import ReaderDesk
from posfw.app.verbs import Body
from posfw.app.world import World
from posfw.board.site import parse_site
from posfw.cli.places import load_board
from posfw.sim.cards import TEST_PIN, deck
from posfw.sim.rig import Rig, rig
from posfw.sim.vivotech import Presented
from posfw.values.card import EntryMode
from posfw.values.identity import parse_key
from posfw.values.texts import ENGLISH
from posfw.values.transaction import Transaction

pytestmark = [pytest.mark.system, pytest.mark.may_block]

CARDS = deck(3)
LIMIT = "1000.00"  # of the acquirer's profile, without PIN and signature
ABOVE = "1000.01"
AIMS = {13: "]E0", 8: "]E4"}
Act = tuple[str, Presented]
Seen = Callable[[Any], Awaitable[None]]


@dataclass
class Shop:
    """A terminal, what stands around it, and what its screen has shown."""

    terminal: Terminal
    around: Rig
    screens: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def progress(self, body: Body) -> None:
        self.screens.append(body["screen"])
        self.texts.append(body["text"])

    async def do(self, verb: str, body: dict[str, Any]) -> Any:
        return await self.terminal.cashier.verbs()[verb](body, self.progress)

    async def sell(self, amount: str, *acts: Act, pins: tuple[str | None, ...] = ()) -> Any:
        """Sell with cards that are presented as often as the reader asks, and PINs in turn."""
        ended: list[Any] = []
        before = len(self.around.neo.activations)
        async with anyio.create_task_group() as group:

            async def sale() -> None:
                ended.append(await self.do("sale", {"amount": amount}))
                group.cancel_scope.cancel()

            async def customer() -> None:
                for count, (name, way) in enumerate(acts, start=before + 1):
                    await self.around.neo.activated(count)
                    await self.around.neo.present(CARDS[name], way)

            async def typist() -> None:
                pad = self.around.pad
                for pin in pins:
                    await pad.waiting()
                    await (pad.give_up() if pin is None else pad.enter(pin))

            group.start_soon(customer)
            group.start_soon(typist)
            with anyio.fail_after(20):
                await sale()
        return ended[0]

    async def desk_verb(self, name: str) -> Any:
        desk = self.terminal.cashier.chips
        assert isinstance(desk, ReaderDesk)
        return await desk.verbs()[name]({}, self.progress)

    async def scanner_there(self) -> None:
        """Wait until the terminal has opened the scanner's port: what came before is dropped."""
        code, body = "GDS-116", {"do": "goods_scan", "quiet_s": 0.01}
        while code == "GDS-116":
            told = await answered(self.around.folder.parent / "control.sock", body)
            code = told.get("error", {}).get("code", "")

    async def kept(self, ended: Any) -> Transaction:
        found = await self.terminal.journal.transaction(parse_key(ended["key"]))
        assert found is not None
        return found


async def _nothing(_: Any) -> None:
    return


async def answered(socket: Path, body: dict[str, Any], seen: Seen = _nothing) -> Any:
    """Ask over the control socket; `seen` gets each progress."""
    async with await anyio.connect_unix(socket) as stream:
        await stream.send(json.dumps(body).encode() + b"\n")
        lines = BufferedByteReceiveStream(stream)
        with anyio.fail_after(20):
            while "progress" in (told := json.loads(await lines.receive_until(b"\n", 65536))):
                await seen(told["progress"])
        return told


async def asked(socket: Path, body: dict[str, Any], seen: Seen = _nothing) -> Any:
    told = await answered(socket, body, seen)
    assert "result" in told, told
    return told["result"]


@asynccontextmanager
async def shop(state: Path, board: str = "host-neo") -> AsyncIterator[Shop]:
    async with rig(state) as around:
        site = parse_site(around.site.read_text(encoding="utf-8"), source=str(around.site))
        async with running(
            board=load_board(board),
            site=site,
            state=state,
            texts=ENGLISH,
            world=World(),
            stop=lambda: None,
        ) as terminal:
            with anyio.fail_after(20):
                while not terminal.uplink.online:
                    await anyio.sleep(0.01)
            found = Shop(terminal, around)
            await found.do("sign_on", {})
            yield found


async def test_a_tap_up_to_the_limit_needs_neither_pin_nor_signature(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        ended = await there.sell(LIMIT, ("unionpay-chip", Presented.TAP))
        assert ended["ending"] == "success", ended
        sale = await there.kept(ended)
        assert sale.begun.intent.entry_mode is EntryMode.CONTACTLESS
        assert sale.chip is not None
        assert (sale.chip.signature, sale.chip.free_minor) == (False, 100_000)
        assert there.around.acquirer.issuer.checked == 1  # the cryptogram of this very sale
        assert there.around.pad.asked == []
        assert there.screens[0] == "present_card"
        assert there.screens.index("remove_card") < there.screens.index("asking")


async def test_above_the_limit_the_pin_is_asked_again_until_it_is_right(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        pin, taps = "739204", [("unionpay-chip", Presented.TAP)] * 3
        there.around.acquirer.pins[CARDS["unionpay-chip"].number.reveal()] = pin
        ended = await there.sell(ABOVE, *taps, pins=("111111", TEST_PIN, pin))
        assert ended["ending"] == "success", ended
        assert there.around.acquirer.pins_seen == {"wrong": 2, "right": 1}
        prompts = [" ".join(asked.split()) for asked in there.around.pad.asked]
        assert prompts == [
            "1000.01 ENTER PIN",
            "1000.01 WRONG PIN: AGAIN",
            "1000.01 LAST TRY: PIN",
        ]
        assert there.around.acquirer.issuer.checked == 3  # three cryptograms, each used once
        sales = await there.terminal.journal.transactions()
        assert [sale.answer and sale.answer.response_code for sale in sales] == ["55", "55", "00"]
        assert sales[-1].chip is not None
        assert (sales[-1].chip.signature, sales[-1].chip.free_minor) == (False, 0)
        files = await anyio.to_thread.run_sync(lambda: list(tmp_path.glob("journal.db*")))
        assert files
        for file in files:
            assert pin.encode() not in await anyio.Path(file).read_bytes()


async def test_after_the_last_wrong_pin_it_is_declined(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        ended = await there.sell("5.00", ("unionpay", Presented.SWIPE), pins=("1111",) * 3)
        assert (ended["ending"], ended["response_code"]) == ("failed", "55")
        assert there.around.pad.asked[-1].endswith("LAST TRY: PIN   ")
        assert len(there.around.neo.activations) == 1  # a stripe is swiped once for all of them
        assert len(await there.terminal.journal.transactions()) == 3


async def test_no_pin_is_no_sale_and_the_next_one_goes(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        ended = await there.sell(ABOVE, ("unionpay-chip", Presented.TAP), pins=(None,))
        assert (ended["ending"], ended["code"]) == ("failed", "CRD-002")
        assert await there.terminal.journal.transactions() == []
        ended = await there.sell("3.00", ("visa-chip", Presented.TAP))
        assert ended["ending"] == "success"


async def test_a_chip_is_inserted_read_and_taken_out(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        acts = (("unionpay-chip", Presented.SWIPE), ("unionpay-chip", Presented.INSERT))
        ended = await there.sell("25.00", *acts, pins=(TEST_PIN,))
        assert ended["ending"] == "success", ended
        sale = await there.kept(ended)
        assert sale.begun.intent.entry_mode is EntryMode.CHIP
        sent = next(text for text in there.texts[1:] if text.startswith("Insert the card"))
        assert there.texts.index(sent) < there.screens.index("asking")  # swiped: to the slot
        assert there.screens[-1] == "remove_card"
        assert there.screens.index("asking") < there.screens.index("remove_card")


async def test_the_stripe_of_a_chip_counts_only_after_a_failed_insertion(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        acts = (("visa-chip", Presented.PULLED), ("visa-chip", Presented.SWIPE))
        ended = await there.sell("25.00", *acts)
        assert ended["ending"] == "success", ended
        sale = await there.kept(ended)
        assert sale.begun.intent.entry_mode is EntryMode.FALLBACK
        assert there.around.acquirer.entry_modes[-1] == int(EntryMode.FALLBACK)

        refused = (("visa-chip", Presented.BLOCKED), ("visa-chip", Presented.SWIPE))
        ended = await there.sell("25.00", *refused)
        assert (ended["ending"], ended["code"]) == ("failed", "CRD-313")


async def test_a_pin_is_never_taken_without_the_line_and_a_free_tap_is(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        await there.around.acquirer.set_down(down=True)
        while there.terminal.uplink.online:
            await there.terminal.uplink.changed()
        ended = await there.sell("9.00", ("unionpay", Presented.SWIPE), pins=(TEST_PIN,))
        assert (ended["ending"], ended["kind"]) == ("failed", "cancelled")
        assert "only the bank can check this card's PIN" in ended["reason"]
        ended = await there.sell("9.00", ("unionpay-chip", Presented.TAP))
        assert ended["kind"] == "approved_offline"


async def test_a_cancelled_sale_lets_the_reader_confirm(tmp_path: Path) -> None:
    async with shop(tmp_path) as there:
        ended: list[Any] = []

        async def sale() -> None:
            ended.append(await there.do("sale", {"amount": "1.00"}))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(sale)
                await there.around.neo.activated()
                assert (await there.desk_verb("card_cancel"))["ok"]
        assert ended[0]["code"] == "CRD-002"
        assert there.screens[-1] == "cancelling"
        assert there.around.neo.active is None
        assert not (await there.desk_verb("card_cancel"))["ok"]


async def test_a_basket_and_a_payment_code_from_the_scanner(tmp_path: Path) -> None:
    goods = (
        "gtin,name,price,description,quantity\n6901234567892,茶,12.50,,9\n96385074,糖,3.00,,9\n"
    )
    (tmp_path / "goods.csv").write_text(goods, encoding="utf-8")
    async with shop(tmp_path, board="host") as there:
        socket = tmp_path / "control.sock"
        await asked(socket, {"do": "goods_import", "path": str(tmp_path / "goods.csv")})
        seen: list[Any] = []
        codes = ("6901234567892", "96385074", "6901234567892", "5901234123457", "6901234567892")
        await there.scanner_there()

        async def scan(body: Any) -> None:
            seen.append(body)
            for code in codes[len(seen) - 1 : len(seen)]:
                await there.around.scanner.scan(code, aim=AIMS[len(code)])

        filled = await asked(socket, {"do": "goods_scan", "count": 4}, scan)
        assert filled["amount"] == "40.50"
        assert filled["codes"] == [["6901234567892", 3], ["96385074", 1]]
        assert [body["screen"] for body in seen] == ["scan"] + ["scanned"] * 3 + [
            "scan",
            "scanned",
        ]
        assert seen[4]["code"] == "GDS-202"  # not in the catalogue: told and not taken

        async def show(_: Any) -> None:
            await there.around.scanner.scan("134612345678901234", aim="]Q1")

        paid = await asked(socket, {"do": "qr_pay", "amount": "40.50"}, show)
        assert paid["ending"] == "success", paid
