"""The prove gate: whether a scenario does on a real cluster what it promises.

`labs prove` and the cluster tests call `prove`.
"""

from labs.prove.gate import prove
from labs.prove.report import Proof, ProveReport, Trial

__all__ = ["Proof", "ProveReport", "Trial", "prove"]
