"""A recording SQLite VFS under the unchanged application, registered with ctypes.

Every write, truncate, sync and unlink of every SQLite file of this process goes into one trace,
together with what left the program meanwhile (`effect`): messages, postings, receipts, screens.
It works because Python's `sqlite3` is linked to a shared libsqlite3 in which this module replaces
the default VFS; `available` says whether that is so. The -shm file and memory-mapped I/O are not
recorded (the journal's exclusive mode uses neither); one process, one trace.
"""

from __future__ import annotations

import ctypes as c
import os
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

__all__ = ["TRACE", "Event", "available", "effect", "recording"]

# The first item says what happened, the rest to what:
#   open (file, whether it was made), write (file, offset, data), trunc (file, size), sync (file),
#   del (file, whether the directory was synced), rename (file, to), folder (none: it was synced),
#   ext (name, and anything): an effect outside the database.
Event = tuple[Any, ...]
TRACE: Final[list[Event]] = []
_seen: set[str] = set()  # files that SQLite has opened

_ptr, _int, _int64, _str = c.c_void_p, c.c_int, c.c_int64, c.c_char_p
_Write = c.CFUNCTYPE(_int, _ptr, _ptr, _int, _int64)
_Truncate = c.CFUNCTYPE(_int, _ptr, _int64)
_Sync = c.CFUNCTYPE(_int, _ptr, _int)
_Close = c.CFUNCTYPE(_int, _ptr)
_Open = c.CFUNCTYPE(_int, _ptr, _ptr, _ptr, _int, _ptr)
_Delete = c.CFUNCTYPE(_int, _ptr, _str, _int)


class _IoMethods(c.Structure):
    """sqlite3_io_methods, version 3 (sqlite3.h)."""

    _fields_ = [
        ("iVersion", _int),
        *(
            (name, _ptr)
            for name in [
                "xClose",
                "xRead",
                "xWrite",
                "xTruncate",
                "xSync",
                "xFileSize",
                "xLock",
                "xUnlock",
                "xCheckReservedLock",
                "xFileControl",
                "xSectorSize",
                "xDeviceCharacteristics",
                "xShmMap",
                "xShmLock",
                "xShmBarrier",
                "xShmUnmap",
                "xFetch",
                "xUnfetch",
            ]
        ),
    ]


class _File(c.Structure):
    """sqlite3_file (sqlite3.h)."""

    _fields_ = [("pMethods", c.POINTER(_IoMethods))]


class _Vfs(c.Structure):
    """sqlite3_vfs, version 3 (sqlite3.h)."""

    _fields_ = [
        ("iVersion", _int),
        ("szOsFile", _int),
        ("mxPathname", _int),
        ("pNext", _ptr),
        ("zName", _str),
        ("pAppData", _ptr),
        *(
            (name, _ptr)
            for name in [
                "xOpen",
                "xDelete",
                "xAccess",
                "xFullPathname",
                "xDlOpen",
                "xDlError",
                "xDlSym",
                "xDlClose",
                "xRandomness",
                "xSleep",
                "xCurrentTime",
                "xGetLastError",
                "xCurrentTimeInt64",
                "xSetSystemCall",
                "xGetSystemCall",
                "xNextSystemCall",
            ]
        ),
    ]


def available() -> str:
    """Return "" if sqlite3 uses a shared libsqlite3.so.0, else why it cannot be recorded."""
    import _sqlite3  # noqa: PLC0415 - its file says what it is linked to

    path = getattr(_sqlite3, "__file__", None)
    if path is None:
        return "sqlite3 is built into this Python"
    linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return "" if "libsqlite3.so.0" in linked else f"{path} brings its own SQLite"


def effect(name: str, *what: object) -> None:
    """Note something that left the program."""
    TRACE.append(("ext", name, *what))


