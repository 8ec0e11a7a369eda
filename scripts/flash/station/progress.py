"""Progress of several targets: lines for people, NDJSON for programs, with the time left."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Final, TextIO

__all__ = ["Meter", "Progress"]

EVERY_S: Final = 0.5


class Meter:
    """How far one target is: written and verified bytes count half each."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._done: dict[str, int] = {}
        self._total = 1

    def update(self, phase: str, done: int, total: int) -> None:
        """Take what a phase has done."""
        self._done[phase] = done
        self._total = max(1, total)

    def share(self) -> float:
        """Return 0.0 to 1.0; what was resumed counts as written and verified."""
        resumed = self._done.get("resume", 0)
        work = self._done.get("write", 0) + self._done.get("verify", 0) + 2 * resumed
        return min(1.0, work / (2 * self._total))

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds left at the rate so far, None before there is a rate."""
        share = self.share()
        if share <= 0.01:
            return None
        return (now_s - self._began_s) * (1 - share) / share


class Progress:
    """Writes to one stream from many threads; `form` is json, text or none."""

    def __init__(self, form: str, stream: TextIO = sys.stderr) -> None:
        self._form = form
        self._stream = stream
        self._lock = threading.Lock()
        self._meters: dict[str, Meter] = {}
        self._told_s: dict[str, float] = {}

    def tell(self, target: str, phase: str, done: int, total: int) -> None:
        """Take one step of a target; tells it at most twice a second."""
        now_s = time.monotonic()
        with self._lock:
            meter = self._meters.setdefault(target, Meter(now_s))
            meter.update(phase, done, total)
            last_s = self._told_s.get(target)
            if self._form == "none" or (last_s is not None and now_s - last_s < EVERY_S):
                return
            self._told_s[target] = now_s
            self._line(target, phase, meter.share(), meter.left_s(now_s))

    def _line(self, target: str, phase: str, share: float, left_s: float | None) -> None:
        percent = round(share * 100, 1)
        if self._form == "json":
            event = {"event": "progress", "target": target, "phase": phase, "percent": percent}
            left = None if left_s is None else round(left_s, 1)
            self._stream.write(json.dumps({**event, "left_s": left}) + "\n")
        else:
            left_text = "" if left_s is None else f", {left_s:.0f} s left"
            self._stream.write(f"{target}: {phase} {percent} %{left_text}\n")
        self._stream.flush()
