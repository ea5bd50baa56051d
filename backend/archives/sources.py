"""Which videos an archive run is about: folders, file lists, patterns and addresses, or the tasks of a project."""

from __future__ import annotations

import glob
import logging
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from backend.errors import BadRequest
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import Controls
from backend.storage.ledger import Source, is_address
from pipeline.media.opening import suffixes
from pipeline.media.playable_copy import is_copy

log = logging.getLogger(__name__)

_LIST_SUFFIXES = frozenset((".txt", ".list"))


def files(given: Iterable[str], passed_over: Counter[str] | None = None) -> Iterator[Source]:
    """The videos that folders, lists, patterns, paths and addresses name, each once, in the order given.

    A folder means the videos in it and below, without hidden ones, and without copies for browsers beside their
    originals; a pattern (`*`, `**`, `?`) what it matches; a file that ends in .txt or .list has one of all these per
    line, relative to its own folder, with # for remarks. Raises BadRequest for what is not there; a path in a list that
    is missing is a video that cannot be read, and so is a file whose name is no UTF-8. Folders that cannot be read are
    warned of.

    In a folder a video is what ends as videos do (`suffixes`); a file that is named itself may be called anything.
    passed_over: counts the other files of folders by their suffixes in lower case, "" for none.
    """
    passed_over = Counter() if passed_over is None else passed_over
    seen: set[str] = set()
    for text in given:
        for name in _named(text, Path.cwd(), passed_over):
            if name not in seen:
                seen.add(name)
                kept = _in_unicode(name)
                yield Source(kept, kept, _fingerprint(name))


def tasks(client: LabelStudioClient, project: int, controls: Controls, which: str) -> Iterator[Source]:
    """The videos of a project's tasks: `all`, `unlabelled` (no annotation), or `view:7` (as that tab filters them).

    Tasks without a video are left out. Raises BadRequest, LabelStudioError.
    """
    view = None
    if which.startswith("view:") and which[5:].isdecimal():
        view = int(which[5:])
    elif which not in ("all", "unlabelled"):
        raise BadRequest(f'Expected tasks "all", "unlabelled" or "view:NUMBER", got "{which}".')
    for task, labels, _ in client.tasks(project, view):
        media = controls.media_of(task.data)
        if media.isprintable() and media and not (which == "unlabelled" and labels):
            yield Source(f"task {task.id}", media, media, task)


def _in_unicode(name: str) -> str:
    """The name, as a database keeps it: bytes of another encoding as \\xNN, under which no file will be found."""
    try:
        name.encode()
    except UnicodeEncodeError:
        escaped = os.fsencode(name).decode("utf-8", "backslashreplace")
        log.warning("%s: the name of this file is not in UTF-8. Rename it.", escaped)
        return escaped
    return name


def _named(text: str, base: Path, passed_over: Counter[str]) -> Iterator[str]:
    if is_address(text):
        yield text
        return
    try:
        path = base / Path(text).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, nobody's home, a null character
        raise BadRequest(f"{text[:100]}: no such file or folder. Check the path.") from error
    if is_folder:
        yield from _in_folder(path, passed_over)
    elif is_file:
        yield from _listed(path, passed_over) if path.suffix.lower() in _LIST_SUFFIXES else [_absolute(path)]
    elif glob.has_magic(text):
        pattern = str(Path(text).expanduser())
        found = sorted(glob.glob(pattern, root_dir=base, recursive=True))  # noqa: PTH207  # takes absolute ones too
        if not found:
            raise BadRequest(f"{text} matches no file.")
        yield from (_absolute(base / match) for match in found if (base / match).is_file())
    else:
        raise BadRequest(f"{text}: no such file or folder. Check the path.")


def _in_folder(folder: Path, passed_over: Counter[str]) -> Iterator[str]:
    """Folder by folder, so that the first videos of a large archive are known at once; then linked folders, but for
    those that hold what was there already, or are held by it."""
    roots, waiting = [folder.resolve()], deque([folder])
    while waiting:
        links: list[Path] = []
        for where, folders, names in os.walk(waiting.popleft(), onerror=_warn):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            links += [path for name in folders if (path := Path(where) / name).is_symlink()]  # which it does not enter
            for name in sorted(names):
                suffix = Path(name).suffix.lower()
                if name.startswith(".") or is_copy(name, names):
                    continue
                if suffix in suffixes():
                    yield _absolute(Path(where) / name)
                else:
                    passed_over[suffix] += 1
        for link in links:
            target = link.resolve()
            if not any(target.is_relative_to(root) or root.is_relative_to(target) for root in roots):
                roots.append(target)
                waiting.append(link)


def _warn(error: OSError) -> None:
    log.warning("%s cannot be read (%s): videos in it are left out.", error.filename, error.strerror)


def _listed(path: Path, passed_over: Counter[str]) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read as a list in UTF-8. Save it as such.") from error
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if Path(text).suffix.lower() in _LIST_SUFFIXES:
            raise BadRequest(f"{path}: a list names videos and folders, not another list ({text}).")
        try:
            yield from _named(text, path.parent, passed_over)
        except BadRequest:
            yield _absolute(path.parent / text)


def _absolute(path: Path) -> str:
    # Links are kept: archives are often folders of links, and people know a video by the name that they gave.
    return os.path.abspath(path)  # noqa: PTH100  # Path.absolute keeps ".."


def _fingerprint(name: str) -> str:
    if is_address(name):
        return name
    try:
        status = Path(name).stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"
