"""`posfw guide`: from a blank terminal to the first settlement, one command at a time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import ask
from posfw.cli.lesson import APPLICATION, KEY, LESSON, Facts, Step
from posfw.sim.certifier import CODE
from posfw.sim.rig import MERCHANT, TERMINAL
from posfw.values.errors import DeviceError

__all__ = ["guide"]

READY_S = 30.0
LOOK_S = 0.1
END_S = 15.0
_KEY = re.compile(r"\b\d{8}-\d{6}-\d{6}\b")


@click.command()
@click.option("--yes", is_flag=True, help="Go through without asking; types the answers. 自动")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the terminal here; run again to go on where it stopped. 终端数据目录",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document at the end.")
def guide(state: Path | None, *, yes: bool, as_json: bool) -> int:
    """Walk through activation and the first sale on a simulated terminal. 新手引导

    Each step says what it is for, shows the command and runs it. Nothing here is special: the
    same commands activate a real terminal.
    """
    if state is not None:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _guided(state, yes=yes, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="posfw-guide-") as folder:
        return _guided(Path(folder), yes=yes, as_json=as_json)


def _guided(state: Path, *, yes: bool, as_json: bool) -> int:
    (state / "application.toml").write_text(APPLICATION, encoding="utf-8")
    with _child(state, "sim", "rig", "--blank"):
        site = str(state / "rig" / "site.toml")
        with _child(state, "run", "--site", site):
            lesson = Lesson(state, yes=yes, quiet=as_json)
            ended = lesson.run()
    if as_json:
        document = {
            "schema": "posfw.guide",
            "schema_version": 1,
            "ok": ended,
            "steps": lesson.steps,
            "activation": lesson.activation,
        }
        click.echo(json.dumps(document, ensure_ascii=False))
    elif ended:
        click.echo("\nThat was a day in small. 引导完成。")
        click.echo("Next: posfw day; docs/operate.md; posfw COMMAND --help")
    return 0 if ended else 1


@dataclass(slots=True)
class Lesson:
    """One walk through the steps."""

    state: Path
    yes: bool
    quiet: bool
    key: str = ""
    activation: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> bool:
        """Do every step that is still to be done; return whether the last one was reached."""
        for number, step in enumerate(LESSON, start=1):
            facts = self._facts()
            command = self._command(step)
            if step.done(facts):
                self.steps.append({"command": command, "exit": None})
                self._say(f"[{number:2}/{len(LESSON)}] done before 已完成: {step.english}")
                continue
            self._say(f"\n[{number:2}/{len(LESSON)}] {step.english}\n        {step.chinese}")
            self._say(f"        $ posfw {' '.join(command)}")
            if not self._done(step, command):
                return False
        self.activation = str(self._facts().activation["state"])
        return True

    def _done(self, step: Step, command: list[str]) -> bool:
        """Run a step until it succeeds; a person may give up, --yes does at once."""
        while True:
            if not self.yes:
                click.prompt("        Enter ⏎", default="", show_default=False, err=True)
            if step.online:
                self._until_online()
            code = self._run(command, step)
            self.steps.append({"command": command, "exit": code})
            if code == 0:
                return True
            again = "        It did not work. Again? 未成功,重试?"
            if self.yes or not click.confirm(again, err=True):
                return False

    def _run(self, command: list[str], step: Step) -> int:
        typed = "".join(f"{line}\n" for line in step.typed) if self.yes else None
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "posfw", *command, "--state", str(self.state)],
            input=typed,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        self._say(done.stdout.rstrip())
        found = _KEY.search(done.stdout)
        self.key = found.group() if found else self.key
        return done.returncode

    def _command(self, step: Step) -> list[str]:
        facts = {
            "folder": self.state,
            "terminal": TERMINAL,
            "merchant": MERCHANT,
            "code": CODE,
        }
        return [self.key if word == KEY else word.format(**facts) for word in step.command]

    def _facts(self) -> Facts:
        operators = self._ask("operators")["operators"]
        defaults = frozenset(each["number"] for each in operators if each["must_change"])
        return Facts(self._ask("activate_status"), defaults, self._ask("status"))

    def _until_online(self) -> None:
        until = time.monotonic() + READY_S
        while not self._ask("status")["online"]:
            if time.monotonic() > until:
                raise DeviceError("The line did not come up.", code="NET-101")
            time.sleep(LOOK_S)

    def _ask(self, verb: str) -> dict[str, Any]:
        result: dict[str, Any] = ask(self.state / "control.sock", {"do": verb})["result"]
        return result

    def _say(self, text: str) -> None:
        if text:
            click.echo(text, err=self.quiet)


@contextmanager
def _child(state: Path, *arguments: str) -> Iterator[None]:
    """Run a part of the scene for the length of the context; it is ready when this returns."""
    command = [sys.executable, "-m", "posfw", *arguments, "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:  # noqa: S603 - our own program
        try:
            if process.stdout is None or b"ready" not in process.stdout.readline():
                raise DeviceError(f"posfw {arguments[0]} did not start.", code="OPR-007")
            yield
        finally:
            process.terminate()
            process.wait(END_S)
