"""What predicting and training have in common: the database, Label Studio, the models, and the settings of both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.labelstudio.addresses import public_url
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections
from backend.labelstudio.records import Access
from backend.models.detectors import cached_detector
from backend.models.registry import Model, Registry
from backend.settings import Settings
from backend.storage.jobs import Store
from pipeline.config import PipelineConfig


@dataclass(frozen=True)
class Context:
    """One data folder with its database, the models in it, and one Label Studio.

    remove_superseded: whether a new model's predictions replace the old ones on tasks nobody has begun. connections:
    which projects are worked for; all that are named, where nothing else is given. make_playable: whether a video that
    browsers do not play gets a copy that they do.
    """

    store: Store
    client: LabelStudioClient
    registry: Registry
    config: PipelineConfig
    access: Access
    data_dir: Path
    remove_superseded: bool = True
    connections: Connections = field(default_factory=Connections)
    make_playable: bool = False

    def current_access(self) -> Access:
        """The access, with names of Label Studio that became known since the start."""
        return with_known_names(self.access, self.store)

    def versions_in_use(self) -> dict[int, str]:
        """The version of the model in use, at its rate of false alarms, of every project that is known."""
        return {found.id: self.registry.current(found.id).version for found in self.store.projects()}

    @property
    def pose_dir(self) -> Path:
        """Where landmarks are kept."""
        return self.data_dir / "poses"


def context_of(settings: Settings, store: Store) -> Context:
    """What the settings say that predicting and training work with."""
    access = with_known_names(access_of(settings), store)
    return Context(
        store=store,
        client=LabelStudioClient(access),
        registry=registry_of(settings),
        config=settings.pipeline_config(),
        access=access,
        data_dir=settings.data_dir,
        remove_superseded=settings.remove_superseded,
        make_playable=settings.make_playable,
    )


def registry_of(settings: Settings) -> Registry:
    """The models of the settings' data folder, with the one that projects start with."""
    base = Model(cached_detector(settings.model_dir).version, settings.model_dir)
    return Registry(settings.models_dir, base, settings.false_alarm_rate)


def access_of(settings: Settings) -> Access:
    """What the settings say about reaching Label Studio and fetching videos."""
    return Access(
        settings.label_studio_url,
        settings.label_studio_api_key,
        settings.media_hosts,
        settings.max_video_mb * 1024 * 1024,
        (name,) if (name := public_url(settings.label_studio_host)) else (),
        settings.labeling_rate,
    )


def with_known_names(access: Access, store: Store) -> Access:
    """The access with the names that Label Studio gave when it connected, after those of the settings."""
    given = [name for name in store.label_studio_names() if name not in access.public_urls]
    return replace(access, public_urls=(*access.public_urls, *given))
