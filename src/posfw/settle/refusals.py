"""What a settlement's response code means for the terminal: go on selling, fetch, or stay shut.

A frozen batch stops selling. Only while nobody knows whether the bank has closed the batch must
it stay frozen; a clear no opens it again, and age, count and sum press for the next try.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Course", "course"]


class Course(StrEnum):
    """What to do with the frozen batch."""

    GO_ON = "go_on"  # answered: compare and close
    FETCH = "fetch"  # the bank has closed it before: fetch its records and close
    REOPEN = "reopen"  # the bank has not closed it: thaw, sell, try again later


# ISO 8583 DE39. 94 is a duplicate: our first request arrived and its answer was lost.
_COURSES = {"00": Course.GO_ON, "94": Course.FETCH}


def course(response_code: object) -> Course:
    """Return what a verified answer's code asks for."""
    return _COURSES.get(str(response_code), Course.REOPEN)
