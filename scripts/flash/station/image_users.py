"""Users and groups of an image, from sysusers.d files: what systemd-sysusers(8) does at a boot.

A read-only root cannot add them then, and the foreign program is not run here.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

__all__ = ["write_users"]

FIRST_FREE: Final = (
    999  # downwards, as systemd does; in the order of the names, so it is repeatable
)


class _Ids:
    def __init__(self, taken: set[int]) -> None:
        self.taken = taken

    def take(self, asked: str) -> int:
        number = int(asked) if asked.isdigit() and int(asked) not in self.taken else FIRST_FREE
        while number in self.taken:
            number -= 1
        self.taken.add(number)
        return number


def _table(path: Path) -> dict[str, list[str]]:
    rows = [line.split(":") for line in path.read_text().splitlines() if line]
    return {row[0]: row for row in rows}


def write_users(root: Path) -> dict[str, tuple[int, int]]:
    """Write /etc/passwd, group and shadow of an image; returns user id and group id by name."""
    base = root / "usr/share/base-passwd"
    users, groups = _table(base / "passwd.master"), _table(base / "group.master")
    ids = _Ids({int(r[2]) for r in users.values()} | {int(r[2]) for r in groups.values()})
    lines = [
        shlex.split(line)
        for file in sorted((root / "usr/lib/sysusers.d").glob("*.conf"))
        for line in file.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    for _, name, asked, *_ in sorted(line for line in lines if line[0] == "g"):
        if name not in groups:
            groups[name] = [name, "x", str(ids.take(asked)), ""]
    for _, name, *rest in sorted(line for line in lines if line[0].startswith("u")):
        asked, gecos, home, *_ = [*rest, "-", "-", "-"]
        if name in users:
            continue
        number = str(ids.take(asked.split(":")[0]))
        groups.setdefault(name, [name, "x", number, ""])
        fields = [gecos if gecos != "-" else "", home if home != "-" else "/"]
        users[name] = [name, "x", number, groups[name][2], *fields, "/usr/sbin/nologin"]
    for _, name, group in (line[:3] for line in lines if line[0] == "m"):
        groups[group][3] = ",".join(filter(None, [groups[group][3], name]))
    etc = root / "etc"
    (etc / "passwd").write_text("".join(":".join(r) + "\n" for r in users.values()))
    (etc / "group").write_text("".join(":".join(r) + "\n" for r in groups.values()))
    # Nobody can log in: no account of an image has a password.
    (etc / "shadow").write_text("".join(f"{name}:!*:19000:0:99999:7:::\n" for name in users))
    (etc / "shadow").chmod(0o600)
    return {name: (int(row[2]), int(row[3])) for name, row in users.items()}
