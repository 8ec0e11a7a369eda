"""Lamps through the LED class, the buzzer through the PWM class."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio

from posfw.board.driver.sysfs import children, read, write
from posfw.board.patterns import TONES, led_writes
from posfw.board.sources import Source
from posfw.values.errors import DeviceError, MisuseError

__all__ = ["KernelLamps"]


class KernelLamps:
    """Implements ports.Lamps; roles that the board has no lamp for are left alone.

    Blinking is the kernel's timer trigger, so a lamp costs no wake-up of ours.

    Args:
        leds: role (power, net, error, paper) -> LED.
        buzzer: PWM channel, None where the board has none.
        root: where /sys lies.
        sleep: waits between the notes of a tone.
    """

    def __init__(
        self,
        leds: Mapping[str, Source],
        *,
        buzzer: Source | None = None,
        root: Path = Path("/"),
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._leds = leds
        self._buzzer = buzzer
        self._root = root
        self._sleep = sleep
        self._limiter = anyio.CapacityLimiter(1)
        self._shown: dict[str, str] = {}

    async def show(self, lamps: Mapping[str, str]) -> None:
        """Set lamps to on, off, slow or fast; what is so already is not written again.

        Raises:
            MisuseError: a state nobody knows.
            DeviceError: a lamp is gone (DEV-011); the others are set all the same.
        """
        for role, state in lamps.items():
            if led_writes(state) is None:
                raise MisuseError(f"{state!r} is no state of the lamp {role!r}.")
        await anyio.to_thread.run_sync(self._show, dict(lamps), limiter=self._limiter)

    async def tone(self, name: str) -> None:
        """Sound key, ok, error, remove_card or read_card; silence where there is no buzzer.

        Cancelling it silences the buzzer.

        Raises:
            MisuseError: a tone nobody knows.
            DeviceError: the buzzer is gone (DEV-012).
        """
        if name not in TONES:
            raise MisuseError(f"{name!r} is no tone.")
        if self._buzzer is None:
            return
        try:
            for hertz, length_ms in TONES[name]:
                await anyio.to_thread.run_sync(self._sound, hertz, limiter=self._limiter)
                await self._sleep(length_ms / 1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._sound, 0, limiter=self._limiter)

    def _show(self, lamps: Mapping[str, str]) -> None:
        gone = []
        for role, state in lamps.items():
            source = self._leds.get(role)
            if source is None or self._shown.get(role) == state:
                continue
            try:
                self._set(self._root / "sys/class/leds" / source.name, state)
                self._shown[role] = state
            except OSError:
                self._shown.pop(role, None)
                gone.append(f"{role} ({source.name})")
        if gone:
            raise DeviceError(f"Lamps cannot be set: {', '.join(gone)}.", code="DEV-011")

    def _set(self, led: Path, state: str) -> None:
        # `none [timer] heartbeat`: the brackets mark the trigger in force.
        if "[timer]" not in (read(led / "trigger") or ""):
            write(led / "trigger", "timer")
        for file, text in led_writes(state) or ():
            write(led / file, text)

    def _sound(self, hertz: int) -> None:
        try:
            channel = self._channel()
            if hertz == 0:
                write(channel / "enable", "0")
                return
            period_ns = 1_000_000_000 // hertz
            # The kernel refuses a duty above the period, so it goes down before the period moves.
            write(channel / "duty_cycle", "0")
            write(channel / "period", str(period_ns))
            write(channel / "duty_cycle", str(period_ns // 2))
            write(channel / "enable", "1")
        except OSError as error:
            raise DeviceError("The buzzer cannot be driven.", code="DEV-012") from error

    def _channel(self) -> Path:
        source = self._buzzer
        if source is None:
            raise FileNotFoundError
        for chip in children(self._root / "sys/class/pwm"):
            if (chip / "device").resolve().name == source.name:
                channel = chip / f"pwm{source.channel}"
                if not channel.is_dir():
                    write(chip / "export", source.channel)
                return channel
        raise FileNotFoundError(source.name)
