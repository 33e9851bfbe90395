"""Errors of the grader.

GraderError
├── ExpressionError   a CEL expression does not compile, yields no bool or is too expensive (the author's mistake)
├── Undefined         an expression met objects that lack what it asks for; that is evidence (a failed check)
├── Unanswered        the cluster could not be asked; the check is `unknown`
└── Refused           the question itself was refused with a reason that is evidence (a render or dry run that fails)
"""

from __future__ import annotations


class GraderError(Exception):
    """Base of the grader's errors; carries one sentence and the mend."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ExpressionError(GraderError):
    """A CEL expression, or another part of a check, is wrong or too expensive."""


class Undefined(GraderError):  # noqa: N818 - the learner's objects are so, nobody's code is at fault
    """An expression has no value on these objects: a field, an index or a type is not there."""


class Unanswered(GraderError):  # noqa: N818 - it is an outcome, not a fault of ours
    """The cluster could not be asked."""


class Refused(GraderError):  # noqa: N818 - as Unanswered
    """The cluster or a tool answered "no" with a reason that is evidence."""
