"""`deadlift playable`: copies that every browser plays, beside videos that not all of them do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def playable(
    videos: Annotated[list[Path], typer.Argument(help="Video files.")],
    check: Annotated[bool, typer.Option("--check", help="Say what browsers do not play, and write nothing.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the copies; beside the originals otherwise.", show_default=False)
    ] = None,
) -> None:
    """Write an H.264 copy (FILE-h264.mp4) of each video that browsers do not play, with the same times and sound.

    Exits with 1 where a video cannot be read or written, or with --check where one is not playable.
    """
    from pipeline.errors import VideoError
    from pipeline.media.playability import unplayable
    from pipeline.media.playable_copy import copy_of, make_playable

    is_fine, copied = True, dict[Path, Path]()
    if out is not None and not check:
        out.mkdir(parents=True, exist_ok=True)
    for video in videos:
        try:
            reason = unplayable(video)
            if not reason:
                typer.echo(f"{video}: browsers play it.")
            elif check:
                is_fine = False
                typer.echo(f"{video}: {reason}.")
            else:
                copy = copy_of(video, out)
                if copied.setdefault(copy, video.resolve()) != video.resolve():
                    is_fine = False
                    typer.echo(f"{video}: {copy} is the copy of {copied[copy]}. Choose another --out.", err=True)
                elif copy.exists():
                    typer.echo(f"{video}: {reason}; {copy} is there already.")
                else:
                    make_playable(video, copy)
                    typer.echo(f"{video}: {reason}; wrote {copy}.")
        except (VideoError, OSError) as error:
            is_fine = False
            text = str(error)
            typer.echo(text if str(video) in text else f"{video}: {text}", err=True)
    if not is_fine:
        raise typer.Exit(1)
