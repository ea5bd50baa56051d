"""Judging repetitions: how far each is from normal ones, as a calibrated score with reasons.

A repetition whose lifter and camera are known is compared with the normal repetitions of that setting. Others are
compared with the general reference, and with their siblings in the video. Each comparison has a calibration of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.autoencoder import Encoder
from pipeline.calibration import Calibration
from pipeline.config import DetectorConfig
from pipeline.features import PARTS_OF_WALK, Blocks, blocks_of, features_of, stance_of
from pipeline.model_files import load_parts, save_parts, version_of
from pipeline.reasons import Cells, heat_over_walk, reasons, visible
from pipeline.records import Floats, Pose, Rep, RepScore
from pipeline.reference import Reference, Scale, cells_of, compare
from pipeline.siblings import compare_siblings, sibling_cells
from pipeline.skelemotion import Encoded, encode

_UNJUDGED = RepScore(0.5, 1.0, 0.0, reliable=False)


@dataclass(frozen=True)
class Detector:
    """A trained anomaly detector: everything that a score depends on.

    scales: the unit of each feature. general: normal repetitions of many lifters. settings: of one lifter and camera
    each. The calibrations say how far normal repetitions of videos that were not learnt from are from their setting,
    from the general reference, and from their siblings; `in_setting` is None where no setting is known. encoder: of
    the autoencoder whose latent repetitions are compared by, None where they are compared by statistics.
    """

    config: DetectorConfig
    scales: tuple[Scale, ...]
    general: Reference
    settings: tuple[Reference, ...]
    in_general: Calibration
    among_siblings: Calibration
    in_setting: Calibration | None = None
    name: str = "base"
    encoder: Encoder | None = None

    @property
    def version(self) -> str:
        """The name and eight hex digits of the contents, e.g. "base-0a1b2c3d"."""
        return version_of(self)

    def score(self, pose: Pose, reps: Sequence[Rep], setting: str = "") -> tuple[RepScore, ...]:
        """One score for each of a video's repetitions, judged together.

        setting: the name of the lifter and camera, "" to find out. A repetition that cannot be judged (poses missing,
        implausibly short) is not `reliable`.
        """
        encoded = [encode(pose, rep, self.config.encode) for rep in reps]
        seen = np.array([one.coverage > 0.0 for one in encoded], dtype=bool)
        if not seen.any():
            return (_UNJUDGED,) * len(reps)
        images = np.stack([one.image for one, use in zip(encoded, seen, strict=True) if use])
        scores = iter(self._judge(images, [one for one, use in zip(encoded, seen, strict=True) if use], setting))
        result = []
        for one, rep, use in zip(encoded, reps, seen, strict=True):
            score = next(scores) if use else _UNJUDGED
            trusted = one.coverage >= self.config.min_coverage and rep.duration_s >= self.config.min_duration_s
            result.append(score if trusted else RepScore(score.score, score.p_value, score.raw, score.reasons, False))
        return tuple(result)

    def heat_map(self, pose: Pose, rep: Rep, setting: str = "") -> Floats:
        """[45, L] in 0..1: how much each pixel of the repetition's SkeleMotion image adds to its distance from the
        normal repetitions that it is compared with. All zeros where no pose was found."""
        encoded = encode(pose, rep, self.config.encode)
        if encoded.coverage == 0.0:
            return np.zeros((len(PARTS_OF_WALK), self.config.encode.length), np.float32)
        known = self.setting_of(stance_of(blocks_of(encoded.image[None]))[0], setting)
        blocks = features_of(encoded.image[None], self.encoder)
        cells = cells_of(blocks, self.scales, known if known is not None else self.general)
        return heat_over_walk(cells, visible(blocks, encoded), self.config.encode.length)

    def setting_of(self, stance: Floats, name: str = "") -> Reference | None:
        """The known setting of that name, or else the one whose stance [D] is near enough, or None."""
        for setting in self.settings:
            if name and setting.name == name:
                return setting
        near = [(float(np.sqrt(np.mean((known.stance - stance) ** 2))), known) for known in self.settings]
        distance, nearest = min(near, key=lambda item: item[0], default=(np.inf, None))
        return nearest if distance <= self.config.setting_distance else None

    def save(self, folder: str | Path, card: str = "") -> None:
        """Write the detector into a folder, whole or not at all; `card` becomes its CARD.md."""
        save_parts(self, Path(folder), card)

    @staticmethod
    def load(folder: str | Path) -> Detector:
        """A saved detector, with its own configuration. Raises ModelError where it is missing or damaged."""
        return Detector(**load_parts(Path(folder)))

    def _judge(self, images: Floats, encoded: Sequence[Encoded], setting: str) -> list[RepScore]:
        """Scores of repetitions, each shot of the video (a camera of its own) with the setting that it shows."""
        stances, blocks = stance_of(blocks_of(images)), features_of(images, self.encoder)
        shots, shown = [one.shot for one in encoded], [visible(blocks, one) for one in encoded]
        result: dict[int, RepScore] = {}
        unknown: list[int] = []
        for shot in dict.fromkeys(shots):
            rows = [index for index, other in enumerate(shots) if other == shot]
            known = self.setting_of(np.median(stances[rows], axis=0), setting)
            if known is None or self.in_setting is None:
                unknown += rows
                continue
            mine = _rows(blocks, rows)
            for index, raw in zip(rows, compare(mine, self.scales, known), strict=True):
                cells = cells_of(_rows(blocks, [index]), self.scales, known)
                result[index] = self._scored(float(raw), self.in_setting, cells, shown[index], 1)
        if unknown:
            judged = self._judge_unknown(_rows(blocks, unknown), [shown[index] for index in unknown])
            result.update(zip(unknown, judged, strict=True))
        return [result[index] for index in range(len(shots))]

    def _judge_unknown(self, blocks: Blocks, shown: Sequence[Sequence[Floats]]) -> list[RepScore]:
        """The more unusual of two comparisons, each of which may raise half of the false alarms."""
        far = compare(blocks, self.scales, self.general)
        result = []
        for index, raw in enumerate(far):
            cells = cells_of(_rows(blocks, [index]), self.scales, self.general)
            result.append(self._scored(float(raw), self.in_general, cells, shown[index], 2))
        if len(result) < self.config.min_siblings:
            return result
        for index, raw in enumerate(compare_siblings(blocks, self.scales)):
            cells = sibling_cells(blocks, self.scales, index)
            among = self._scored(float(raw), self.among_siblings, cells, shown[index], 2)
            if among.score > result[index].score:
                result[index] = among
        return result

    def _scored(
        self, raw: float, calibration: Calibration, cells: Cells, shown: Sequence[Floats], tests: int
    ) -> RepScore:
        p_value = min(1.0, tests * calibration.p_value(raw))
        return RepScore(calibration.score(raw), p_value, raw, reasons(cells, shown, self.config.encode.length))


def load_base() -> Detector:
    """The detector that is shipped with the package."""
    return Detector.load(Path(__file__).parent / "base_model")


def _rows(blocks: Blocks, rows: Sequence[int] | NDArray[np.intp]) -> Blocks:
    return tuple(block.rows(rows) for block in blocks)
