"""Names of kernel objects in a profile: `hwmon:name=head,temp1`, `gpio:PAPER_N,active_low`.

Numbers of hwmon, iio, gpiochip and input nodes move between boots, so a profile selects by the
name the kernel gives and the driver looks it up when it opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["KINDS", "Source", "complaint_of", "parse_source"]

# kind -> (what it looks like, whether a channel is needed)
KINDS: Final = {
    "none": ("none", False),
    "serial-status": ("serial-status", False),
    "hwmon": ("hwmon:name=NAME,temp1", True),
    "iio": ("iio:name=NAME,voltage0", True),
    "thermal": ("thermal:type=TYPE", False),
    "gpio": ("gpio:LINE[,active_low]", False),
    "leds": ("leds:NAME", False),
    "pwm": ("pwm:NAME/CHANNEL", True),
    "event": ("event:name=NAME", False),
    "power_supply": ("power_supply:NAME", False),
}
_BARE: Final = ("none", "serial-status")
_LABELS: Final = {"hwmon": "name=", "iio": "name=", "thermal": "type=", "event": "name="}


@dataclass(frozen=True, slots=True)
class Source:
    """One kernel object: its class, its name there, a channel, and the sense of a GPIO line."""

    kind: str
    name: str = ""
    channel: str = ""
    active_low: bool = False

    @property
    def real(self) -> bool:
        """Whether it names a kernel object at all."""
        return self.kind not in _BARE


def parse_source(text: str) -> Source | None:
    """Return the object a text names, or None where the text has none of the known forms."""
    if text in _BARE:
        return Source(text)
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS or kind in _BARE:
        return None
    label = _LABELS.get(kind, "")
    if not rest.startswith(label):
        return None
    name, _, channel = rest.removeprefix(label).partition("/" if kind == "pwm" else ",")
    active_low = kind == "gpio" and channel == "active_low"
    if active_low:
        channel = ""
    if not name or bool(channel) != KINDS[kind][1]:
        return None
    return Source(kind, name, channel, active_low)


def complaint_of(text: str, allowed: tuple[str, ...]) -> str:
    """Return what is wrong with a source of one of the allowed kinds, or nothing."""
    found = parse_source(text)
    if found is not None and found.kind in allowed:
        return ""
    return "must be " + " or ".join(KINDS[kind][0] for kind in allowed) + f", not {text!r:.60}"
