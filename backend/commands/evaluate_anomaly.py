"""`deadlift evaluate anomaly`: anomaly scores against labels, grouped by video, beside trivial baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backend.commands.progress import progress_bar
from backend.commands.train import MethodOrOriginal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.evaluation.anomaly import AtRate, Figures, Judged
    from pipeline.records import LabelledRep


def evaluate_anomaly(
    normal: Annotated[Path, typer.Option(help="Folder of SkeleMotion PNGs, or JSON list of videos with normal reps.")],
    anomalous: Annotated[Path | None, typer.Option(help="The same for anomalous reps; a JSON may hold both.")] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of the videos that the JSON names.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; for original also its HDF5 weights.")] = None,
    method: Annotated[
        MethodOrOriginal,
        typer.Option(
            help="`statistics` of SkeleMotion images, what an `autoencoder` cannot explain in them, or `both`;"
            " `original` applies the original's network and rule to PNGs."
        ),
    ] = "both",
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Folder or JSON like --normal: learn from its normal reps alone and judge the rest. Without it each"
            " video is judged by the others."
        ),
    ] = None,
    cold: Annotated[
        bool, typer.Option(help="Judge videos by the model alone, without learning from the others.")
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(help="Judge videos by our representation and by the original's picture, cold and warm each."),
    ] = False,
    rate: Annotated[float, typer.Option(help="Nominal false alarm rate.")] = 0.05,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for pictures: ROC, confusion matrix, PCA and t-SNE.")
    ] = None,
    poses: Annotated[
        Path | None, typer.Option(help="Folder where landmarks are kept; the server's own otherwise.")
    ] = None,
) -> None:
    """Separation, false alarms per unseen video, and how far trivial scores get."""
    import json
    from dataclasses import asdict

    from rich.console import Console

    from pipeline.errors import DatasetError
    from pipeline.evaluation.anomaly import at_rates, figures

    lists = [normal, *([anomalous] if anomalous else [])]
    if compare:
        if reference is not None:
            raise DatasetError("Expected --compare or --reference, got both: --compare leaves one video out.")
        _compare(lists, videos, rate, poses, json_file)
        return
    if normal.is_dir():
        if anomalous is None:
            raise DatasetError("Expected --anomalous, the folder of the anomalous repetitions' pictures.")
        judged, trivial, features = _pictures(normal, anomalous, method, model, reference, rate)
    else:
        judged, trivial, features = _videos(lists, videos, model, method, cold, rate, poses, reference)
    result, rows = figures(judged[rate]), at_rates(judged) if len(judged) > 1 else ()
    console = Console()
    console.print(_table(result, trivial))
    if rows:
        console.print(_rates(rows))
    if json_file is not None:
        written = asdict(result) | {"method": method, "rates": [asdict(row) for row in rows], "baselines": trivial}
        json_file.write_text(json.dumps(written, indent=1))
    if plots is not None:
        from pipeline.evaluation.plots import save_plots

        for file in save_plots(judged[rate], features, plots):
            console.print(str(file), soft_wrap=True)


def _pictures(
    normal: Path, anomalous: Path, method: MethodOrOriginal, model: Path | None, reference: Path | None, rate: float
) -> tuple[dict[float, Judged], dict[str, float], Any]:
    import numpy as np

    from pipeline.errors import DatasetError
    from pipeline.evaluation.anomaly import duration_baseline, judge_by_original, judge_pictures
    from pipeline.learning.auroc import auroc
    from pipeline.original.model import load_original, network_input
    from pipeline.original.pictures import load_pictures, picture_blocks

    good, odd = load_pictures(normal), load_pictures(anomalous)
    known = load_pictures(reference) if reference is not None else None
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
    if method != "original":
        if method != "statistics":
            default = judge_pictures(good, odd, (rate,), method="statistics", reference=known)[rate]
            trivial["AUROC of the statistics"] = auroc(default.scores[~truth], default.scores[truth])
        return judge_pictures(good, odd, _with(rate), method=method, reference=known), trivial, features
    if model is None:
        raise DatasetError(
            "Expected --model, the original's weights (.keras) or a folder trained with --method original."
        )
    original = load_original(model)
    if known is not None or not len(original.latents):
        original = original.with_latents(network_input((known or good).files, "nearest"))
    judged, exactly = judge_by_original(good, odd, original)
    trivial |= {
        "density computed exactly: normal flagged": float(exactly[~truth].mean()),
        "density computed exactly: anomalous flagged": float(exactly[truth].mean()),
    }
    return {rate: judged}, trivial, features


def _videos(
    lists: list[Path],
    folder: Path | None,
    model: Path | None,
    method: MethodOrOriginal,
    cold: bool,
    rate: float,
    poses: Path | None,
    reference: Path | None,
) -> tuple[dict[float, Judged], dict[str, float], Any]:
    from dataclasses import replace

    import numpy as np

    from pipeline.anomaly.detector import load_detector
    from pipeline.anomaly.features import blocks_of
    from pipeline.config import DetectorConfig, TrainConfig
    from pipeline.errors import DatasetError
    from pipeline.evaluation.anomaly import duration_baseline, judge_videos
    from pipeline.learning.auroc import auroc
    from pipeline.skelemotion import encode

    if cold and reference is not None:
        raise DatasetError("Expected --cold or --reference, got both: --cold learns from nothing.")
    if method == "original":
        raise DatasetError("Expected folders of SkeleMotion PNGs with --method original, got lists of videos.")
    base = load_detector(model)
    samples = _samples(lists, folder, poses)
    known = _samples([reference], folder, poses) if reference is not None else []
    config = TrainConfig(detector=replace(DetectorConfig(), false_alarm_rate=rate, method=method))
    judged = judge_videos(samples, base, None if cold else config, _with(rate), reference=known)
    durations, odd = np.array([sample.rep.duration_s for sample in samples]), judged[rate].anomalous
    far = duration_baseline(durations, odd)
    trivial = {"AUROC of the duration's distance from the median": auroc(far[~odd], far[odd])}
    blocks = blocks_of(np.stack([encode(one.pose, one.rep, base.config.encode).image for one in samples]))
    return judged, trivial, np.concatenate([block.values.reshape(len(samples), -1) for block in blocks], axis=1)


def _with(rate: float) -> tuple[float, ...]:
    """The rates of the table, and the one that is asked for."""
    from pipeline.learning.rates import RATES

    return tuple(sorted({*RATES, rate}))


def _samples(
    lists: list[Path], folder: Path | None, poses: Path | None, per_second: float | None = None
) -> list[LabelledRep]:
    from backend.commands.landmarks import video_pose
    from pipeline.learning.samples import labelled_samples

    return [
        sample
        for file in lists
        for sample in labelled_samples(file, folder or file.parent, lambda path: video_pose(path, poses, per_second))
    ]


def _compare(lists: list[Path], folder: Path | None, rate: float, poses: Path | None, json_file: Path | None) -> None:
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from pipeline.config import DetectorConfig, TrainConfig
    from pipeline.errors import DatasetError
    from pipeline.evaluation.anomaly import figures
    from pipeline.evaluation.representations import compare_representations

    if lists[0].is_dir():
        raise DatasetError("Expected --normal to be a JSON list of videos: --compare needs their landmarks.")
    config = TrainConfig(detector=DetectorConfig(false_alarm_rate=rate))
    with progress_bar() as bar:
        task = bar.add_task("compare", total=1.0)
        ours, original, trivial = compare_representations(
            _samples(lists, folder, poses),
            _samples(lists, folder, poses, 0.0),
            config,
            on_progress=lambda share: bar.update(task, completed=share),
        )
    columns = ("score", "AUROC (95 % over videos)", "good flagged", "bad flagged")
    table = Table(*columns, title=f"Each video by what has not seen it, nominal false alarms {rate:.0%}")
    rows, written = {}, {}
    for name, one in (("ours", ours), ("original's picture", original)):
        for start, judged in (("cold", one.cold), ("warm", one.warm)):
            result = rows[name, start] = figures(judged)
            written[f"{name}, {start}"] = asdict(result)
            low, high = result.auroc_interval
            table.add_row(
                f"{name}, {start}",
                f"{result.auroc:.3f} ({low:.3f} to {high:.3f})",
                f"{result.false_positive} of {result.normals}",
                f"{result.true_positive} of {result.anomalies}",
            )
        alarms, of = one.within_video_alarms
        table.add_row(f"{name}, within the video alone", "", f"{alarms} of {of}", "")
    for name, value in trivial.items():
        table.add_row(name, f"{value:.3f}", "", "")
    best = max(("ours", "original's picture"), key=lambda name: sum(rows[name, s].auroc for s in ("cold", "warm")))
    console = Console()
    console.print(table)
    console.print(f"Better by the mean of cold and warm: {best}. The default is ours.", soft_wrap=True)
    if json_file is not None:
        json_file.write_text(json.dumps(written | {"baselines": trivial}, indent=1))


def _rates(rows: Sequence[AtRate]) -> Any:
    from rich.table import Table

    table = Table("nominal rate", title="What a nominal rate of false alarms comes to")
    for heading in ("false alarms per unseen video", "recall", "accuracy"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(f"{row.rate:.0%}", f"{row.false_alarms:.1%}", f"{row.recall:.3f}", f"{row.accuracy:.3f}")
    return table


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
    if result.hidden_normals or result.hidden_anomalies:
        hidden = f"{result.hidden_normals}, {result.hidden_anomalies}"
        rows.append(("too little seen to be judged: normal, anomalous", hidden))
    for name, text in rows + [(name, f"{value:.3f}") for name, value in trivial.items()]:
        table.add_row(name, text)
    return table
