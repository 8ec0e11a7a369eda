"""Updates of a guest that starts as a terminal does: U-Boot, two slots, RAUC, the real units."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from emulated.day import GuestDay, opened
from emulated.machine import REPOSITORY
from emulated.slots import SlotGuest, missing_slots, served, variant
from station.bundle import Words, make_bundle
from station.signing import development_keys

from posfw.sim.script import Step
from posfw.sim.steps import STEPS

pytestmark = [pytest.mark.slow, pytest.mark.may_block, pytest.mark.timeout(1500)]

KILLS = int(os.environ.get("POSFW_UPDATE_KILLS", "3"))
START_S = 240.0
SALE = {"do": "sale", "amount": "12.00", "keyed": {"pan": "4111111111111111", "expiry": "3012"}}
PACKAGE = "usr/lib/python3/dist-packages/posfw"
FOLDER = "/var/lib/posfw/update"
HERE = Words("qemu-virt-arm64", "0.1.0", 1, (1, 2), "0.1.0")


def patched(root: Path, name: str, old: str, new: str) -> None:
    """Change a module of an unpacked root; its byte code goes, for nothing compares the two."""
    module = root / PACKAGE / name
    text = module.read_text()
    assert text.count(old) == 1, (name, old)
    module.write_text(text.replace(old, new))
    for compiled in (module.parent / "__pycache__").glob(f"{module.stem}.*"):
        compiled.unlink()


def no_init(root: Path) -> None:
    (root / "usr/lib/systemd/systemd").unlink()


def newer_schema(root: Path) -> None:
    patched(root, "journal/opening.py", "SCHEMA_VERSION: Final = 2", "SCHEMA_VERSION: Final = 3")
    script = root / PACKAGE / "journal/schema/0003.sql"
    script.write_text("CREATE TABLE later (number INTEGER PRIMARY KEY) STRICT;\n")


def newer_schema_and_a_broken_part(root: Path) -> None:
    newer_schema(root)
    patched(
        root, "app/update.py",
        'return [step.id for step in steps if step.state == "fail"]', 'return ["planted"]',
    )  # fmt: skip


@dataclass(frozen=True)
class Shelf:
    """Slots of the board, and bundles made from them, by name."""

    board: str
    folder: Path

    @property
    def source(self) -> Path:
        return REPOSITORY / "out/slots" / self.board

    def make(self, name: str, words: Words, slot: Path, keys: str = "development") -> None:
        where = development_keys(
            REPOSITORY / "out/keys/development" if keys == "development" else self.folder / keys
        )
        make_bundle(words, slot, where, self.folder / "served" / f"{name}.raucb", release=False)


@pytest.fixture
def shelf(board: str, tmp_path: Path) -> Iterator[Shelf]:
    if board != "qemu-virt-arm64":
        pytest.skip(f"{board} has no boot loader here: make qemu-test BOARD=qemu-virt-arm64")
    if why := missing_slots(board):
        pytest.skip(why)
    (tmp_path / "served").mkdir()
    yield Shelf(board, tmp_path)
    for big in (
        *tmp_path.rglob("*.raucb"),
        *tmp_path.rglob("*.squashfs"),
        *tmp_path.rglob("*.img"),
    ):
        big.unlink()


@dataclass
class Terminal:
    """A guest with its starts counted: a reset is no power-on."""

    day: GuestDay
    port: int
    ready: int = 1

    async def fetch(self, name: str) -> None:
        url = f"http://10.0.2.2:{self.port}/{name}.raucb"
        await self.day.run(f"busybox wget -q -O {FOLDER}/{name}.raucb {url}")

    async def drop(self, name: str) -> None:
        await self.day.run(f"rm {FOLDER}/{name}.raucb")

    async def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Ask; the result, or {"code": …} of the error."""
        body = await self.day.ask({"do": f"update_{verb}", **fields})
        result: dict[str, Any] = body.get("result") or body["error"]
        return result

    async def refused(self, name: str, verb: str = "install") -> str:
        await self.fetch(name)
        code = (await self.ask(verb, bundle=f"{name}.raucb")).get("code", "")
        await self.drop(name)
        return str(code)

    async def restarted(self, starts: int = 1) -> None:
        """Wait until the machine has reset and its terminal is ready again, `starts` times."""
        self.ready += starts
        said = self.day.machine.said
        with anyio.fail_after(START_S * starts):
            while said().count('"ready": true') < self.ready:
                await anyio.sleep(0.5)
        await self.answers()

    async def answers(self) -> None:
        with anyio.fail_after(START_S):
            while True:
                try:
                    if (await self.day.ask({"do": "status"}))["result"]["online"]:
                        return
                except (OSError, anyio.EndOfStream, anyio.IncompleteRead,
                        anyio.BrokenResourceError):  # fmt: skip
                    pass
                await anyio.sleep(0.5)

    async def update(self, name: str, *, starts: int = 1) -> None:
        await self.fetch(name)
        done = await self.ask("install", bundle=f"{name}.raucb", restart=True)
        assert done.get("stage") == "pending", done
        await self.restarted(starts)
        await self.drop(name)

    async def until_stage(self, stage: str) -> dict[str, Any]:
        with anyio.fail_after(START_S):
            while (status := await self.ask("status"))["stage"] != stage:
                await anyio.sleep(1)
        return status

    async def tell(self, what: str) -> None:
        slots = [line for line in self.day.machine.said().splitlines() if "posfw: slot" in line]
        sys.stdout.write(f"{what}: {slots[-1] if slots else '-'}\n")
        sys.stdout.flush()


