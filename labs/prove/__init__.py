"""The prove gate: whether a scenario does on a real cluster what it promises, and the ledger of what has been proved.

`labs prove` and the cluster tests call `prove`; `labs.prove.ledger` is also asked by `labs lint` and `labs scenarios`.
"""

from labs.prove.gate import prove
from labs.prove.report import Proof, ProveReport, Trial

__all__ = ["Proof", "ProveReport", "Trial", "prove"]
