"""What workers tell the screens: a worker asks the core and posts one of these; only handlers touch widgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from textual.message import Message
from textual.message_pump import MessagePump
from textual.worker import Worker, get_current_worker

from grader.model import Report
from labs.attempts.clues import Clues
from labs.attempts.diagnosis import Diagnosed
from labs.attempts.service import Attempt
from labs.course.models import Fix
from labs.errors import Interrupted, LabsError
from labs.events import Event, Listener
from labs.providers.base import Finding
from tui.gateway import Overview


class Looked(Message):
    """The state of everything was read."""

    def __init__(self, overview: Overview) -> None:
        super().__init__()
        self.overview = overview


class Happened(Message):
    """Something long-running said how it goes on."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class CameUp(Message):
    """The cluster runs."""


class Began(Message):
    """A task was started, resumed or put back to its start."""

    def __init__(self, attempt: Attempt, *, lacking: list[str] | None = None, again: bool = False) -> None:
        super().__init__()
        self.attempt = attempt
        self.lacking = lacking or []
        self.again = again


class Graded(Message):
    """A task was graded."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


class Clued(Message):
    """What a learner may point at was read."""

    def __init__(self, clues: Clues) -> None:
        super().__init__()
        self.clues = clues


class Answered(Message):
    """A diagnosis was answered."""

    def __init__(self, diagnosed: Diagnosed) -> None:
        super().__init__()
        self.diagnosed = diagnosed


class Hinted(Message):
    """A hint was taken."""

    def __init__(self, level: str, text: str) -> None:
        super().__init__()
        self.level = level
        self.text = text


class Solved(Message):
    """The solution was asked for."""

    def __init__(self, fix: Fix) -> None:
        super().__init__()
        self.fix = fix


class Stopped(Message):
    """A task was ended and its traces removed."""


class Examined(Message):
    """The machine was looked at: provider name → findings."""

    def __init__(self, findings: dict[str, list[Finding]]) -> None:
        super().__init__()
        self.findings = findings


class Failed(Message):
    """A worker could not do what it was asked.

    Args:
        error: What happened, with the hint.
        doing: What was being done, for the title.
    """

    def __init__(self, error: LabsError, doing: str) -> None:
        super().__init__()
        self.error = error
        self.doing = doing


class Shown(Message):
    """A screen came to the front."""


class TaskWanted(Message):
    """The learner opens a task."""

    def __init__(self, scenario_id: str) -> None:
        super().__init__()
        self.scenario_id = scenario_id


class ClusterWanted(Message):
    """The learner wants the cluster to be brought up, or to see how that goes on."""


Post = Callable[[Message], None]


@contextmanager
def reporting(target: MessagePump, doing: str) -> Iterator[Post]:
    """Give a worker the way to post its result, and turn what it raises into a `Failed`. A cancelled one is mute."""
    worker: Worker[None] = get_current_worker()

    def post(message: Message) -> None:
        if not worker.is_cancelled:
            target.post_message(message)

    try:
        yield post
    except LabsError as error:
        post(Failed(error, doing))
    except Exception as error:  # noqa: BLE001 - the edge of the screen: a defect of ours is said in words and never ends the app
        words = f"{type(error).__name__}: {error}"
        post(Failed(LabsError(words, hint="this is a defect of the lab; please report this line"), doing))


def telling(target: MessagePump) -> Listener:
    """Return a listener that forwards events as `Happened` and stops the work once its worker was cancelled."""
    worker: Worker[None] = get_current_worker()

    def listen(event: Event) -> None:
        if worker.is_cancelled:
            raise Interrupted("stopped", hint="the same command goes on from here")
        target.post_message(Happened(event))

    return listen
