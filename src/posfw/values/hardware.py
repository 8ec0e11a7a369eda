"""What a board is made of, as values with units in their names; `board` reads them from TOML.

Only what other slices consume stands here. Figures of the default head are those of a Seiko
LTP02-245 (reference manual p31) on PD150R paper, the example of docs/boards.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "CardPort",
    "HeadProfile",
    "PrinterProfile",
    "SerialProfile",
    "ThermalProfile",
]


@dataclass(frozen=True, slots=True)
class SerialProfile:
    """A serial port by role. `path` is a stable path, `socket://host:port`, or a pty's link."""

    path: str
    baud: int = 115_200
    rtscts: bool = False


@dataclass(frozen=True, slots=True)
class CardPort:
    """A way in for cards: which codec speaks on which port."""

    driver: str  # magstripe | scanner | vivotech2 | pcsc | pinpad
    port: SerialProfile | None = None
    reader: str = ""  # PC/SC reader name prefix


@dataclass(frozen=True, slots=True)
class HeadProfile:
    """Electrical data of a directly driven thermal head (boards page, section 3)."""

    resistance_ohm: float = 180.0
    r_min_ohm: float = 162.0
    ri_ohm: float = 9.0
    rc_ohm: float = 0.379
    voltage_min: float = 5.5
    voltage_nominal: float = 7.2
    voltage_max: float = 8.0
    max_dots_on: int = 64
    energy_mj_25c: float = 0.3558
    energy_tc_mj_per_c: float = 0.002432
    max_pulse_us: int = 3500


@dataclass(frozen=True, slots=True)
class ThermalProfile:
    """Limits, model and sensor bounds of the print head."""

    source: str = "none"  # hwmon:… | iio:… | serial-status | none
    stop_c: float = 75.0
    resume_c: float = 60.0
    slow_c: float = 60.0
    cold_c: float = 5.0
    max_c: float = 80.0
    ambient_c: float = 25.0  # assumed where no sensor tells
    max_age_s: float = 2.0
    open_c: float = -30.0
    short_c: float = 120.0
    slew_c_per_s: float = 15.0
    tau_s: float = 45.0
    rise_c_per_kdot: float = 0.045  # model gain: heating by 1,000 dots fired
    window_s: float = 60.0  # over which `duty` holds
    duty: tuple[tuple[float, float], ...] = ((25.0, 0.20), (35.0, 0.10), (50.0, 0.04))


@dataclass(frozen=True, slots=True)
class PrinterProfile:
    """The printing mechanism and how to speak to it."""

    driver: str = "escpos-serial"  # escpos-serial | escpos-tcp | escpos-usb | head-spi
    port: SerialProfile | None = None
    font: str = "raster"  # gb18030 | raster
    status: str = "epson"  # epson | esc-v | star | none
    dots: int = 384
    dpi: int = 203
    line_mm: float = 0.125
    max_speed_mm_s: float = 60.0
    cutter: str = "none"  # none | partial | full
    paper_out: str = "unsure"  # keeps | loses | unsure: its buffer when paper ends or cover opens
    head: HeadProfile | None = None
    thermal: ThermalProfile = field(default_factory=ThermalProfile)
