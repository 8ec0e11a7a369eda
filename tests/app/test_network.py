from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from posfw.app.network import Link, Network, host_of, links
from tests.board.fakes import KernelTree


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    return KernelTree(tmp_path)


def device(tree: KernelTree, name: str, carrier: str, state: str, **files: str) -> None:
    for file, text in {"carrier": carrier, "operstate": state, "type": "1", **files}.items():
        tree.put(f"sys/class/net/{name}/{file}", f"{text}\n")


def test_wired_wireless_and_cellular_links_are_told_apart(tree: KernelTree) -> None:
    assert links(tree.root) is None
    device(tree, "lo", "1", "unknown", type="772")
    assert links(tree.root) == ()
    device(tree, "end0", "1", "up")
    device(tree, "wlan0", "0", "down")
    tree.put("sys/class/net/wlan0/phy80211/name", "phy0\n")
    device(tree, "wwan0", "1", "unknown", uevent="DEVTYPE=wwan")
    device(tree, "eth1", "1", "dormant")
    assert links(tree.root) == (
        Link("end0", "wired", up=True),
        Link("eth1", "wired", up=False),
        Link("wlan0", "wireless", up=False),
        Link("wwan0", "cellular", up=True),
    )


@pytest.mark.may_block
async def test_a_pulled_cable_is_named_and_one_link_is_enough(tree: KernelTree) -> None:
    network = Network(["127.0.0.1:1"], tree.root)
    assert await network.link_trouble() == ""  # a kernel that tells nothing accuses nobody
    (tree.root / "sys/class/net").mkdir(parents=True)
    assert "No network device" in await network.link_trouble()
    device(tree, "eth0", "0", "down")
    assert "eth0 (wired)" in await network.link_trouble()
    # A device that is switched off has a carrier file that cannot be read (EINVAL).
    (tree.root / "sys/class/net/eth0/carrier").unlink()
    assert "eth0 (wired)" in await network.link_trouble()
    device(tree, "wlan0", "1", "up")
    assert await network.link_trouble() == ""


@pytest.mark.may_block
async def test_an_address_and_a_name_are_told_apart(tmp_path: Path) -> None:
    assert await Network(["127.0.0.1:7"], tmp_path).address_trouble() == ""
    unknown = Network(["acquirer.example:7"], tmp_path, nobody_knows)
    assert "is not known" in await unknown.address_trouble()
    # The kernel refuses to connect to broadcast without SO_BROADCAST, on every machine.
    nowhere = Network(["255.255.255.255:7"], tmp_path)
    assert "No address leads" in await nowhere.address_trouble()
    both = Network(["255.255.255.255:7", "127.0.0.1:7"], tmp_path)
    assert await both.address_trouble() == ""


async def nobody_knows(*_: object) -> Sequence[object]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1:8443", ("10.0.0.1", 8443)),
        ("[::1]:9", ("::1", 9)),
        ("bank.cn:1", ("bank.cn", 1)),
    ],
)
def test_an_address_of_the_site_file_is_taken_apart(
    address: str, expected: tuple[str, int]
) -> None:
    assert host_of(address) == expected
