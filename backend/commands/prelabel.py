"""`deadlift prelabel`: predictions for a whole archive, into a Label Studio project or into files."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import BackendError, BadRequest, LabelStudioError
from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from backend.archives.target import Target
    from backend.commands.prelabel_display import Display
    from backend.compute.dask_executor import DaskExecutor
    from backend.context import Context
    from backend.labelstudio.labeling_config import Controls
    from backend.models.registry import Model
    from backend.storage.jobs import Store
    from backend.storage.ledger import Ledger, Source


def prelabel(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, video files, patterns in quotes, http(s) addresses, or .txt files that list such.",
            show_default=False,
        ),
    ] = None,
    project: Annotated[
        int | None, typer.Option(help="Label Studio project that gets the predictions.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Instead of a project: folder for tasks.json (to be imported), reps.csv and failed.csv.",
            show_default=False,
        ),
    ] = None,
    tasks: Annotated[
        str, typer.Option(metavar="all|unlabelled|view:ID", help="Tasks of the project, instead of SOURCE.")
    ] = "",
    local_files_root: Annotated[
        Path | None,
        typer.Option(
            envvar="LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT",
            help="Folder that Label Studio serves local files from: what lies below it is not uploaded.",
            show_default=False,
        ),
    ] = None,
    playable: Annotated[
        bool,
        typer.Option(
            "--playable",
            help="Give videos that browsers do not play an H.264 copy (FILE-h264.mp4), which their tasks play.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes on this machine; also WORKERS.", show_default=False)
    ] = None,
    scheduler: Annotated[
        str, typer.Option(help="Dask scheduler, as tcp://host:8786, with workers elsewhere; also DASK_SCHEDULER.")
    ] = "",
    resume: Annotated[
        bool, typer.Option(help="Go on where the last run ended, or forget what is known of these videos.")
    ] = True,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what was given up before.")] = False,
    max_attempts: Annotated[int, typer.Option(min=1, help="Failures of a video before it is given up.")] = 2,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many videos in this run.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json_progress: Annotated[
        bool, typer.Option("--json-progress", help="Progress as lines of JSON on standard output.")
    ] = False,
) -> None:
    """Pre-label an archive. May be interrupted and repeated at any time. Exit code 1 if any video failed."""
    import logging

    from backend import logs
    from backend.archives.run import exclusive
    from backend.commands.another_server import warn_of_another_server
    from backend.commands.prelabel_display import Display
    from backend.commands.serve import stop_on_sigterm
    from backend.storage.jobs import Store
    from backend.storage.private import private

    request = _Request(
        sources=tuple(sources or ()),
        tasks=tasks,
        project=project,
        out=out,
        root=local_files_root.absolute() if local_files_root is not None else None,
        resume=resume,
        retry_failed=retry_failed,
        max_attempts=max_attempts,
        limit=limit,
        playable=playable,
    )
    stop_on_sigterm()
    settings, display = Settings(), Display(json_progress)
    logs.set_up(logging.WARNING, settings.log_format)
    if project is not None:
        warn_of_another_server(settings)
    with (
        private(settings.data_dir),
        exclusive(settings.data_dir, request.target),
        closing(Store(settings.database_url)) as store,
    ):
        setting = _opened(settings, store, request)
        passed_over: Counter[str] = Counter()
        found = map(setting.destination.checked, _videos(setting, request, passed_over))
        if dry_run:
            _show_plan(setting, request, found, passed_over, display)
            return
        run = _begin(setting, request, found, passed_over)
        executor = partial(
            _executor,
            workers or settings.workers,
            scheduler or settings.dask_scheduler,
            scratch=settings.scratch_dir,
        )
        is_interrupted = _work(setting, request, run, executor, display)
        counts = _finish(setting, request, run, is_interrupted, passed_over, display)
    if is_interrupted or counts.get("failed"):
        raise typer.Exit(130 if is_interrupted else 1)


@dataclass(frozen=True)
class _Request:
    """Which videos, where their predictions go, and how often a video is tried. Raises BackendError for half of it.

    root: the folder that Label Studio serves local files from. limit: at most so many videos in this run.
    """

    sources: tuple[str, ...]
    tasks: str
    project: int | None
    out: Path | None
    root: Path | None
    resume: bool
    retry_failed: bool
    max_attempts: int
    limit: int | None
    playable: bool

    def __post_init__(self) -> None:
        if self.project is not None and self.out is not None:
            raise BackendError("Where shall the predictions go? Give either --project or --out, not both.")
        if self.project is None and self.out is None:
            raise BackendError("Where shall the predictions go? Give either --project or --out.")
        if self.sources and self.tasks:
            raise BackendError("Which videos? Give files or folders, or --tasks of a --project, not both.")
        if not self.sources and (not self.tasks or self.project is None):
            raise BackendError("Which videos? Give files or folders, or --tasks of a --project.")

    @property
    def target(self) -> str:
        from backend.storage.ledger import target_name

        return target_name(self.project, self.out)


@dataclass(frozen=True)
class _Setting:
    """What a run works with. makes_copies: of videos that browsers do not play."""

    context: Context
    ledger: Ledger
    controls: Controls
    destination: Target
    model: Model
    makes_copies: bool


def _opened(settings: Settings, store: Store, request: _Request) -> _Setting:
    """A project's labeling config and model, or for files those that come with the backend."""
    from backend.archives.folder_target import FolderTarget
    from backend.archives.project_target import ProjectTarget
    from backend.archives.project_tasks import new_data
    from backend.commands.known_project import check_is_there
    from backend.context import context_of
    from backend.labelstudio.labeling_config import default_config, parse_controls
    from backend.storage.ledger import Ledger

    ledger = Ledger(store.engine)
    context = context_of(settings, store)
    context = replace(context, make_playable=context.make_playable or request.playable)
    project = request.project
    if project is None:
        controls = parse_controls(default_config())
        # MAKE_PLAYABLE is about tasks: beside files copies are made only for who asks.
        destination = FolderTarget(ledger, request.playable)
        return _Setting(context, ledger, controls, destination, context.registry.current(None), request.playable)
    if not context.client.configured:
        raise LabelStudioError("--project needs LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
    check_is_there(context.client, project)
    label_config = context.client.label_config(project)
    controls = parse_controls(label_config)
    if not request.tasks:
        new_data(controls, "", 0.0)  # before hours of work, of which no task could be made
    store.remember_project(project, label_config)
    in_project = ProjectTarget(context, ledger, project, controls, request.root)
    return _Setting(context, ledger, controls, in_project, context.registry.current(project), context.make_playable)


def _videos(setting: _Setting, request: _Request, passed_over: Counter[str]) -> Iterator[Source]:
    """The videos of the run. passed_over: counts the other files of folders by their suffixes, as they are met."""
    from backend.archives import sources

    if request.project is None or not request.tasks:
        return sources.files(request.sources, passed_over)
    return sources.tasks(setting.context.client, request.project, setting.controls, request.tasks)


def _show_plan(
    setting: _Setting, request: _Request, found: Iterable[Source], passed_over: Counter[str], display: Display
) -> None:
    from backend.archives.plan import plan
    from backend.storage.ledger import RunOptions

    videos, version, digest = list(found), setting.model.version, setting.context.config.digest()
    options = RunOptions(request.resume, request.retry_failed, setting.makes_copies, request.max_attempts)
    states = setting.ledger.known(request.target, version, digest, videos, options)
    planned = plan(videos, states, setting.destination)
    display.plan(request.target, version, planned, request.limit, passed_over)


def _begin(setting: _Setting, request: _Request, found: Iterable[Source], passed_over: Counter[str]) -> int:
    """Write the videos into the ledger as a run; returns its number. Raises BadRequest where there are none."""
    from backend.archives.files import make_ready, queue_unreadable
    from backend.commands.prelabel_display import passed_over_files

    if request.out is not None:
        make_ready(request.out)
    ledger = setting.ledger
    run = ledger.begin(request.target, setting.model.version, setting.context.config.digest(), found)
    if request.sources and not ledger.counts(run):
        others = f" ({passed_over_files(passed_over)})" if passed_over else ""
        places = ", ".join(request.sources)
        raise BadRequest(f"No videos in {places}{others}. Expected files such as MP4, or folders of them.")
    if not request.resume:
        ledger.start_over(run)
    if request.retry_failed:
        ledger.forgive(run)
    if setting.makes_copies:
        ledger.ask_for_copies(run)
    if request.out is not None:
        queue_unreadable(ledger, run)
    return run


def _work(
    setting: _Setting, request: _Request, run: int, executor: Callable[[], DaskExecutor], display: Display
) -> bool:
    """Take the videos of the run through; returns whether somebody interrupted that. Workers start if there is work."""
    from backend.archives.run import ArchiveRun

    to_do = setting.ledger.count_unfinished(run, request.max_attempts)
    to_do = to_do if request.limit is None else min(request.limit, to_do)
    known = setting.ledger.counts(run, request.max_attempts)
    display.begin(request.target, setting.model.version, known, to_do)
    if not to_do:
        return False
    with closing(executor()) as workers:
        archive_run = ArchiveRun(
            setting.context,
            setting.ledger,
            workers,
            setting.destination,
            setting.model,
            setting.controls,
            lambda: workers.capacity,
        )
        try:
            with display:
                archive_run.run(run, request.max_attempts, request.limit, display.on_progress)
        except KeyboardInterrupt:
            return True
    return False


def _executor(workers: int, scheduler: str, scratch: Path) -> DaskExecutor:
    from backend.compute.dask_executor import DaskExecutor

    return DaskExecutor(workers, scheduler, scratch=scratch)


def _finish(
    setting: _Setting, request: _Request, run: int, is_interrupted: bool, passed_over: Counter[str], display: Display
) -> dict[str, int]:
    """Write the files, if they are wanted, and show the summary; returns the number of videos by state."""
    from backend.archives.files import write

    ledger = setting.ledger
    if request.out is not None:
        done, failed = ledger.of_run(run, "done"), ledger.given_up(run, request.max_attempts)
        write(request.out, done, failed, setting.controls, request.root)
    counts = ledger.counts(run, request.max_attempts)
    copies = setting.destination.copies if setting.makes_copies else None
    equal = ledger.count_equal(run)
    failed_ones = ledger.given_up(run, request.max_attempts)
    display.end(counts, failed_ones, is_interrupted, request.out, request.root, passed_over, copies, equal)
    return counts
