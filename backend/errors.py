"""What can go wrong around the pipeline, as one exception tree, and what each means as an HTTP status.

BackendError
├── BadRequest              a request that cannot be understood
├── Forbidden               a request without the password or secret that it needs
├── ForeignRequest          a request that another site made a browser send, or a form without its token
├── UnknownHost             a request for a host name that the server does not have
├── TooManyAttempts         too many wrong passwords
├── QueueFull               more work is asked for than the server keeps in mind
├── RequestTooLarge         a body with more than the server takes
├── NotConnected            a project that does not list this backend as its model
├── LabelConfigError        a labeling config without what the backend needs
├── MediaError              the video of a task cannot be had
│   ├── MediaNotFound       Label Studio or the host does not have it
│   ├── MediaForbidden      credentials are missing or not accepted, or the address is not allowed
│   ├── MediaTooLarge       larger than the limit
│   └── MediaUnreachable    the host does not answer
│       └── MediaTooSlow    it sends so slowly that it was given up
├── LabelStudioError        Label Studio cannot be installed, started, reached or does not accept a request
│   ├── NotInLabelStudio    it has no such task or project (any more)
│   ├── LabelStudioRefused  it does not do what it is asked, and would not the next time
│   └── UploadRefused       it does not take a file, and would not the next time
├── VideoReplaced           people labelled another video than the one that is there now
├── UnknownVersion          a project has no such model
├── UnknownRun              there is no such training run
├── TooFewLabels            not enough to learn from
│   └── VideosMissing       there may be enough, but videos could not be had
├── NothingToExport         no label, or none that the filters let pass
├── Cancelled               somebody ended the training run
├── WorkerLost              the process that worked on a video died
├── OutOfMemory             a video took more memory than a worker may take
├── SchedulerLost           the Dask scheduler that was to hand out the work is gone
├── StorageFault            a disk or the database cannot be used, perhaps only for now
├── ResultUnreadable        a stored result is damaged, or of another release
└── NotSupported            a request that this server does not serve

Messages go to users as they are: they name the thing and the remedy, and never carry a secret.
"""

from __future__ import annotations

from pipeline.errors import (
    DatasetError,
    ModelError,
    PipelineError,
    PoseModelError,
    VideoError,
    VideoNotFound,
    VideoTooLarge,
)


class BackendError(Exception):
    """Base of every error that the backend raises on purpose.

    retry_after_s: how many seconds whoever refused asks to be left alone.
    """

    retry_after_s: float = 0.0


class BadRequest(BackendError):
    """A request that cannot be understood."""


class Forbidden(BackendError):
    """A request without the password or secret that it needs."""


class ForeignRequest(BackendError):
    """A request that another site made a browser send, or a form without the token of its page."""


class UnknownHost(BackendError):
    """A request for a host name that the server does not have."""


class TooManyAttempts(BackendError):
    """Too many wrong passwords from one address."""


class QueueFull(BackendError):
    """More work is asked for than the server keeps in mind. Nothing of it was begun."""

    retry_after_s = 60.0


class RequestTooLarge(BackendError):
    """A body with more than the server takes."""


class NotConnected(BackendError):
    """A project that does not list this backend as its model."""


class LabelConfigError(BackendError):
    """A labeling config without what the backend needs."""


class MediaError(BackendError):
    """The video of a task cannot be had."""


class MediaNotFound(MediaError):
    """Label Studio or the host does not have it."""


class MediaForbidden(MediaError):
    """Credentials are missing or not accepted, or the address is not allowed."""


class MediaTooLarge(MediaError):
    """Larger than the limit."""


class MediaUnreachable(MediaError):
    """The host does not answer."""


class MediaTooSlow(MediaUnreachable):
    """The host sends so slowly that it was given up."""


class LabelStudioError(BackendError):
    """Label Studio cannot be installed, started or reached, or does not accept a request.

    answers_nobody: whether any other request would fail as well just now: it is away or busy, or refuses the token.
    refuses_token: whether it says that the token is none, or may not do this.
    """

    answers_nobody: bool = False
    refuses_token: bool = False


class NotInLabelStudio(LabelStudioError):
    """Label Studio has no such task or project (any more)."""


class LabelStudioRefused(LabelStudioError):
    """Label Studio does not do what it is asked, and would not the next time."""


class UploadRefused(LabelStudioError):
    """Label Studio does not take a file, and would not the next time."""


class VideoReplaced(BackendError):
    """People labelled another video than the one that is there now."""


class UnknownVersion(BackendError):
    """A project has no model of that name."""


class UnknownRun(BackendError):
    """There is no such training run."""


class TooFewLabels(BackendError):
    """There is not enough to learn from. Nothing is broken: label more."""


class VideosMissing(TooFewLabels):
    """There may be enough to learn from, but videos could not be had."""


class NothingToExport(BackendError):
    """There is no label, or none that the filters let pass."""


class Cancelled(BackendError):
    """Somebody asked for the training run to end."""


class WorkerLost(BackendError):
    """The process that worked on a video died."""


class OutOfMemory(BackendError):
    """A video took more memory than a worker may take."""


class SchedulerLost(BackendError):
    """The Dask scheduler that was to hand out the work is gone."""


class StorageFault(BackendError):
    """A disk or the database cannot be used, perhaps only for now: full, read-only, locked, damaged."""

    @classmethod
    def of(cls, error: OSError) -> StorageFault:
        """What the system says of a file of ours, with the remedy."""
        where = f"{error.filename}: " if error.filename else ""
        return cls(f"{where}{error.strerror or error}. Make room, or correct the permissions.")


class ResultUnreadable(BackendError):
    """A stored result is damaged, or of another release."""


class NotSupported(BackendError):
    """A request that this server does not serve."""


_STATUS: list[tuple[type[Exception], int]] = [
    (BadRequest, 400),
    (Forbidden, 401),
    (ForeignRequest, 403),
    (UnknownHost, 421),
    (TooManyAttempts, 429),
    (QueueFull, 429),
    (RequestTooLarge, 413),
    (NotConnected, 403),
    (LabelConfigError, 400),
    (MediaNotFound, 404),
    (VideoNotFound, 404),
    (MediaForbidden, 403),
    (MediaTooLarge, 413),
    (MediaUnreachable, 502),
    (NotInLabelStudio, 404),
    (VideoReplaced, 409),
    (UnknownVersion, 404),
    (UnknownRun, 404),
    (TooFewLabels, 422),
    (NothingToExport, 422),
    (LabelStudioError, 502),
    (NotSupported, 501),
    (VideoTooLarge, 413),
    (VideoError, 422),
    (DatasetError, 422),
    (PoseModelError, 500),
    (ModelError, 500),
    (WorkerLost, 500),
    (OutOfMemory, 413),
    (SchedulerLost, 500),
    (StorageFault, 503),
    (MediaError, 422),
    (PipelineError, 500),
    (BackendError, 500),
]


def http_status(error_type: type[Exception]) -> int:
    """The HTTP status for an exception of ours: the first row that it is a kind of."""
    return next((status for kind, status in _STATUS if issubclass(error_type, kind)), 500)


def http_status_by_name(error_type: str) -> int:
    """The same for an exception that is known by its class name alone, as jobs store it; 500 for any other."""
    known = {kind.__name__: kind for base in (PipelineError, BackendError) for kind in _subclasses(base)}
    return http_status(known[error_type]) if error_type in known else 500


def _subclasses(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _subclasses(child))]


def as_json(error_type: str, message: str) -> dict[str, dict[str, str]]:
    """The body of every error answer."""
    return {"error": {"type": error_type, "message": message}}
