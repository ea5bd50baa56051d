"""What the backend writes into a task's data beside the frame rate, for the columns of the Data Manager and the page.

The keys begin with `deadlift_`; everything else in the data is left as it is. Label Studio sends no event when a task's
data changes, nor does it ask for a prediction again.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.labelstudio.file_names import file_name
from backend.labelstudio.format import Json, confidence
from backend.labelstudio.task_data import ORIGINAL
from pipeline.records import ROUNDED_BACK, Analysis, RepScore

STATE = "deadlift_state"
FILE = "deadlift_file"
REPS = "deadlift_repetitions"
ANOMALIES = "deadlift_anomalies"
CONFIDENCE = "deadlift_confidence"
MODEL = "deadlift_model"
COLUMNS = (FILE, STATE, REPS, ANOMALIES, CONFIDENCE, MODEL)
"""In the order in which the Data Manager shows them."""

_LONGEST_STATE = 300


def command_for_copies(project: int) -> str:
    """What gives a project's videos that browsers do not play a copy that they do."""
    return f"deadlift prelabel --tasks all --project {project} --playable"


def columns_of(analysis: Analysis, media: str, data: Json, project: int) -> Json:
    """What is told of an analyzed video. media: its address; data: the task's, which may name a copy to be played."""
    count = len(analysis.reps)
    state = _predicted(analysis.scores) if count else no_repetition(analysis.nothing)
    if analysis.warning:
        state = f"{analysis.warning}; {state}"
    if analysis.video.unplayable and not analysis.video.has_playable_copy and ORIGINAL not in data:
        state = f"not playable: {analysis.video.unplayable} ({command_for_copies(project)} gives it a copy); {state}"
    return {
        FILE: file_name(media),
        STATE: state,
        REPS: count,
        ANOMALIES: sum(score.is_anomaly for score in analysis.scores),
        CONFIDENCE: round(confidence(analysis), 2),
        MODEL: analysis.model_version,
    }


def _predicted(scores: Sequence[RepScore]) -> str:
    """What is said of a video with repetitions. Those that could not be judged begin as normal ones, and a rounded back
    moves no score, so that without a word the video would look as if nothing were wrong with any."""
    unjudged = sum(not one.reliable for one in scores)
    rounded = sum(one.back_is_rounded for one in scores)
    said = ["predicted"]
    if unjudged:
        said.append(f"{unjudged} of {len(scores)} not judged")
    if rounded:
        said.append(rounded_back(rounded))
    return "; ".join(said)


def rounded_back(count: int) -> str:
    """That the back looks rounded in so many repetitions of a video."""
    return f"{ROUNDED_BACK} in {count}"


def no_repetition(nothing: str) -> str:
    """What is said of a video without a repetition. nothing: why, see `Analysis.nothing`; results of earlier releases
    do not say."""
    return f"no repetition: {nothing or 'nobody was seen lifting'}"


def columns_of_failure(message: str, media: str) -> Json:
    """What is told of a video that could not be analyzed; counts of an earlier analysis stay."""
    name = file_name(media)
    state = f"failed: {message.replace(media, name)}" if media else f"failed: {message}"
    return {FILE: name, STATE: state if len(state) <= _LONGEST_STATE else state[: _LONGEST_STATE - 1] + "…"}


def without_columns(data: Json) -> Json:
    """The data as it was imported, but for the address of an original that a copy is played for."""
    return {key: value for key, value in data.items() if key not in COLUMNS}
