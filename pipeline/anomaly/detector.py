"""A detector of anomalies: how far repetitions are from normal ones, as calibrated scores with reasons.

A repetition whose setting (lifter and camera) is known is compared with the normal repetitions of that setting. Where
it is not known, the joint angles are checked for faults of posture, the outline of the back for a bulge where the view
allows it, and the repetition is compared with the others of its video; the most unusual of these findings counts. Each
of the four distances has a calibration of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.anomaly.calibration import Calibration
from pipeline.anomaly.explanations import Cells, heat_over_walk, reasons, visible
from pipeline.anomaly.features import (
    PARTS_OF_WALK,
    Blocks,
    Features,
    angle_block,
    features_of,
    outline_block,
    outline_cells,
)
from pipeline.anomaly.methods import Representation, Statistics
from pipeline.anomaly.model_files import load_parts, save_parts, version_of
from pipeline.anomaly.posture import PostureModel, angle_cells, fault_score
from pipeline.anomaly.reference import Reference, Scale, cells_of, explaining, in_units, joined, origins, ratios
from pipeline.anomaly.versions import version_at
from pipeline.anomaly.visibility import LOST, TOO_LITTLE, TOO_SHORT, TRUNK, hidden
from pipeline.anomaly.within_video import compare_within_video, within_video_cells
from pipeline.config import DetectorConfig
from pipeline.pose.back_outline import bows_of
from pipeline.pose.tracks import is_plausible
from pipeline.records import DECISION, Floats, Origin, Pose, Rep, RepScore
from pipeline.skelemotion import Encoded, encode

# A repetition shorter than this share of the video's median is cut wrongly: rushed ones are longer.
_SHORTEST_SHARE = 0.45
# The longest stretch without poses, as a share of the repetition, with which a repetition is judged still.
_LONGEST_GAP = 0.3
_UNJUDGED = RepScore(0.5, 1.0, 0.0, reliable=False, hindrance=TOO_LITTLE)
_CalibrationName = Literal["in_setting", "in_posture", "in_back", "within_video"]
# So many findings share the false alarms of a repetition, and its p-value is multiplied by that (Bonferroni's
# correction): by how many findings there are. Where there are three, angles and back share the half that the other
# repetitions leave. Detectors are stored with the thresholds of two.
_TESTS: dict[_CalibrationName, int] = {"in_setting": 1, "in_posture": 2, "in_back": 2, "within_video": 2}
_TESTS_OF_ONE: dict[_CalibrationName, int] = _TESTS | {"in_posture": 1}
_TESTS_OF_THREE: dict[_CalibrationName, int] = _TESTS | {"in_posture": 4, "in_back": 4}


@dataclass(frozen=True)
class Finding:
    """How far one repetition is from normal ones in one respect, whatever the threshold.

    by: the calibration that says what the distance raw means. cells: what each body part and piece of time adds to it,
    for each of the blocks that were compared. alone: the distance by each of what it was judged by, without the others.
    """

    by: _CalibrationName
    raw: float
    cells: Cells
    blocks: Blocks
    alone: Mapping[Origin, float]


_Found = tuple[Encoded, tuple[Finding, ...]]
"""A repetition's image, and what is found in it."""


@dataclass(frozen=True)
class Judgement:
    """What counts of what is found in one repetition.

    score, p_value: 0..1, the decision is at a score of 0.5. raw, cells, blocks: of the finding that they are of.
    flagged_by: see `RepScore`.
    """

    score: float
    p_value: float
    raw: float
    cells: Cells
    blocks: Blocks
    flagged_by: tuple[Origin, ...]