def tampered(shelf: Shelf, source: str, name: str) -> None:
    """Flip one byte of the payload; the signature over the manifest still verifies."""
    whole = bytearray((shelf.folder / "served" / f"{source}.raucb").read_bytes())
    whole[len(whole) // 2] ^= 0x40
    (shelf.folder / "served" / f"{name}.raucb").write_bytes(whole)


def prepared(shelf: Shelf, kernel: Path) -> Path:
    """Lay out what all variants stand on: the board's root, the kernel file with our agent."""
    base = shelf.folder / "base"
    base.mkdir()
    shutil.copyfile(shelf.source / "root.squashfs", base / "root.squashfs")
    shutil.copyfile(kernel, base / "kernel.ext4")
    return base


async def test_updates_good_broken_and_unproved(shelf: Shelf, tmp_path: Path) -> None:
    make = partial(SlotGuest, source=shelf.source)
    with served(tmp_path / "served") as port:
        async with opened(shelf.board, tmp_path / "state", make=make) as day:
            base = prepared(shelf, day.machine.folder / "kernel.ext4")
            terminal = Terminal(day, port)
            await day.start()
            await _first_start(terminal)
            await _what_is_refused(terminal, shelf, base)
            await _a_broken_one(terminal, shelf, base)
            await _one_that_migrates_and_does_not_prove_itself(terminal, shelf, base)
            await _a_good_one(terminal, shelf, base)


async def _first_start(terminal: Terminal) -> None:
    status = await terminal.ask("status")
    assert (status["slot"], status["trial"], status["known"]) == ("A", "", True)
    with anyio.fail_after(START_S):
        while (await terminal.ask("status"))["left"]["A"] != 3:
            await anyio.sleep(0.5)
    assert (await terminal.ask("status"))["counter"] == 1
    await terminal.tell("first start")


async def _what_is_refused(terminal: Terminal, shelf: Shelf, base: Path) -> None:
    shelf.make("same", replace(HERE, version="0.1.1"), base)
    shelf.make("stranger", HERE, base, keys="stranger")
    shelf.make("other", replace(HERE, board="qemu-imx6ul"), base)
    shelf.make("old", replace(HERE, counter=0), base)
    shelf.make("future", replace(HERE, schema=(3, 4)), base)
    tampered(shelf, "same", "tampered")
    assert await terminal.refused("stranger") == "UPD-206"
    assert await terminal.refused("other") == "UPD-201"
    assert await terminal.refused("old") == "UPD-203"
    assert await terminal.refused("future") == "UPD-204"
    assert await terminal.refused("tampered") == "UPD-210"
    status = await terminal.ask("status")
    assert (status["stage"], status["next"], status["trial"]) == ("idle", "A", "")
    # RAUC itself asks before it writes: nobody gets round the counter by calling it.
    await terminal.fetch("old")
    with pytest.raises(RuntimeError, match="ended with 1"):
        await terminal.day.run(f"rauc install {FOLDER}/old.raucb")
    await terminal.drop("old")
    await terminal.day.result({"do": "sign_on"})
    assert (await terminal.day.result(SALE))["ending"] == "success"
    assert await terminal.refused("same") == "UPD-101"
    await STEPS["settle"](terminal.day, Step("settle"))
    with anyio.fail_after(START_S):
        while (await terminal.ask("status"))["forbids"]:
            await anyio.sleep(1)
    await terminal.tell("refusals")


async def _a_broken_one(terminal: Terminal, shelf: Shelf, base: Path) -> None:
    slot = variant(base, shelf.folder / "broken", {"version": "0.2.0"}, no_init)
    shelf.make("broken", replace(HERE, version="0.2.0"), slot)
    await terminal.update("broken")
    tries = [line for line in terminal.day.machine.said().splitlines() if "posfw: slot" in line]
    assert [line.split()[2] for line in tries[-4:]] == ["B", "B", "B", "A"]
    status = await terminal.until_stage("reverted")
    assert (status["slot"], status["order"], status["trial"]) == ("A", ["A"], "")
    await terminal.tell("broken, came back")


async def _one_that_migrates_and_does_not_prove_itself(
    terminal: Terminal, shelf: Shelf, base: Path
) -> None:
    words = replace(HERE, version="0.3.0", schema=(1, 3))
    slot = variant(
        base, shelf.folder / "unproved", {"version": "0.3.0", "schema": [1, 3]},
        newer_schema_and_a_broken_part,
    )  # fmt: skip
    shelf.make("unproved", words, slot)
    stan = (await terminal.day.result({"do": "status"}))["next_stan"]
    await terminal.fetch("unproved")
    await terminal.ask("install", bundle="unproved.raucb", restart=True)
    terminal.ready += 3  # three tries of slot B, each ready and then unproved; then A
    await terminal.restarted()
    status = await terminal.until_stage("reverted")
    assert (status["slot"], status["order"], status["version"]) == ("A", ["A"], "0.1.0")
    after = await terminal.day.result({"do": "status"})
    assert after["next_stan"] >= stan
    await terminal.day.result({"do": "sign_on"})
    assert (await terminal.day.result(SALE))["ending"] == "success"
    await STEPS["settle"](terminal.day, Step("settle"))
    await terminal.drop("unproved")
    await terminal.tell("unproved, journal put back")


async def _a_good_one(terminal: Terminal, shelf: Shelf, base: Path) -> None:
    with anyio.fail_after(START_S):
        while (await terminal.ask("status"))["forbids"]:
            await anyio.sleep(1)
    words = replace(HERE, version="0.4.0", counter=2, schema=(1, 3))
    release = {"version": "0.4.0", "counter": 2, "schema": [1, 3]}
    shelf.make("good", words, variant(base, shelf.folder / "good", release, newer_schema))
    await terminal.update("good")
    status = await terminal.until_stage("good")
    assert (status["slot"], status["counter"], status["order"]) == ("B", 2, ["B"])
    assert await terminal.day.run("ls /var/lib/posfw | grep before-update | wc -l") == "0"
    assert (await terminal.day.result(SALE))["ending"] == "success"
    await STEPS["settle"](terminal.day, Step("settle"))
    assert terminal.day.report.problems == []
    with anyio.fail_after(START_S):
        while (await terminal.ask("status"))["forbids"]:
            await anyio.sleep(1)
    shelf.make("back", replace(HERE, version="0.4.1", schema=(1, 3)), base)
    assert await terminal.refused("back") == "UPD-203"
    await terminal.tell("good, and no way back over the counter")


async def test_a_machine_killed_anywhere_in_an_installation_starts(
    shelf: Shelf, tmp_path: Path
) -> None:
    """SIGKILL at points spread over an installation: a slot starts, and a later one succeeds."""
    make = partial(SlotGuest, source=shelf.source)
    with served(tmp_path / "served") as port:
        async with opened(shelf.board, tmp_path / "state", make=make) as day:
            base = prepared(shelf, day.machine.folder / "kernel.ext4")
            shelf.make("next", replace(HERE, version="0.1.1"), variant(
                base, shelf.folder / "next", {"version": "0.1.1"}))  # fmt: skip
            await day.start()
            terminal = Terminal(day, port)
            await terminal.fetch("next")
            took_s = 30.0
            for number in range(KILLS):
                cut_s = took_s * (number + 0.5) / KILLS
                with anyio.move_on_after(cut_s):
                    await terminal.ask("install", bundle="next.raucb")
                await day.cut()
                await day.start()
                status = await terminal.ask("status")
                sys.stdout.write(f"killed after {cut_s:.1f} s: {json.dumps(status)}\n")
                assert status["known"]
                assert status["slot"] == "A" or status["version"] == "0.1.1"
                if status["slot"] == "B":
                    break
                assert status["next"] == "A"
                assert status["stage"] in ("idle", "checked")
            else:
                done = await terminal.ask("install", bundle="next.raucb", restart=True)
                assert done.get("stage") == "pending", done
                terminal.ready = 1
                await terminal.restarted()
            status = await terminal.until_stage("good")
            assert (status["slot"], status["version"]) == ("B", "0.1.1")
