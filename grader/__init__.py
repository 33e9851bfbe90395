"""Verdicts on a live cluster: check kinds, guards, outcomes and their evidence. Knows nothing of `labs` or `tui`.

`grader.live` stands apart from this, because it loads the Kubernetes client:

    with closing(LiveCluster(kubeconfig)) as cluster:
        baseline = capture(guards, cluster)  # when the task begins
        report = grade(id, checks, guards, cluster, has=…, requires=…, namespaces=["serving"], baseline=baseline)
        print(plain(report))
"""

from grader.capabilities import Capabilities, Requires
from grader.cluster import Cluster, HttpAnswer, HttpRequest
from grader.errors import ExpressionError, GraderError, Refused, Unanswered, Undefined
from grader.expression import Expression, compile_expression
from grader.guards import Baseline, capture
from grader.model import Check, Guard, GuardVerdict, Objects, Outcome, Report, Verdict
from grader.report import Conclusion, Field, conclusion, evidence, plain, to_json
from grader.runner import grade

__all__ = [
    "Baseline",
    "Capabilities",
    "Check",
    "Cluster",
    "Conclusion",
    "Expression",
    "ExpressionError",
    "Field",
    "GraderError",
    "Guard",
    "GuardVerdict",
    "HttpAnswer",
    "HttpRequest",
    "Objects",
    "Outcome",
    "Refused",
    "Report",
    "Requires",
    "Unanswered",
    "Undefined",
    "Verdict",
    "capture",
    "compile_expression",
    "conclusion",
    "evidence",
    "grade",
    "plain",
    "to_json",
]
