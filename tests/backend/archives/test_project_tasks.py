"""The task of a video: found where the project has it, else made, never twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import CONFIG
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr

from backend.archives.project_tasks import ProjectTasks, new_data
from backend.errors import LabelConfigError, LabelStudioError, UploadRefused
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import parse_controls
from backend.labelstudio.records import Access
from pipeline.records import VideoInfo

CONTROLS = parse_controls(CONFIG)
VIDEO = VideoInfo("a.mp4", 5.0, 30000 / 1001, 640, 480)


def tasks(client: LabelStudioClient, root: Path | None = None, owned: dict[int, str] | None = None) -> ProjectTasks:
    return ProjectTasks(client, 1, CONTROLS, root, owned or {})


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "set one" / "Péter's 5x5 (2).mp4"
    path.parent.mkdir()
    path.write_bytes(b"not really a video")
    return path


def test_a_file_is_uploaded(client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path) -> None:
    number = tasks(client).task_for(str(video), VIDEO).id
    assert label_studio.tasks[number]["data"]["video"].endswith("-P%C3%A9ters_5x5_2.mp4")
    assert list(label_studio.files.values()) == [b"not really a video"]


def test_an_upload_of_before_is_found(client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path) -> None:
    number = tasks(client).task_for(str(video), VIDEO).id
    assert tasks(client).task_for(str(video), VIDEO).id == number
    assert len(label_studio.tasks) == 1


def test_an_upload_of_another_size_is_another_video(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path
) -> None:
    number = tasks(client).task_for(str(video), VIDEO).id
    video.write_bytes(b"something else")
    assert tasks(client).task_for(str(video), VIDEO).id != number


def test_an_upload_that_is_another_video_s_is_not_taken(client: LabelStudioClient, video: Path) -> None:
    number = tasks(client).task_for(str(video), VIDEO).id
    assert tasks(client, owned={number: "/another/video.mp4"}).task_for(str(video), VIDEO).id != number


def test_two_equal_files_get_two_tasks(client: LabelStudioClient, video: Path, tmp_path: Path) -> None:
    copy = tmp_path / video.name
    copy.write_bytes(video.read_bytes())
    ours = tasks(client)
    assert ours.task_for(str(video), VIDEO).id != ours.task_for(str(copy), VIDEO).id


def test_a_file_below_the_root_of_local_files_is_linked(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path, tmp_path: Path
) -> None:
    number = tasks(client, tmp_path).task_for(str(video), VIDEO).id
    assert label_studio.tasks[number]["data"] == {
        "video": "/data/local-files/?d=set%20one/P%C3%A9ter%27s%205x5%20%282%29.mp4",
        "fps": 29.97003,
    }
    assert label_studio.local_folders == [str(tmp_path / "set one")]


def test_a_linked_file_is_found(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path, tmp_path: Path
) -> None:
    number = label_studio.add_task(f"http://localhost:8080/data/local-files/?d=set%20one/{video.name}")
    assert tasks(client, tmp_path).task_for(str(video), VIDEO).id == number
    assert label_studio.local_folders == []


def test_a_storage_that_covers_the_file_is_enough(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path, tmp_path: Path
) -> None:
    label_studio.local_folders.append(str(video.parent))
    tasks(client, tmp_path).task_for(str(video), VIDEO)
    assert label_studio.local_folders == [str(video.parent)]


def test_a_file_in_the_root_itself_is_uploaded(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path
) -> None:
    tasks(client, video.parent).task_for(str(video), VIDEO)
    assert len(label_studio.files) == 1


def test_a_refused_storage_is_explained(client: LabelStudioClient, tmp_path: Path) -> None:
    with pytest.raises(LabelStudioError, match="LOCAL_FILES_SERVING_ENABLED"):
        tasks(client, tmp_path).task_for(str(tmp_path / "gone" / "a.mp4"), VIDEO)


def test_an_address_is_the_task_s_own(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    ours = tasks(client)
    number = ours.task_for("https://example.com/a.mp4?x=1", VIDEO).id
    assert ours.task_for("https://example.com/a.mp4?x=1", VIDEO).id == number
    assert label_studio.tasks[number]["data"] == {"video": "https://example.com/a.mp4?x=1", "fps": 29.97003}


@pytest.mark.parametrize(
    "address", ["http://other.example/data/local-files/?d=a/b.mp4", "http://[bad/data/local-files/?d=a/b.mp4"]
)
def test_an_address_that_looks_like_a_local_file_connects_no_storage(
    client: LabelStudioClient, label_studio: FakeLabelStudio, tmp_path: Path, address: str
) -> None:
    for root in (None, tmp_path):
        assert tasks(client, root).task_for(address, VIDEO)
    assert label_studio.local_folders == []


def test_looking_makes_nothing(client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path) -> None:
    assert not tasks(client).is_there(str(video))
    assert label_studio.tasks == {}


def test_a_task_whose_answer_was_lost_is_found_the_next_time(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, upload = tasks(client), client.upload

    def lost(*arguments: object) -> int:
        upload(*arguments)  # type: ignore[arg-type]
        raise LabelStudioError("No answer.")

    monkeypatch.setattr(client, "upload", lost)
    with pytest.raises(LabelStudioError):
        ours.task_for(str(video), VIDEO)
    monkeypatch.setattr(client, "upload", upload)
    ours.task_for(str(video), VIDEO)
    assert len(label_studio.tasks) == 1


def test_a_list_of_tasks_that_broke_off_is_not_taken_for_whole(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = tasks(client).task_for(str(video), VIDEO).id
    whole = client.tasks

    def broken(*_: object) -> object:
        raise LabelStudioError("No answer.")
        yield

    ours = tasks(client)
    monkeypatch.setattr(client, "tasks", broken)
    with pytest.raises(LabelStudioError):
        ours.task_for(str(video), VIDEO)
    monkeypatch.setattr(client, "tasks", whole)
    assert ours.task_for(str(video), VIDEO).id == number


# Nested task data: HumanSignal/label-studio#5610.

NESTED = parse_controls(CONFIG.replace('"$video"', '"$media.video"').replace('"$fps"', '"$media.fps"'))


def test_a_task_is_made_with_nested_data_and_found_again(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    address = "https://example.org/a.mp4"
    number = ProjectTasks(client, 1, NESTED, None, {}).task_for(address, VIDEO).id
    assert label_studio.tasks[number]["data"]["media"] == {"video": address, "fps": 29.97003}
    assert ProjectTasks(client, 1, NESTED, None, {}).task_for(address, VIDEO).id == number


def test_an_upload_that_label_studio_would_refuse_is_not_begun(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path
) -> None:
    with pytest.raises(UploadRefused, match=r'value="\$media.video"'):
        ProjectTasks(client, 1, NESTED, None, {}).task_for(str(video), VIDEO)
    assert label_studio.files == {}


def test_such_an_upload_is_refused_before_anything_is_analyzed(
    client: LabelStudioClient, label_studio: FakeLabelStudio, video: Path
) -> None:
    tasks = ProjectTasks(client, 1, NESTED, None, {})
    tasks.check("https://example.org/a.mp4")
    with pytest.raises(UploadRefused, match="Label Studio takes no uploads"):
        tasks.check(str(video))
    assert not label_studio.calls


def test_no_task_is_made_where_the_address_has_several_parts() -> None:
    with pytest.raises(LabelConfigError, match="several parts"):
        new_data(parse_controls(CONFIG.replace('"$video"', '"$host/$name"')), "https://example.org/a.mp4", 30.0)


# Another name, and below a path: HumanSignal/label-studio-ml-backend#904.


@pytest.mark.parametrize("found_at", ["https://example.org/ls", "/ls", ""])
def test_files_are_linked_to_tasks_whatever_name_label_studio_has(
    label_studio: FakeLabelStudio, video: Path, tmp_path: Path, found_at: str
) -> None:
    access = Access(label_studio.url, SecretStr(label_studio.refresh_token), public_urls=("https://example.org/ls",))
    client = LabelStudioClient(access)
    known = label_studio.add_task(
        f"{found_at}/data/local-files/?d=set%20one/P%C3%A9ter%27s%205x5%20%282%29.mp4",
    )
    assert tasks(client, tmp_path).task_for(str(video), VIDEO).id == known


def test_below_a_path_new_tasks_have_it_in_their_address(
    label_studio: FakeLabelStudio, video: Path, tmp_path: Path
) -> None:
    access = Access(label_studio.url, SecretStr(label_studio.refresh_token), public_urls=("https://example.org/ls",))
    number = tasks(LabelStudioClient(access), tmp_path).task_for(str(video), VIDEO).id
    assert label_studio.tasks[number]["data"]["video"].startswith("/ls/data/local-files/?d=set%20one/")
    assert label_studio.local_folders == [str(video.parent)]


def test_an_upload_below_a_path_is_found(label_studio: FakeLabelStudio, video: Path) -> None:
    access = Access(label_studio.url, SecretStr(label_studio.refresh_token), public_urls=("https://example.org/ls",))
    client = LabelStudioClient(access)
    number = tasks(client).task_for(str(video), VIDEO).id
    data = label_studio.tasks[number]["data"]
    data["video"] = f"/ls{data['video']}"
    assert tasks(client).task_for(str(video), VIDEO).id == number
