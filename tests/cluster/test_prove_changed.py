"""What CI proves: each scenario that is not proved as it is now, and a random tenth of the others, within a budget."""

from __future__ import annotations

import secrets
import time

import pytest

from labs.attempts.service import Tasks
from labs.prove import prove
from labs.prove.ledger import Ledger
from labs.providers.base import ClusterHandle

pytestmark = pytest.mark.cluster

BUDGET = 420.0
"""Seconds, for a ledger that is far behind; what is left then is for `labs prove`, and lint names it."""


def test_what_changed_and_a_tenth_of_the_rest_is_proved(cluster: ClusterHandle) -> None:
    tasks = Tasks(cluster)
    seed = secrets.randbelow(10_000)
    choice = Ledger().choose(tasks.course.scenarios, seed)
    end = time.monotonic() + BUDGET
    report = prove(tasks, choice.ids, parallel=2, seed=seed, cancelled=lambda: time.monotonic() > end)
    failed = [f"{p.scenario}: {t.id}: {t.detail}" for p in report.proofs for t in p.trials if not t.ok]
    assert failed == [], f"labs prove --seed {seed}"
    assert any(proof.trials or proof.skipped for proof in report.proofs)
    assert tasks.running() == []
