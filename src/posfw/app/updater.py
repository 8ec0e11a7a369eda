"""The installer's side of an update: root, one request a process, no loop and no network.

The terminal's own service can neither write a slot nor run a program. It asks over a unix socket;
systemd starts this with the connection as standard input and output (deploy/update/). RAUC checks
the signature, maps the payload through dm-verity and writes; it asks back here before it writes
(`judge_mounted`) and for every change of the boot state (`backend`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from posfw.update.bootstate import SLOTS, BootState, bad, first, good, primary, returned
from posfw.update.manifest import Manifest, Release, parse_manifest, parse_release, parse_words
from posfw.update.policy import judge
from posfw.update.store import BootStore
from posfw.values.errors import (
    AuthenticityError,
    CodecError,
    ConfigError,
    DeviceError,
    PosfwError,
    RefusedError,
)

__all__ = [
    "Installer",
    "Places",
    "RunTool",
    "answer",
    "backend",
    "judge_mounted",
    "places_here",
    "run_tool",
]

INSTALL_S: Final = 900.0
MAX_LINE: Final = 16_384
KEYRING: Final = "etc/rauc/keyring.pem"
RunTool = Callable[[Sequence[str]], tuple[int, str]]


def run_tool(command: Sequence[str]) -> tuple[int, str]:
    """Run a tool of the image and return its exit code and what it said.

    Raises:
        DeviceError: it is not there, or does not end.
    """
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a checked path, no shell
            list(command), capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{command[0]} did not do it: {error}.", code="UPD-209") from error
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie; `root` is / on a device."""

    root: Path = Path("/")
    state: str = "dev/disk/by-partlabel/state"
    release: str = "usr/lib/posfw/release.json"
    bundles: str = "var/lib/posfw/update"

    @property
    def store(self) -> BootStore:
        """The boot state."""
        return BootStore(self.root / self.state)

    def slot(self) -> str:
        """Return the slot that runs, as the boot script told the kernel.

        Raises:
            ConfigError: this image was not started from a slot.
        """
        words = (self.root / "proc/cmdline").read_text(encoding="ascii", errors="replace").split()
        found = [word[-1] for word in words if word.startswith("rauc.slot=")]
        if len(found) != 1 or found[0] not in SLOTS:
            raise ConfigError(
                "This image was not started from one of two slots.",
                code="UPD-208",
                effect="It cannot be updated in place.",
                next_step="Write a new image with scripts/flash/write.",
            )
        return found[0]

    def running(self) -> Release:
        """Return the running image's words.

        Raises:
            CodecError: it has none.
        """
        try:
            text = (self.root / self.release).read_text(encoding="utf-8")
        except OSError as error:
            raise CodecError("The image has no release file.", code="UPD-205") from error
        return parse_release(text)

    def bundle(self, name: object) -> Path:
        """Return the path of a bundle by its bare name.

        Raises:
            CodecError: not a bare name of a bundle that is there.
        """
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".raucb"):
            raise CodecError("A bundle is named by its file name, NAME.raucb.", code="UPD-205")
        path = self.root / self.bundles / name
        if path.is_symlink() or not path.is_file():
            raise CodecError(f"There is no bundle {path}.", code="UPD-205")
        return path


