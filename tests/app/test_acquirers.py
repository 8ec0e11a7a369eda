from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from posfw.app.acquirers import load_profiles, schedule_of
from posfw.values.errors import ConfigError


def test_every_shipped_acquirer_has_rates_for_today() -> None:
    profiles = load_profiles()
    assert {"allinpay", "fuiou", "lakala", "unionpay"} <= profiles.keys()
    for chosen in profiles.values():
        assert schedule_of(chosen).rate("debit", date(2026, 3, 2)) is not None


def test_wrong_rates_are_named_with_their_file() -> None:
    broken = replace(load_profiles()["lakala"], fees=({"card": "gold"},))
    with pytest.raises(ConfigError, match=r"lakala\.toml"):
        schedule_of(broken)
