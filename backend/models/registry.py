"""The models of each project: immutable numbered folders, a file CURRENT that says which one is in use, and where
somebody chose one a file RATE with the nominal rate of false alarms that it judges at.

DATA_DIR/models/<project>/v0001/ holds a detector (model.json, weights.safetensors, CARD.md), run.json (what it was
trained on and how it was judged) and labels.json (the very labels). A folder is written aside and renamed when it is
whole, CURRENT and RATE are replaced in one step: whoever reads sees the old or the new state, whatever dies when.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from backend.errors import BadRequest, StorageFault, UnknownVersion
from backend.settings import LEAST_FALSE_ALARM_RATE, MOST_FALSE_ALARM_RATE
from pipeline.anomaly.versions import parts_of, percent, version_at
from pipeline.errors import ModelError
from pipeline.files import written_aside

if TYPE_CHECKING:
    from pipeline.anomaly.detector import Detector

log = logging.getLogger(__name__)

Json = dict[str, Any]

BASE = "base"
"""How the model that every project starts with is called where versions are named."""
_NAME = re.compile(r"v\d{4,}")


@dataclass(frozen=True)
class Model:
    """A model to use: its version as predictions name it, and its folder (None for the shipped base model). rate: the
    nominal rate of false alarms, 0..1, that it judges at, where that is not the one it was learnt for."""

    version: str
    folder: Path | None
    rate: float | None = None


@dataclass(frozen=True)
class Version:
    """A published model of a project, as it was learnt. name: "v0003". run: what run.json says."""

    name: str
    model: Model
    run: Json

    @property
    def gate(self) -> Json:
        """`passed` and `reason`."""
        gate: Json = self.run.get("gate") or {}
        return gate

    def is_of(self, run: int, asked_at: datetime) -> bool:
        """Whether this came of the run of that number that was asked for at that moment (UTC): a database that was
        made anew counts from 1 again.

        Of models of earlier releases, which do not know the moment, those made after it are meant.
        """
        if self.run.get("run") != run:
            return False
        known: str | None = self.run.get("asked")
        if known is not None:
            return known == asked_at.isoformat()
        return str(self.run.get("created", "")) >= asked_at.isoformat(timespec="seconds")


class Registry:
    """The models below a folder. Safe for several processes.

    fallback: serves projects without a model of their own. rate: the nominal rate of false alarms, 0..1, of projects
    that none was chosen for; None for that of each model.
    """

    def __init__(self, root: Path, fallback: Model, rate: float | None = None) -> None:
        self.root = root
        self.fallback = fallback
        self.default_rate = rate
        self._described: dict[Path | None, tuple[str, float | None]] = {}
        self._runs: dict[Path, Json] = {}
        self._looked: dict[Path, tuple[object, str]] = {}

    def current(self, project: int | None = None) -> Model:
        """The model in use for a project, at its rate, read anew each time; the fallback without one, or with a
        damaged one."""
        return self.as_used(self._current(project), project)

    def as_used(self, model: Model, project: int | None = None) -> Model:
        """A model at the rate of a project, or of those that none was chosen for."""
        rate = self.rate(project)
        if rate is None or rate == self.own_rate(model):
            return model
        return Model(version_at(model.version, rate), model.folder, rate)

    def judged_by(self, project: int, version: str) -> Model:
        """The model, at the rate, that a prediction names as its version. Raises UnknownVersion."""
        learnt, rate = parts_of(version)
        model = self.fallback if learnt == self.fallback.version else self.version(project, learnt).model
        return model if rate is None else Model(version, model.folder, rate)

    def rate_of(self, project: int, version: str) -> float | None:
        """The nominal rate of false alarms, 0..1, of predictions of that version; None where that is not known."""
        try:
            model = self.judged_by(project, version)
        except UnknownVersion:
            return parts_of(version)[1]
        return self.own_rate(model) if model.rate is None else model.rate

    def rate(self, project: int | None = None) -> float | None:
        """The nominal rate of false alarms, 0..1, that a project's models judge at; None: each at its own."""
        chosen = self.chosen_rate(project) if project is not None else None
        return self.default_rate if chosen is None else chosen

    def chosen_rate(self, project: int) -> float | None:
        """What was chosen for this very project, if anything was."""
        try:
            return checked_rate(float((self._folder(project) / "RATE").read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, BadRequest) as error:
            log.error("Project %s: its rate of false alarms cannot be read (%s).", project, error)
            return None

    def choose_rate(self, project: int, rate: float | None) -> Model:
        """Let a project's models judge at a nominal rate of false alarms from now on; None: as those of other projects.

        Returns the model in use by that. Raises BadRequest for a rate out of range.
        """
        rate = None if rate is None else checked_rate(rate)
        with self._locked(project):
            path = self._folder(project) / "RATE"
            if rate is None:
                path.unlink(missing_ok=True)
            else:
                with written_aside(path, mode=0o600, durable=True) as aside:
                    aside.write_text(f"{rate}\n")
        return self.current(project)

    def own_rate(self, model: Model) -> float | None:
        """The nominal rate of false alarms that a model was learnt for; None where it does not say."""
        try:
            return self._description(model.folder)[1]
        except (OSError, ValueError, KeyError):
            return None

    def damage(self, project: int) -> str:
        """What is wrong with the model that is to be used, so that the fallback is; "" where nothing is."""
        name = self.history(project)[-1]
        return "" if name == BASE else self.damage_of(project, name)

    def damage_of(self, project: int, name: str) -> str:
        """What is wrong with a published model, whether it is to be used or not; "" where nothing is."""
        return self._damage_of(self._folder(project) / name)

    def current_name(self, project: int) -> str:
        """ "v0003", or "base"."""
        return self.history(project)[-1]

    def versions(self, project: int) -> list[Version]:
        """Every published model of a project, oldest first."""
        found = []
        for folder in self._folders(project):
            try:
                found.append(Version(folder.name, Model(self._description(folder)[0], folder), self._run(folder)))
            except (OSError, ValueError, KeyError) as error:
                log.error("%s is no model (%s); it is passed over.", folder, error)
        return found

    def projects(self) -> list[int]:
        """The projects that have a model of their own."""
        numbered = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(int(one.name) for one in numbered if one.name.isdecimal() and any(self._folders(int(one.name))))

    def version(self, project: int, name: str) -> Version:
        """A model by its name ("v0003", "3") or its version, at whatever rate. Raises UnknownVersion."""
        wanted = f"v{name.lstrip('0'):0>4}" if name.isdecimal() else parts_of(name)[0]
        for version in self.versions(project):
            if wanted in (version.name, version.model.version):
                return version
        raise UnknownVersion(f"Project {project} has no model {name}. `deadlift models list --project {project}`.")

    def publish(self, project: int, detector: Detector, card: str, run: Json, labels: Sequence[Json]) -> Version:
        """Store a trained detector as the project's next version, whole or not at all. It is not in use by that.

        Its name becomes the first part of its version: "p12-v0003-1a2b3c4d".
        """
        root = self._folder(project)
        with self._locked(project):
            # Nobody else writes now, so these were left by a process that died.
            for rest in root.glob(".*"):
                if rest.is_dir():
                    shutil.rmtree(rest, ignore_errors=True)
                else:
                    rest.unlink(missing_ok=True)
            number = 1 + max((int(folder.name[1:]) for folder in self._folders(project)), default=0)
            name = f"v{number:04d}"
            named = replace(detector, name=f"p{project}-{name}")
            aside = root / f".{name}"
            named.save(aside, card.replace(detector.version, named.version))
            aside.chmod(0o700)  # like all of the data folder, it is for its user alone
            (aside / "labels.json").write_text(json.dumps(list(labels), indent=1) + "\n")
            run = {"version": named.version, **run}
            (aside / "run.json").write_text(json.dumps(run, indent=1) + "\n")
            for written in (*aside.iterdir(), aside):
                _sync(written)
            aside.rename(root / name)
            _sync(root)
        return Version(name, Model(named.version, root / name), run)

    def promote(self, project: int, name: str) -> Model:
        """Use a version from now on ("base" for the fallback). Raises UnknownVersion."""
        name = BASE if name == BASE else self.version(project, name).name
        with self._locked(project):
            history = self.history(project)
            if history[-1] != name:
                self._set_history(project, [*history, name])
        return self.current(project)

    def rollback(self, project: int) -> Model:
        """Use what was used before the last promotion. Raises UnknownVersion where there was nothing before."""
        with self._locked(project):
            history = self.history(project)
            if len(history) < 2:
                raise UnknownVersion(f"Project {project} uses the base model; there is nothing to go back to.")
            self._set_history(project, history[:-1])
        return self.current(project)

    def _folder(self, project: int) -> Path:
        return self.root / str(project)

    def _folders(self, project: int) -> Iterator[Path]:
        root = self._folder(project)
        found = [path for path in root.iterdir() if _NAME.fullmatch(path.name)] if root.is_dir() else []
        return iter(sorted(found, key=lambda path: int(path.name[1:])))

    def _current(self, project: int | None) -> Model:
        """The model in use for a project, as it was learnt."""
        name = BASE if project is None else self.history(project)[-1]
        if project is None or name == BASE:
            return self.fallback
        folder = self._folder(project) / name
        return self.fallback if self._damage_of(folder) else Model(self._description(folder)[0], folder)

    def _damage_of(self, folder: Path) -> str:
        """What is wrong with a model; it is read again where its files changed."""
        from pipeline.anomaly.detector import load_detector
        from pipeline.anomaly.model_files import FILES

        try:
            state: object = [_state(folder / name) for name in FILES]
            looked, damage = self._looked.get(folder, (None, ""))
            if looked == state:
                return damage
            load_detector(folder)
            self._description(folder)
            damage = ""
        except (ModelError, ValueError, KeyError) as error:
            damage = str(error)
        except OSError as error:  # as of a network's disk: what was there a moment ago is
            return self._looked[folder][1] if folder in self._looked else str(StorageFault.of(error))
        if damage:
            log.error("%s serves in place of a damaged model, where that is in use. %s", self.fallback.version, damage)
        self._looked[folder] = state, damage
        return damage

    def _description(self, folder: Path | None) -> tuple[str, float | None]:
        """The version and the rate of false alarms of a folder's model, or of the shipped one; kept, since folders
        never change."""
        if folder not in self._described:
            where = files("pipeline.anomaly.base_model") if folder is None else folder
            found = json.loads((where / "model.json").read_text())
            self._described[folder] = str(found["version"]), found.get("config", {}).get("false_alarm_rate")
        return self._described[folder]

    def _run(self, folder: Path) -> Json:
        """What a folder's run.json says; kept as well. Nobody changes it."""
        if folder not in self._runs:
            self._runs[folder] = json.loads((folder / "run.json").read_text())
        return self._runs[folder]

    def history(self, project: int) -> list[str]:
        """What has been in use, the one in use last; never empty."""
        try:
            names = (self._folder(project) / "CURRENT").read_text().split()
        except FileNotFoundError:
            names = []
        return [BASE, *(name for name in names if name == BASE or _NAME.fullmatch(name))]

    def _set_history(self, project: int, history: Sequence[str]) -> None:
        with written_aside(self._folder(project) / "CURRENT", mode=0o600, durable=True) as aside:
            aside.write_text("".join(f"{name}\n" for name in history[1:]))

    @contextmanager
    def _locked(self, project: int) -> Iterator[None]:
        """While no other process changes the project's models. The lock of a process that dies is free."""
        root = self._folder(project)
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "LOCK"):
            yield


def _state(path: Path) -> tuple[int, int] | None:
    """What changes with a file, None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size


def checked_rate(rate: float) -> float:
    """The nominal rate of false alarms, 0..1, if people may choose it. Raises BadRequest."""
    if LEAST_FALSE_ALARM_RATE <= rate <= MOST_FALSE_ALARM_RATE:
        return rate
    least, most = percent(LEAST_FALSE_ALARM_RATE), percent(MOST_FALSE_ALARM_RATE)
    raise BadRequest(f"Expected {least} to {most} % as the nominal rate of false alarms, got {100 * rate:g} %.")


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
