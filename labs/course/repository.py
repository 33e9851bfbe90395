"""`repository.yaml`: a Git repository in the learner's workspace, told commit by commit. Typed; no I/O.

A `.git` folder cannot be kept in a repository. What is written here is made at the start of a task by
`labs.attempts.repository`, the same commits with the same ids each time, and made again by a reset.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

from pydantic import Field, field_validator, model_validator

from grader.model import Spec

_REF = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
_PERSON = r"^[^<>\n]+ <[^<>\s]+@[^<>\s]+>$"


class Commit(Spec):
    """One commit. Its branch begins, where it does not exist yet, at the newest commit of the repository's branch.

    Attributes:
        message: Its message.
        author: `Name <mail>`.
        date: When (ISO 8601; without a zone it is UTC).
        branch: Where it goes; default: the repository's branch.
        write: Path → whole text of files it adds or changes.
        remove: Paths of files it removes.
        tag: An annotated tag on it, or empty.
    """

    message: str = Field(min_length=1)
    author: str = Field(pattern=_PERSON)
    date: datetime
    branch: str = Field(default="", pattern=rf"{_REF}|^$")
    write: dict[str, str] = Field(default_factory=dict)
    remove: tuple[str, ...] = ()
    tag: str = Field(default="", pattern=rf"{_REF}|^$")

    @property
    def seconds(self) -> int:
        """Its date in seconds since 1970."""
        return int((self.date if self.date.tzinfo else self.date.replace(tzinfo=UTC)).timestamp())

    @model_validator(mode="after")
    def _inside(self) -> Commit:
        for name in (*self.write, *self.remove):
            parts = PurePosixPath(name).parts
            if not parts or parts[0] == "/" or {"..", ".git"} & set(parts):
                raise ValueError(f"`{name}` is no path inside the repository")
        return self


class Repository(Spec):
    """The repository and its history, oldest commit first.

    Attributes:
        folder: Where it lies in the workspace; nothing else lies there.
        branch: The branch that is checked out.
        learner: Whose commits the learner makes, `Name <mail>`; set in the repository's own settings.
        commits: In order.
    """

    folder: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    branch: str = Field(default="main", pattern=_REF)
    learner: str = Field(default="On call <oncall@lab.example>", pattern=_PERSON)
    commits: tuple[Commit, ...] = Field(min_length=1)

    @field_validator("commits")
    @classmethod
    def _something(cls, commits: tuple[Commit, ...]) -> tuple[Commit, ...]:
        if not any(commit.write for commit in commits):
            raise ValueError("no commit writes a file")
        return commits
