"""Stable codes that a person can meet and no other test does, each raised once by its cause.

The second half holds for the codes of keys and line: a code that no test names is a gap.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posfw.app.certificate import CertificateCare
from posfw.app.goods import Goods
from posfw.app.session import Session
from posfw.sale.limits import OfflinePolicy
from posfw.sim.certificates import make
from posfw.uplink.certificate import days_left
from posfw.values.errors import PosfwError
from posfw.values.events import Record, Topic
from posfw.values.money import MAX_MINOR, Money
from posfw.values.texts import Texts
from tests.app import test_activation, test_operators, test_settlement
from tests.app.fakes import SYSTEM, ScriptedAcquirer, SetClock, do, opened, sold

ROOT = Path(__file__).parents[2]


async def code_of(what: Awaitable[object]) -> str:
    with pytest.raises(PosfwError) as raised:
        await what
    assert raised.value.next_step_text
    return raised.value.stable_code


async def test_an_activation_card_without_a_code(tmp_path: Path) -> None:
    async with test_activation.bench(tmp_path) as b:
        await test_activation.until_issued(b)
        issued = test_activation.ISSUED | {"card": "  "}
        assert await code_of(do(b.activation, "activate_issued", **issued, **SYSTEM)) == "ACT-223"


@pytest.mark.may_block  # a file is made
async def test_goods_that_are_too_much_and_a_delivery_of_another_name(tmp_path: Path) -> None:
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(64 << 20)
    async with opened(tmp_path, SetClock()) as journal:
        goods = Goods(journal, SetClock())
        path = str(tmp_path / "big.csv")
        assert await code_of(do(goods, "goods_import", path=path)) == "GDS-206"
        sale = await sold(journal, 1000)
        new = do(goods, "delivery_new", delivery="X-1", key=str(sale))
        assert await code_of(new) == "GDS-211"


async def test_a_new_password_that_is_the_old_one() -> None:
    operators = await test_operators.changed()
    again = test_operators.do(
        operators, "operator_password", operator="00", password="482139", new="482139"
    )
    assert await code_of(again) == "OPR-127"


async def test_totals_that_one_more_sale_would_burst(tmp_path: Path) -> None:
    async with test_settlement.desk(tmp_path) as (settlement, journal, _):
        await sold(journal, 1000)
        refusal = await settlement.refusal(Money(MAX_MINOR))
        assert refusal is not None
        assert refusal.code == "SET-106"


async def test_an_acquirer_that_refuses_the_sign_on(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        acquirer = ScriptedAcquirer({"sign_on": {"response_code": "58"}})
        session = Session(journal, acquirer, clock, None, OfflinePolicy, Texts())  # type: ignore[arg-type]  # sign-on asks the line alone
        assert await code_of(session.sign_on()) == "NET-141"
        assert not (await journal.standing()).signed_on
        assert await journal.read(Topic.SESSION) == []


class Kept:
    """Records in memory."""

    def __init__(self) -> None:
        self.rows: list[Record] = []

    async def append(self, *records: Record) -> None:
        self.rows += records

    async def read(self, topic: Topic, after: int = 0) -> list[Record]:
        return [each for each in self.rows if each.topic is topic]


class Now:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.mark.may_block  # certificates are made
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"response_code": "58"}, "NET-142"),
        ({"response_code": "00"}, "NET-142"),  # and nothing with it
        ({"response_code": "00", "certificate": "text"}, "NET-142"),
        ({"response_code": "00", "certificate": b"nonsense"}, "SEC-201"),
        (None, "NET-001"),
    ],
)
async def test_a_renewal_that_fails_leaves_the_certificate_and_its_verbs_tell_why(
    tmp_path: Path, answer: dict[str, object] | None, code: str
) -> None:
    files = make(tmp_path, "12345678", device_days=(-60, 20))
    before, kept = files.device.read_bytes(), Kept()
    acquirer = ScriptedAcquirer({} if answer is None else {"activation": answer})
    care = CertificateCare(
        acquirer, kept, Now(), "12345678", files.ca, files.device, files.device_key
    )
    assert await code_of(care.renew()) == code
    assert files.device.read_bytes() == before
    assert kept.rows == []
    shown = await do(care, "certificate")
    assert (shown["ok"], shown["days_left"]) == (False, days_left(before, datetime.now(UTC)))
    assert "12345678" in shown["subject"]
    assert shown["from"] < shown["to"]
    if answer is None:
        assert (await do(care, "certificate_renew"))["code"] == "NET-001"


def test_every_code_of_keys_and_line_is_named_by_a_test() -> None:
    code = re.compile(r"\b(?:SEC|NET|WIR)-\d{3}\b")
    ours = {
        found
        for file in (ROOT / "src").rglob("*.py")
        for found in code.findall(file.read_text("utf-8"))
    }
    tests = "".join(file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py"))
    assert sorted(each for each in ours if each not in tests) == []
    assert len(ours) > 30  # the pattern still finds them
