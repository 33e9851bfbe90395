"""What CI proves: each scenario that is not proved as it is now, and a random tenth of the others, within a budget.

The tenth is drawn from those that measure nothing: how long an answer takes on a machine of which nobody knows what
else it does is not what a change of ours is to be judged by.
"""

from __future__ import annotations

import secrets
import time

import pytest

from labs.attempts.service import Tasks
from labs.prove import prove
from labs.prove.gate import measures, runs_alone
from labs.prove.ledger import Ledger
from labs.providers.base import ClusterHandle

pytestmark = pytest.mark.cluster

BUDGET = 420.0
"""Seconds, for a ledger that is far behind; what is left then is for `labs prove`, and lint names it."""


def test_what_changed_and_a_tenth_of_the_rest_is_proved(cluster: ClusterHandle) -> None:
    tasks = Tasks(cluster)
    seed = secrets.randbelow(10_000)
    steady = [scenario for scenario in tasks.course.scenarios if not (measures(scenario) or runs_alone(scenario))]
    ids = [*Ledger().choose(tasks.course.scenarios, seed).changed, *Ledger().choose(steady, seed).sampled]
    end = time.monotonic() + BUDGET
    report = prove(tasks, list(dict.fromkeys(ids)), parallel=2, seed=seed, cancelled=lambda: time.monotonic() > end)
    failed = [f"{p.scenario}: {t.id}: {t.detail}" for p in report.proofs for t in p.trials if not t.ok]
    assert failed == [], f"labs prove --seed {seed}"
    assert any(proof.trials or proof.skipped for proof in report.proofs)
    assert tasks.running() == []
