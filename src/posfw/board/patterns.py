"""What lamps and the buzzer do: patterns as tables, so that every board blinks and beeps alike."""

from __future__ import annotations

from typing import Final

__all__ = ["DELAYS_MS", "TONES", "led_writes"]

# State -> milliseconds on and off for the kernel's timer trigger. No time off is lit, no time on
# is dark (drivers/leds/led-core.c), so the trigger is set once and stays: its delay files, and
# with them their owner, would be made anew at each change. Two rates are told apart by eye.
DELAYS_MS: Final = {"on": (1000, 0), "off": (0, 1000), "slow": (200, 1800), "fast": (250, 250)}

# Tone -> (hertz, milliseconds) in turn, 0 Hz is silence. All digits share `key`: pitch must not
# tell which digit of a PIN was pressed (screens page, section 6).
TONES: Final = {
    "key": ((2000, 40),),
    "ok": ((1500, 80), (2000, 120)),
    "error": ((400, 200), (0, 80), (400, 200)),
    "remove_card": ((1000, 100), (0, 100), (1000, 100), (0, 100), (1000, 100)),
    "read_card": ((2000, 150),),
}


def led_writes(state: str) -> tuple[tuple[str, str], ...] | None:
    """Return the (file, text) pairs that put a LED into a state, None for an unknown state.

    The time that is not zero comes first: both zero would mean the kernel's own 500 ms blink.
    """
    if state not in DELAYS_MS:
        return None
    on_ms, off_ms = DELAYS_MS[state]
    files = (("delay_on", str(on_ms)), ("delay_off", str(off_ms)))
    return files if on_ms else files[::-1]
