"""Checks docs/guide.md: every point S1 to S103 once and in order, each command and test there.

A point without a test must say `part` or `not yet` and why; a command that the program does not
have, a file or a test function that does not exist, fails.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import click

from posfw.cli.main import posfw

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guide.md"
LAST = 103
STATES = ("done", "part", "not yet")
COMMAND = re.compile(r"`posfw ([^`]+)`")
TEST = re.compile(r"`(tests/[\w/.-]+\.py)(?:::(\w+))?`")


def known(words: list[str]) -> bool:
    """Whether a command path exists; arguments in capitals and options end it."""
    command: click.Command | None = posfw
    for word in words:
        if word.startswith("-") or word.upper() == word or "=" in word:
            break
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
        if command is None:
            return False
    return True


def functions(file: Path) -> set[str]:
    """Return the test functions of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def complaints(text: str) -> list[str]:
    """Return what is wrong with the guide."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| S\d+ \|", line)
    ]
    numbers = [int(row[0][1:]) for row in rows]
    found = []
    if numbers != list(range(1, LAST + 1)):
        missing = sorted(set(range(1, LAST + 1)) - set(numbers))
        found.append(f"S1 to S{LAST} stand once and in order; missing: {missing}")
    for row in rows:
        found += [f"{row[0]}: {fault}" for fault in _row(row)]
    return found


def _row(row: list[str]) -> list[str]:
    if len(row) != 5:
        return [f"{len(row)} cells instead of 5"]
    _, _, how, tests, state = row
    named = TEST.findall(tests)
    found = [
        f"there is no command `posfw {command}`"
        for command in COMMAND.findall(how)
        if not known(command.split())
    ]
    for file, function in named:
        path = ROOT / file
        if not path.is_file():
            found.append(f"there is no {file}")
        elif function and function not in functions(path):
            found.append(f"{file} has no {function}")
    word = next((each for each in STATES if state.startswith(each)), "")
    if not word:
        found.append(f"the state is none of {', '.join(STATES)}")
    if word == "done" and not any(function for _, function in named):
        found.append("done needs a named test")
    if word in ("part", "not yet") and len(state) < len(word) + 8:
        found.append("what is missing must be said")
    return found


def main() -> int:
    """Check the guide; return the exit code."""
    text = GUIDE.read_text(encoding="utf-8")
    found = complaints(text)
    states = {word: len(re.findall(rf"\| {word}[^|]*\|$", text, re.M)) for word in STATES}
    print("\n".join(found) if found else f"guide: {LAST} points, {states}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
