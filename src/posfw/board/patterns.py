"""What lamps and the buzzer do: patterns as tables, so that every board blinks and beeps alike."""

from __future__ import annotations

from typing import Final

__all__ = ["BLINK_MS", "TONES", "led_writes"]

# State -> milliseconds on and off. Two rates a person tells apart without counting.
BLINK_MS: Final = {"slow": (200, 1800), "fast": (250, 250)}

# Tone -> (hertz, milliseconds) in turn, 0 Hz is silence. All digits share `key`: pitch must not
# tell which digit of a PIN was pressed (screens page, section 6).
TONES: Final = {
    "key": ((2000, 40),),
    "ok": ((1500, 80), (2000, 120)),
    "error": ((400, 200), (0, 80), (400, 200)),
    "remove_card": ((1000, 100), (0, 100), (1000, 100), (0, 100), (1000, 100)),
    "read_card": ((2000, 150),),
}


def led_writes(state: str, full: int) -> tuple[tuple[str, str], ...] | None:
    """Return the (file, text) pairs that put a LED into a state, None for an unknown state.

    The timer trigger makes the delay files, so it comes first; `none` ends a blink.
    """
    if state in BLINK_MS:
        on_ms, off_ms = BLINK_MS[state]
        return (("trigger", "timer"), ("delay_on", str(on_ms)), ("delay_off", str(off_ms)))
    if state in ("on", "off"):
        return (("trigger", "none"), ("brightness", str(full if state == "on" else 0)))
    return None
