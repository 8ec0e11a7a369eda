"""Fakes of the board's ports, and trees of kernel files that the real drivers read.

test_hardware.py runs one set of contracts over both.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from posfw.board.patterns import TONES, led_writes
from posfw.ports import Charge
from posfw.values.errors import DeviceError, MisuseError


class FakeHeadSensor:
    def __init__(self) -> None:
        self.celsius: float | None = 25.0

    async def read(self) -> float | None:
        return self.celsius


class FakeLamps:
    def __init__(self, roles: tuple[str, ...]) -> None:
        self.lamps = dict.fromkeys(roles, "off")
        self.tones: list[str] = []

    async def show(self, lamps: Mapping[str, str]) -> None:
        for role, state in lamps.items():
            if led_writes(state) is None:
                raise MisuseError(f"{state!r} is no state of the lamp {role!r}.")
        self.lamps.update({role: s for role, s in lamps.items() if role in self.lamps})

    async def tone(self, name: str) -> None:
        if name not in TONES:
            raise MisuseError(f"{name!r} is no tone.")
        self.tones.append(name)


class FakeKeypad:
    def __init__(self) -> None:
        self.pressed: list[str] = []

    async def keys(self) -> AsyncIterator[str]:
        while self.pressed:
            yield self.pressed.pop(0)
        raise DeviceError("The keypad went away.", code="DEV-014")


class FakeWatchdog:
    def __init__(self) -> None:
        self.armed = False
        self.fed = 0

    async def open(self) -> int:
        self.armed = True
        return 30

    async def feed(self) -> None:
        if not self.armed:
            raise DeviceError("The watchdog is not open.", code="DEV-015")
        self.fed += 1

    async def close(self) -> None:
        self.armed = False


class FakeBattery:
    def __init__(self) -> None:
        self.charge: Charge | None = Charge(80, 7400, charging=False)

    async def read(self) -> Charge | None:
        return self.charge


class KernelTree:
    """Files as /sys and /dev hold them, below a folder of the test's."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def get(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def link(self, path: str, target: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        (self.root / target).mkdir(parents=True, exist_ok=True)
        file.symlink_to(self.root / target)

    def hwmon(self, number: int, name: str, milli_c: int | str) -> None:
        self.put(f"sys/class/hwmon/hwmon{number}/name", f"{name}\n")
        self.put(f"sys/class/hwmon/hwmon{number}/temp1_input", f"{milli_c}\n")

    def led(self, name: str) -> None:
        for file in ("trigger", "delay_on", "delay_off"):
            self.put(f"sys/class/leds/{name}/{file}", "none timer" if file == "trigger" else "0")

    def pwm(self, device: str, channel: int = 0) -> str:
        self.link("sys/class/pwm/pwmchip4/device", f"sys/devices/platform/{device}")
        base = f"sys/class/pwm/pwmchip4/pwm{channel}"
        for file in ("period", "duty_cycle", "enable"):
            self.put(f"{base}/{file}", "0")
        return base

    def keypad(self, name: str) -> int:
        """Make an input device; returns a descriptor through which keys are pressed."""
        self.put("sys/class/input/event3/device/name", f"{name}\n")
        pipe = self.root / "dev/input/event3"
        pipe.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(pipe)
        return os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
