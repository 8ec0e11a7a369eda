"""What the desk of a rig refuses, and says why."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from posfw.app.catalogue import load_texts
from posfw.sim.chip.hand import ChipHand
from posfw.sim.desk import RigDesk
from posfw.values.errors import RefusedError

TEXTS = load_texts("zh-Hans")


@pytest.mark.parametrize(
    ("hand", "code", "chinese"),
    [(True, "OPR-010", "虚拟芯片读卡器"), (False, "OPR-008", "没有读卡器在等卡")],
)
async def test_a_card_that_nothing_takes_is_refused_for_its_own_reason(
    hand: bool, code: str, chinese: str
) -> None:
    around: Any = SimpleNamespace(neo=SimpleNamespace(active=None))
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        desk = RigDesk(around, hand=ChipHand(port) if hand else None)
        body = {"card": "unionpay-chip", "way": "insert"}
        with pytest.raises(RefusedError) as refused:
            await desk.verbs()["card_present"](body, lambda _: None)
    assert refused.value.stable_code == code
    assert chinese in TEXTS(code)