class _Recorder:
    """One registered VFS. ctypes callbacks must outlive their last call, so it is never freed."""

    def __init__(self) -> None:
        self._library = c.CDLL("libsqlite3.so.0")
        if self._library.sqlite3_libversion_number() != _number(sqlite3.sqlite_version):
            raise RuntimeError("another libsqlite3 than Python's was loaded")
        self._library.sqlite3_vfs_find.restype = c.POINTER(_Vfs)
        self._library.sqlite3_vfs_find.argtypes = [_str]
        self._library.sqlite3_vfs_register.argtypes = [c.POINTER(_Vfs), _int]
        self._base = self._library.sqlite3_vfs_find(None).contents
        self._names: dict[int, str] = {}
        self._tables: dict[int, _IoMethods] = {}  # original table's address -> recording copy
        self._kept: list[Any] = []
        self._vfs = _Vfs.from_buffer_copy(self._base)
        self._vfs.zName, self._vfs.pNext = b"recording", None
        opening, deleting = _Open(self._opening()), _Delete(self._deleting())
        self._kept += [opening, deleting]
        self._vfs.xOpen = c.cast(opening, _ptr).value
        self._vfs.xDelete = c.cast(deleting, _ptr).value

    def install(self) -> None:
        self._library.sqlite3_vfs_register(c.byref(self._vfs), 1)

    def remove(self) -> None:
        self._library.sqlite3_vfs_register(c.byref(self._base), 1)

    def _opening(self) -> Any:
        base, base_open = c.addressof(self._base), _Open(self._base.xOpen)

        def on_open(vfs: int, path: int, file: int, flags: int, out: int) -> int:
            name = Path(c.string_at(path).decode()) if path else None
            made = name is not None and not name.exists()
            result: int = base_open(base, path, file, flags, out)
            if result == 0 and name is not None:
                _seen.add(name.name)
                TRACE.append(("open", name.name, made))
                self._record(file, name.name)
            return result

        return on_open

    def _deleting(self) -> Any:
        base, base_delete = c.addressof(self._base), _Delete(self._base.xDelete)

        def on_delete(vfs: int, path: bytes, sync_directory: int) -> int:
            there = os.path.exists(path)  # noqa: PTH110 - bytes, in a hot callback
            if there:
                TRACE.append(("del", Path(path.decode()).name, bool(sync_directory)))
            result: int = base_delete(base, path, sync_directory)
            return result

        return on_delete

    def _record(self, address: int, name: str) -> None:
        """Give one just opened file the recording copy of its method table."""
        file = c.cast(address, c.POINTER(_File)).contents
        original = c.addressof(file.pMethods.contents)
        if original not in self._tables:
            self._tables[original] = self._recording(file.pMethods.contents)
        self._names[address] = name
        file.pMethods = c.pointer(self._tables[original])

    def _recording(self, original: _IoMethods) -> _IoMethods:
        table = _IoMethods.from_buffer_copy(original)
        write, truncate = _Write(table.xWrite), _Truncate(table.xTruncate)
        sync, close = _Sync(table.xSync), _Close(table.xClose)
        names, append = self._names, TRACE.append

        def on_write(file: int, data: int, size: int, offset: int) -> int:
            append(("write", names[file], offset, c.string_at(data, size)))
            result: int = write(file, data, size, offset)
            return result

        def on_truncate(file: int, size: int) -> int:
            append(("trunc", names[file], size))
            result: int = truncate(file, size)
            return result

        def on_sync(file: int, flags: int) -> int:
            result: int = sync(file, flags)
            append(("sync", names[file]))
            return result

        def on_close(file: int) -> int:
            names.pop(file, None)
            result: int = close(file)
            return result

        callbacks = (_Write(on_write), _Truncate(on_truncate), _Sync(on_sync), _Close(on_close))
        self._kept.extend(callbacks)
        for name, callback in zip(
            ("xWrite", "xTruncate", "xSync", "xClose"), callbacks, strict=True
        ):
            setattr(table, name, c.cast(callback, _ptr).value)
        return table


_made: list[_Recorder] = []


@contextmanager
def recording() -> Iterator[None]:
    """Record every SQLite file that is opened in the context."""
    if not _made:
        _made.append(_Recorder())
    TRACE.clear()
    _made[0].install()
    try:
        with (
            patch.object(os, "replace", _replace),
            patch.object(os, "fsync", _fsync),
            patch.object(os, "pwrite", _pwrite),
            patch.object(os, "unlink", _unlink),
        ):
            yield
    finally:
        _made[0].remove()


_os_replace, _os_fsync, _os_pwrite, _os_unlink = os.replace, os.fsync, os.pwrite, os.unlink


def _replace(source: Path, target: Path) -> None:
    """Record what pathlib does for `Path.replace`: the one rename of the application."""
    _os_replace(source, target)
    TRACE.append(("rename", source.name, target.name))


def _fsync(handle: int) -> None:
    if not stat.S_ISDIR(os.fstat(handle).st_mode):
        raise NotImplementedError("only folders are synced beside SQLite")
    _os_fsync(handle)
    TRACE.append(("folder",))


def _pwrite(handle: int, data: bytes, offset: int) -> int:
    """Record the journal's anchor, which is never synced."""
    name = Path(f"/proc/self/fd/{handle}").readlink().name
    if name.endswith(".anchor"):
        TRACE.append(("write", name, offset, bytes(data)))
    return _os_pwrite(handle, data, offset)


def _unlink(path: Any, **where: Any) -> None:
    """Record what pathlib takes away of SQLite's files: the rests of one that was being made."""
    _os_unlink(path, **where)
    if (name := Path(path).name) in _seen:
        TRACE.append(("del", name, False))


def _number(version: str) -> int:
    major, minor, patch = (int(part) for part in version.split("."))
    return major * 1_000_000 + minor * 1_000 + patch
