"""The journal's files as the system sees them: whose they are, the lock, the anchor."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posfw.values.errors import (
    JournalArchiveError,
    JournalBusyError,
    JournalCorruptError,
    JournalError,
    JournalUnsafeError,
)

__all__ = [
    "Anchor",
    "archive_of",
    "cannot_use",
    "check_pages",
    "forbidden",
    "free_mib",
    "hold",
    "lock_of",
    "make",
    "release",
    "usable",
]


def archive_of(journal: Path) -> Path:
    """Return where a journal's archive lies."""
    return journal.with_name(journal.name + ".archive")


def hold(path: Path, create: bool) -> int:  # noqa: FBT001 - to_thread passes positions only
    """Check the file and lock it for this process; return the lock's handle for `release`.

    Raises:
        JournalBusyError: another process holds it; its number is named.
        JournalError: there is no usable file.
    """
    usable(path, create=create)
    return lock_of(path)


def lock_of(path: Path) -> int:
    """Lock `<journal>.lock` for this process, whatever the journal itself is worth.

    Raises:
        JournalBusyError: another process holds it; its number is named.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise forbidden(lock, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 16, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise forbidden(lock, error) from error
        raise JournalBusyError(
            f"Process {holder} holds the journal {path}.", holder=holder
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def make(path: Path, fill: Callable[[sqlite3.Connection, str], None]) -> None:
    """Make the file unless it is there: whole and synced under another name, then renamed.

    A power cut while it was made under its own name would leave a file that is no journal yet,
    and such a file is refused for good.
    """
    if path.exists():
        return
    unfinished = path.with_name(path.name + ".new")
    for suffix in ("", "-wal", "-journal"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
    try:
        connection = sqlite3.connect(unfinished, isolation_level=None)
        try:
            fill(connection, str(path))
        finally:
            connection.close()  # the last one: what the WAL holds is in the file, synced
    except sqlite3.Error as error:
        raise cannot_use(path, error) from error
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def release(handle: int) -> None:
    """Unlock; the file stays, so that two openers never lock two files of one name."""
    os.close(handle)


def check_pages(path: Path) -> None:
    """Read an archive from end to end beside the worker, while nobody moves anything into it.

    Raises:
        JournalArchiveError: it is damaged.
    """
    try:
        # Another connection holds it EXCLUSIVE: `immutable` asks for no lock.
        name = f"{path.resolve().as_uri()}?immutable=1"
        connection = sqlite3.connect(name, uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA cell_size_check=ON")
            (found,) = connection.execute("PRAGMA integrity_check(3)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise JournalArchiveError(cannot_use(path, error).cause) from error
    if found != "ok":
        raise JournalArchiveError(f"The archive {path} is damaged: {found}.")


def free_mib(path: Path) -> int:
    """Return how many MiB a program without privileges can still write beside the journal."""
    found = os.statvfs(path.parent)
    return found.f_bavail * found.f_frsize // (1 << 20)


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far a journal had come, kept beside it: an old copy of the file is behind its anchor.

    Written after a commit and not synced: it may be older than the journal after a power cut,
    never newer.

    Attributes:
        ksn: the last DUKPT counter given out.
        stan: the last STAN given out.
        entry: the last entry of the chain.
    """

    ksn: int = 0
    stan: int = 0
    entry: int = 0

    @staticmethod
    def path_of(journal: Path) -> Path:
        """Return where a journal's anchor lies."""
        return journal.with_name(journal.name + ".anchor")

    def write(self, handle: int) -> None:
        """Replace the content of an open anchor file."""
        os.pwrite(handle, b"%11d %7d %19d\n" % (self.ksn, self.stan, self.entry), 0)

    @staticmethod
    def open(journal: Path) -> int:
        """Open the anchor file for `write`, made where it is missing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        return os.open(Anchor.path_of(journal), flags, 0o600)

    @staticmethod
    def read(journal: Path) -> Anchor:
        """Return the anchor; where it is missing or not one, that of the very beginning."""
        try:
            ksn, stan, entry = Anchor.path_of(journal).read_bytes()[:40].split()
            return Anchor(int(ksn), int(stan), int(entry))
        except (OSError, ValueError):
            return Anchor()


def usable(path: Path, *, create: bool) -> None:
    """Check that there is a file to open, or (`create`) that nothing is in the way.

    Raises:
        JournalCorruptError: zero bytes.
        JournalError: a folder, missing, or not allowed.
    """
    try:
        if path.is_dir():
            raise JournalError(f"The journal {path} is a folder.", code="JRN-002")
        if not path.exists():
            if not create:
                raise JournalError(f"There is no journal at {path}.", code="JRN-003")
            return
        size = path.stat().st_size
        with path.open("r+b"):
            pass
    except OSError as error:
        raise forbidden(path, error) from error
    if size == 0:
        raise JournalCorruptError(f"The journal {path} is empty: zero bytes.")


def forbidden(path: Path, error: OSError) -> JournalError:
    """Return the error for a file or folder that the system does not let us use."""
    return JournalError(
        f"The journal {path} may not be read or written: {error.strerror}.",
        code="JRN-004",
        next_step="Give the terminal's user the right to read and write the file and its folder.",
    )


def cannot_use(path: Path, error: sqlite3.Error) -> JournalError:
    """Say why a file cannot be opened, read or written, by SQLite's own name of the cause."""
    name: str = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_IOERR", "SQLITE_FULL")):
        return JournalUnsafeError(f"The journal {path} could not be read or written: {name}.")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalBusyError(f"Another program has the database {path} open.")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return JournalError(
            f"The journal {path} may not be read or written: {name}.", code="JRN-004"
        )
    return JournalCorruptError(f"The journal {path} cannot be read: {error}.")
