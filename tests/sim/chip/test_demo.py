"""The demonstration set is a file that a terminal takes, and it knows the simulated cards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posfw.emv.loading import from_toml
from posfw.sim.chip.demo import demo_toml
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.profile import SCHEMES, UNIONPAY
from posfw.values.errors import ConfigError


def test_the_file_is_read_as_the_set_that_was_written() -> None:
    expected = replace(parameters(SCHEMES, floor_minor=10_000), terminal="", merchant="")
    assert from_toml(demo_toml(), source="demo") == expected


def test_a_changed_key_is_noticed() -> None:
    text = demo_toml((UNIONPAY,))
    at = text.index('modulus = "') + len('modulus = "')
    changed = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
    with pytest.raises(ConfigError, match="checksum"):
        from_toml(changed, source="demo")
