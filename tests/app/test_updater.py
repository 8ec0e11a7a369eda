"""The installer's side, with a scripted tool, and with RAUC itself where it is installed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from station.bundle import Words, make_bundle
from station.signing import development_keys

from posfw.app import updater
from posfw.app.updater import Installer, Places, answer, backend, judge_mounted
from posfw.update.bootstate import BootState, bad, first, good
from posfw.update.manifest import Release
from posfw.values.errors import ConfigError, DeviceError, PosfwError

pytestmark = pytest.mark.may_block

RUNNING = Release("posfw-qemu-virt-arm64", "0.1.0", 3, (1, 2), "0.1.0", "development")
FITS = Words("qemu-virt-arm64", "0.2.0", 3, (1, 2), "0.1.0")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A device's files: started from slot A, which is good."""
    root = tmp_path / "root"
    for folder in ("proc", "usr/lib/posfw", "var/lib/posfw/update", "etc/rauc", "dev/disk"):
        (root / folder).mkdir(parents=True)
    (root / "proc/cmdline").write_text("console=x posfw.slot=A rauc.slot=A\n")
    made = Places(root, state="dev/state")
    (root / made.state).write_bytes(bytes(1 << 20))
    (root / made.release).write_text(RUNNING.to_json())
    made.store.change(lambda state: good(state, "A", 3))
    return made


class Tool:
    """RAUC's place: answers `info` with words, and installs by what a test does then."""

    def __init__(self, places: Places, words: Words = FITS, install: Any = None) -> None:
        self.places, self.words, self.asked = places, words, list[str]()
        self.install = install or (lambda: (0, ""))

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        self.asked.append(command[1])
        if command[1] == "info":
            low, high = self.words.schema
            build = f"counter={self.words.counter} schema={low}-{high} from={self.words.least}"
            told = {"compatible": f"posfw-{self.words.board}", "version": self.words.version}
            return 0, json.dumps(told | {"build": build})
        code, said = self.install()
        return code, said


def put(places: Places, name: str = "next.raucb") -> None:
    (places.root / places.bundles / name).write_bytes(b"bundle")


def ask(installer: Installer, **body: Any) -> dict[str, Any]:
    return answer(installer, json.dumps(body))


def code(body: dict[str, Any]) -> str:
    return str(body["error"]["code"])


def test_status_tells_slots_tries_and_words(places: Places) -> None:
    told = ask(Installer(places, Tool(places)), do="status")["result"]
    assert (told["slot"], told["next"], told["counter"], told["known"]) == ("A", "A", 3, True)
    assert (told["version"], told["keys"]) == ("0.1.0", "development")


def test_an_installation_is_proved_by_reading_the_boot_state(places: Places) -> None:
    put(places)

    def install() -> tuple[int, str]:
        backend(places, ["set-state", "B", "bad"])
        backend(places, ["set-primary", "B"])
        return 0, ""

    told = ask(Installer(places, Tool(places, install=install)), do="install", bundle="next.raucb")
    assert (told["result"]["slot"], told["result"]["tries"]) == ("B", 3)


def test_an_installer_that_says_success_alone_is_not_believed(places: Places) -> None:
    put(places)
    told = ask(Installer(places, Tool(places)), do="install", bundle="next.raucb")
    assert code(told) == "UPD-207"


def test_a_failed_installation_leaves_this_slot_first(places: Places) -> None:
    put(places)

    def install() -> tuple[int, str]:
        backend(places, ["set-state", "B", "bad"])
        return 1, "verity: no"

    tool = Tool(places, install=install)
    assert code(ask(Installer(places, tool), do="install", bundle="next.raucb")) == "UPD-210"
    assert backend(places, ["get-primary"]) == "A"
    assert backend(places, ["get-state", "B"]) == "bad"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (replace(FITS, board="host"), "UPD-201"),
        (replace(FITS, version="0.0.1"), "UPD-202"),
        (replace(FITS, least="0.1.1"), "UPD-202"),
        (replace(FITS, counter=2), "UPD-203"),
        (replace(FITS, schema=(3, 3)), "UPD-204"),
    ],
)
def test_what_does_not_fit_is_never_given_to_the_installer(
    places: Places, words: Words, expected: str
) -> None:
    put(places)
    tool = Tool(places, words)
    assert code(ask(Installer(places, tool), do="install", bundle="next.raucb")) == expected
    assert tool.asked == ["info"]


def test_an_unreadable_boot_state_takes_no_bundle(places: Places) -> None:
    put(places)
    (places.root / places.state).write_bytes(bytes(1 << 20))
    told = ask(Installer(places, Tool(places)), do="check", bundle="next.raucb")
    assert code(told) == "UPD-203"


@pytest.mark.parametrize("name", ["../x.raucb", "/etc/x.raucb", "x", "gone.raucb", "l.raucb", 7])
def test_only_a_bundle_in_its_folder_is_read(places: Places, name: object) -> None:
    put(places)
    (places.root / places.bundles / "l.raucb").symlink_to("next.raucb")
    tool = Tool(places)
    assert code(ask(Installer(places, tool), do="check", bundle=name)) == "UPD-205"
    assert tool.asked == []