@dataclass(frozen=True, slots=True)
class Installer:
    """Answers requests; every refusal is an error with its code."""

    places: Places = Places()
    tool: RunTool = run_tool

    def status(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Return slots, tries, trial, counter and the running image's words."""
        state, release = self.places.store.read(), self.places.running()
        found: dict[str, Any] = {"slot": self.places.slot(), "known": state is not None}
        shown = state or BootState()
        return found | {
            "next": primary(shown),
            "order": list(shown.order),
            "left": dict(zip(SLOTS, shown.left, strict=True)),
            "trial": shown.trial,
            "counter": shown.counter,
            "version": release.version,
            "image_counter": release.counter,
            "keys": release.keys,
            "compatible": release.compatible,
        }

    def check(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Verify a bundle's signature and judge its words; nothing is written."""
        manifest = self._verified(self.places.bundle(body.get("bundle")))
        judged(manifest, self.places)
        return {"version": manifest.version, "counter": manifest.counter, "build": manifest.build}

    def install(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Check, write the other slot, and prove by reading that it is the next one."""
        told = self.check(body)
        slot = self.places.slot()
        target = SLOTS[1 - SLOTS.index(slot)]
        path = self.places.bundle(body.get("bundle"))
        code, said = self.tool(["rauc", "install", str(path)])
        if code:
            raise AuthenticityError(
                f"The bundle was not installed: {said.strip()[-300:]}",
                code="UPD-210",
                effect=f"Slot {slot} goes on; slot {target} is empty until an update succeeds.",
                next_step="Fetch the bundle again; if it repeats, call whoever signed it.",
            )
        state = self.places.store.read()
        if state is None or primary(state) != target or state.trial != target:
            raise DeviceError("The installer succeeded, the boot state did not.", code="UPD-207")
        return told | {"slot": target, "tries": state.tries(target)}

    def good(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Mark the running slot good; its counter becomes the floor."""
        slot, release = self.places.slot(), self.places.running()
        now = self.places.store.read()
        floor = max(_number(body.get("floor")), 0 if now is None else now.counter or 0)
        if release.counter < floor:
            raise RefusedError(
                f"This image's security counter {release.counter} is below {floor}.",
                code="UPD-203",
                effect="The slot is not marked good; after its tries the other one starts.",
                next_step="Install a newer bundle.",
            )
        state = self.places.store.change(lambda each: good(each, slot, release.counter))
        return {"slot": slot, "counter": state.counter, "order": list(state.order)}

    def returned(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Take the failed trial's slot out; refused while it has tries, and to itself."""
        slot = self.places.slot()
        now = self.places.store.read()
        if now is not None and now.trial and (now.trial == slot or now.tries(now.trial)):
            raise RefusedError("The slot on trial has tries left.", code="UPD-106")
        state = self.places.store.change(returned)
        return {"slot": slot, "order": list(state.order)}

    def restart(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Restart the machine."""
        code, said = self.tool(["systemctl", "--no-block", "reboot"])
        if code:
            raise DeviceError(f"The machine does not restart: {said[-200:]}", code="UPD-209")
        return {}

    def _verified(self, path: Path) -> Manifest:
        keyring = self.places.root / KEYRING
        words = ["rauc", "info", f"--keyring={keyring}", "--output-format=json", str(path)]
        code, said = self.tool(words)
        if code:
            raise AuthenticityError(
                f"The bundle {path.name} does not verify: {said.strip()[-200:]}", code="UPD-206"
            )
        try:
            table: Any = json.loads(said)
        except ValueError as error:
            raise CodecError("The installer's words cannot be read.", code="UPD-205") from error
        if not isinstance(table, dict):
            raise CodecError("The installer's words cannot be read.", code="UPD-205")
        return parse_words(table.get("compatible"), table.get("version"), table.get("build"))


def judged(manifest: Manifest, places: Places) -> None:
    """Return if a bundle fits this terminal.

    A running program has brought the journal to its own schema, so that is the image's.

    Raises:
        RefusedError: with the first code; the cause names all.
    """
    release, state = places.running(), places.store.read()
    counter = None if state is None else state.counter
    codes = judge(manifest, release, counter=counter, schema=release.schema[1])
    if codes:
        raise RefusedError(
            f"The bundle {manifest.version} ({manifest.build}) does not fit {release.compatible}"
            f" {release.version} (counter {counter}, schema {release.schema[1]}):"
            f" {', '.join(codes)}.",
            code=codes[0],
            next_step="Take a bundle that was made for this terminal: docs/update.md.",
        )


def judge_mounted(places: Places, mount_point: Path) -> None:
    """Judge the bundle that RAUC has verified and mounted (handler pre-install).

    What is read here comes through dm-verity: nobody can exchange it after the check.

    Raises:
        PosfwError: it does not fit.
    """
    try:
        text = (mount_point / "manifest.raucm").read_text(encoding="utf-8")
    except OSError as error:
        raise CodecError("The mounted bundle has no manifest.", code="UPD-205") from error
    judged(parse_manifest(text), places)


def backend(places: Places, words: Sequence[str]) -> str:
    """Answer RAUC's custom boot loader calls (RAUC 1.8, integration, custom backend).

    Args:
        places: where the boot state lies.
        words: get-primary; set-primary SLOT; get-state SLOT; set-state SLOT good|bad.

    Returns:
        What goes to standard output.

    Raises:
        PosfwError: not done; RAUC stops the installation then.
    """
    store = places.store
    match list(words):
        case ["get-primary"]:
            return primary(store.read() or BootState())
        case ["set-primary", slot] if slot in SLOTS:
            store.change(lambda state: first(state, slot))
        case ["get-state", slot] if slot in SLOTS:
            state = store.read() or BootState()
            return "good" if slot in state.order and state.tries(slot) else "bad"
        case ["set-state", slot, "bad"] if slot in SLOTS:
            store.change(lambda state: bad(state, slot))
        case ["set-state", slot, "good"] if slot in SLOTS:
            # Only `posfw update` marks good: it proves the slot first, and knows the counter.
            raise RefusedError("A slot is marked good by the terminal alone.", code="UPD-211")
        case _:
            raise CodecError(f"{' '.join(words)[:60]!r} is no call of a boot loader.")
    return ""


def answer(installer: Installer, line: str) -> dict[str, Any]:
    """Answer one request line, as the control socket does: {"result": …} or {"error": …}."""
    calls = {
        "status": installer.status,
        "check": installer.check,
        "install": installer.install,
        "good": installer.good,
        "returned": installer.returned,
        "restart": installer.restart,
    }
    try:
        try:
            body: Any = json.loads(line)
        except ValueError as error:
            raise CodecError("A request is one line of JSON.") from error
        if not isinstance(body, dict) or body.get("do") not in calls:
            raise CodecError(f"Known requests are {', '.join(calls)}.")
        return {"result": calls[body["do"]](body)}
    except PosfwError as error:
        return {
            "error": {
                "code": error.stable_code,
                "cause": error.cause,
                "effect": error.effect_text,
                "next_step": error.next_step_text,
                "exit": type(error).exit_code,
            }
        }


def _number(value: object) -> int:
    return value if type(value) is int else 0


def places_here() -> Places:
    """Return the device's places; $POSFW_UPDATE_ROOT moves them in tests of the whole chain."""
    return Places(Path(os.environ.get("POSFW_UPDATE_ROOT", "/")))


def main(words: Sequence[str]) -> int:
    """Be what systemd and RAUC start: `serve`, `judge`, or `backend CALL…`.

    Kept apart from `posfw`: RAUC calls this a dozen times in an installation.
    """
    places = places_here()
    try:
        match list(words):
            case ["serve"]:
                body = answer(Installer(places), sys.stdin.readline(MAX_LINE))
                sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
            case ["judge"]:
                judge_mounted(places, Path(os.environ["RAUC_BUNDLE_MOUNT_POINT"]))
            case ["backend", *call]:
                said = backend(places, call)
                sys.stdout.write(said + "\n" if said else "")
            case _:
                raise CodecError("Known are serve, judge and backend.")
    except PosfwError as error:
        sys.stderr.write(f"{error}\n")
        return type(error).exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