@dataclass(frozen=True)
class Detector:
    """A trained anomaly detector: everything that a score depends on.

    config: its settings. scales: the unit of each feature. posture: joint angles of sound lifts, and how faults change
    them. references: the normal repetitions of each known setting (lifter and camera). name: how its version begins.
    representation: what its method has learnt, which makes of statistics what repetitions of a setting are compared by.
    learnt: the detector as it was learnt, where this one judges at another rate of false alarms (`at_rate`).

    The calibrations are of distances of normal repetitions, by detectors that have not learnt from their video:
    in_posture of the joint angles, within_video from the other repetitions of the video, in_back of the back's bow
    (None where too few sound ones are known), in_setting from the reference (None where no setting is known).
    """

    config: DetectorConfig
    scales: tuple[Scale, ...]
    posture: PostureModel
    references: tuple[Reference, ...]
    in_posture: Calibration
    within_video: Calibration
    in_back: Calibration | None = None
    in_setting: Calibration | None = None
    name: str = "base"
    representation: Representation = field(default_factory=Statistics)
    learnt: Detector | None = None

    @property
    def version(self) -> str:
        """The name and eight hex digits of the contents, e.g. "base-0a1b2c3d"; at another rate of false alarms than
        the one that it was learnt for "base-0a1b2c3d-at-10%"."""
        if self.learnt is not None:
            return version_at(self.learnt.version, self.config.false_alarm_rate)
        return version_of(vars(self))

    def at_rate(self, rate: float) -> Detector:
        """The same detector for another nominal rate of false alarms, 0..1; nothing is learnt anew."""
        if rate == self.config.false_alarm_rate:
            return self
        learnt = self.learnt or self
        if rate == learnt.config.false_alarm_rate:
            return learnt
        return replace(
            learnt,
            config=replace(learnt.config, false_alarm_rate=rate),
            in_posture=learnt.in_posture.at(rate / _TESTS["in_posture"]),
            within_video=learnt.within_video.at(rate / _TESTS["within_video"]),
            in_back=None if learnt.in_back is None else learnt.in_back.at(rate / _TESTS["in_back"]),
            in_setting=None if learnt.in_setting is None else learnt.in_setting.at(rate / _TESTS["in_setting"]),
            learnt=learnt,
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
        return self.score_at((self.config.false_alarm_rate,), pose, reps, setting, encoded)[0]

    def score_at(
        self,
        rates: Sequence[float],
        pose: Pose,
        reps: Sequence[Rep],
        setting: str = "",
        encoded: Sequence[Encoded] | None = None,
    ) -> tuple[tuple[RepScore, ...], ...]:
        """What `score` gives at each of several nominal rates of false alarms, 0..1; repetitions are compared once."""
        bows = bows_of(pose, reps)
        found = self._findings(pose, reps, bows, setting, encoded)
        plausible = is_plausible(pose)  # other poses are guesses of the estimator
        trusted: list[tuple[bool, str]] = []
        for rep, one in zip(reps, found, strict=True):
            if one is None:
                trusted.append((False, TOO_LITTLE))
                continue
            known = float(plausible[(pose.time >= rep.start_s) & (pose.time <= rep.end_s)].mean())
            why = hidden(pose, rep) or self._hindrance(min(one[0].coverage, known), one[0].gap, rep, reps)
            trusted.append((not why, why))
        return tuple(self.at_rate(rate)._scores(found, trusted, bows) for rate in rates)

    def judge(self, features: Features, setting: str = "") -> list[Judgement]:
        """What is found in N repetitions of one video. Each shot of it is a camera, and so a setting, of its own.

        setting: the name of the lifter and camera; "" to find it by their appearance.
        """
        return [self._judgement(findings) for findings in self.findings(features, setting)]

    def findings(self, features: Features, setting: str = "") -> list[tuple[Finding, ...]]:
        """For each of N repetitions of one video the findings of which the most unusual one counts; see `judge`."""
        result: dict[int, tuple[Finding, ...]] = {}
        unknown: list[int] = []
        for shot in dict.fromkeys(features.shots):
            rows = [index for index, other in enumerate(features.shots) if other == shot]
            known = self.reference_of(np.median(features.appearances[rows], axis=0), setting)
            if known is None or self.in_setting is None:
                unknown += rows
                continue
            views = self.representation.views(in_units(features.rows(rows).blocks, self.scales))
            of_blocks, told = ratios(views, known), explaining(views[0])
            alone = {origin: joined(of_blocks[:, blocks]) for origin, blocks in origins(views[0]).items()}
            for place, (index, raw) in enumerate(zip(rows, joined(of_blocks), strict=True)):
                by = {origin: float(far[place]) for origin, far in alone.items()}
                result[index] = (Finding("in_setting", float(raw), cells_of(views, place, known), told, by),)
        if unknown:
            result.update(zip(unknown, self._findings_of_unknown(features.rows(unknown)), strict=True))
        return [result[index] for index in range(len(features.shots))]

    def heat_maps(self, pose: Pose, reps: Sequence[Rep], setting: str = "") -> tuple[Floats, ...]:
        """How much each pixel of a repetition's SkeleMotion image adds to the distance that `score` is of.

        Returns:
            [45, L] for each repetition, 0..1; all zeros where no pose was found.
        """
        length = self.config.encode.length
        return tuple(
            np.zeros((len(PARTS_OF_WALK), length), np.float32)
            if one is None
            else heat_over_walk((found := self._judgement(one[1])).cells, visible(found.blocks, one[0]), length)
            for one in self._findings(pose, reps, bows_of(pose, reps), setting)
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
        """Write the detector into a folder, whole or not at all; `card` becomes its CARD.md. At another rate than the
        one that it was learnt for, it is stored as a model of its own."""
        save_parts(vars(self), Path(folder), card)

    @staticmethod
    def load(folder: str | Path) -> Detector:
        """A saved detector, with its own configuration. Raises ModelError where it is missing or damaged."""
        return Detector(**load_parts(Path(folder)))

    def _hindrance(self, coverage: float, gap: float, rep: Rep, reps: Sequence[Rep]) -> str:
        """Why a repetition cannot be judged, in words, "" where it can."""
        shortest = self.config.min_duration_s
        if len(reps) >= self.config.min_siblings:
            shortest = max(shortest, _SHORTEST_SHARE * float(np.median([other.duration_s for other in reps])))
        if rep.duration_s < shortest:
            return TOO_SHORT
        return TOO_LITTLE if coverage < self.config.min_coverage else LOST if gap > _LONGEST_GAP else ""

    def _findings(
        self,
        pose: Pose,
        reps: Sequence[Rep],
        bows: Sequence[float | None],
        setting: str,
        encoded: Sequence[Encoded] | None = None,
    ) -> list[_Found | None]:
        """For each repetition its image and what is found in it; None where no pose was found. bows: of the backs."""
        encoded = [encode(pose, rep, self.config.encode) for rep in reps] if encoded is None else encoded
        seen = [one for one in encoded if one.coverage > 0.0]
        if not seen:
            return [None] * len(reps)
        backs = [bow for one, bow in zip(encoded, bows, strict=True) if one.coverage > 0.0]
        found = iter(self.findings(features_of([pose] * len(seen), seen, backs, self.config.encode), setting))
        return [(one, next(found)) if one.coverage > 0.0 else None for one in encoded]

    def _findings_of_unknown(self, features: Features) -> list[tuple[Finding, ...]]:
        """For each repetition of a lifter or camera that is not known one finding to three."""
        of_angles, of_outline = (angle_block(features),), outline_block(features)
        found = [
            [Finding("in_posture", float(raw), angle_cells(angles, self.posture), of_angles, {"posture": float(raw)})]
            for raw, angles in zip(fault_score(features.angles, self.posture), features.angles, strict=True)
        ]
        if self.in_back is not None:
            cells = outline_cells(of_outline, self.config.encode.length)
            for index in np.flatnonzero(np.isfinite(features.bows)).tolist():
                raw = float(of_outline.values[index].flat[0])
                found[index].append(Finding("in_back", raw, cells, (of_outline,), {"back": raw}))
        if len(found) >= self.config.min_siblings:
            blocks = in_units(features.blocks, self.scales)
            compared = zip(compare_within_video(blocks), within_video_cells(blocks), strict=True)
            for mine, (far, cells) in zip(found, compared, strict=True):
                mine.append(Finding("within_video", float(far), cells, blocks, {"other repetitions": float(far)}))
        return list(map(tuple, found))

    def _judgement(self, findings: Sequence[Finding]) -> Judgement:
        """By the most unusual finding."""
        judged = []
        for one in findings:
            calibration, tests = self._calibration(one.by, len(findings))
            score, p_value = calibration.score(one.raw), min(1.0, tests * calibration.p_value(one.raw))
            flagging = [origin for origin, raw in one.alone.items() if calibration.score(raw) >= DECISION]
            by = tuple(flagging or one.alone) if score >= DECISION else ()
            judged.append(Judgement(score, p_value, one.raw, one.cells, one.blocks, by))
        return max(judged, key=lambda judgement: judgement.score)

    def _calibration(self, name: _CalibrationName, findings: int) -> tuple[Calibration, int]:
        """That of one of so many findings, and how many share the false alarms."""
        calibration: Calibration = getattr(self, name)
        tests = {1: _TESTS_OF_ONE, 3: _TESTS_OF_THREE}.get(findings, _TESTS)[name]
        is_stored = tests == _TESTS[name]
        return calibration if is_stored else calibration.at(self.config.false_alarm_rate / tests), tests

    def _scores(
        self,
        found: Sequence[_Found | None],
        trusted: Sequence[tuple[bool, str]],
        bows: Sequence[float | None],
    ) -> tuple[RepScore, ...]:
        """trusted: for each repetition whether its score can be relied on, and what is hidden of it. bows: of backs."""
        result = []
        for one, (reliable, unseen), bow in zip(found, trusted, bows, strict=True):
            if one is None:
                result.append(_UNJUDGED)
                continue
            judged = self._judgement(one[1])
            why = reasons(judged.cells, visible(judged.blocks, one[0]), self.config.encode.length)
            seen_bow = None if unseen == TRUNK else bow
            by = judged.flagged_by
            result.append(RepScore(judged.score, judged.p_value, judged.raw, why, reliable, unseen, seen_bow, by))
        return tuple(result)


def load_detector(folder: str | Path | None = None) -> Detector:
    """A detector that was saved, with its own configuration; without a folder the one that is shipped.

    Args:
        folder: a model folder, as `deadlift train --out` and `Detector.save` write it.

    Raises:
        ModelError: the folder is missing, damaged, or of another format.
    """
    return Detector.load(Path(__file__).parent / "base_model" if folder is None else folder)
