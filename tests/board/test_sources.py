from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.board.sources import KINDS, Source, complaint_of, parse_source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("none", Source("none")),
        ("serial-status", Source("serial-status")),
        ("hwmon:name=head,temp1", Source("hwmon", "head", "temp1")),
        ("iio:name=2198000.adc,voltage0", Source("iio", "2198000.adc", "voltage0")),
        ("thermal:type=printhead-thermal", Source("thermal", "printhead-thermal")),
        ("gpio:PAPER_N,active_low", Source("gpio", "PAPER_N", active_low=True)),
        ("gpio:COVER", Source("gpio", "COVER")),
        ("leds:beaglebone:green:usr2", Source("leds", "beaglebone:green:usr2")),
        ("pwm:2080000.pwm/0", Source("pwm", "2080000.pwm", "0")),
        ("event:name=gpio-keys", Source("event", "gpio-keys")),
        ("power_supply:axp20x-battery", Source("power_supply", "axp20x-battery")),
    ],
)
def test_every_form_is_read(text: str, source: Source) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize(
    "text",
    ["", "hwmon", "hwmon:head,temp1", "hwmon:name=head", "gpio:", "gpio:X,activelow", "pwm:x",
     "event:gpio-keys", "none:x", "usb:1", "leds:", "thermal:type=x,y"],
)  # fmt: skip
def test_other_forms_are_refused(text: str) -> None:
    assert parse_source(text) is None


def test_a_kind_that_does_not_belong_there_is_told() -> None:
    assert complaint_of("gpio:X", ("gpio", "none")) == ""
    assert "must be gpio:LINE" in complaint_of("leds:x", ("gpio", "none"))


@given(st.text(max_size=30) | st.sampled_from(sorted(KINDS)).map(lambda kind: f"{kind}:name=x,y"))
def test_any_text_is_a_source_or_nothing(text: str) -> None:
    found = parse_source(text)
    assert found is None or found.kind in KINDS
