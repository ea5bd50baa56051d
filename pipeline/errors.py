"""What can go wrong in the pipeline, as one exception tree.

PipelineError
├── VideoError              the file cannot be used as a video
│   ├── VideoNotFound       no such file
│   ├── NotAVideo           empty, not a media file, or without a video stream
│   ├── VideoDamaged        a video, but nothing (or not enough) of it can be decoded
│   └── VideoTooLarge       pictures too large or too many, too long, or too slow to decode
├── PoseModelError          the pose model cannot be loaded or run
├── PoseFileDamaged         stored landmarks that cannot be read
├── DatasetError            labelled data that cannot be trained or evaluated on
└── ModelError              a saved model that cannot be loaded

A wrong argument is a ValueError ("Expected X, got Y."): that is a mistake of the caller, not of the data.
Every message names the thing and says what to do about it.
"""


class PipelineError(Exception):
    """Base of every error that the pipeline raises on purpose."""


class VideoError(PipelineError):
    """The file cannot be used as a video."""


class VideoNotFound(VideoError):
    """There is no such file."""


class NotAVideo(VideoError):
    """The file is empty, is no media file, or has no video stream."""


class VideoDamaged(VideoError):
    """The file is a video, but it cannot be decoded."""


class VideoTooLarge(VideoError):
    """Its pictures are too large or too many, it is too long, or decoding takes too long."""


class PoseModelError(PipelineError):
    """The pose model cannot be loaded or run."""


class PoseFileDamaged(PipelineError):
    """Stored landmarks that cannot be read."""


class DatasetError(PipelineError):
    """Labelled data that cannot be trained or evaluated on."""


class ModelError(PipelineError):
    """A saved model that cannot be loaded."""
