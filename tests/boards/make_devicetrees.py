"""Makes devicetrees.json: what Debian 12's own device trees say of the boards that have profiles.

An independent judge of the names in boards/: compatible strings, UART nodes and lamp labels are
read from the compiled trees of Debian's kernel packages by dtc, never typed.

    apt-get download linux-image-<version>-armmp:armhf linux-image-<version>-arm64:arm64
    dpkg-deb -x …; python3 tests/boards/make_devicetrees.py FOLDER > tests/boards/devicetrees.json
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

TREES = {
    "stm32mp157c-dk2": "stm32mp157c-dk2.dtb",
    "beaglebone-black": "am335x-boneblack.dtb",
    "imx6ull-evk": "imx6ull-14x14-evk.dtb",
    "qemu-imx6ul": "imx6ul-14x14-evk.dtb",
    "orangepi-pc": "sun8i-h3-orangepi-pc.dtb",
    "imx8mm-evk": "imx8mm-evk.dtb",
    "rpi-cm4": "bcm2711-rpi-cm4-io.dtb",
    "rpi-zero-2-w": "bcm2837-rpi-zero-2-w.dtb",
}


def nodes(tree: Path) -> dict[str, dict[str, str]]:
    command = ["dtc", "-q", "-I", "dtb", "-O", "dts", str(tree)]
    source = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, dict[str, str]] = {}
    path: list[str] = []
    for line in map(str.strip, source.splitlines()):
        if opened := re.match(r"(?:[\w-]+:\s*)*([\w@,./+-]+) \{$", line):
            path.append("" if opened[1] == "/" else opened[1])
            found["/".join(path) or "/"] = {}
        elif line == "};":
            path.pop()
        elif pair := re.match(r'([\w,#.-]+)(?: = "?(.*?)"?)?;$', line):
            found["/".join(path) or "/"][pair[1]] = pair[2] or ""
    return found


def facts(tree: Path) -> dict[str, object]:
    found = nodes(tree)
    uarts = {
        path: values.get("status", "okay")
        for path, values in found.items()
        if re.match(r"serial@", path.rsplit("/", 1)[-1])
    }
    lamps = [
        values.get("label", path.rsplit("/", 1)[-1])
        for path, values in found.items()
        if re.match(r"/leds?/", path) and "gpios" in values
    ]
    return {
        "tree": str(tree).split("/usr/lib/")[-1],
        "compatible": found["/"]["compatible"].split("\\0"),
        "model": found["/"]["model"],
        "uarts": uarts,
        "lamps": lamps,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    boards = {}
    for board, name in TREES.items():
        (tree, *_) = sorted(folder.rglob(name), key=lambda path: "arm64" not in str(path))
        boards[board] = facts(tree)
    sys.stdout.write(json.dumps(boards, indent=1) + "\n")


if __name__ == "__main__":
    main()
