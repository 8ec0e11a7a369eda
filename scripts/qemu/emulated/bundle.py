"""What a guest under test gets beside its image: appended to the initial memory disk.

The image itself stays as it is. The kernel unpacks several archives one after the other, so a
second one may replace /init (kernel, early-userspace/buffer-format).
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Final

from station.image_disk import cpio

__all__ = ["initrd_with", "member"]

HOOK: Final = "exec $b switch_root /new $init"
OURS: Final = """\
$b mount -t tmpfs -o mode=755,size=32m none /new/run
$b cp -r /extra /new/run/extra
exec $b switch_root /new %s
"""


def member(archive: bytes, name: str) -> bytes:
    """Return a file of a newc archive.

    Raises:
        KeyError: there is none of this name.
    """
    at = 0
    while archive[at : at + 6] == b"070701":
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        found = archive[at + 110 : at + 109 + length].decode()
        data = at + (110 + length + 3) // 4 * 4
        if found == name:
            return archive[data : data + size]
        at = data + (size + 3) // 4 * 4
    raise KeyError(name)


def initrd_with(initrd: Path, extra: Path, target: Path, *, init: str) -> None:
    """Write the image's memory disk with a folder appended, which becomes /run/extra."""
    whole = initrd.read_bytes()
    script = member(gzip.decompress(whole), "init").decode()
    if script.count(HOOK) != 1:
        raise ValueError("the image's /init does not end as expected")
    folder = target.with_suffix(".folder")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(extra, folder / "extra", symlinks=True)
    (folder / "init").write_text(script.replace(HOOK, OURS % init))
    (folder / "init").chmod(0o755)
    target.write_bytes(whole + bytes(-len(whole) % 4) + gzip.compress(cpio(folder), 1))
    shutil.rmtree(folder)
