"""Log entries straight to journald, with fields; only where stderr is the journal's own stream."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

from posfw.board.native_log import PRIORITY, encode_entry, field_name

__all__ = ["JournaldSink", "stderr_is_the_journal"]

SOCKET: Final = "/run/systemd/journal/socket"


def stderr_is_the_journal(environment: Mapping[str, str] | None = None) -> bool:
    """Say whether systemd connected stderr to the journal: JOURNAL_STREAM names its inode."""
    given = os.environ if environment is None else environment
    try:
        device, _, inode = given["JOURNAL_STREAM"].partition(":")
        seen = os.fstat(2)
        return (int(device), int(inode)) == (seen.st_dev, seen.st_ino)
    except (KeyError, ValueError, OSError):
        return False


class JournaldSink:
    """Sends entries; what journald does not take at once is dropped and counted, never waited for.

    Redaction comes before: this sends what it is given.
    """

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._wire.settimeout(0)
        self.dropped = 0

    def send(self, message: str, *, level: int, **event: object) -> bool:
        """Send one entry; `event` becomes POSFW_… fields. Returns whether it was taken."""
        fields = {
            "MESSAGE": message,
            "PRIORITY": str(PRIORITY.get(level, 6)),
            "SYSLOG_IDENTIFIER": "posfw",
        } | {field_name(key): str(value) for key, value in event.items()}
        try:
            self._wire.sendto(encode_entry(fields), self._path)
        except OSError:
            self.dropped += 1
            return False
        return True

    def close(self) -> None:
        """Give the socket back."""
        self._wire.close()
