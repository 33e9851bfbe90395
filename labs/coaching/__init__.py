"""What a learner changed, and what came close: read from the audit log and from the objects, told beside the verdict.

`labs.attempts.service` calls `coach` after a grading. Nothing here is ever part of a verdict, and where it is not sure
it is silent: a wrong hint costs more than none.
"""

from labs.coaching.coach import Task, coach

__all__ = ["Task", "coach"]
