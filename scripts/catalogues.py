#!/usr/bin/env python3
"""The catalogues of src/posfw/locale: what is said in the source against what is translated.

`update` writes new sentences into the .po files and compiles them; `check` fails when a sentence
or an error code has no translation, when a translation is no longer used, or when a .mo file is
not what its .po file says. Needs Babel (in the development environment).
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "posfw"
LANGUAGES = ("zh_Hans", "zh_Hant")
MADE = datetime(2026, 11, 24, tzinfo=UTC)  # constant: the same texts give the same files
REFUSAL_FIELDS = {1: "cause", 2: "next_step"}


def sentences() -> dict[str, str]:
    """Return every translatable sentence and error code, each with where it is said."""
    found: dict[str, str] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        for text in _of(ast.parse(file.read_text(encoding="utf-8"))):
            found.setdefault(text, str(file.relative_to(ROOT)))
    return found


def _of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _call(node)
        if isinstance(node, ast.AnnAssign) and node.value and _is_code(node.value):
            yield from _constant(node.value)


def _call(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("texts", "mark") and node.args:
        yield from _constant(node.args[0])
    if name == "Refusal":
        for at, field in REFUSAL_FIELDS.items():
            named = [word.value for word in node.keywords if word.arg == field]
            for value in (*node.args[at : at + 1], *named):
                yield from _constant(value)
    for word in node.keywords:
        if word.arg == "code" and _is_code(word.value):
            yield from _constant(word.value)


def _constant(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value


def _is_code(node: ast.expr) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    letters, _, digits = node.value.partition("-")
    return len(letters) == 3 and letters.isupper() and digits.isdigit()


def _paths(language: str) -> tuple[Path, Path]:
    folder = SOURCE / "locale" / language / "LC_MESSAGES"
    return folder / "posfw.po", folder / "posfw.mo"


def _empty(language: str) -> Catalog:
    return Catalog(
        locale=language,
        project="posfw",
        header_comment=f"# posfw: texts for people, {language}; Apache-2.0.",
        creation_date=MADE,
        revision_date=MADE,
        fuzzy=False,
    )


def _read(language: str) -> Catalog:
    po, _ = _paths(language)
    if not po.exists():
        return _empty(language)
    with po.open("rb") as file:
        return read_po(file, locale=language)


def _compiled(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def update(language: str) -> None:
    """Write the .po file anew, in the order of the sentences, and compile it."""
    old, new = _read(language), _empty(language)
    for text in sorted(sentences()):
        known = old.get(text)
        new.add(text, string=known.string if known else "")
    po, mo = _paths(language)
    po.parent.mkdir(parents=True, exist_ok=True)
    with po.open("wb") as file:
        write_po(file, new, omit_header=False, no_location=True, sort_output=True, width=99)
    mo.write_bytes(_compiled(_read(language)))


def check(language: str) -> list[str]:
    """Return what is wrong with a language's catalogue."""
    catalog = _read(language)
    wanted = sentences()
    have = {message.id: message.string for message in catalog if message.id}
    wrong = [
        f"{language}: no translation of {t!r} ({wanted[t]})" for t in wanted if not have.get(t)
    ]
    wrong += [f"{language}: no longer said: {t!r}" for t in have if t not in wanted]
    mo = _paths(language)[1]
    if not mo.exists() or mo.read_bytes() != _compiled(catalog):
        wrong.append(
            f"{language}: posfw.mo is not made from posfw.po: scripts/catalogues.py update"
        )
    return wrong


def main() -> int:
    """Run `update` or `check`."""
    if sys.argv[1:] == ["update"]:
        for language in LANGUAGES:
            update(language)
    elif sys.argv[1:] != ["check"]:
        print("usage: scripts/catalogues.py update|check", file=sys.stderr)
        return 2
    wrong = [line for language in LANGUAGES for line in check(language)]
    print("\n".join(wrong) or f"catalogues: {len(sentences())} texts in {', '.join(LANGUAGES)}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
