"""`bundle`: one signed update file from the two files of a slot, and proof that it verifies."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from station.image import REPOSITORY
from station.image_packages import run, sha256
from station.outcome import BenchError, Exit, tell
from station.signing import Keys, development_keys, kind_of

__all__ = ["Words", "main", "make_bundle"]

FILES = {"rootfs": "root.squashfs", "kernel": "kernel.ext4"}
# RAUC takes an image's kind from its name; `.img` is copied as it is.
MANIFEST = """\
[update]
compatible={compatible}
version={version}
build=counter={counter} schema={low}-{high} from={least}

[bundle]
format=verity

[image.rootfs]
filename=rootfs.img

[image.kernel]
filename=kernel.img
"""


@dataclass(frozen=True, slots=True)
class Words:
    """What the bundle says about itself (posfw.update.manifest reads it)."""

    board: str
    version: str
    counter: int
    schema: tuple[int, int]
    least: str

    def manifest(self) -> str:
        """Return manifest.raucm, without what `rauc bundle` adds."""
        low, high = self.schema
        return MANIFEST.format(
            compatible=f"posfw-{self.board}",
            version=self.version,
            counter=self.counter,
            low=low,
            high=high,
            least=self.least,
        )


def make_bundle(words: Words, slot: Path, keys: Keys, target: Path, *, release: bool) -> None:
    """Write a bundle and verify it with the authority before it gets its name.

    Raises:
        BenchError: REFUSED where key and kind differ; NOT_FOUND without files or rauc.
    """
    kind = kind_of(keys.certificate)
    if release != (kind == "release"):
        asked = "release" if release else "development"
        raise BenchError(Exit.REFUSED, f"A {asked} bundle is not signed with a {kind} key.")
    missing = [name for name in FILES.values() if not (slot / name).is_file()]
    if missing:
        raise BenchError(
            Exit.NOT_FOUND, f"{slot} has no {', '.join(missing)}: scripts/flash/slots"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        content, fresh = Path(work) / "content", Path(work) / "fresh.raucb"
        content.mkdir()
        for image, name in FILES.items():
            run(["cp", "--sparse=always", slot / name, content / f"{image}.img"])
        (content / "manifest.raucm").write_text(words.manifest(), encoding="utf-8")
        run(["rauc", "bundle", f"--cert={keys.certificate}", f"--key={keys.key}", content, fresh])
        run(["rauc", "info", f"--keyring={keys.authority}", fresh])
        shutil.move(fresh, target)


def _schema(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high)


def _keys(options: argparse.Namespace) -> tuple[Keys, bool]:
    """Return the keys and whether they were brought for a release."""
    brought = (options.authority, options.certificate, options.key)
    if all(brought):
        return Keys(*brought), True
    if any(brought):
        raise BenchError(Exit.USAGE, "A release needs --authority, --certificate and --key.")
    return development_keys(options.development or REPOSITORY / "out/keys/development"), False


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="bundle", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--board", required=True, help="id of the board profile")
    made.add_argument("--version", required=True, help="of the program, such as 1.2.3")
    made.add_argument("--counter", required=True, type=int, help="security counter")
    made.add_argument("--schema", required=True, type=_schema, help="journal schemas, LOW-HIGH")
    made.add_argument("--from", required=True, dest="least", help="least version it may replace")
    made.add_argument("--slot", type=Path, help="folder of the slot's files [out/slots/BOARD]")
    made.add_argument("--out", type=Path, help="file [out/slots/BOARD/VERSION.raucb]")
    made.add_argument("--development", type=Path, help="folder of development keys, made if empty")
    for name, told in (("authority", "that images trust"), ("certificate", "of the signer"),
            ("key", "of the signer: a file or a pkcs11: URI")):  # fmt: skip
        made.add_argument(f"--{name}", type=Path, help=f"release: PEM {told}")
    made.add_argument("--json", action="store_true")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a bundle and tell; exit codes as everywhere at the bench."""
    options = parser().parse_args(arguments)
    base = REPOSITORY / "out/slots" / options.board
    target = options.out or base / f"{options.version}.raucb"
    try:
        keys, release = _keys(options)
        words = Words(
            options.board, options.version, options.counter, options.schema, options.least
        )
        make_bundle(words, options.slot or base, keys, target, release=release)
    except BenchError as error:
        sys.stderr.write("\n".join(error.reasons) + "\n")
        told = {"exit": int(error.code), "reasons": list(error.reasons)}
        tell("posfw.bundle", told, as_json=options.json, text="")
        return error.code
    about = {"exit": 0, "bundle": str(target), "bytes": target.stat().st_size,
        "sha256": sha256(target), "keys": "release" if release else "development"}  # fmt: skip
    text = f"{target}  {about['bytes']} bytes  {about['keys']} keys"
    tell("posfw.bundle", about, as_json=options.json, text=text)
    return Exit.OK
