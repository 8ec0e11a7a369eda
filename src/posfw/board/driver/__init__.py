"""Hardware through the kernel's own files below a root, so that tests hand in a tree of theirs.

File calls may wait for an I2C bus, so they run on a worker thread, one at a time a device.
"""

from posfw.board.driver.journald import JournaldSink, stderr_is_the_journal
from posfw.board.driver.keypad import KernelKeypad
from posfw.board.driver.lamps import KernelLamps
from posfw.board.driver.lines import GpioLines
from posfw.board.driver.notify import ServiceManager
from posfw.board.driver.power import KernelBattery, rtc_utc_s
from posfw.board.driver.sensors import KernelHeadSensor
from posfw.board.driver.sysfs import serial_path
from posfw.board.driver.watchdog import KernelWatchdog

__all__ = [
    "GpioLines",
    "JournaldSink",
    "KernelBattery",
    "KernelHeadSensor",
    "KernelKeypad",
    "KernelLamps",
    "KernelWatchdog",
    "ServiceManager",
    "rtc_utc_s",
    "serial_path",
    "stderr_is_the_journal",
]
