"""`posfw operator`: who works at the terminal. Passwords are asked for, never arguments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.places import state_option

__all__ = ["approval_option", "operator", "secret", "with_approval"]


def approval_option(function: Any) -> Any:
    """Add `--approve NUMBER`: whose password is asked for."""
    return click.option(
        "--approve", "approver", default="00", show_default=True, help="Who approves. 授权人"
    )(function)


def secret(prompt: str, *, confirm: bool = False) -> str:
    """Ask for a password without showing it; without a terminal, take the next line of stdin."""
    if sys.stdin.isatty():
        asked: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
        return asked
    return sys.stdin.readline().rstrip("\n")


def with_approval(approver: str) -> dict[str, Any]:
    """Return the request's `approval`, its password asked for."""
    return {
        "approval": {"operator": approver, "password": secret(f"Password of {approver} 授权密码")}
    }


@click.group()
def operator() -> None:
    """Operators: 99 system, 00 supervisor, 01–98 cashiers. 操作员

    Passwords are asked for at the terminal, or read as lines of stdin, in the order in which the
    command would ask.
    """


@operator.command("list")
@state_option
@json_option
def list_(state: Path, *, as_json: bool) -> int:
    """Show numbers, roles, lock-outs and who still has a default password. 查询"""
    return perform(state / "control.sock", {"do": "operators"}, as_json=as_json)


@operator.command("in")
@click.argument("number")
@state_option
@json_option
def sign_in(number: str, state: Path, *, as_json: bool) -> int:
    """Sign operator NUMBER in. 操作员签到"""
    request = {"do": "operator_in", "operator": number, "password": secret("Password 密码")}
    return perform(state / "control.sock", request, as_json=as_json)


@operator.command("out")
@state_option
@json_option
def sign_out(state: Path, *, as_json: bool) -> int:
    """Sign the operator out. 操作员签退"""
    return perform(state / "control.sock", {"do": "operator_out"}, as_json=as_json)


@operator.command()
@click.argument("number")
@state_option
@json_option
def password(number: str, state: Path, *, as_json: bool) -> int:
    """Change the password of NUMBER: the old one, then the new one. 修改密码"""
    request = {
        "do": "operator_password",
        "operator": number,
        "password": secret("Old password 原密码"),
        "new": secret("New password 新密码", confirm=True),
    }
    return perform(state / "control.sock", request, as_json=as_json)


@operator.command()
@click.argument("number")
@click.option("--reset", is_flag=True, help="Hand out a new password instead. 重置密码")
@approval_option
@state_option
@json_option
def add(number: str, approver: str, state: Path, *, reset: bool, as_json: bool) -> int:
    """Add cashier NUMBER (01–98); the first password must be changed at once. 增加"""
    request = {
        "do": "operator_add",
        "number": number,
        "reset": reset,
        "new": secret(f"First password of {number} 初始密码", confirm=True),
        **with_approval(approver),
    }
    return perform(state / "control.sock", request, as_json=as_json)


@operator.command()
@click.argument("number")
@approval_option
@state_option
@json_option
def delete(number: str, approver: str, state: Path, *, as_json: bool) -> int:
    """Delete cashier NUMBER; the records stay. 删除"""
    request = {"do": "operator_delete", "number": number, **with_approval(approver)}
    return perform(state / "control.sock", request, as_json=as_json)


@operator.command()
@state_option
@json_option
def lock(state: Path, *, as_json: bool) -> int:
    """Lock the terminal while the cashier is away. 锁定"""
    return perform(state / "control.sock", {"do": "lock"}, as_json=as_json)


@operator.command()
@click.argument("number")
@state_option
@json_option
def unlock(number: str, state: Path, *, as_json: bool) -> int:
    """Unlock it again: who locked it, or 00. 解锁"""
    request = {"do": "unlock", "operator": number, "password": secret("Password 密码")}
    return perform(state / "control.sock", request, as_json=as_json)
