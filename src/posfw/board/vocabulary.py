"""Every key a board profile may have: the closed schema. What the keys mean: docs/boards.md."""

from __future__ import annotations

from typing import Final

from posfw.board.schema import Leaf, Schema, one_of, positive, texts
from posfw.board.sources import complaint_of
from posfw.values.hardware import HeadProfile, ThermalProfile

__all__ = ["SCHEMA"]

NUMBER: Final = (int, float)


def _source(*kinds: str) -> Leaf:
    return Leaf(str, rule=lambda text: complaint_of(text, kinds))


def _share(value: float) -> str:
    return "" if 0 < value <= 1 else "must be a share above 0, at most 1"


def _celsius(value: float) -> str:
    # Semiconductors and paper end well inside; what lies outside is a slip of unit or digit.
    return "" if -60 <= value <= 200 else "must lie between -60 and 200 C"


def _usb_ids(value: list[object]) -> str:
    for item in value:
        if not (isinstance(item, dict) and item.keys() == {"vid", "pid"}):
            return "must hold tables { vid = 0x…, pid = 0x… }"
        if not all(isinstance(i, int) and 0 <= i <= 0xFFFF for i in item.values()):
            return "vid and pid must be 16-bit numbers"
    return ""


_SERIAL: Final[Schema] = {
    "path": Leaf(str),
    "of_node": Leaf(str, rule=lambda v: "" if v.startswith("/") else "must begin with /"),
    "baud": positive(int),
    "rtscts": Leaf(bool),
    "reserved": Leaf(bool),
}
_THERMAL: Final[Schema] = {
    name: Leaf(NUMBER, rule=_celsius if name.endswith("_c") else positive().rule)
    for name in ThermalProfile.__dataclass_fields__
    if name not in ("duty", "source")
} | {
    "source": _source("hwmon", "iio", "thermal", "serial-status", "none"),
    "duty": {"*": Leaf(NUMBER, rule=_share)},
}
# Inherited in parts, so whether it is whole is a rule (board/rules.py), not a required key.
_THERMISTOR: Final[Schema] = {
    "r25_ohm": positive(),
    "beta": positive(),
    "pullup_ohm": positive(),
    "vref_mv": positive(),
    "adc_max": positive(int),
}
_PRINTER: Final[Schema] = {
    "driver": one_of("escpos-serial", "escpos-tcp", "escpos-usb", "head-spi"),
    "font": one_of("gb18030", "raster"),
    "status": one_of("epson", "esc-v", "star", "none"),
    "dots": positive(int),
    "dpi": positive(int),
    "line_mm": positive(),
    "max_speed_mm_s": positive(),
    "cutter": one_of("none", "partial", "full"),
    "paper_out": one_of("keeps", "loses", "unsure"),
    "head": {name: positive() for name in HeadProfile.__dataclass_fields__},
    "thermal": _THERMAL,
    "thermistor": _THERMISTOR,
    "paper": {
        "end": _source("gpio", "serial-status", "none"),
        "near_end": _source("gpio", "serial-status", "none"),
        "cover": _source("gpio", "serial-status", "none"),
    },
}
_DISPLAY: Final[Schema] = {
    "kind": one_of("lcd", "text", "none"),
    "width_px": positive(int),
    "height_px": positive(int),
    "dpi": positive(),
    "touch": Leaf(bool),
    "key_px": positive(int),
    "cols": positive(int),
    "rows": positive(int),
}
_BODY: Final[Schema] = {
    "soc": {
        "name": Leaf(str),
        "arch": one_of("armv7l", "aarch64", "x86_64"),
        "cores": positive(int),
        "ram_mib": positive(int),
    },
    "serial": {"*": _SERIAL},
    "card": {"driver": one_of("magstripe", "scanner", "vivotech2", "pcsc", "pinpad")},
    # What hangs on the port of that role: a port alone may be free.
    "pinpad": {"driver": one_of("abecs")},
    "printer": _PRINTER,
    "power": {
        "source": one_of("adapter", "battery"),
        "budget_ma": positive(int),
        "motor_ma": positive(int),
        "battery": _source("power_supply", "none"),
        "print_min_pct": Leaf(int, rule=lambda v: "" if 0 <= v <= 100 else "must be 0 to 100"),
    },
    "leds": {name: _source("leds", "none") for name in ("power", "net", "error", "paper")},
    "buzzer": {"pwm": _source("pwm", "none")},
    "drawer": {
        "gpio": _source("gpio", "none"),
        "pulse_ms": positive(int),
        "cool_ms": positive(int),
    },
    "keypad": {"input": _source("event", "none"), "keys": {"*": Leaf(str)}},
    "display": _DISPLAY,
    "keys": {"element": one_of("software", "pkcs11"), "tamper": _source("gpio", "none")},
    "watchdog": {"identity": Leaf(str), "timeout_s": positive(int)},
    "rtc": {"name": Leaf(str)},
    "storage": {
        "reserve_mib": positive(int),
        "device_glob": Leaf(str),
        "min_gib": positive(),
        "slots": {"a": Leaf(str), "b": Leaf(str)},
        "data": Leaf(str),
    },
    "flash": {
        "methods": texts("block"),
        "image_max_mib": positive(int),
        "bus": texts("usb", "mmc", "sd", "nvme", "virtio", "file"),
        "usb": Leaf(list, rule=_usb_ids),
    },
    "selftest": {
        "order": texts(
            "storage", "rtc", "watchdog", "card", "head", "paper",
            "keypad", "leds", "buzzer", "network", "secure",
        ),
        "rise_min_c": positive(),
        "rise_max_c": positive(),
    },
}  # fmt: skip
SCHEMA: Final[Schema] = {
    "schema": Leaf(int, required=True, rule=lambda v: "" if v == 1 else "must be 1"),
    "id": Leaf(str, required=True),
    "name": Leaf(str, required=True),
    "status": Leaf(
        str,
        required=True,
        rule=one_of("supported", "community", "wip", "eol", "simulated").rule,
    ),
    "tried": Leaf(str, required=True, rule=lambda v: "" if v.strip() else "must not be empty"),
    "match": {
        "compatible": texts(),
        "soc": texts(),
        "dmi": texts(),
        "generic": Leaf(bool),
        "revision": {
            "file": Leaf(str),
            "map": {"*": Leaf(str)},
            "default": Leaf(str, required=True),
        },
    },
    "revisions": {"*": _BODY},
    **_BODY,
}
