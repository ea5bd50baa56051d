"""The datasheet of an exported dataset: what is in it, in words, tables and pictures.

After Gebru et al., "Datasheets for Datasets", Communications of the ACM 64(12), 2021, as far as a tool can know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.counts import counted
from pipeline.datasets.rows import LABELS, MOVED_S, SPLITS
from pipeline.datasets.summary import DURATION_BINS, DURATION_STEP_S, SCORE_BINS, Summary
from pipeline.records import DECISION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_COLOURS = {"normal": "tab:green", "anomalous": "tab:red"}
_LINES = 10


@dataclass(frozen=True)
class Facts:
    """What the datasheet says besides the counts. parts: folder or file -> what it holds. missing: (video, why).
    unused: sentences about what people drew and the dataset does not have."""

    title: str
    created: str
    digest: str
    filters: Sequence[str]
    parts: Mapping[str, str]
    missing_count: int
    missing: Sequence[tuple[str, str]]
    repeated: int
    sampling: str
    unused: Sequence[str] = ()


def write_datasheet(folder: Path, summary: Summary, facts: Facts) -> None:
    """Write DATASHEET.md and the pictures it shows, into `plots/`."""
    plots = folder / "plots"
    plots.mkdir()
    for name, figure in _figures(summary).items():
        # The date and the library's release would make equal datasets differ.
        figure.savefig(plots / f"{name}.png", dpi=110, metadata={"Software": None})
    (folder / "DATASHEET.md").write_text("\n".join(_lines(summary, facts)) + "\n", encoding="utf-8")


def _lines(summary: Summary, facts: Facts) -> Iterable[str]:
    yield f"# {facts.title}"
    yield ""
    yield (
        f"{counted(summary.reps, 'deadlift repetition')} ({summary.of_label('normal')} normal, "
        f"{summary.of_label('anomalous')} anomalous; {summary.seconds / 60:.1f} minutes) of "
        f"{counted(summary.video_count, 'video')}, labelled by people in Label Studio{_period(summary)}. "
        f"Exported {facts.created}. Digest of the labels: `{facts.digest}`."
    )
    yield ""
    yield "![Labels by split](plots/labels.png) ![Durations](plots/durations.png)"
    yield "![Scores](plots/scores.png) ![Repetitions per video](plots/videos.png)"
    yield from _section("What is in it", ())
    yield from _table(("file", "holds"), [(f"`{name}`", holds) for name, holds in facts.parts.items()])
    yield from _section("How it was chosen", ())
    yield (
        "Of each task the annotation that is ground truth, else the newest one, of those that pass the filters by "
        "annotator, date and ground truth; skipped and deleted annotations never."
    )
    if facts.repeated:
        yield (
            f"Left out: {counted(facts.repeated, 'task')}, as another has the same video with labels that count more: "
            "ground truth, or newer ones."
        )
    yield "Filters: " + ("; ".join(facts.filters) + "." if facts.filters else "none.")
    yield from _section("Splits", ())
    yield (
        "By lifter where the task data names one, else by video, never by repetition. Where they go is a hash of the "
        "lifter's name, or of the video's content: they stay there in later versions. A video that was not looked at "
        "yet is placed by its address, and may move once it was."
    )
    if summary.without_lifter:
        yield (
            f"**The lifter of {summary.without_lifter} of {summary.video_count} videos is not known:** one lifter's "
            "videos may be on both sides of a split."
        )
    for split in SPLITS:
        if not summary.of_split(split):
            yield f"**{split} is empty:** there are too few lifters or videos."
    yield ""
    yield from _table(
        ("split", "normal", "anomalous", "videos", "known lifters"),
        [
            (
                split,
                *(summary.labels[label, split] for label in LABELS),
                summary.videos[split],
                len(summary.lifters[split]),
            )
            for split in SPLITS
        ],
    )
    yield from _section("Where the labels come from", ())
    yield (
        "`untouched`: as the model proposed and a person left it. `changed`: proposed, then relabelled, or moved by "
        f"more than {MOVED_S} s, within which frames are rounded. "
        "`manual`: drawn by a person. Annotators have their numbers in Label Studio alone, no names or e-mail "
        "addresses: a dataset that is passed on tells nobody who they are."
    )
    yield ""
    yield from _counts("origin", summary.origins)
    yield from _counts("annotator", summary.annotators)
    yield from _counts("proposed by", summary.versions)
    if summary.faults:
        yield from _counts("fault", summary.faults)
    yield f"Ground truth: {summary.ground_truth} of {summary.reps} repetitions."
    for line in facts.unused:
        yield ""
        yield f"{line}."
    yield from _section("Landmarks", ())
    yield facts.sampling
    if facts.missing_count:
        yield ""
        yield f"**{facts.missing_count} could not be had** (all in `missing.csv`):"
        yield ""
        yield from (f"- {video}: {why}" for video, why in facts.missing[:_LINES])
        if facts.missing_count > _LINES:
            yield f"- and {facts.missing_count - _LINES} more"
    yield from _section("Limits", ())
    yield (
        "Labels are one person's view of a lift on a screen. Landmarks are MediaPipe's, of one camera: depth is a "
        "guess, hidden joints are too. Whether the people in the videos agreed to this use is not known to the tool."
    )


def _period(summary: Summary) -> str:
    if not summary.last:
        return ""
    first, last = summary.first[:10], summary.last[:10]
    return f" on {first}" if first == last else f" from {first} to {last}"


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    yield from ("", f"## {title}", "", *lines)


def _counts(name: str, counter: Counter[str]) -> Iterable[str]:
    rows: list[tuple[object, ...]] = list(counter.most_common(_LINES))
    if len(counter) > _LINES:
        rows.append((f"{len(counter) - _LINES} more", sum(counter.values()) - sum(int(str(r[1])) for r in rows)))
    yield from _table((name, "repetitions"), rows)
    yield ""


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterable[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"


def _figures(summary: Summary) -> dict[str, Figure]:
    return {
        "labels": _labels(summary),
        "durations": _histogram(
            summary.durations, DURATION_BINS, DURATION_STEP_S, "How long repetitions take", "seconds", is_cut=True
        ),
        "scores": _histogram(
            summary.scores,
            SCORE_BINS,
            1.0 / SCORE_BINS,
            "What the model had said",
            "anomaly score",
            threshold=DECISION,
            missing=summary.reps - sum(summary.scores.values()),
        ),
        "videos": _videos(summary),
    }


def _new(title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _labels(summary: Summary) -> Figure:
    figure, axes = _new("Repetitions by split and label")
    below = [0] * len(SPLITS)
    for label in LABELS:
        counts = [summary.labels[label, split] for split in SPLITS]
        axes.bar(SPLITS, counts, bottom=below, color=_COLOURS[label], label=label)
        below = [a + b for a, b in zip(below, counts, strict=True)]
    for place, total in enumerate(below):
        axes.text(place, total, str(total), ha="center", va="bottom", fontsize=8)
    axes.set_ylabel("repetitions")
    axes.margins(y=0.12)
    _whole_numbers(axes.yaxis)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _histogram(
    counts: Counter[tuple[str, int]],
    bins: int,
    step: float,
    title: str,
    name: str,
    is_cut: bool = False,
    threshold: float | None = None,
    missing: int = 0,
) -> Figure:
    """Counts by (label, bin). is_cut: the last bin holds everything longer. threshold: where the decision is. missing:
    how many repetitions have no such value."""
    figure, axes = _new(title)
    below = [0] * bins
    for label in LABELS:
        heights = [counts[label, place] for place in range(bins)]
        places = [(place + 0.5) * step for place in range(bins)]
        axes.bar(places, heights, width=step * 0.9, bottom=below, color=_COLOURS[label], label=label)
        below = [a + b for a, b in zip(below, heights, strict=True)]
    if not any(below):
        axes.text(0.5, 0.5, "none known", ha="center", va="center", transform=axes.transAxes, color="grey")
    used = max((place for place in range(bins) if below[place]), default=bins - 1)
    axes.set_xlim(0, (used + 2) * step if is_cut else bins * step)
    if is_cut and below[-1]:
        axes.text(bins * step, below[-1], "and longer", ha="right", va="bottom", fontsize=8)
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"unusual from {threshold} on")
    without = f"\n({missing} of {sum(counts.values()) + missing} repetitions have none)" if missing else ""
    axes.set(xlabel=f"{name}{without}", ylabel="repetitions")
    axes.set_ylim(0, 1.1 * max(1, *below))  # margins would end at bars of height 0 on top of others
    _whole_numbers(axes.yaxis)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _whole_numbers(axis: Axis) -> None:
    """Ticks of an axis of counts."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _videos(summary: Summary) -> Figure:
    figure, axes = _new("Repetitions per video")
    counts = sorted(summary.reps_per_video.items())
    axes.bar([count for count, _ in counts], [videos for _, videos in counts], color="tab:blue")
    axes.set(xlabel="exported repetitions", ylabel="videos")
    _whole_numbers(axes.xaxis)
    _whole_numbers(axes.yaxis)
    return figure
