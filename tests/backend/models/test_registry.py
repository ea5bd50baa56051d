"""Models of projects: immutable, published whole, one in use at a time."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from backend.errors import BadRequest, UnknownVersion
from backend.models.detectors import cached_detector
from backend.models.registry import Model, Registry, Version
from pipeline.anomaly.detector import Detector, load_detector

FALLBACK = Model("base-00000000", None)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models", FALLBACK)


def publish(registry: Registry, detector: Detector, project: int = 12) -> Version:
    return registry.publish(project, detector, f"# {detector.version}", {"gate": {"passed": True}}, [{"start_s": 1.0}])


def test_a_project_without_a_model_uses_the_fallback(registry: Registry) -> None:
    assert registry.current(12) == FALLBACK


def test_a_version_names_its_project_and_number(registry: Registry, detector: Detector) -> None:
    assert publish(registry, detector).model.version.startswith("p12-v0001-")


def test_numbers_go_up(registry: Registry, detector: Detector) -> None:
    assert [publish(registry, detector).name for _ in range(2)] == ["v0001", "v0002"]


def test_a_published_model_loads_under_its_version(registry: Registry, detector: Detector) -> None:
    version = publish(registry, detector)
    assert version.model.folder is not None
    assert Detector.load(version.model.folder).version == version.model.version


def test_a_published_model_has_a_card_of_its_version(registry: Registry, detector: Detector) -> None:
    version = publish(registry, detector)
    assert version.model.folder is not None
    assert (version.model.folder / "CARD.md").read_text() == f"# {version.model.version}"


def test_a_published_model_is_not_in_use(registry: Registry, detector: Detector) -> None:
    publish(registry, detector)
    assert registry.current(12) == FALLBACK


def test_a_promoted_model_is_in_use(registry: Registry, detector: Detector) -> None:
    version = publish(registry, detector)
    registry.promote(12, "v0001")
    assert registry.current(12) == version.model


def test_another_process_sees_a_promotion(registry: Registry, detector: Detector, tmp_path: Path) -> None:
    version = publish(registry, detector)
    other = Registry(tmp_path / "models", FALLBACK)
    assert other.current(12) == FALLBACK
    registry.promote(12, "1")
    assert other.current(12) == version.model


def test_a_promotion_is_of_one_project(registry: Registry, detector: Detector) -> None:
    publish(registry, detector)
    registry.promote(12, "1")
    assert registry.current(13) == FALLBACK


def test_a_version_is_found_by_number_name_and_version(registry: Registry, detector: Detector) -> None:
    version = publish(registry, detector)
    for name in ("1", "v0001", version.model.version):
        assert registry.version(12, name).model == version.model


@pytest.mark.parametrize("name", ["7", "9" * 5000])
def test_an_unknown_version_cannot_be_promoted(registry: Registry, name: str) -> None:
    with pytest.raises(UnknownVersion, match="models list"):
        registry.promote(12, name)


def test_rolling_back_goes_to_what_was_used_before(registry: Registry, detector: Detector) -> None:
    first, _ = publish(registry, detector), publish(registry, detector)
    registry.promote(12, "1")
    registry.promote(12, "2")
    assert registry.rollback(12) == first.model
    assert registry.rollback(12) == FALLBACK


def test_nothing_is_before_the_base(registry: Registry) -> None:
    with pytest.raises(UnknownVersion, match="nothing"):
        registry.rollback(12)


def test_promoting_twice_needs_one_rollback(registry: Registry, detector: Detector) -> None:
    publish(registry, detector)
    registry.promote(12, "1")
    registry.promote(12, "1")
    assert registry.rollback(12) == FALLBACK


def test_the_base_can_be_promoted(registry: Registry, detector: Detector) -> None:
    publish(registry, detector)
    registry.promote(12, "1")
    assert registry.promote(12, "base") == FALLBACK


def test_a_writer_that_died_leaves_no_version(registry: Registry, detector: Detector, tmp_path: Path) -> None:
    torn = tmp_path / "models" / "12" / ".v0001"
    torn.mkdir(parents=True)
    (torn / "model.json").write_text("{")
    assert registry.versions(12) == []
    assert publish(registry, detector).name == "v0001"
    assert not torn.exists()


def test_a_failure_while_publishing_leaves_no_version(
    registry: Registry, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails)
        with pytest.raises(OSError, match="disk full"):
            publish(registry, detector)
    assert registry.versions(12) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.json", None, "model.json is missing"),
        ("model.json", b"{", "is damaged"),
        ("weights.safetensors", None, "weights.safetensors is missing"),
        ("weights.safetensors", b"torn", "do not belong to model.json"),
    ],
)
def test_a_damaged_current_model_is_replaced_by_the_fallback_until_it_is_whole_again(
    registry: Registry, detector: Detector, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    version = publish(registry, detector)
    registry.promote(12, "1")
    assert registry.damage(12) == ""
    path = tmp_path / "models" / "12" / "v0001" / name
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    for each in (registry, Registry(tmp_path / "models", FALLBACK)):
        assert each.current(12) == FALLBACK
        assert said in each.damage(12)
    path.write_bytes(whole)
    assert registry.current(12) == version.model
    assert registry.damage(12) == ""


def test_the_base_model_is_not_damaged(registry: Registry) -> None:
    assert registry.damage(12) == ""


def test_a_disk_that_does_not_answer_for_a_moment_changes_no_model(
    registry: Registry, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(registry, detector)
    registry.promote(12, "1")
    assert registry.current(12) == version.model

    def stale(path: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    monkeypatch.setattr("backend.models.registry._state", stale)
    assert registry.current(12) == version.model


def test_what_is_no_version_in_current_is_passed_over(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "models" / "12").mkdir(parents=True)
    (tmp_path / "models" / "12" / "CURRENT").write_text("../../elsewhere\n")
    assert registry.current(12) == FALLBACK


def test_the_labels_are_kept_with_the_model(registry: Registry, detector: Detector) -> None:
    folder = publish(registry, detector).model.folder
    assert folder is not None
    assert json.loads((folder / "labels.json").read_text()) == [{"start_s": 1.0}]


# The rate of false alarms


def test_a_chosen_rate_is_of_one_project_and_part_of_the_version(registry: Registry, detector: Detector) -> None:
    version = publish(registry, detector)
    registry.promote(12, "1")
    chosen = registry.choose_rate(12, 0.1)
    assert chosen == registry.current(12) == Model(f"{version.model.version}-at-10%", version.model.folder, 0.1)
    assert registry.current(13) == FALLBACK


def test_the_version_is_the_one_that_predictions_have(registry: Registry, detector: Detector) -> None:
    publish(registry, detector)
    registry.promote(12, "1")
    for rate in (0.025, 0.05, 1 / 3):
        model = registry.choose_rate(12, rate)
        assert cached_detector(model.folder, model.rate).version == model.version


def test_another_process_sees_a_chosen_rate(registry: Registry, tmp_path: Path) -> None:
    other = Registry(tmp_path / "models", FALLBACK)
    assert other.rate(12) is None
    registry.choose_rate(12, 0.2)
    assert other.rate(12) == 0.2


def test_the_own_rate_of_a_model_changes_nothing(registry: Registry) -> None:
    assert registry.choose_rate(12, 0.05) == FALLBACK


def test_without_a_choice_the_rate_is_that_of_the_server(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", FALLBACK, 0.2)
    assert registry.current() == registry.current(12) == Model("base-00000000-at-20%", None, 0.2)
    assert registry.choose_rate(12, 0.05) == FALLBACK
    assert registry.choose_rate(12, None).rate == 0.2


@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_the_least_and_the_most_can_be_chosen(registry: Registry, rate: float) -> None:
    assert registry.choose_rate(12, rate).rate == rate


@pytest.mark.parametrize("rate", [0.0, 0.0099, 0.501, -0.1, float("nan"), float("inf")])
def test_a_rate_out_of_range_is_refused_with_the_range(registry: Registry, rate: float) -> None:
    with pytest.raises(BadRequest, match="1 to 50 %"):
        registry.choose_rate(12, rate)
    assert registry.rate(12) is None


@pytest.mark.parametrize("content", ["", "much", "7", "nan"])
def test_a_damaged_rate_is_as_good_as_none(registry: Registry, tmp_path: Path, content: str) -> None:
    registry.choose_rate(12, 0.1)
    (tmp_path / "models" / "12" / "RATE").write_text(content)
    assert registry.current(12) == FALLBACK


def test_a_chosen_rate_is_no_model_of_its_own(registry: Registry) -> None:
    registry.choose_rate(12, 0.1)
    assert (registry.projects(), registry.versions(12), registry.current_name(12)) == ([], [], "base")


def test_a_promotion_keeps_the_rate(registry: Registry, detector: Detector) -> None:
    version = publish(registry, detector)
    registry.choose_rate(12, 0.1)
    assert registry.promote(12, "1").version == f"{version.model.version}-at-10%"


def test_what_judged_a_prediction_is_found_by_its_version(registry: Registry, detector: Detector) -> None:
    folder = publish(registry, detector).model.folder
    version = registry.version(12, "1").model.version
    assert registry.judged_by(12, version) == Model(version, folder)
    assert registry.judged_by(12, f"{version}-at-20%") == Model(f"{version}-at-20%", folder, 0.2)
    assert registry.judged_by(12, "base-00000000-at-20%").rate == 0.2
    assert registry.version(12, f"{version}-at-20%").name == "v0001"
    with pytest.raises(UnknownVersion):
        registry.judged_by(12, "base-elsewhere-at-20%")
