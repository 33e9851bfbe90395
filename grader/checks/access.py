"""`access`: what the API server's authorizer would say."""

from __future__ import annotations

from grader.errors import ExpressionError
from grader.finding import Finding, Scene, verdict
from grader.model import Access, Check
from grader.snapshot import Question
from grader.text import clean


def reads(_check: Check, _namespaces: tuple[str, ...]) -> list[Question]:
    """Return nothing: it asks for a review."""
    return []


def look(check: Check, scene: Scene) -> Finding:
    """Ask for a SubjectAccessReview and compare its answer."""
    question = check.access
    if question is None:
        raise ExpressionError(f"check `{check.id}` is no access check")
    allowed, reason = scene.cluster.allowed(question)
    words = {True: "allowed", False: "denied"}
    who = _told(question)
    observed = clean(f"{who}: {words[allowed]}{f' ({reason})' if reason else ''}")
    expected = f"{who}: {words[question.allowed]}"
    return verdict(allowed == question.allowed, observed, expected, [observed])


def _told(question: Access) -> str:
    who = question.user or f"ServiceAccount {question.serviceaccount}"
    group = f".{question.group}" if question.group else ""
    name = f" {question.name}" if question.name else ""
    where = f" in {question.namespace}" if question.namespace else " in the whole cluster"
    return f"{who} may {question.verb} {question.resource}{group}{name}{where}"
