"""The two copies of the boot state on their partition, or in a file: read, written, read back."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from posfw.update.bootstate import COPY_BYTES, OFFSETS, BootState, newest, to_write
from posfw.values.errors import DeviceError

__all__ = ["BootStore"]


@dataclass(frozen=True, slots=True)
class BootStore:
    """The state partition.

    Attributes:
        path: block device or file of at least OFFSETS[1] + COPY_BYTES bytes.
    """

    path: Path

    def read(self) -> BootState | None:
        """Return the state that counts, None where neither copy verifies.

        Raises:
            DeviceError: the partition cannot be read.
        """
        with self._opened(os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
            found = newest(self._copies(descriptor))
        return None if found is None else found[0]

    def change(self, step: Callable[[BootState], BootState]) -> BootState:
        """Apply a step and return the state as it was read back; durable on return.

        Where neither copy verifies the step begins with a fresh state, as the boot script does.

        Raises:
            DeviceError: UPD-207, what was written is not what is read; the old state counts.
        """
        with self._opened(os.O_RDWR, fcntl.LOCK_EX) as descriptor:
            copies = self._copies(descriptor)
            now = newest(copies)
            wanted = step(BootState() if now is None else now[0])
            if now is not None and wanted == now[0]:
                return wanted
            number, data = to_write(copies, wanted)
            self._write(descriptor, OFFSETS[number], data)
            found = newest(self._copies(descriptor))
            if self._copies(descriptor)[number] != data or found is None or found[1] != number:
                raise DeviceError(
                    f"The boot state on {self.path} did not come back as it was written.",
                    code="UPD-207",
                    effect="The former boot state counts; nothing is marked.",
                    next_step="Replace the storage: it takes writes that it does not keep.",
                )
            return found[0]

    def _write(self, descriptor: int, at: int, data: bytes) -> None:
        os.pwrite(descriptor, data, at)
        os.fsync(descriptor)
        # What is read next must come from the medium: rauc/rauc#1140 told success without it.
        with suppress(OSError):
            os.posix_fadvise(descriptor, at, len(data), os.POSIX_FADV_DONTNEED)

    def _copies(self, descriptor: int) -> list[bytes]:
        return [os.pread(descriptor, COPY_BYTES, at) for at in OFFSETS]

    @contextmanager
    def _opened(self, flags: int, lock: int) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, flags | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, lock)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DeviceError(
                f"The boot state on {self.path} cannot be used: {error.strerror}.", code="UPD-206"
            ) from error
