"""Judging repetitions: how far each is from normal ones, as a calibrated score with reasons.

A repetition whose lifter and camera are known is compared with the normal repetitions of that setting. One of somebody
unknown is checked for faults of posture, and compared with the other repetitions of the video. Each of these has a
calibration of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.anomaly.calibration import Calibration
from pipeline.anomaly.explanations import Cells, heat_over_walk, reasons, visible
from pipeline.anomaly.features import PARTS_OF_WALK, Features, Representation, Statistics, features_of, form_block
from pipeline.anomaly.model_files import load_parts, save_parts, version_of
from pipeline.anomaly.posture import PostureModel, fault_score, form_cells
from pipeline.anomaly.reference import Reference, Scale, cells_of, compare
from pipeline.anomaly.within_video import compare_within_video, within_video_cells
from pipeline.config import DetectorConfig
from pipeline.records import Floats, Pose, Rep, RepScore
from pipeline.skelemotion import Encoded, encode

# A repetition much shorter than the others of its video is cut wrongly; rushed ones are not as short as this.
_SHORTEST_SHARE = 0.45
# The longest stretch without poses, as a share of the repetition: what happened in it is not known.
_LONGEST_GAP = 0.3
_UNJUDGED = RepScore(0.5, 1.0, 0.0, reliable=False)


@dataclass(frozen=True)
class Judgement:
    """One repetition: score 0..1 (decision at 0.5), p-value, distance, what each cell adds to that, and whether the
    cells are angles (of the form) or those of the blocks."""

    score: float
    p_value: float
    raw: float
    cells: Cells
    by_form: bool


@dataclass(frozen=True)
class Detector:
    """A trained anomaly detector: everything that a score depends on.

    scales: the unit of each feature. form: sound joint angles, and what faults do to them. references: the normal
    repetitions of one setting (lifter and camera) each. The calibrations say what normal repetitions of videos that
    were not learnt from get in their setting, for their posture, and within their video; `in_setting` is None where no
    setting is known. representation: what its method has learnt, and compares repetitions by.
    """

    config: DetectorConfig
    scales: tuple[Scale, ...]
    form: PostureModel
    references: tuple[Reference, ...]
    in_form: Calibration
    within_video: Calibration
    in_setting: Calibration | None = None
    name: str = "base"
    representation: Representation = field(default_factory=Statistics)

    @property
    def version(self) -> str:
        """The name and eight hex digits of the contents, e.g. "base-0a1b2c3d"."""
        return version_of(vars(self))

    def score(
        self, pose: Pose, reps: Sequence[Rep], setting: str = "", encoded: Sequence[Encoded] | None = None
    ) -> tuple[RepScore, ...]:
        """One score for each of a video's repetitions, judged together.

        setting: the name of the lifter and camera, "" to find out. encoded: the image of each repetition as `encode`
        makes it by `config.encode`, where it is there already. One that cannot be judged is not `reliable`:
        poses are missing (too many, or a whole stretch of it), or it is implausibly short, by itself or beside the
        others.
        """
        result = []
        for rep, finding in zip(reps, self._findings(pose, reps, setting, encoded), strict=True):
            if finding is None:
                result.append(_UNJUDGED)
                continue
            one, found, shown = finding
            why = reasons(found.cells, shown, self.config.encode.length)
            trusted = self._can_be_judged(one, rep, reps)
            result.append(RepScore(found.score, found.p_value, found.raw, why, trusted))
        return tuple(result)

    def judge(self, features: Features, setting: str = "") -> list[Judgement]:
        """Judgements of one video's repetitions, each shot (a camera of its own) with the setting that it shows."""
        result: dict[int, Judgement] = {}
        unknown: list[int] = []
        for shot in dict.fromkeys(features.shots):
            rows = [index for index, other in enumerate(features.shots) if other == shot]
            known = self.reference_of(np.median(features.appearances[rows], axis=0), setting)
            if known is None or self.in_setting is None:
                unknown += rows
                continue
            mine = features.rows(rows)
            for place, (index, raw) in enumerate(zip(rows, compare(mine.blocks, self.scales, known), strict=True)):
                cells = cells_of(mine.rows([place]).blocks, self.scales, known)
                result[index] = _judgement(float(raw), self.in_setting, cells, 1, False)
        if unknown:
            result.update(zip(unknown, self._judge_unknown(features.rows(unknown)), strict=True))
        return [result[index] for index in range(len(features.shots))]

    def heat_maps(self, pose: Pose, reps: Sequence[Rep], setting: str = "") -> tuple[Floats, ...]:
        """For each repetition [45, L] in 0..1: how much each pixel of its SkeleMotion image adds to what it was judged
        by in `score`. All zeros where no pose was found."""
        length = self.config.encode.length
        return tuple(
            np.zeros((len(PARTS_OF_WALK), length), np.float32)
            if finding is None
            else heat_over_walk(finding[1].cells, finding[2], length)
            for finding in self._findings(pose, reps, setting)
        )

    def reference_of(self, appearance: Floats, name: str = "") -> Reference | None:
        """The known setting of that name, or else the one whose appearance [D] is near enough, or None."""
        for reference in self.references:
            if name and reference.name == name:
                return reference
        near = [(float(np.sqrt(np.mean((known.appearance - appearance) ** 2))), known) for known in self.references]
        distance, nearest = min(near, key=lambda item: item[0], default=(np.inf, None))
        return nearest if distance <= self.config.setting_distance else None

    def save(self, folder: str | Path, card: str = "") -> None:
        """Write the detector into a folder, whole or not at all; `card` becomes its CARD.md."""
        save_parts(vars(self), Path(folder), card)

    @staticmethod
    def load(folder: str | Path) -> Detector:
        """A saved detector, with its own configuration. Raises ModelError where it is missing or damaged."""
        return Detector(**load_parts(Path(folder)))

    def _can_be_judged(self, encoded: Encoded, rep: Rep, reps: Sequence[Rep]) -> bool:
        shortest = self.config.min_duration_s
        if len(reps) >= self.config.min_siblings:
            shortest = max(shortest, _SHORTEST_SHARE * float(np.median([other.duration_s for other in reps])))
        seen = encoded.coverage >= self.config.min_coverage and encoded.gap <= _LONGEST_GAP
        return seen and rep.duration_s >= shortest

    def _findings(
        self, pose: Pose, reps: Sequence[Rep], setting: str, encoded: Sequence[Encoded] | None = None
    ) -> list[tuple[Encoded, Judgement, list[Floats]] | None]:
        """For each repetition its image, what is found in it, and how much of that shows; None without any pose."""
        encoded = [encode(pose, rep, self.config.encode) for rep in reps] if encoded is None else encoded
        seen = [one for one in encoded if one.coverage > 0.0]
        if not seen:
            return [None] * len(reps)
        features = features_of([pose] * len(seen), seen, self.config.encode, self.representation)
        judged = iter(self.judge(features, setting))
        result: list[tuple[Encoded, Judgement, list[Floats]] | None] = []
        for one in encoded:
            if one.coverage == 0.0:
                result.append(None)
                continue
            found = next(judged)
            result.append((one, found, visible((form_block(features),) if found.by_form else features.blocks, one)))
        return result

    def _judge_unknown(self, features: Features) -> list[Judgement]:
        """The more unusual of two findings, each of which may raise half of the false alarms."""
        result = [
            _judgement(float(raw), self.in_form, form_cells(angles, self.form), 2, True)
            for raw, angles in zip(fault_score(features.angles, self.form), features.angles, strict=True)
        ]
        if len(result) < self.config.min_siblings:
            return result
        ratios = compare_within_video(features.blocks, self.scales)
        for index, (raw, cells) in enumerate(
            zip(ratios, within_video_cells(features.blocks, self.scales), strict=True)
        ):
            among = _judgement(float(raw), self.within_video, cells, 2, False)
            if among.score > result[index].score:
                result[index] = among
        return result


def load_detector(folder: str | Path | None = None) -> Detector:
    """A detector that was saved, with its own configuration; without a folder the one that is shipped.

    Args:
        folder: a model folder, as `deadlift train --out` and `Detector.save` write it.

    Raises:
        ModelError: the folder is missing, damaged, or of another format.
    """
    return Detector.load(Path(__file__).parent / "base_model" if folder is None else folder)


def _judgement(raw: float, calibration: Calibration, cells: Cells, tests: int, by_form: bool) -> Judgement:
    return Judgement(calibration.score(raw), min(1.0, tests * calibration.p_value(raw)), raw, cells, by_form)
