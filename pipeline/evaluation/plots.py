"""Pictures of an evaluation: ROC curve, confusion matrix, and the features in two dimensions (PCA and t-SNE)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.anomaly import Judged
from pipeline.records import DECISION, Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("tab:blue", "tab:red")


def save_plots(judged: Judged, features: Floats, folder: Path) -> list[Path]:
    """Write roc.png, confusion.png, pca.png and tsne.png; features [N, D] are of the judged repetitions."""
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.metrics import roc_auc_score, roc_curve

    folder.mkdir(parents=True, exist_ok=True)
    roc = Figure(figsize=(5, 5), layout="constrained")
    axes = roc.subplots()
    false, true, _ = roc_curve(judged.anomalous, judged.scores)
    axes.plot(false, true, label=f"AUROC {roc_auc_score(judged.anomalous, judged.scores):.3f}")
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set(xlabel="normal repetitions flagged", ylabel="anomalous repetitions flagged")
    axes.legend(loc="lower right")

    confusion = Figure(figsize=(4, 4), layout="constrained")
    axes = confusion.subplots()
    flagged = judged.scores >= DECISION
    counts = np.array(
        [[np.sum((judged.anomalous == t) & (flagged == f)) for f in (False, True)] for t in (False, True)]
    )
    axes.imshow(counts, cmap="Blues")
    for row in range(2):
        for column in range(2):
            axes.text(column, row, str(counts[row, column]), ha="center", va="center")
    axes.set(xticks=(0, 1), yticks=(0, 1), xticklabels=("normal", "anomalous"), yticklabels=("normal", "anomalous"))
    axes.set(xlabel="judged", ylabel="labelled")

    centred = (features - features.mean(axis=0)).reshape(len(features), -1)
    near = max(2.0, min(30.0, (len(features) - 1) / 3))
    flat = PCA(2, random_state=0).fit_transform(centred)
    neighbours = TSNE(2, perplexity=near, init="pca", random_state=0).fit_transform(centred)
    figures = {
        "roc": roc,
        "confusion": confusion,
        "pca": _scatter(flat, judged.anomalous, "PCA"),
        "tsne": _scatter(neighbours, judged.anomalous, "t-SNE"),
    }
    files = []
    for name, figure in figures.items():
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=120)
    return files


def _scatter(points: NDArray[np.float32], anomalous: NDArray[np.bool_], title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for odd, name in enumerate(("normal", "anomalous")):
        mine = anomalous == bool(odd)
        axes.scatter(points[mine, 0], points[mine, 1], s=12, color=_COLOURS[odd], label=name)
    axes.set(title=title, xticks=(), yticks=())
    axes.legend()
    return figure
