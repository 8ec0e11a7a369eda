from __future__ import annotations

import importlib.resources.abc

import pytest

from posfw.activate.profile import parse
from posfw.values.errors import ConfigError

FILES = [
    each
    for each in (importlib.resources.files("posfw") / "acquirers").iterdir()
    if each.name.endswith(".toml")
]


def test_the_four_acquirers_of_the_guide_are_shipped() -> None:
    names = {file.name.removesuffix(".toml") for file in FILES}
    assert names >= {"unionpay", "fuiou", "allinpay", "lakala"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_shipped_profile_is_sound(file: importlib.resources.abc.Traversable) -> None:
    profile = parse(file.read_text(encoding="utf-8"), source=file.name, profile_id=file.name[:-5])
    assert any(paper.required for paper in profile.papers)
    assert profile.steps
    assert profile.manual
    assert profile.hotline.isdigit()
    assert not profile.collection
    assert profile.deposit_minor == 0


def test_all_mistakes_are_told_at_once() -> None:
    text = FILES[0].read_text(encoding="utf-8")
    broken = (
        text.replace("warn_min = 15", 'warn_min = "15"')
        .replace("qps_minor", "qps_miner")
        .replace('id = "identity"', 'id = "agreement"')
        .replace("rounds = 8", "rounds = 0")
        .replace("void = 15000", "sail = 15000")
        .replace("refund = 15000", "refund = 0")
        + "\n[extra]\n"
    )
    with pytest.raises(ConfigError) as error:
        parse(broken, source="x.toml", profile_id="x")
    for word in (
        "warn_min",
        "qps_miner: is not",
        "qps_minor: is missing",
        "twice",
        "rounds",
        "sail: must",
        "refund: must",
    ):
        assert word in error.value.cause
    assert "extra: is not known" in error.value.cause


def test_no_toml_at_all_is_named() -> None:
    with pytest.raises(ConfigError):
        parse("[acquirer", source="x.toml", profile_id="x")
