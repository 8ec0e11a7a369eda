#!/usr/bin/env python3
"""The catalogues of src/posfw/locale: what is said in the source against what is translated.

`update` writes new sentences into the .po files and compiles them; `check` fails when a sentence
or a stable code has no translation, when a translation is no longer used, lacks a fact of the
sentence, is written in the other language's characters or punctuation or is too wide to show, or
when a .mo file is not what its .po file says. Needs Babel (in the development environment).
"""

from __future__ import annotations

import ast
import io
import re
import string
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "posfw"
# A language, the character set that holds its hanzi and not the other one's, and its last lead
# byte: Big5's second level (from C9) has simplified forms under rare old meanings (机, 号).
LANGUAGES = {"zh_Hans": ("gb2312", 0xF7), "zh_Hant": ("big5", 0xC6)}
MADE = datetime(2026, 11, 24, tzinfo=UTC)  # constant: the same texts give the same files
# What is looked up later: fields of the values that carry a sentence to where it is shown.
CARRIED = {
    "Refusal": {1: "cause", 2: "next_step"},
    "EntryRefusal": {2: "en"},
    "LineFault": {1: "cause"},
}
HANZI = re.compile(r"[\u4e00-\u9fff]")
# A stable code, as posfw.values.errors and every table of conditions has them.
CODE = re.compile(r"[A-Z]{3}-\d{3}")
# Half-width signs that touch a Chinese character; GB/T 15834 has full-width ones there.
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:!?.()]|[,;:!?()][\u4e00-\u9fff]")
# One line of a terminal window; a hanzi takes two columns.
WIDEST_COLUMNS = 80


def sentences() -> dict[str, str]:
    """Return every translatable sentence and stable code, each with where it is said."""
    found: dict[str, str] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        for text in said(file.read_text(encoding="utf-8")):
            found.setdefault(text, str(file.relative_to(ROOT)))
    return found


def said(source: str) -> set[str]:
    """Return what a module says to people, and the stable codes it knows."""
    tree = ast.parse(source)
    looks_up = not any(  # `texts` of another module is not the look-up of posfw.values.texts
        isinstance(node, ast.ImportFrom) and any(name.name == "texts" for name in node.names)
        for node in tree.body
    )
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and CODE.fullmatch(str(node.value)):
            found.add(str(node.value))
        if isinstance(node, ast.Tuple):
            found.update(_in_three_languages(node))
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.update(_told(node, looks_up=looks_up))
    return found


def _in_three_languages(row: ast.Tuple) -> Iterator[str]:
    """Return the English of ("The card declined.", "卡片拒绝交易", "卡片拒絕交易")."""
    texts = [text for cell in row.elts for text in _constants(cell, {})]
    if len(row.elts) == 3 and [bool(HANZI.search(text)) for text in texts] == [False, True, True]:
        yield texts[0]


def _told(
    block: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef, *, looks_up: bool
) -> set[str]:
    words = _words(block)
    found: set[str] = set()
    for node in ast.walk(block):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name == "mark" or (name == "texts" and looks_up):
            found.update(*(_constants(value, {}) for value in node.args[:1]))
        for at, field in CARRIED.get(name, {}).items():
            named = [word.value for word in node.keywords if word.arg == field]
            found.update(*(_constants(v, words) for v in (*node.args[at : at + 1], *named)))
    return found


def _words(block: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, ast.expr]:
    """Return what a block's names stand for, as in `cause = "No card." if read else "…"`."""
    inside = block.body if isinstance(block, ast.Module) else ast.walk(block)
    return {
        node.targets[0].id: node.value
        for node in inside
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _constants(node: ast.expr, words: Mapping[str, ast.expr]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    if isinstance(node, ast.IfExp):
        yield from _constants(node.body, words)
        yield from _constants(node.orelse, words)
    if isinstance(node, ast.Name) and node.id in words:
        yield from _constants(words[node.id], {})


def _paths(language: str) -> tuple[Path, Path]:
    folder = SOURCE / "locale" / language / "LC_MESSAGES"
    return folder / "posfw.po", folder / "posfw.mo"


def _empty(language: str) -> Catalog:
    return Catalog(
        locale=language,
        project="posfw",
        version="1",
        msgid_bugs_address="posfw",
        last_translator="posfw",
        language_team="posfw",
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
    have = {str(message.id): str(message.string) for message in catalog if message.id}
    wrong = complaints(language, sentences(), have)
    mo = _paths(language)[1]
    if not mo.exists() or mo.read_bytes() != _compiled(catalog):
        wrong.append(
            f"{language}: posfw.mo is not made from posfw.po: scripts/catalogues.py update"
        )
    return wrong


def complaints(language: str, wanted: Mapping[str, str], have: Mapping[str, str]) -> list[str]:
    """Return what is wrong with translations.

    Args:
        language: one of LANGUAGES.
        wanted: what is said, with where.
        have: translations by what is said; "" is none.
    """
    wrong = [
        f"no translation of {text!r} ({wanted[text]})" for text in wanted if not have.get(text)
    ]
    wrong += [f"no longer said: {text!r}" for text in have if text not in wanted]
    for text, translation in have.items():
        wrong += [f"{text!r}: {fault}" for fault in _faults(language, text, translation)]
    return [f"{language}: {line}" for line in wrong]


def _faults(language: str, text: str, translation: str) -> Iterator[str]:
    if not translation:
        return
    if _facts(text) != _facts(translation):
        yield f"names {_facts(translation) or 'no fact'}, not {_facts(text) or 'none'}"
    strange = [sign for sign in translation if not _written_in(language, sign)]
    if strange:
        yield f"{''.join(strange)} is not of this language"
    half = HALF_WIDTH.findall(translation)
    if half:
        yield f"half-width punctuation in {' '.join(half)}"
    wide = sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in translation)
    if wide > WIDEST_COLUMNS:
        yield f"{wide} columns wide, at most {WIDEST_COLUMNS}"


def _facts(text: str) -> list[str]:
    """Return the named facts of a sentence, amount for {amount}; what is wrong with its braces."""
    try:
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)
    except ValueError as error:
        return [str(error)]


def _written_in(language: str, sign: str) -> bool:
    charset, last = LANGUAGES[language]
    try:
        return sign.encode(charset)[0] <= last
    except UnicodeEncodeError:
        return False


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
