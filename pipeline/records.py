"""The values that flow through the pipeline: frozen, and checked when they are made.

Axis letters in every docstring: T frames (poses in time), K landmarks (33), J joints in the SkeleMotion walk,
L resampled length, C channels, N repetitions. All times are seconds of media time, as a player shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import LANDMARK_COUNT

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float32]
RepLabel = Literal["normal", "anomalous"]
DECISION = 0.5
"""From this score on a repetition is called anomalous: calibration puts the threshold there."""
ROUNDED_BOW = 0.04
"""From so many trunk lengths on a bow of the back's outline is called rounded. Set by hand: the repetitions of three
labelled clips of rounded backs in side view are above it (.046 and more), those of a fourth in diagonal view below
or at it (.040 at most), and those of nine sound ones far below (.028 at most): see `benchmarks/back_outline.py`.
"""
ROUNDED_BACK = "the back looks rounded"
"""What people are told then, in a coach's words."""
Phase = Literal["pull", "lockout", "lowering"]
BodyPart = Literal["head", "back", "shoulders", "arms", "hips", "knees", "feet"]
Side = Literal["", "left", "right"]
OnProgress = Callable[[float], None]
"""Called now and then with the share (0..1) of the work that is done."""


CUT_SHORT = "the file was cut short"
TWO_PEOPLE = "two people lift"
"""How the two warnings of an analysis begin, by which videos with them are found again."""


@dataclass(frozen=True)
class VideoInfo:
    """What the container says about a video, and how it will be displayed.

    `width` and `height` are in square pixels as displayed: mirrored left to right where `mirrored`, then turned
    counter-clockwise by `rotation` degrees (0, 90, 180, 270); `pixel_aspect` is width by height of a stored pixel.
    `fps` is the average rate; `variable_rate` says that frames are not evenly spaced. `start_s` is the time of the
    first picture and `duration_s` that at which the last one ends, on the clock of `pipeline.media.clock` (Chromium's
    currentTime): a video that was cut may begin later than 0. `earliest_s` is the same of the earliest of pictures and
    sound: Firefox, which counts from there, shows everything so much earlier. `unplayable`: why browsers do not play
    it, in words, "" where they do. `has_playable_copy`: people are shown a copy of it instead, which browsers play.
    `whole_s`: how long the video was before its file was cut short, by its header; 0 where it is whole.
    """

    path: str
    duration_s: float
    fps: float
    width: int
    height: int
    rotation: int = 0
    variable_rate: bool = False
    codec: str = ""
    start_s: float = 0.0
    mirrored: bool = False
    pixel_aspect: float = 1.0
    earliest_s: float = 0.0
    unplayable: str = ""
    has_playable_copy: bool = False
    whole_s: float = 0.0

    def __post_init__(self) -> None:
        if not (self.duration_s > 0 and self.fps > 0 and self.width > 0 and self.height > 0):
            raise ValueError(f"Expected positive duration, rate and size, got {self}.")

    @property
    def late_start(self) -> str:
        """What people should know where the time stamps begin later than the first frame should; "" of other videos."""
        if self.earliest_s <= 1 / self.fps:
            return ""
        return f"starts at {self.earliest_s:.2f} s: Firefox shows it that much earlier"

    @property
    def cut_short(self) -> str:
        """What people should know where the file ends before the video does; "" of other videos."""
        if not self.whole_s:
            return ""
        return f"{CUT_SHORT}: it ends at {self.duration_s:.1f} of {self.whole_s:.1f} s. Copy or upload it again"


class Landmarks(NamedTuple):
    """One person in one picture.

    normalized [33, 4]: x and y as shares (0..1) of width and height, z in the scale of x, visibility 0..1. world
    [33, 3]: metres, origin between the hips. back_bow: how far the back bulges, in trunk lengths, as
    `pipeline.pose.back_outline` says; NaN where it says nothing.
    """

    normalized: Floats
    world: Floats
    back_bow: float = float("nan")


