"""A detector of anomalies: how far repetitions are from normal ones, as calibrated scores with reasons.

A repetition whose setting (lifter and camera) is known is compared with the normal repetitions of that setting. Where
it is not known, the joint angles are checked for faults of posture, and the repetition is compared with the others of
its video; the more unusual of the two findings counts. Each of the three distances has a calibration of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pipeline.anomaly.calibration import Calibration
from pipeline.anomaly.explanations import Cells, heat_over_walk, reasons, visible
from pipeline.anomaly.features import PARTS_OF_WALK, Blocks, Features, angle_block, features_of
from pipeline.anomaly.methods import Representation, Statistics
from pipeline.anomaly.model_files import load_parts, save_parts, version_of
from pipeline.anomaly.posture import PostureModel, angle_cells, fault_score
from pipeline.anomaly.reference import Reference, Scale, cells_of, compare, explaining, in_units
from pipeline.anomaly.visibility import hidden
from pipeline.anomaly.within_video import compare_within_video, within_video_cells
from pipeline.config import DetectorConfig
from pipeline.pose.tracks import is_plausible
from pipeline.records import Floats, Pose, Rep, RepScore
from pipeline.skelemotion import Encoded, encode

# A repetition shorter than this share of the video's median is cut wrongly: rushed ones are longer.
_SHORTEST_SHARE = 0.45
# The longest stretch without poses, as a share of the repetition, with which a repetition is judged still.
_LONGEST_GAP = 0.3
_UNJUDGED = RepScore(0.5, 1.0, 0.0, reliable=False)


@dataclass(frozen=True)
class Judgement:
    """What is found in one repetition.

    score, p_value: 0..1, the decision is at a score of 0.5. raw: the distance that they are of. cells: what each body
    part and piece of time adds to that, for each of the blocks that tell it.
    """

    score: float
    p_value: float
    raw: float
    cells: Cells
    blocks: Blocks


@dataclass(frozen=True)
class Detector:
    """A trained anomaly detector: everything that a score depends on.

    config: its settings. scales: the unit of each feature. posture: joint angles of sound lifts, and how faults change
    them. references: the normal repetitions of each known setting (lifter and camera). name: how its version begins.
    representation: what its method has learnt, which makes of statistics what repetitions of a setting are compared by.

    The calibrations are of distances of normal repetitions, by detectors that have not learnt from their video:
    in_posture of the joint angles, within_video from the other repetitions of the video, in_setting from the reference
    (None where no setting is known).
    """

    config: DetectorConfig
    scales: tuple[Scale, ...]
    posture: PostureModel
    references: tuple[Reference, ...]
    in_posture: Calibration
    within_video: Calibration
    in_setting: Calibration | None = None
    name: str = "base"
    representation: Representation = field(default_factory=Statistics)

    @property
    def version(self) -> str:
        """The name and eight hex digits of the contents, e.g. "base-0a1b2c3d"."""
        return version_of(vars(self))

    def at_rate(self, rate: float) -> Detector:
        """The same detector for another nominal rate of false alarms, 0..1; nothing is learnt anew."""
        if rate == self.config.false_alarm_rate:
            return self
        return replace(
            self,
            config=replace(self.config, false_alarm_rate=rate),
            in_posture=self.in_posture.at(rate / 2),
            within_video=self.within_video.at(rate / 2),
            in_setting=None if self.in_setting is None else self.in_setting.at(rate),
        )

    def score(
        self, pose: Pose, reps: Sequence[Rep], setting: str = "", encoded: Sequence[Encoded] | None = None
    ) -> tuple[RepScore, ...]:
        """Scores of a video's repetitions, which are judged together.

        Args:
            pose: the landmarks of the video.
            reps: its repetitions.
            setting: the name of the lifter and camera; "" to find it by their appearance.
            encoded: the image of each repetition as `encode` makes it by `config.encode`, where it is there already.

        Returns:
            One score for each repetition. It is not `reliable` where the repetition cannot be judged: poses are
            missing (too many of them, or a long stretch), or it is implausibly short, by itself or beside the others.
        """
        result = []
        plausible = is_plausible(pose)  # other poses are guesses of the estimator
        for rep, finding in zip(reps, self._findings(pose, reps, setting, encoded), strict=True):
            if finding is None:
                result.append(_UNJUDGED)
                continue
            one, found, shown = finding
            why = reasons(found.cells, shown, self.config.encode.length)
            known = float(plausible[(pose.time >= rep.start_s) & (pose.time <= rep.end_s)].mean())
            trusted = self._can_be_judged(min(one.coverage, known), one.gap, rep, reps)
            unseen = hidden(pose, rep)
            result.append(RepScore(found.score, found.p_value, found.raw, why, trusted and not unseen, unseen))
        return tuple(result)

    def judge(self, features: Features, setting: str = "") -> list[Judgement]:
        """What is found in N repetitions of one video. Each shot of it is a camera, and so a setting, of its own.

        setting: the name of the lifter and camera; "" to find it by their appearance.
        """
        result: dict[int, Judgement] = {}
        unknown: list[int] = []
        for shot in dict.fromkeys(features.shots):
            rows = [index for index, other in enumerate(features.shots) if other == shot]
            known = self.reference_of(np.median(features.appearances[rows], axis=0), setting)
            if known is None or self.in_setting is None:
                unknown += rows
                continue
            views = self.representation.views(in_units(features.rows(rows).blocks, self.scales))
            for place, (index, raw) in enumerate(zip(rows, compare(views, known), strict=True)):
                cells = cells_of(views, place, known)
                result[index] = _judgement(float(raw), self.in_setting, cells, 1, explaining(views[0]))
        if unknown:
            result.update(zip(unknown, self._judge_unknown(features.rows(unknown)), strict=True))
        return [result[index] for index in range(len(features.shots))]

    def heat_maps(self, pose: Pose, reps: Sequence[Rep], setting: str = "") -> tuple[Floats, ...]:
        """How much each pixel of a repetition's SkeleMotion image adds to the distance that `score` is of.

        Returns:
            [45, L] for each repetition, 0..1; all zeros where no pose was found.
        """
        length = self.config.encode.length
        return tuple(
            np.zeros((len(PARTS_OF_WALK), length), np.float32)
            if finding is None
            else heat_over_walk(finding[1].cells, finding[2], length)
            for finding in self._findings(pose, reps, setting)
        )

    def reference_of(self, appearance: Floats, name: str = "") -> Reference | None:
        """The reference of that name, or else the one whose appearance [D] is nearest, if near enough, or None."""
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

    def _can_be_judged(self, coverage: float, gap: float, rep: Rep, reps: Sequence[Rep]) -> bool:
        shortest = self.config.min_duration_s
        if len(reps) >= self.config.min_siblings:
            shortest = max(shortest, _SHORTEST_SHARE * float(np.median([other.duration_s for other in reps])))
        return coverage >= self.config.min_coverage and gap <= _LONGEST_GAP and rep.duration_s >= shortest

    def _findings(
        self, pose: Pose, reps: Sequence[Rep], setting: str, encoded: Sequence[Encoded] | None = None
    ) -> list[tuple[Encoded, Judgement, list[Floats]] | None]:
        """For each repetition its image, what is found in it, and how visible each row of the cells is (`visible`);
        None where no pose was found."""
        encoded = [encode(pose, rep, self.config.encode) for rep in reps] if encoded is None else encoded
        seen = [one for one in encoded if one.coverage > 0.0]
        if not seen:
            return [None] * len(reps)
        features = features_of([pose] * len(seen), seen, self.config.encode)
        judged = iter(self.judge(features, setting))
        result: list[tuple[Encoded, Judgement, list[Floats]] | None] = []
        for one in encoded:
            if one.coverage == 0.0:
                result.append(None)
                continue
            found = next(judged)
            result.append((one, found, visible(found.blocks, one)))
        return result

    def _judge_unknown(self, features: Features) -> list[Judgement]:
        """For each repetition the more unusual of two findings, each of which may raise half of the false alarms.

        The p-value of either is doubled for that (Bonferroni's correction for two tests).
        """
        of_angles = (angle_block(features),)
        result = [
            _judgement(float(raw), self.in_posture, angle_cells(angles, self.posture), 2, of_angles)
            for raw, angles in zip(fault_score(features.angles, self.posture), features.angles, strict=True)
        ]
        if len(result) < self.config.min_siblings:
            return result
        blocks = in_units(features.blocks, self.scales)
        for index, (raw, cells) in enumerate(
            zip(compare_within_video(blocks), within_video_cells(blocks), strict=True)
        ):
            among = _judgement(float(raw), self.within_video, cells, 2, blocks)
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


def _judgement(raw: float, calibration: Calibration, cells: Cells, tests: int, blocks: Blocks) -> Judgement:
    return Judgement(calibration.score(raw), min(1.0, tests * calibration.p_value(raw)), raw, cells, blocks)
