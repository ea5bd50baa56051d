"""Which videos of a project show the same lifter and camera, as the `cluster` of their predictions.

In SQLite, because a number must last: Label Studio counts the labelled tasks of a cluster over predictions of all model
versions.

Its uncertainty sampling (projects/functions/next_task.py of 1.23.2) takes the cluster with the fewest labelled tasks
first, and of that the prediction with the lowest score; without clusters, the lowest score of all. A video that shows
nobody should come after all others: its score is the highest, and it is in the largest cluster, which lasts longest.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import JSON, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Mapped, mapped_column, sessionmaker

from backend.storage.database import Base
from backend.storage.jobs import Store
from pipeline.anomaly.appearance import NO_REPETITION, nearest
from pipeline.config import DetectorConfig
from pipeline.records import Analysis


class VideoAppearance(Base):
    """The appearance of a video (see pipeline/anomaly/appearance.py) and its cluster. is_leader: whether it founded the
    cluster; other videos are compared with leaders alone."""

    __tablename__ = "looks"
    project: Mapped[int] = mapped_column(primary_key=True)
    media_digest: Mapped[str] = mapped_column(primary_key=True)
    cluster: Mapped[int]
    is_leader: Mapped[bool]
    appearance: Mapped[list[float]] = mapped_column("look", JSON)


class Sampling(Base):
    """Whether a project's predictions carry their clusters."""

    __tablename__ = "sampling"
    project: Mapped[int] = mapped_column(primary_key=True)
    is_diverse: Mapped[bool]


class Clusters:
    """The clusters of a store's projects. Every method is one transaction and safe to call from any process."""

    def __init__(self, store: Store) -> None:
        self._sessions = sessionmaker(store.engine, expire_on_commit=False)

    def is_diverse(self, project: int) -> bool:
        """True unless somebody chose otherwise."""
        with self._sessions.begin() as session:
            found = session.get(Sampling, project)
        return found is None or found.is_diverse

    def set_diverse(self, project: int, is_diverse: bool) -> None:
        row = {"project": project, "is_diverse": is_diverse}
        with self._sessions.begin() as session:
            session.execute(insert(Sampling).values(**row).on_conflict_do_update(index_elements=["project"], set_=row))

    def shown(self, project: int, analysis: Analysis) -> int | None:
        """The cluster that a prediction of this project carries, None for none."""
        return self.of(project, analysis) if self.is_diverse(project) else None

    def _largest(self, project: int) -> int:
        size = func.count().label("size")
        query = select(VideoAppearance.cluster).where(VideoAppearance.project == project)
        query = query.group_by(VideoAppearance.cluster).order_by(size.desc(), VideoAppearance.cluster).limit(1)
        with self._sessions.begin() as session:
            found = session.scalar(query)
        return NO_REPETITION if found is None else found

    def of(self, project: int, analysis: Analysis) -> int | None:
        """The cluster of a video, the same for ever; None where its appearance is not known.

        A video joins the cluster whose leader's appearance is nearest, or founds a new one where none is near; one that
        shows nobody is in the largest of the moment.
        """
        if analysis.shows_nobody:
            return self._largest(project)
        if not analysis.reps:
            return NO_REPETITION
        if not (analysis.appearance and analysis.media_digest):
            return None
        key = {"project": project, "media_digest": analysis.media_digest}
        with self._sessions.begin() as session:  # most are known, and need not wait for others to write
            known = session.get(VideoAppearance, tuple(key.values()))
        if known is not None:
            return known.cluster
        with self._sessions.begin() as session:
            # Takes the database's lock for writing before it reads: two videos of one lifter may come at once.
            session.execute(update(Sampling).where(Sampling.project == -1).values(is_diverse=True))
            known = session.get(VideoAppearance, tuple(key.values()))
            if known is not None:
                return known.cluster
            leaders = session.scalars(
                select(VideoAppearance)
                .where(VideoAppearance.project == project, VideoAppearance.is_leader)
                .order_by(VideoAppearance.cluster)
            ).all()
            # A release that measures appearance in another way starts anew beside the clusters of before.
            comparable = [leader for leader in leaders if len(leader.appearance) == len(analysis.appearance)]
            index = nearest(
                np.array(analysis.appearance, np.float32),
                [np.array(leader.appearance, np.float32) for leader in comparable],
                DetectorConfig().setting_distance,
            )
            cluster = (
                comparable[index].cluster if index is not None else 1 + max((one.cluster for one in leaders), default=0)
            )
            session.add(
                VideoAppearance(**key, cluster=cluster, is_leader=index is None, appearance=list(analysis.appearance))
            )
            return cluster