@dataclass(frozen=True)
class Pose:
    """The landmarks of one person through a video. Missing is NaN, and a frame without a person is all NaN.

    image [T, 33, 2] pixels of the displayed picture, x right, y down; the only place where the hips travel.
    world [T, 33, 3] metres, origin between the hips, x right, y down, z away from the camera.
    depth [T, 33] relative depth in the scale of image x, negative towards the camera.
    visibility [T, 33] 0..1, 0 where missing. time [T] seconds, strictly increasing.
    shot [T] int, the number of the camera shot a frame belongs to: 0, then one more after each cut.
    second_lifter: where in the picture somebody else lifts as well, "left" or "right" of this person, "" for nobody.
    back_bow [T] how far the outline of the back bulges, in trunk lengths, below 0 where it is hollow; NaN where
    nothing can be said, and everywhere where none is given.
    """

    image: Floats
    world: Floats
    depth: Floats
    visibility: Floats
    time: NDArray[np.float64]
    shot: NDArray[np.int32]
    width: int
    height: int
    second_lifter: Side = ""
    back_bow: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        frames = len(self.time)
        if not len(self.back_bow):
            object.__setattr__(self, "back_bow", np.full(frames, np.nan, np.float32))
        expected = {
            "image": (frames, LANDMARK_COUNT, 2),
            "world": (frames, LANDMARK_COUNT, 3),
            "depth": (frames, LANDMARK_COUNT),
            "visibility": (frames, LANDMARK_COUNT),
            "shot": (frames,),
            "back_bow": (frames,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"Expected {name} of shape {shape}, got {getattr(self, name).shape}.")
        if frames > 1 and not np.all(np.diff(self.time) > 0):
            raise ValueError("Expected strictly increasing pose times, got a repeated or earlier one.")

    @property
    def detected(self) -> NDArray[np.bool_]:
        """[T] True where a person was found."""
        found: NDArray[np.bool_] = np.isfinite(self.image[:, :, 0]).any(axis=1)
        return found


@dataclass(frozen=True, order=True)
class Rep:
    """One repetition, [start_s, end_s): the load leaves the floor, lockout at `top_s`, the load is back."""

    start_s: float
    top_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not self.start_s < self.top_s < self.end_s:
            raise ValueError(f"Expected start < top < end, got {self.start_s}, {self.top_s}, {self.end_s}.")

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Reason:
    """One cause of an anomaly: where on the body, in which phase, and which share (0..1) of the score it carries."""

    body_part: BodyPart
    phase: Phase
    share: float

    def __str__(self) -> str:
        return f"{self.body_part} during the {self.phase} ({self.share:.0%})"


Origin = Literal["statistics", "autoencoder", "posture", "back", "other repetitions"]
"""What a repetition is judged by: where lifter and camera are known, statistics of its image and what an autoencoder
cannot explain in them, beside those of normal repetitions; where not, its joint angles, the outline of its back, and
the others of its video."""


@dataclass(frozen=True)
class RepScore:
    """How anomalous one repetition is.

    score 0..1, higher is more anomalous, the decision is at 0.5. p_value 0..1 is conformal: the share of normal
    repetitions that are at least as unusual. raw is the detector's own distance. `reliable` is False where the
    repetition could not be judged (poses missing, implausibly short, hidden): a person should check it, and it is no
    anomaly whatever its score. hindrance: why it was not judged, in words ("the legs are hidden", "it is too short"),
    "" where it was, and by earlier releases where nothing was hidden. back_bow: how far the outline of the back bulges,
    in trunk lengths, None where the view allows no statement: a hint for people, which moves neither score nor label.
    flagged_by: what gives a repetition a score of 0.5 or more, by itself or, if nothing does, together.
    """

    score: float
    p_value: float
    raw: float
    reasons: tuple[Reason, ...] = ()
    reliable: bool = True
    hindrance: str = ""
    back_bow: float | None = None
    flagged_by: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        if not (0.0 <= self.score <= 1.0 and 0.0 <= self.p_value <= 1.0):
            raise ValueError(f"Expected score and p-value in 0..1, got {self.score} and {self.p_value}.")

    @property
    def is_anomaly(self) -> bool:
        return self.reliable and self.score >= DECISION

    @property
    def label(self) -> RepLabel:
        return "anomalous" if self.is_anomaly else "normal"

    @property
    def back_is_rounded(self) -> bool:
        """Whether the back looks rounded; False also where the view allows no statement."""
        return self.back_bow is not None and self.back_bow >= ROUNDED_BOW

    @property
    def findings(self) -> tuple[str, ...]:
        """What stands out, in words: a back that looks rounded, then the reasons of an anomaly, the strongest first.
        What was hidden comes before, in place of these."""
        rounded = (ROUNDED_BACK,) if self.back_is_rounded else ()
        if self.hindrance:
            return self.hindrance, *rounded
        return (*rounded, *map(str, self.reasons)) if self.is_anomaly else rounded

    @property
    def decision_confidence(self) -> float:
        """0.5..1: how clear the label is, by how far the score is from the decision; 0.5 where it is not reliable."""
        return 0.5 + abs(self.score - DECISION) if self.reliable else 0.5


FRAME_COLUMNS = [
    *("start_s", "top_s", "end_s", "duration_s", "score", "p_value", "raw", "label", "is_anomaly", "reliable"),
    *("reasons", "video", "confidence", "model_version", "back_bow", "back_is_rounded"),
    "flagged_by",
]
"""The columns of `Analysis.to_frame`, also where there are no repetitions."""


def shown_score(score: float) -> str:
    """A score to two digits, on its own side of the decision: what is just below 0.5 is "0.49"."""
    text = f"{score:.2f}"
    return "0.49" if score < DECISION and text == "0.50" else text


NOBODY, UNCLEAR = "nobody is seen", "the person is not seen clearly"
"""Of `Analysis.nothing`."""
NO_END, NO_BEGINNING = "a lift that is not seen to its end", "a lift that is not seen from its beginning"
"""The same, of recordings that cut a lift in two."""


@dataclass(frozen=True)
class Analysis:
    """Everything the pipeline says about one video: N repetitions and as many scores.

    confidence 0..1 is about where the repetitions were cut; low means that a person should check them. appearance [D]:
    what tells lifters and cameras apart, see pipeline/anomaly/appearance.py; empty without repetitions, or where it is
    not known. nothing: why there are no repetitions, "" where there are some. warning: what people should know of the
    whole video before they trust the rest ("two people lift: ..."), "" where there is nothing.
    """

    video: VideoInfo
    reps: tuple[Rep, ...]
    scores: tuple[RepScore, ...]
    confidence: float
    model_version: str
    config_digest: str
    media_digest: str = ""
    appearance: tuple[float, ...] = ()
    nothing: str = ""
    warning: str = ""

    def __post_init__(self) -> None:
        if len(self.reps) != len(self.scores):
            raise ValueError(f"Expected one score per repetition, got {len(self.reps)} and {len(self.scores)}.")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"Expected a confidence in 0..1, got {self.confidence}.")

    @property
    def shows_nobody(self) -> bool:
        """Whether nobody is seen in the video, or not clearly: nobody can label repetitions in it."""
        return self.nothing in (NOBODY, UNCLEAR)

    def to_frame(self) -> DataFrame:
        """The N repetitions as a table of pandas, one row each, in order of time, numbered from 1 by its index.

        Columns: `start_s`, `top_s`, `end_s`, `duration_s` (seconds of media time), `score` and `p_value` (0..1), `raw`,
        `label`, `is_anomaly`, `reliable`, `reasons` (text), of the video `video`, `confidence`, `model_version`, and
        `back_bow` (trunk lengths, NaN where nothing is said of the back), `back_is_rounded`, `flagged_by` (text).
        `reasons` and `flagged_by` are those of anomalies. A repetition that is not `reliable` could not be judged: its
        `label` is then "normal" and says nothing.
        """
        import pandas

        rows = [
            {
                "start_s": rep.start_s,
                "top_s": rep.top_s,
                "end_s": rep.end_s,
                "duration_s": rep.duration_s,
                "score": score.score,
                "p_value": score.p_value,
                "raw": score.raw,
                "label": score.label,
                "is_anomaly": score.is_anomaly,
                "reliable": score.reliable,
                "back_bow": float("nan") if score.back_bow is None else score.back_bow,
                "back_is_rounded": score.back_is_rounded,
                "flagged_by": "; ".join(score.flagged_by) if score.is_anomaly else "",
                "reasons": "; ".join(map(str, score.reasons)) if score.is_anomaly else "",
                "video": self.video.path,
                "confidence": self.confidence,
                "model_version": self.model_version,
            }
            for rep, score in zip(self.reps, self.scores, strict=True)
        ]
        return pandas.DataFrame(rows, index=pandas.RangeIndex(1, len(rows) + 1, name="rep"), columns=FRAME_COLUMNS)


Role = Literal["reference", "calibration"]


@dataclass(frozen=True)
class LabelledRep:
    """One labelled repetition of one video.

    group names the video; setting names the lifter and camera, "" where that is for the tool to find out. A sample
    whose role is "calibration" only says how far normal repetitions may be from the reference: nothing of it but that
    distance goes into the model.
    """

    pose: Pose
    rep: Rep
    label: RepLabel
    group: str
    setting: str = ""
    role: Role = "reference"


class Interval(Protocol):
    """Anything with a beginning and an end in seconds of media time."""

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float: ...


def tiou(one: Interval, other: Interval) -> float:
    """Temporal intersection over union, 0..1."""
    if one.start_s >= other.end_s or other.start_s >= one.end_s:  # as most are: nothing to work out
        return 0.0
    shared = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return shared / (max(one.end_s, other.end_s) - min(one.start_s, other.start_s))


def is_same_rep(one: Interval, other: Interval) -> bool:
    """Whether two intervals are of the same repetition: at least half of what either covers is of both."""
    return tiou(one, other) >= 0.5
