"""Real tokens: SoftHSM2, made once, because a PKCS#11 library belongs to the whole process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "87654321"
TOKENS = ("suite", "aes128", "aes256", "blocks", "wiped", "cut", "long")

Opener = Callable[[str], Any]


@pytest.fixture(scope="session")
def open_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opener]:
    """Give what opens a session on the token of a label; all of them are empty at first."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if not Path(LIBRARY).exists() or not shutil.which("softhsm2-util"):
        pytest.skip("softhsm2 is missing: apt-get install softhsm2")
    from posfw.keys.token import open_session  # noqa: PLC0415 - needs python-pkcs11

    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        for label in TOKENS:
            made = ["softhsm2-util", "--init-token", "--free", "--label", label]
            made += ["--so-pin", "12345678", "--pin", PIN]
            subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        yield lambda label: stack.enter_context(open_session(LIBRARY, label, PIN))
