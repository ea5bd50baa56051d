"""What `render` and `report` share: where results go, and what the chosen model finds in one video after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import typer
from rich.console import Console

from backend.commands.chosen_model import chosen_detector
from backend.commands.progress import video_bar
from backend.errors import BackendError
from backend.settings import Settings, networks_dir
from pipeline.counts import counted
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.records import Analysis, OnProgress, Pose


# What --out names a file by: folders may have other dots in their names.
_FILES = (".avi", ".csv", ".html", ".json", ".m4v", ".mkv", ".mov", ".mp4", ".pdf", ".webm")


def targets_in(out: Path, names: Sequence[str], sources: Sequence[Path], beside: str = "") -> list[Path]:
    """Where results go: each by its name into the folder `out`, which is made; a single one also into the file `out`.

    sources: files that the results are made of. beside: the suffix of another file that is written beside each. Raises
    BackendError where two would go into one file or one over a source, or the folder cannot be made.
    """
    suffix = Path(names[0]).suffix
    is_file = out.suffix.lower() in _FILES and not out.is_dir()
    if is_file and out.suffix.lower() != suffix:
        raise BackendError(f"{out}: results are files as x{suffix}. Name such a one, or a folder, with --out.")
    if is_file and len(names) > 1:
        raise BackendError(f"{out} is one file, for {len(names)} results. Name a folder with --out.")
    targets = [out] if is_file else [out / name for name in names]
    if twice := next((one for one in targets if targets.count(one) > 1), None):
        raise BackendError(
            f"Two of the videos would be written to {twice}. Give them in different calls, with other --out."
        )
    written = [*targets, *(one.with_suffix(beside) for one in targets if beside)]
    kept = {path.resolve() for path in sources}
    if over := next((one for one in written if one.resolve() in kept), None):
        raise BackendError(f"{over} would be written over. Name another file or folder with --out.")
    folder = targets[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"{folder} cannot be made ({error.strerror}). Name another one with --out.") from error
    return targets


def reps_or_why(reps: int, nothing: str) -> str:
    """How many repetitions a video has, and why none."""
    return counted(reps, "repetition") + (f" ({nothing})" if nothing else "")


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """While a file is written: raises BackendError where it cannot be."""
    try:
        yield
    except OSError as error:
        raise BackendError(f"{file} cannot be written ({error.strerror or error}).") from error


class Sets:
    """Videos, each a set, in which one model finds repetitions; entered once, as it opens the networks and a bar."""

    def __init__(self, paths: Sequence[Path], project: int | None, model: Path | None) -> None:
        from pipeline.pose.cache import PoseCache

        settings = Settings()
        self.paths = paths
        self.detector = chosen_detector(settings, project, model)
        self.console = Console(soft_wrap=True, highlight=False)
        self._errors = Console(stderr=True, soft_wrap=True, highlight=False)
        self._config, self._cache = settings.pipeline_config(), PoseCache(settings.pose_dir)

    def __enter__(self) -> Self:
        from pipeline.pose.estimator import open_estimator

        with ExitStack() as opened:
            self._estimator = opened.enter_context(open_estimator(self._config.pose, networks_dir()))
            self._begin = opened.enter_context(video_bar(self._errors, self.paths))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def step(self, number: int, doing: str) -> OnProgress:
        """Begin a step of the work on a video, counted from 0; what is returned takes its progress."""
        return self._begin(number, doing)

    def found_in(self, number: int) -> tuple[Pose, Analysis]:
        """Landmarks, and repetitions with their scores. Raises PipelineError."""
        from pipeline.analyze import analyze_pose, landmarks_of

        self._estimator.reset()
        progress = self.step(number, "estimating landmarks")
        info, digest, pose = landmarks_of(self.paths[number], self._cache, self._config.pose, self._estimator, progress)
        return pose, analyze_pose(pose, info, self.detector, self._config, digest)

    def write_each(self, targets: Sequence[Path], write: Callable[[int, Path], Analysis]) -> None:
        """Call `write` with the number of each video and its target, and say how many repetitions there are.

        A video that fails is named, the others go on; raises typer.Exit(1) if any did.
        """
        failed = 0
        for number, target in enumerate(targets):
            try:
                found = write(number, target)
            except PipelineError as error:
                failed += 1
                self._errors.print(f"deadlift: {error}", markup=False)
            else:
                self.console.print(f"{target}: {reps_or_why(len(found.reps), found.nothing)}", markup=False)
        if failed:
            raise typer.Exit(1)
