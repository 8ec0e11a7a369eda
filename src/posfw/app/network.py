"""网络: link, address and host told apart, so that the advice names what a person can mend.

Links come from the kernel's /sys/class/net, the address from asking the kernel which one it would
use towards the acquirer (a connected UDP socket sends nothing).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import SocketAttribute

from posfw.board.driver.sysfs import children, read

__all__ = ["Link", "Network", "host_of", "links"]

_LOOPBACK: Final = "772"  # ARPHRD_LOOPBACK, include/uapi/linux/if_arp.h
_WIRELESS: Final = ("wireless", "phy80211")


@dataclass(frozen=True, slots=True)
class Link:
    """A network device: its name, wired, wireless or cellular, and whether it carries a signal."""

    name: str
    kind: str
    up: bool

    @property
    def line(self) -> str:
        """One line for people."""
        return f"{self.name} {self.kind} {'up' if self.up else 'down'}"


def links(root: Path = Path("/")) -> tuple[Link, ...] | None:
    """Return the devices without loopback, None where the kernel tells nothing.

    `carrier` is 1 with a signal and cannot be read while the device is down; `operstate` is up, or
    unknown where a driver does not tell (Documentation/ABI/testing/sysfs-class-net).
    """
    folder = root / "sys/class/net"
    if not folder.is_dir():
        return None
    return tuple(
        Link(each.name, _kind(each), _up(each))
        for each in children(folder)
        if each.is_dir() and each.name != "lo" and read(each / "type") != _LOOPBACK
    )


def _kind(device: Path) -> str:
    if any((device / name).exists() for name in _WIRELESS):
        return "wireless"
    told = (read(device / "uevent") or "").splitlines()
    cellular = "DEVTYPE=wwan" in told or device.name.startswith(("ppp", "wwan"))
    return "cellular" if cellular else "wired"


def _up(device: Path) -> bool:
    return read(device / "carrier") == "1" and read(device / "operstate") in ("up", "unknown")


def host_of(address: str) -> tuple[str, int]:
    """Return host and port of a site file's address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class Network:
    """What can be said without the acquirer.

    Attributes:
        addresses: of the acquirer, host:port.
        root: where /sys lies.
        resolve: looks a name up.
    """

    addresses: Sequence[str]
    root: Path = Path("/")
    resolve: Callable[..., Awaitable[Sequence[Any]]] = anyio.getaddrinfo

    async def trouble(self) -> tuple[str, str]:
        """Return what is wrong with link and address, each "" where nothing is."""
        return await self.link_trouble(), await self.address_trouble()

    async def link_trouble(self) -> str:
        """Return what is wrong with every link there is; one with a signal is enough."""
        found = await self.links()
        if found is None or any(link.up for link in found):
            return ""
        if not found:
            return "No network device is there. 未找到网卡: plug in the adapter or the modem."
        names = ", ".join(f"{link.name} ({link.kind})" for link in found)
        return f"No signal at {names}. 请检查网线或信号: plug the cable in, or join the network."

    async def links(self) -> tuple[Link, ...] | None:
        """Return the links; see `links`."""
        return await anyio.to_thread.run_sync(links, self.root)

    async def address_trouble(self) -> str:
        """Return why no address leads to the acquirer; one that does is enough."""
        troubles = [await self._towards(*host_of(address)) for address in self.addresses]
        return "" if not all(troubles) else troubles[0]

    async def _towards(self, host: str, port: int) -> str:
        """Return why this machine has no address towards a host, "" if it has one."""
        try:
            found = await self.resolve(host, port)
        except OSError:
            return f"The name {host} is not known. 域名解析失败: check the DNS server."
        try:
            async with await anyio.create_connected_udp_socket(found[0][4][0], port) as probe:
                own = str(probe.extra(SocketAttribute.local_address)[0])  # noqa: S610 - not Django
        except OSError:
            return f"No address leads to {host}. 未获得IP地址: check DHCP or the fixed address."
        if own.startswith(("169.254.", "fe80:")) and own[:4] != host[:4]:
            # RFC 3927: taken where no DHCP server answered.
            return (
                f"Only the address {own} is there. 未获得IP地址: the DHCP server does not answer."
            )
        return ""
