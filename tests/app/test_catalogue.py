from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from posfw.app.catalogue import load_texts
from posfw.values.texts import ENGLISH, LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "catalogues.py"


@pytest.fixture(scope="module")
def catalogues() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogues", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.may_block
@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_a_language_says_sentences_and_errors_in_its_own_words(language: str) -> None:
    texts = load_texts(language)
    assert texts.language == language
    for text in ("Asking the bank…", "Ask a supervisor.", "CFG-020"):
        assert texts(text) != text
    assert "12.50" in texts("Swipe the card: {amount}", amount="12.50")
    assert texts("") == ""


@pytest.mark.parametrize("language", ["en", "fr"])
def test_english_and_unknown_languages_show_the_sentence(language: str) -> None:
    assert load_texts(language) is ENGLISH


def test_a_sentence_that_is_not_known_is_shown_as_it_is() -> None:
    assert load_texts("en")("Nobody translated {this}.", this="me") == "Nobody translated me."


@pytest.mark.may_block
@pytest.mark.slow
def test_every_sentence_and_error_code_is_translated() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("self.texts('Settling…')", {"Settling…"}),
        ("def f(texts): return texts('Wait: {left}', left=1)", {"Wait: {left}"}),
        ("TABLE = {1: mark('Hot.')}", {"Hot."}),
        ("Refusal('SAL-201', 'Zero.', 'Enter one.')", {"SAL-201", "Zero.", "Enter one."}),
        ("Refusal('SAL-201', next_step='Enter one.', cause='')", {"SAL-201", "Enter one."}),
        ("raise InputError('Told by its code.', code='GDS-110')", {"GDS-110"}),
        ("class Fault(StrEnum):\n    OPEN = 'PRN-211'", {"PRN-211"}),
        ("CODES = MappingProxyType({Condition.HOT: 'PRN-201'})", {"PRN-201"}),
        (
            """
def f(read):
    cause = 'Bad.' if read else 'None.'
    return Refusal(read or 'CRD-001', cause, 'Again.')
""",
            {"CRD-001", "Bad.", "None.", "Again."},
        ),
        (
            """
def f():
    cause = 'Not told.'

def g(cause):
    return Refusal('', cause)
""",
            set(),
        ),
        ("from posfw.board.schema import texts\nBUS = texts('usb')", set()),
        (
            "NO = EntryRefusal('CRD-305', '卡片已过期', 'It has expired.')",
            {"CRD-305", "It has expired."},
        ),
        ("ROWS = {1: ('Declined.', '交易拒绝', '交易拒絕')}", {"Declined."}),
        ("ROWS = {'04': ('此卡被没收', 'Pick up card', '请联系发卡行')}", set()),
        ("'See PRN-201.' 'PRN-2011' 'ISO-88591' 'prn-201'", set()),
    ],
)
def test_what_is_said_is_found(catalogues: ModuleType, source: str, found: set[str]) -> None:
    assert catalogues.said(source) == found


@pytest.mark.parametrize(
    ("language", "text", "translation", "told"),
    [
        ("zh_Hans", "Swipe: {amount}", "请刷卡：{amount}", ""),
        ("zh_Hant", "Settle: posfw settle", "請結算：posfw settle", ""),
        ("zh_Hans", "Swipe: {amount}", "请刷卡", "names no fact, not ['amount']"),
        ("zh_Hans", "Swipe: {amount}", "请刷卡：{sum}", "names ['sum'], not ['amount']"),
        ("zh_Hans", "Swipe.", "请刷卡：{amount}", "names ['amount'], not none"),
        ("zh_Hans", "Swipe: {amount}", "请刷卡：{amount", "string\"], not ['amount']"),
        ("zh_Hans", "Swipe.", "", "no translation of 'Swipe.' (here.py)"),
        ("zh_Hans", "Out of paper.", "印表機缺紙", "機紙 is not of this language"),
        ("zh_Hant", "Out of paper.", "打印机缺纸", "机纸 is not of this language"),
        ("zh_Hans", "Settle: posfw settle", "请结算: posfw settle", "punctuation in 算:"),
        ("zh_Hans", "Hot, wait.", "过热,请等.", "punctuation in 热, 等."),
        ("zh_Hans", "Long.", "长" * 41, "82 columns wide, at most 80"),
    ],
)
def test_a_wrong_translation_is_found(
    catalogues: ModuleType, language: str, text: str, translation: str, told: str
) -> None:
    found = catalogues.complaints(language, {text: "here.py"}, {text: translation})
    assert len(found) == bool(told)
    assert all(line.startswith(f"{language}: ") and line.endswith(told) for line in found)


def test_a_translation_of_what_nobody_says_is_found(catalogues: ModuleType) -> None:
    assert catalogues.complaints("zh_Hans", {}, {"Gone.": "没有。"}) == [
        "zh_Hans: no longer said: 'Gone.'"
    ]
