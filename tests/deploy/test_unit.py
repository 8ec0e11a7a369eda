"""The unit and its companions, judged by systemd's own tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNIT = (DEPLOY / "posfw.service").read_text(encoding="utf-8")
LAMPS = (DEPLOY / "posfw.service.d" / "20-lamps.conf").read_text(encoding="utf-8")


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def exposure(text: str, folder: Path) -> float:
    """The score of a unit, 0.0 (closed) to 10.0 (open)."""
    unit = folder / "posfw.service"
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    match = re.search(r"exposure level for posfw\.service: ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    return float(match[1])


def test_the_unit_is_exposed_at_most_one_and_a_half(tmp_path: Path) -> None:
    assert exposure(UNIT, tmp_path) <= 1.5


def test_with_the_lamps_drop_in_it_still_is(tmp_path: Path) -> None:
    assert exposure(f"{UNIT}\n{LAMPS}", tmp_path) <= 1.5


def test_a_unit_without_the_hardening_would_fail(tmp_path: Path) -> None:
    bare = "[Service]\nExecStart=/usr/bin/posfw run\n"
    assert exposure(bare, tmp_path) > 9


@pytest.mark.parametrize(
    "line", ["CapabilityBoundingSet=", "IPAddressDeny=any", "ProtectSystem=strict"]
)
def test_each_large_part_counts(line: str, tmp_path: Path) -> None:
    assert UNIT.count(line + "\n") == 1
    assert exposure(UNIT.replace(line + "\n", ""), tmp_path) > exposure(UNIT, tmp_path)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    unit = tmp_path / "posfw.service"
    unit.write_text(UNIT.replace("/usr/bin/posfw run", "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "posfw" in line]
    assert ours == []


def test_a_line_that_systemd_does_not_know_would_be_told(tmp_path: Path) -> None:
    unit = tmp_path / "posfw.service"
    unit.write_text(UNIT.replace("KillMode", "KilMode"), encoding="utf-8")
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "KilMode" in done.stderr


@pytest.mark.parametrize(
    "line",
    ["Type=notify", "WatchdogSec=10", "RestartPreventExitStatus=78", "User=posfw",
     "MemoryDenyWriteExecute=yes", "StateDirectoryMode=0700", "LimitCORE=0"],
)  # fmt: skip
def test_what_the_terminal_relies_on_stands_in_the_unit(line: str) -> None:
    assert line in UNIT.splitlines()


def test_user_and_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("root:x:0:0:root:/root:/bin/sh\n"
                                             if name == "passwd" else "root:x:0:\n",
                                             encoding="utf-8")  # fmt: skip
    users = [tool("systemd-sysusers"), f"--root={tmp_path}", str(DEPLOY / "sysusers.conf")]
    done = subprocess.run(users, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    passwd = (tmp_path / "etc" / "passwd").read_text(encoding="utf-8")
    assert re.search(r"^posfw:.*:/usr/sbin/nologin$", passwd, re.MULTILINE)
    folders = [tool("systemd-tmpfiles"), f"--root={tmp_path}", "--create"]
    done = subprocess.run(
        [*folders, str(DEPLOY / "tmpfiles.conf")], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("changing owners needs root")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "var/lib/posfw").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "etc/posfw").stat().st_mode & 0o777 == 0o750


def test_the_rules_name_no_number_of_a_usb_port() -> None:
    """Which reader is which is told by the socket it hangs at, never by its number."""
    rules = (DEPLOY / "70-posfw.rules").read_text(encoding="utf-8")
    lines = [line for line in rules.splitlines() if line and not line.startswith("#")]
    assert not any(re.search(r"tty(USB|ACM)\d", line) for line in lines)
    assert sum('GROUP="posfw"' in line for line in lines) == 4
