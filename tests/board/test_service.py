"""Messages to systemd and journald, over sockets of the test's own."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.board.driver.journald import JournaldSink, stderr_is_the_journal
from posfw.board.driver.notify import ServiceManager
from posfw.board.native_log import encode_entry, field_name

pytestmark = pytest.mark.may_block  # the other end of a socket pair is the test itself


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path)
        end.settimeout(5)
        yield end, path


def test_ready_status_and_watchdog_are_single_datagrams(
    manager: tuple[socket.socket, str],
) -> None:
    end, path = manager
    service = ServiceManager({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "10000000"})
    assert service.watchdog_s == 10.0
    assert service.ready("takes cards\nREADY=0")
    assert end.recv(4096) == b"READY=1\nSTATUS=takes cards READY=0"
    assert service.alive()
    assert end.recv(4096) == b"WATCHDOG=1"
    assert service.stopping()
    assert end.recv(4096) == b"STOPPING=1"


def test_an_abstract_socket_is_reached() -> None:
    name = f"posfw-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0" + name)
        end.settimeout(5)
        assert ServiceManager({"NOTIFY_SOCKET": "@" + name}).status("x")
        assert end.recv(100) == b"STATUS=x"


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": "/nowhere/x"}, {"NOTIFY_SOCKET": "vsock:1"}]
)
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    service = ServiceManager(environment)
    assert not service.ready("x")
    assert service.watchdog_s == 0.0


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s == 0.0
    own = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    assert ServiceManager(own).watchdog_s == 1.0


def decode(data: bytes) -> dict[str, str]:
    """journald's own reading of the native form, written anew from its documentation."""
    found = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        found[name.decode()] = value.decode()
        data = rest
    return found


@given(st.dictionaries(st.from_regex(r"[A-Z]{1,8}", fullmatch=True), st.text(max_size=20)))
def test_any_value_comes_back_and_none_adds_a_field(fields: dict[str, str]) -> None:
    assert decode(encode_entry(fields)) == fields


def test_an_entry_carries_message_priority_and_our_fields(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path)
        end.settimeout(5)
        sink = JournaldSink(path)
        assert sink.send("paper out", level=logging.WARNING, event="PRN-101", job=3)
        assert decode(end.recv(4096)) == {
            "MESSAGE": "paper out",
            "PRIORITY": "4",
            "SYSLOG_IDENTIFIER": "posfw",
            "POSFW_EVENT": "PRN-101",
            "POSFW_JOB": "3",
        }
        sink.close()


def test_a_lost_journal_is_counted_and_never_waited_for(tmp_path: Path) -> None:
    sink = JournaldSink(str(tmp_path / "none"))
    assert not sink.send("x", level=logging.INFO)
    assert sink.dropped == 1
    sink.close()


def test_the_stream_is_believed_only_when_its_inode_is_stderrs() -> None:
    seen = os.fstat(2)
    assert stderr_is_the_journal({"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino}"})
    for wrong in ({}, {"JOURNAL_STREAM": "1:2"}, {"JOURNAL_STREAM": "x"}):
        assert not stderr_is_the_journal(wrong)


def test_field_names_are_what_journald_takes() -> None:
    assert field_name("head-temp.c") == "POSFW_HEAD_TEMP_C"
