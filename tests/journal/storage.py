"""Storage that counts and fails: a SQLite VFS under the unchanged journal.

The default VFS is copied; files it opens get a copy of their method table in which read, write,
truncate and sync pass through here (sqlite.org/vfs.html, sqlite3.h: sqlite3_io_methods). It works
where Python's sqlite3 uses the system's shared library; `why_not` says why it does not.
"""

from __future__ import annotations

import ctypes as c
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Storage", "stored", "why_not"]

_METHODS: Final = tuple(
    f"x{name}"
    for name in (
        *("Close", "Read", "Write", "Truncate", "Sync", "FileSize", "Lock", "Unlock"),
        *("CheckReservedLock", "FileControl", "SectorSize", "DeviceCharacteristics"),
        *("ShmMap", "ShmLock", "ShmBarrier", "ShmUnmap", "Fetch", "Unfetch"),
    )
)
# What each call returns when it fails (sqlite3.h): IOERR_READ, _WRITE, _TRUNCATE, _FSYNC.
_ERRORS: Final = {"xRead": 266, "xWrite": 778, "xTruncate": 1546, "xSync": 1034}
FULL: Final = 13  # SQLITE_FULL, for writes
_SIGNATURES: Final = {
    "xRead": c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int, c.c_int64),
    "xWrite": c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int, c.c_int64),
    "xTruncate": c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int64),
    "xSync": c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int),
}
# The name stays a pointer: the file keeps it.
_Open = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_int, c.c_void_p)


class _IoMethods(c.Structure):
    _fields_ = [("iVersion", c.c_int), *((name, c.c_void_p) for name in _METHODS)]


class _File(c.Structure):
    _fields_ = [("pMethods", c.POINTER(_IoMethods))]


class _Vfs(c.Structure):
    """sqlite3_vfs up to xOpen; what follows is copied as bytes."""

    _fields_ = [
        ("iVersion", c.c_int),
        ("szOsFile", c.c_int),
        ("mxPathname", c.c_int),
        ("pNext", c.c_void_p),
        ("zName", c.c_char_p),
        ("pAppData", c.c_void_p),
        ("xOpen", c.c_void_p),
        ("rest", c.c_void_p * 14),
    ]


@dataclass
class Storage:
    """Counts calls, and fails the `fail_at`-th of those named in `fails` (then all, `forever`)."""

    calls: Counter[str] = field(default_factory=Counter)
    fails: tuple[str, ...] = tuple(_ERRORS)
    fail_at: int = 0
    forever: bool = False
    full: bool = False
    failed: int = 0
    _seen: int = 0

    def verdict(self, name: str) -> int:
        """Return 0 to pass a call on, else the error it ends with."""
        self.calls[name] += 1
        if not self.fail_at or name not in self.fails:
            return 0
        self._seen += 1
        if self._seen == self.fail_at or (self.forever and self._seen > self.fail_at):
            self.failed += 1
            return FULL if self.full and name == "xWrite" else _ERRORS[name]
        return 0

    def heal(self) -> None:
        """Fail no more."""
        self.fail_at = 0


def why_not() -> str:
    """Return why the VFS cannot be used here, "" if it can."""
    try:
        return "" if _library().sqlite3_libversion() else "no library"
    except OSError as error:
        return f"no shared SQLite: {error}"
    except AssertionError as error:
        return str(error)


def _library() -> c.CDLL:
    library = c.CDLL("libsqlite3.so.0")
    library.sqlite3_libversion.restype = c.c_char_p
    version = library.sqlite3_libversion().decode()
    if version != sqlite3.sqlite_version:
        raise AssertionError(
            f"Python's SQLite {sqlite3.sqlite_version} is not the system's {version}"
        )
    library.sqlite3_vfs_find.restype = c.POINTER(_Vfs)
    library.sqlite3_vfs_find.argtypes = [c.c_char_p]
    library.sqlite3_vfs_register.argtypes = [c.POINTER(_Vfs), c.c_int]
    library.sqlite3_vfs_unregister.argtypes = [c.POINTER(_Vfs)]
    return library


@contextmanager
def stored(storage: Storage) -> Iterator[Storage]:
    """Put `storage` under every database that is opened inside the context."""
    library = _library()
    system = library.sqlite3_vfs_find(None)
    ours = _Vfs.from_buffer_copy(c.string_at(system, c.sizeof(_Vfs)))
    ours.zName = b"counted"
    kept: list[Any] = []  # callbacks and tables must outlive the files
    tables: dict[int, _IoMethods] = {}
    real_open = c.cast(system.contents.xOpen, _Open)

    def table_of(methods: Any) -> _IoMethods:
        address = c.addressof(methods.contents)
        if address not in tables:
            table = _IoMethods.from_buffer_copy(c.string_at(address, c.sizeof(_IoMethods)))
            for name, signature in _SIGNATURES.items():
                hook = signature(_passing(storage, name, c.cast(getattr(table, name), signature)))
                kept.append(hook)
                setattr(table, name, c.cast(hook, c.c_void_p).value)
            tables[address] = table
        return tables[address]

    def opened(_: int, name: int, file: int, flags: int, out: int) -> int:
        code: int = real_open(c.addressof(system.contents), name, file, flags, out)
        handle = _File.from_address(file)
        if code == 0 and handle.pMethods:
            handle.pMethods = c.pointer(table_of(handle.pMethods))
        return code

    hook = _Open(opened)
    ours.xOpen = c.cast(hook, c.c_void_p).value
    library.sqlite3_vfs_register(c.byref(ours), 1)
    try:
        yield storage
    finally:
        library.sqlite3_vfs_unregister(c.byref(ours))
        library.sqlite3_vfs_register(system, 1)
        _ALIVE.append((ours, hook, kept, tables))


# A file that somebody forgot to close would call into freed memory: a few KiB a test are kept.
_ALIVE: list[Any] = []


def _passing(storage: Storage, name: str, real: Callable[..., int]) -> Callable[..., int]:
    def call(*arguments: Any) -> int:
        return storage.verdict(name) or real(*arguments)

    return call
