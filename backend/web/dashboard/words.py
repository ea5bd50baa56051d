"""States, phases, issues and kinds in words that people who lift or label understand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backend.labelstudio.task_columns import (
    ANOMALIES,
    CONFIDENCE,
    MODEL,
    command_for_copies,
    no_repetition,
    rounded_back,
)
from backend.models.figures import JUDGED as JUDGED  # for templates
from backend.models.figures import OF_ITS_OWN_LABELS as OF_ITS_OWN_LABELS  # for templates
from backend.models.figures import TWO_COUNTS as TWO_COUNTS  # for templates
from backend.models.figures import VERDICTS as VERDICTS  # for templates
from backend.models.found_words import AUROC_IS as AUROC_IS  # for templates
from backend.models.found_words import DRAWN_OR_PREDICTED as DRAWN_OR_PREDICTED  # for templates
from backend.predictions.retries import may_pass
from backend.storage.overview import VideoRow
from pipeline.anomaly.versions import percent
from pipeline.records import ROUNDED_BACK as ROUNDED_BACK  # for templates
from pipeline.records import Origin

STATES = {
    "queued": "waiting",
    "running": "being analyzed",
    "done": "analyzed",
    "failed": "failed",
}
RUN_STATES = {
    "queued": "waiting",
    "running": "going on",
    "done": "finished",
    "skipped": "too few labels",
    "failed": "failed",
    "cancelled": "cancelled",
}
ENDING = "ending"
"""A training that goes on and that somebody ended."""
PHASES = {
    "": "beginning",
    "labels": "reading what people labelled",
    "poses": "finding where the lifter's joints are in labelled videos",
    "judge": "comparing with the model in use, on videos that neither has learnt from",
    "encode": "describing how the joints move in each repetition",
    "fit": "learning what normal repetitions look like",
    "calibrate": "measuring how far apart normal repetitions are",
    "publish": "storing the new model",
}
ISSUES = {
    "duplicate": "the same file in several tasks",
    "codec": "that browsers may not play",
    "variable-rate": "frames not evenly spaced",
    "low-rate": "fewer than 15 frames a second",
    "late-start": "begins late: Firefox shows it earlier",
    "two-lifters": "two people lift, one is counted",
    "cut-short": "the file was cut short",
    "not-judged": "repetitions that could not be judged",
    "rounded-back": ROUNDED_BACK,
    "no-repetitions": "no repetition found",
    "unreadable": "a stored result that cannot be read",
}
ORDERS = {
    "least-certain": "least certain first",
    "to-label": "with repetitions, least certain first",
    "newest": "newest first",
    "most-anomalies": "most anomalies first",
    "file": "by file name",
}
KINDS = {
    "accepted": "accepted",
    "moved": "moved",
    "relabelled": "relabelled",
    "added": "added",
    "removed": "removed",
}
ORIGINS: dict[Origin, str] = {
    "statistics": "the statistics of its movement",
    "autoencoder": "what the autoencoder cannot explain in it",
    "posture": "its joint angles, as this lifter and camera are not known",
    "back": "the outline of its back, as this lifter and camera are not known",
    "other repetitions": "the other repetitions of the video, as this lifter and camera are not known",
}
CONFIDENCE_IS = (
    "Confidence is the lower of two things: how sure the boundaries of the repetitions are (deadlift predict prints "
    "that alone), and how clear each repetition's label is."
)
LABELLED = {"yes": "labelled", "no": "not labelled", "normal": "with normal ones", "anomalous": "with anomalies"}
DONE = {
    "promoted": "The model is in use from now on. New predictions follow one by one.",
    "rolled-back": "The model that was in use before is in use again.",
    "rate": "The rate of false alarms is in use from now on. New predictions follow one by one.",
    "cancelled": "The training ends: at once where it was waiting, within seconds where it was going on.",
    "requested": "A training was asked for. It begins as soon as no other one is going on.",
    "retried": "It is analyzed once more.",
    "nothing": "There was nothing to do.",
}
"""What a page says after a change."""


UNREADABLE_NEXT = "it is analyzed again, by the model in use"
_ROUNDING = 1e-6
_LITTLE = 0.2
"""Half of the normal repetitions of a known lifter score below 0.1."""
_BESIDE: dict[Origin, str] = {
    "posture": "have joint angles this unusual",
    "back": "have a back this round",
    "other repetitions": "differ this much from the others of their video",
}
"""What of normal repetitions an anomaly is compared with, by what flags it alone; otherwise the whole movement."""


def as_unusual(
    score: float, p_value: float, is_anomaly: bool, rate: float | None, flagged_by: Sequence[Origin] = ()
) -> str:
    """What is decided of a repetition, and of an anomaly how rare one like it is among normal ones, in words.

    score: 0..1, see `RepScore`. p_value: 0..1, see there: no less than what so few known normal repetitions allow, and
    so a bound. Where it lies on the other side of the nominal rate of false alarms than the decision, it is left out:
    the threshold is found between known repetitions, or beyond them where they are few. Without an anomaly it is left
    out as well: each finding is compared with repetitions of its own, so that of two scores the lower one may have the
    lower share. rate: the nominal rate that it was judged at, 0..1, None where that is not known.
    """
    if is_plainly_normal(score, is_anomaly):
        return "Little stands out in it."
    at_rate = f" at a nominal rate of false alarms of {percent(rate)} %" if rate is not None else ""
    if not is_anomaly:
        return f"Not flagged{at_rate}."
    count = math.ceil(100 * p_value - _ROUNDING)
    says_more = count < 100 if rate is None else count <= 100 * rate + _ROUNDING
    by = " and ".join(ORIGINS[one] for one in flagged_by)
    compared = _BESIDE.get(flagged_by[0]) if len(flagged_by) == 1 else None
    said = [_rarity(p_value, count, compared or "be this unusual")] if says_more else []
    if at_rate or by:
        said.append(f"Flagged{at_rate}{',' if at_rate and by else ''}{f' by {by}' if by else ''}.")
    return " ".join(said)


def is_plainly_normal(score: float, is_anomaly: bool) -> bool:
    """Whether what stands out in a repetition is not worth a word."""
    return not is_anomaly and score < _LITTLE


def _rarity(p_value: float, count: int, so: str) -> str:
    most = "fewer than 1" if p_value < 0.01 - _ROUNDING else f"at most {count}"
    return f"Of 100 normal repetitions {most} would {so}."


def kept_by_labelled(model: str) -> str:
    """What becomes of labelled videos when another model, or another rate of it, is put in use."""
    return (
        f"Videos that people labelled keep their predictions. One by {model} comes beside them; where they have one "
        f"already, nothing changes, and their columns in the Data Manager ({ANOMALIES}, {CONFIDENCE}, {MODEL}) stay "
        "those of the last model."
    )


def of_video(row: VideoRow) -> str:
    """Why a video is in its state, and what follows; "" where there is nothing to say."""
    if row.state == "queued":
        return "It is analyzed as soon as those before it are."
    if row.state == "running":
        return ""
    if row.state == "failed":
        return row.error_message + (" It is tried again by itself for a while." if may_pass(row.error_type) else "")
    if row.confidence is None:
        return f"Its stored result cannot be read: {UNREADABLE_NEXT}."
    told = [f"{row.unreliable} of its repetitions could not be judged."] if row.unreliable else []
    told += [f"{rounded_back(row.rounded).capitalize()}."] if row.rounded else []
    said = " ".join(told) if row.reps else f"{no_repetition(row.why_none or '').capitalize()}."
    if row.unplayable:
        copies = f"{command_for_copies(row.project)} has its task play a copy that they do"
        said = f"Not playable: {row.unplayable}. {copies}; with MAKE_PLAYABLE=true new videos get one. {said}".strip()
    if row.warning:
        said = f"{row.warning[0].upper()}{row.warning[1:]}. {said}".strip()
    return f"{said} Not in Label Studio yet.".strip() if not row.delivery else said