def test_good_keeps_the_counter_and_never_below_what_was_good_before(places: Places) -> None:
    installer = Installer(places, Tool(places))
    assert ask(installer, do="good", floor=3)["result"]["counter"] == 3
    assert code(ask(installer, do="good", floor=4)) == "UPD-203"


def test_a_return_waits_until_the_tries_are_used_up(places: Places) -> None:
    installer = Installer(places, Tool(places))
    places.store.change(lambda state: first(state, "B"))
    assert code(ask(installer, do="returned")) == "UPD-106"
    places.store.change(lambda state: replace(state, left=(3, 0)))
    assert ask(installer, do="returned")["result"]["order"] == ["A"]


def test_only_the_terminal_marks_good(places: Places) -> None:
    with pytest.raises(PosfwError) as refused:
        backend(places, ["set-state", "A", "good"])
    assert refused.value.stable_code == "UPD-211"
    for words in ([], ["get-state", "C"], ["set-primary"], ["format"]):
        with pytest.raises(PosfwError):
            backend(places, words)


def test_a_mounted_bundle_is_judged_again(places: Places, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "manifest.raucm").write_text(FITS.manifest())
    judge_mounted(places, mounted)
    (mounted / "manifest.raucm").write_text(replace(FITS, counter=1).manifest())
    with pytest.raises(PosfwError) as refused:
        judge_mounted(places, mounted)
    assert refused.value.stable_code == "UPD-203"
    (mounted / "manifest.raucm").unlink()
    with pytest.raises(PosfwError):
        judge_mounted(places, mounted)


def test_a_board_without_slots_says_so(places: Places) -> None:
    (places.root / "proc/cmdline").write_text("console=x\n")
    with pytest.raises(ConfigError) as refused:
        places.slot()
    assert refused.value.stable_code == "UPD-208"


@pytest.mark.parametrize("line", ["", "{", "[]", '{"do":"format"}', '{"do":1}'])
def test_nonsense_is_an_error_with_words(places: Places, line: str) -> None:
    assert code(answer(Installer(places, Tool(places)), line)) == "WIR-201"


def test_a_missing_tool_is_told() -> None:
    with pytest.raises(DeviceError) as refused:
        updater.run_tool(["/nonexistent/rauc"])
    assert refused.value.stable_code == "UPD-209"


def test_what_rauc_starts_prints_and_returns_exit_codes(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(updater, "places_here", lambda: places)
    assert updater.main(["backend", "get-primary"]) == 0
    assert capsys.readouterr().out == "A\n"
    assert updater.main(["backend", "set-state", "A", "bad"]) == 0
    assert places.store.read() == BootState(("B",), (0, 3), "", 3, 2)
    assert updater.main(["backend", "set-state", "A", "good"]) == 4
    assert updater.main(["x"]) == 1
    assert "UPD-211" in capsys.readouterr().err


@pytest.fixture
def rauc(places: Places, tmp_path: Path) -> Path:
    """A slot's two files, and the development authority in the device's keyring."""
    gone = [tool for tool in ("rauc", "openssl", "mksquashfs") if shutil.which(tool) is None]
    if gone:
        pytest.skip(f"not installed: {', '.join(gone)}")
    slot = tmp_path / "slot"
    slot.mkdir()
    for name in ("root.squashfs", "kernel.ext4"):
        (slot / name).write_bytes(random.Random(name).randbytes(20_000))
    keys = development_keys(tmp_path / "keys")
    shutil.copyfile(keys.authority, places.root / updater.KEYRING)
    return slot


@pytest.mark.slow
def test_a_real_bundle_verifies_and_fits(places: Places, rauc: Path, tmp_path: Path) -> None:
    target = places.root / places.bundles / "real.raucb"
    make_bundle(FITS, rauc, development_keys(tmp_path / "keys"), target, release=False)
    told = ask(Installer(places), do="check", bundle="real.raucb")
    assert told["result"]["build"] == "counter=3 schema=1-2 from=0.1.0"
    make_bundle(
        replace(FITS, counter=2), rauc, development_keys(tmp_path / "keys"), target, release=False
    )
    assert code(ask(Installer(places), do="check", bundle="real.raucb")) == "UPD-203"


@pytest.mark.slow
def test_another_key_and_a_changed_manifest_do_not_verify(
    places: Places, rauc: Path, tmp_path: Path
) -> None:
    target = places.root / places.bundles / "real.raucb"
    make_bundle(FITS, rauc, development_keys(tmp_path / "others"), target, release=False)
    assert code(ask(Installer(places), do="check", bundle="real.raucb")) == "UPD-206"
    make_bundle(FITS, rauc, development_keys(tmp_path / "keys"), target, release=False)
    whole = target.read_bytes()
    at = whole.rindex(b"counter=3")
    target.write_bytes(whole[:at] + b"counter=9" + whole[at + 9 :])
    assert code(ask(Installer(places), do="check", bundle="real.raucb")) == "UPD-206"
    target.write_bytes(whole[:-40])
    assert code(ask(Installer(places), do="check", bundle="real.raucb")) == "UPD-206"
    target.write_bytes(whole)
    assert "result" in ask(Installer(places), do="check", bundle="real.raucb")


def test_the_only_slot_is_never_marked_bad(places: Places) -> None:
    places.store.change(lambda state: bad(state, "B"))
    with pytest.raises(PosfwError):
        backend(places, ["set-state", "A", "bad"])
