"""`deadlift evaluate anomaly`: anomaly scores against labels, grouped by video, beside trivial baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pipeline.evaluate_anomaly import Figures, Judged

Method = Literal["default", "autoencoder", "seed"]


def evaluate_anomaly(
    normal: Annotated[Path, typer.Option(help="Folder of SkeleMotion PNGs, or JSON list of videos with normal reps.")],
    anomalous: Annotated[Path | None, typer.Option(help="The same for anomalous reps; a JSON may hold both.")] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of the videos that the JSON names.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; for seed also its HDF5 weights.")] = None,
    method: Annotated[
        Method,
        typer.Option(
            help="`autoencoder` judges by a small autoencoder's latent (videos: where no --model is given, which knows"
            " its method); `seed` applies the original's network and rule to PNGs."
        ),
    ] = "default",
    train_pictures: Annotated[
        Path | None, typer.Option(help="PNGs whose density the seed's rule uses; default: those of --normal.")
    ] = None,
    cold: Annotated[
        bool, typer.Option(help="Judge videos by the model alone, without learning from the others.")
    ] = False,
    rate: Annotated[float, typer.Option(help="Nominal false alarm rate.")] = 0.05,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for pictures: ROC, confusion matrix, PCA and t-SNE.")
    ] = None,
    poses: Annotated[Path | None, typer.Option(help="Folder where landmarks are kept.")] = None,
) -> None:
    """Separation, false alarms per unseen video, and how far trivial scores get."""
    import json
    from dataclasses import asdict

    from rich.console import Console

    from pipeline.errors import DatasetError
    from pipeline.evaluate_anomaly import figures

    if normal.is_dir():
        if anomalous is None:
            raise DatasetError("Expected --anomalous, the folder of the anomalous repetitions' pictures.")
        judged, trivial, features = _pictures(normal, anomalous, method, model, train_pictures, rate)
    else:
        judged, trivial, features = _videos(
            [normal, *([anomalous] if anomalous else [])], videos, model, method, cold, rate, poses
        )
    result = figures(judged)
    console = Console()
    console.print(_table(result, trivial))
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(result) | {"baselines": trivial}, indent=1))
    if plots is not None:
        from pipeline.evaluation_plots import save_plots

        for file in save_plots(judged, features, plots):
            console.print(str(file), soft_wrap=True)


def _pictures(
    normal: Path, anomalous: Path, method: Method, model: Path | None, train_pictures: Path | None, rate: float
) -> tuple[Judged, dict[str, float], Any]:
    import numpy as np

    from pipeline.errors import DatasetError
    from pipeline.evaluate_anomaly import Judged, auroc, duration_baseline, judge_pictures
    from pipeline.pictures import load_pictures, picture_blocks
    from pipeline.seed import load_seed, network_input

    good, odd = load_pictures(normal), load_pictures(anomalous)
    truth = np.r_[np.zeros(len(good.files), bool), np.ones(len(odd.files), bool)]
    far = duration_baseline(np.r_[good.frames, odd.frames], truth)
    trivial = {
        "AUROC of the share of static pixels": auroc(good.static_share, odd.static_share),
        "AUROC of the duration's distance from the median": auroc(far[~truth], far[truth]),
    }
    features = np.concatenate(
        [np.concatenate([a.values, b.values]).reshape(len(truth), -1)
         for a, b in zip(picture_blocks(good), picture_blocks(odd), strict=True)], axis=1,
    )  # fmt: skip
    if method == "default":
        return judge_pictures(good, odd, rate), trivial, features
    if method == "autoencoder":
        default = judge_pictures(good, odd, rate)
        trivial["AUROC of the default method"] = auroc(default.scores[~truth], default.scores[truth])
        return judge_pictures(good, odd, rate, method="autoencoder"), trivial, features
    if model is None:
        raise DatasetError("Expected --model, the seed's weights (.keras) or a folder trained with --method seed.")
    seed = load_seed(model)
    learnt = load_pictures(train_pictures).files if train_pictures is not None else good.files
    if not len(seed.latents):
        seed = seed.with_latents(network_input(learnt, "nearest"))
    images = network_input(good.files + odd.files, "bicubic")
    flagged = seed.is_anomaly(images, "literal")
    # The rule knows two thresholds and no score: flagged ones come first, among equals the larger error.
    errors = seed.errors(images)
    scores = 0.5 * flagged + 0.5 * errors / (errors.max() + 1e-9) * (1 - 1e-6)
    return Judged(scores, truth, good.groups + odd.groups), trivial, features


def _videos(
    lists: list[Path],
    folder: Path | None,
    model: Path | None,
    method: Method,
    cold: bool,
    rate: float,
    poses: Path | None,
) -> tuple[Judged, dict[str, float], Any]:
    from dataclasses import replace

    import numpy as np

    from backend.commands.train import cached_pose, drawn_base
    from pipeline.config import DetectorConfig, TrainConfig
    from pipeline.dataset import labelled_samples
    from pipeline.detector import Detector, load_base
    from pipeline.evaluate_anomaly import auroc, duration_baseline, judge_videos
    from pipeline.features import blocks_of
    from pipeline.skelemotion import encode

    base = drawn_base(seed=0) if method == "autoencoder" and model is None else None
    base = base or (Detector.load(model) if model is not None else load_base())
    samples = [
        sample
        for file in lists
        for sample in labelled_samples(file, folder or file.parent, lambda path: cached_pose(path, poses))
    ]
    config = TrainConfig(detector=replace(DetectorConfig(), false_alarm_rate=rate, method=base.config.method))
    judged = judge_videos(samples, base, None if cold else config)
    far = duration_baseline(np.array([sample.rep.duration_s for sample in samples]), judged.anomalous)
    trivial = {"AUROC of the duration's distance from the median": auroc(far[~judged.anomalous], far[judged.anomalous])}
    blocks = blocks_of(np.stack([encode(one.pose, one.rep, base.config.encode).image for one in samples]))
    return judged, trivial, np.concatenate([block.values.reshape(len(samples), -1) for block in blocks], axis=1)


def _table(result: Figures, trivial: dict[str, float]) -> Any:
    from rich.table import Table

    table = Table("figure", "value", title=f"{result.normals} normal and {result.anomalies} anomalous repetitions")
    low, high = result.auroc_interval
    rows = [
        ("AUROC (95 % over videos)", f"{result.auroc:.3f} ({low:.3f} to {high:.3f})"),
        ("average precision", f"{result.average_precision:.3f}"),
        ("accuracy / precision / recall / F1", " / ".join(
            f"{value:.3f}" for value in (result.accuracy, result.precision, result.recall, result.f1))),
        ("normal: passed, flagged", f"{result.true_negative}, {result.false_positive}"),
        ("anomalous: missed, flagged", f"{result.false_negative}, {result.true_positive}"),
        ("false alarms per unseen video", f"{result.false_alarm_mean:.1%} +- {result.false_alarm_std:.1%}"),
    ]  # fmt: skip
    for name, text in rows + [(name, f"{value:.3f}") for name, value in trivial.items()]:
        table.add_row(name, text)
    return table
