"""What lists of videos are sorted and filtered by: a row per analyzed video and per repetition, made of stored results.

A result is JSON of some kilobytes. Reading thousands of them for one page would take seconds, so each is read once, and
again when it changes. The rows are made of the results alone: they may be deleted at any time.
"""

from __future__ import annotations

import threading
from datetime import datetime

from sqlalchemy import JSON, DateTime, Engine, ForeignKey, Index, delete, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.errors import ResultUnreadable
from backend.labelstudio.format import Json, confidence
from backend.storage.analysis_json import load_analysis
from backend.storage.database import Base, batches
from backend.storage.jobs import Job, put_copy
from pipeline.records import Analysis, BodyPart, Phase, VideoInfo

_TOGETHER = 200
_writing = threading.Lock()


class VideoSummary(Base):
    """What an analysis says of its video. confidence: that of the prediction, 0..1; None where the result cannot be
    read. unreliable: repetitions that could not be judged. late_start_s: seconds, see `VideoInfo.earliest_s`. why_none:
    why there is no repetition, see `Analysis.nothing`. warning: see `Analysis.warning`. unplayable: why
    browsers do not play what people are shown, in words, "" where they do."""

    __tablename__ = "video_summaries"
    __table_args__ = (Index("video_summaries_by_digest", "media_digest"),)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    summarized_at: Mapped[datetime] = mapped_column(DateTime)
    media_digest: Mapped[str]
    reps: Mapped[int]
    anomalies: Mapped[int]
    unreliable: Mapped[int]
    confidence: Mapped[float | None]
    duration_s: Mapped[float]
    fps: Mapped[float]
    variable_rate: Mapped[bool]
    codec: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    late_start_s: Mapped[float]
    why_none: Mapped[str] = mapped_column(server_default="")
    warning: Mapped[str] = mapped_column(server_default="")
    unplayable: Mapped[str] = mapped_column(server_default="")


class RepSummary(Base):
    """One repetition of an analysis; `number` counts from 1, as in the ids of predicted regions. reasons: body part and
    phase of each, the strongest first. back_bow: as of `RepScore`."""

    __tablename__ = "rep_summaries"
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    start_s: Mapped[float]
    top_s: Mapped[float]
    end_s: Mapped[float]
    score: Mapped[float]
    reliable: Mapped[bool]
    reasons: Mapped[list[tuple[BodyPart, Phase]]] = mapped_column(JSON, server_default="[]")
    back_bow: Mapped[float | None]


def note_copy(engine: Engine, project: int, task: int) -> None:
    """A task plays a copy of a video that browsers do not play: say so in all its analyses, and in their rows."""
    with _writing, Session(engine) as session, session.begin():
        for ids in batches(put_copy(session, project, task)):
            session.execute(update(VideoSummary).where(VideoSummary.job_id.in_(ids)).values(unplayable=""))


def refresh(engine: Engine) -> None:
    """Bring the rows up to date with the jobs' results. Costs nothing to speak of where nothing changed."""
    with _writing:
        for ids in batches(_outdated(engine), _TOGETHER):
            _summarize(engine, ids)


def _outdated(engine: Engine) -> list[int]:
    """Finished jobs without a row, or with one of an earlier result.

    Each is compared with its own row: a clock that was set back makes later results look older than earlier ones.
    """
    with Session(engine) as session:
        query = select(Job.id).outerjoin(VideoSummary, VideoSummary.job_id == Job.id).where(Job.state == "done")
        query = query.where(VideoSummary.job_id.is_(None) | (VideoSummary.summarized_at != Job.updated_at))
        return list(session.scalars(query.order_by(Job.updated_at)))


def _summarize(engine: Engine, ids: list[int]) -> None:
    with Session(engine) as session, session.begin():
        found = session.execute(select(Job.id, Job.updated_at, Job.result).where(Job.id.in_(ids))).all()
        videos: list[Json] = []
        reps: list[Json] = []
        for job_id, updated_at, result in found:
            try:
                analysis: Analysis | None = load_analysis(result)
            except ResultUnreadable:
                analysis = None
            videos.append({"job_id": job_id, "summarized_at": updated_at, **_of_video(analysis)})
            reps += [{"job_id": job_id, **one} for one in _of_reps(analysis)]
        session.execute(delete(VideoSummary).where(VideoSummary.job_id.in_(ids)))
        session.execute(delete(RepSummary).where(RepSummary.job_id.in_(ids)))
        if videos:
            session.execute(insert(VideoSummary), videos)
        if reps:
            session.execute(insert(RepSummary), reps)


def _of_video(analysis: Analysis | None) -> Json:
    if analysis is None:
        empty = dict.fromkeys(("reps", "anomalies", "unreliable", "width", "height"), 0)
        lengths = dict.fromkeys(("duration_s", "fps", "late_start_s"), 0.0)
        return {
            "media_digest": "",
            "confidence": None,
            "variable_rate": False,
            "codec": "",
            "why_none": "",
            "warning": "",
            "unplayable": "",
            **empty,
            **lengths,
        }
    video = analysis.video
    return {
        "media_digest": analysis.media_digest,
        "reps": len(analysis.reps),
        "anomalies": sum(score.is_anomaly for score in analysis.scores),
        "unreliable": sum(not score.reliable for score in analysis.scores),
        "confidence": confidence(analysis),
        "duration_s": video.duration_s,
        "fps": video.fps,
        "variable_rate": video.variable_rate,
        "codec": video.codec,
        "width": video.width,
        "height": video.height,
        "late_start_s": video.earliest_s if video.late_start else 0.0,
        "why_none": analysis.nothing,
        "warning": analysis.warning,
        "unplayable": _unplayable(video),
    }


def _unplayable(video: VideoInfo) -> str:
    """What earlier releases stored says nothing but the codec."""
    from pipeline.media.playability import unplayable_codec

    if video.has_playable_copy:
        return ""
    return video.unplayable or (unplayable_codec(video.codec) if video.codec else "")


def _of_reps(analysis: Analysis | None) -> list[Json]:
    if analysis is None:
        return []
    return [
        {
            "number": number,
            "start_s": rep.start_s,
            "top_s": rep.top_s,
            "end_s": rep.end_s,
            "score": score.score,
            "reliable": score.reliable,
            "reasons": [[reason.body_part, reason.phase] for reason in score.reasons],
            "back_bow": score.back_bow,
        }
        for number, (rep, score) in enumerate(zip(analysis.reps, analysis.scores, strict=True), start=1)
    ]
