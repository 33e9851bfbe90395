"""Every error the server raises on purpose.

`infer` and `app` turn them into `{"error": …}`, `__main__` into an exit code.

ServerError                 carries an HTTP status
├── BadRequest         400  the request is wrong; the connection stays usable
├── Forbidden          403  load and unload are switched off
├── NotFound           404  no such model or version
├── MethodNotAllowed   405  carries `Allow`
├── TooLarge           413  the body, as sent or inflated, is over the limit
├── UnsupportedEncoding 415 a content encoding nobody here speaks
├── ClientGone         499  nobody is left to read the answer
├── Overloaded         503  the queue is full; carries `Retry-After`
├── NotReady           503  the model exists but cannot answer yet, or failed to load
├── DeadlineExceeded   504  the answer would come later than the client or the model's configuration allows
└── ExecutionFailed    500  ONNX Runtime refused to run the model
StartupError                the process ends with `exit_code` after one log line

Not for logging or rendering: messages never quote the body of a request.
"""

from __future__ import annotations

from typing import Any


class ServerError(Exception):
    """A request that gets an error for an answer.

    Args:
        message: What is wrong, for the client; never holds the request's payload.
        headers: Extra response headers, in the form ASGI wants them.
    """

    status = 500
    #: The label of `inference_requests_total`, after Triton's reasons for failure.
    outcome = "failed"

    def __init__(self, message: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers


class BadRequest(ServerError):  # noqa: N818 - named after the status
    """The request does not follow the protocol or does not fit the model."""

    status = 400
    outcome = "invalid"


class Forbidden(ServerError):  # noqa: N818 - named after the status
    """This server was not started with `model_control`."""

    status = 403
    outcome = "invalid"


class NotFound(ServerError):  # noqa: N818 - named after the status
    """There is no such model or version."""

    status = 404
    outcome = "invalid"


class MethodNotAllowed(ServerError):  # noqa: N818 - named after the status
    """The path exists, the method does not."""

    status = 405
    outcome = "invalid"


class TooLarge(ServerError):  # noqa: N818 - named after the status
    """The body is over `max_body_bytes`, before or after inflating."""

    status = 413
    outcome = "invalid"


class UnsupportedEncoding(ServerError):  # noqa: N818 - named after the status
    """The body's content encoding is neither gzip nor deflate."""

    status = 415
    outcome = "invalid"


class ClientGone(ServerError):  # noqa: N818 - named after what happened
    """The client closed its connection before the answer; what it asked for is not run if it still waits."""

    status = 499
    outcome = "cancelled"


class DeadlineExceeded(ServerError):  # noqa: N818 - named after what happened
    """The request waited longer than its deadline."""

    status = 504
    outcome = "rejected"


class Overloaded(ServerError):  # noqa: N818 - named after what happened
    """The queue is full, so the request is refused at once instead of late.

    Args:
        retry_after_s: Seconds after which a new attempt makes sense, at least 1.
    """

    status = 503
    outcome = "rejected"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, headers=((b"retry-after", str(retry_after_s).encode()),))


class NotReady(ServerError):  # noqa: N818 - named after what happened
    """The model is known but is still loading, failed to load, or is on its way out."""

    status = 503
    outcome = "failed"


class ExecutionFailed(ServerError):  # noqa: N818 - named after what happened
    """The model could not be run on well-formed input, or a fault switch said so."""


class StartupError(Exception):
    """The process cannot start; one log line says why.

    Args:
        message: The text of the log line; scenarios match on it.
        exit_code: 1 when a model is missing, 2 when the configuration is wrong.
        fields: Further fields of the log line.
    """

    def __init__(self, message: str, *, exit_code: int, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.fields = fields
