"""Messages to the service manager (sd_notify(3)): one datagram each, no library."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

__all__ = ["ServiceManager"]


class ServiceManager:
    """Tells systemd how the service stands; without NOTIFY_SOCKET every call does nothing.

    Args:
        environment: of the process; WATCHDOG_USEC and WATCHDOG_PID are read too.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._address = given.get("NOTIFY_SOCKET", "")
        mine = given.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = given.get("WATCHDOG_USEC", "")
        self._watchdog_s = int(usec) / 1e6 if mine and usec.isdigit() else 0.0

    @property
    def watchdog_s(self) -> float:
        """Silence after which systemd restarts the service; 0.0 where it does not watch."""
        return self._watchdog_s

    def ready(self, status: str) -> bool:
        """Say that the terminal takes cards now."""
        return self.send(READY="1", STATUS=status)

    def status(self, text: str) -> bool:
        """Say in one line how it stands (systemctl status)."""
        return self.send(STATUS=text)

    def alive(self) -> bool:
        """Feed the manager's watchdog."""
        return self.send(WATCHDOG="1")

    def stopping(self) -> bool:
        """Say that a clean stop has begun."""
        return self.send(STOPPING="1")

    def send(self, **fields: str) -> bool:
        """Send one message; returns whether a manager was there to take it."""
        if not self._address.startswith(("/", "@")):
            return False
        # A leading @ means the abstract name space (a NUL byte on the wire).
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        lines = (f"{key}={value.replace(chr(10), ' ')}" for key, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
                # Full or gone: a message lost is a late restart, waiting here would be a hang.
                wire.settimeout(0)
                wire.sendto("\n".join(lines).encode(), address)
        except OSError:
            return False
        return True
