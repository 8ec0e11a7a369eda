"""What the uplink is told: where the acquirer is, who asks, how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from posfw.values.errors import ConfigError

__all__ = ["UplinkSettings", "host_and_port"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkSettings:
    """Settings of one line to one acquirer.

    Attributes:
        addresses: `host:port`, tried in turn.
        server_name: the name that the acquirer's certificate must bear.
        terminal: terminal number.
        merchant: merchant number.
        authorise_timeout_s: from the call of `authorise` to its end.
        call_timeout_s: for management messages; downloads take at least 40 s.
        heartbeat_s: an echo is sent this often.
        echo_timeout_s: an echo not answered by then ends the connection.
        connect_timeout_s: for each address, TLS included.
        write_timeout_s: a frame that the line does not take by then ends the connection.
        retry_base_s: ceiling of the first wait after a failure.
        retry_cap_s: ceiling of every wait.
        stable_s: a connection that lasted this long resets the waits.
        window: owed messages on the line at once.
    """

    addresses: tuple[str, ...]
    server_name: str
    terminal: str
    merchant: str
    authorise_timeout_s: float = 30.0
    call_timeout_s: float = 40.0
    heartbeat_s: float = 20.0
    echo_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    write_timeout_s: float = 5.0
    retry_base_s: float = 1.0
    retry_cap_s: float = 60.0
    stable_s: float = 30.0
    window: int = 32


def host_and_port(address: str) -> tuple[str, int]:
    """Split `host:port` or `[IPv6]:port`.

    Raises:
        ConfigError: another form.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(f"The acquirer's address {address!r} is not host:port.")
    return host.removeprefix("[").removesuffix("]"), int(port)
