"""Checks the documentation: links lead somewhere, named files exist, nothing is overclaimed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Words that no uncertified terminal may use about itself (docs/threats.md).
FORBIDDEN = re.compile(r"PCI[- ]compliant|bank[- ]grade|military[- ]grade|EMV[- ]certified", re.I)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# `src/posfw/sale/task.py` and the like in running text must exist.
NAMED = re.compile(r"`((?:src|tests|docs|boards|scripts|bench)/[\w./-]+\.\w+)`")


def complaints(page: Path) -> list[str]:
    """Return what is wrong on one page, each with its line."""
    found = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{page.relative_to(ROOT)}:{number}"
        found += [
            f"{where}: link to {target}, which is not there"
            for target in LINK.findall(line)
            if "://" not in target and not (page.parent / target).exists()
        ]
        found += [
            f"{where}: names {named}, which is not there"
            for named in NAMED.findall(line)
            if not (ROOT / named).exists()
        ]
        if FORBIDDEN.search(line):
            found.append(f"{where}: claims what this project must not claim")
    return found


def main() -> int:
    """Check every tracked Markdown page; return the exit code."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    pages = [ROOT / name for name in listed.stdout.split() if (ROOT / name).exists()]
    found = [complaint for page in pages for complaint in complaints(page)]
    print("\n".join(found) if found else f"docs: {len(pages)} pages, links and names hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
