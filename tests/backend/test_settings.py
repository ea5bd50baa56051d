"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from backend.context import access_of
from backend.settings import Settings

NAMES = [name.upper() for name in Settings.model_fields]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable set, and no .env file at hand."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_timeline_too_coarse_to_keep_boundaries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELING_RATE", "5")
    with pytest.raises(ValidationError, match="10 to 240"):
        Settings(_env_file=None)
    monkeypatch.setenv("LABELING_RATE", "12")
    assert Settings(_env_file=None).labeling_rate == 12.0


def test_everything_has_a_default() -> None:
    assert Settings().backend_port == 9090


def test_a_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_PORT", "1234")
    assert Settings().backend_port == 1234


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BACKEND_PORT=1234\n")
    assert Settings().backend_port == 1234


def test_a_variable_counts_more_than_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BACKEND_PORT=1234\n")
    monkeypatch.setenv("BACKEND_PORT", "4321")
    assert Settings().backend_port == 4321


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = getattr(Settings(), name.lower())
    monkeypatch.setenv(name, "")
    assert getattr(Settings(), name.lower()) == expected


def test_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIA_HOSTS", "minio, nas.local ,")
    assert Settings().media_hosts == ("minio", "nas.local")


def test_videos_are_fetched_up_to_the_size_of_the_setting() -> None:
    assert access_of(Settings(_env_file=None, max_video_mb=7)).max_bytes == 7 * 1024 * 1024


@pytest.mark.parametrize("written", ["http://ls:8080/", " http://ls:8080 ", "http://ls:8080"])
def test_the_address_of_label_studio_has_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", written)
    assert Settings().label_studio_url == "http://ls:8080"


def test_a_key_from_a_file_loses_its_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "hunter2\n")
    assert Settings().label_studio_api_key.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("name", "value"),
    [("LABEL_STUDIO_URL", "ls:8080"), ("BACKEND_PORT", "70000"), ("WORKERS", "0"), ("PREDICT_WAIT_S", "-1"),
     ("POSES_PER_SECOND", "many"), ("MAX_VIDEO_MB", "0")],
)  # fmt: skip
def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "hunter2")
    assert "hunter2" not in repr(Settings()) + str(Settings())


def test_a_wrong_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "me:hunter2@ls")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "hunter2" not in str(caught.value)


def test_what_changes_results_is_passed_to_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSES_PER_SECOND", "15")
    monkeypatch.setenv("POSE_MODEL", "heavy.task")
    config = Settings().pipeline_config().pose
    assert (config.poses_per_second, config.model) == (15.0, "heavy.task")


def test_the_engine_of_poses_is_passed_to_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().pipeline_config().pose.engine == "openvino"
    monkeypatch.setenv("POSE_ENGINE", "mediapipe")
    assert Settings().pipeline_config().pose.engine == "mediapipe"


def test_data_lies_in_one_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.pose_dir.parent == tmp_path
    assert str(tmp_path) in settings.database_url


@pytest.mark.parametrize(
    ("user", "password"), [("coach", ""), ("", "secret-word"), ("co:ach", "secret-word"), ("coach", "sécret-word")]
)
def test_a_user_and_a_password_go_together(user: str, password: str) -> None:
    with pytest.raises(ValidationError, match="BASIC_AUTH_PASS") as raised:
        Settings(_env_file=None, basic_auth_user=user, basic_auth_pass=password)
    assert "cret-word" not in str(raised.value)


def test_a_password_is_read_from_the_data_folder_where_none_is_given(tmp_path: Path) -> None:
    (tmp_path / "basic-auth-pass").write_text("kept\n")

    def password(user: str, given: str) -> str:
        settings = Settings(_env_file=None, data_dir=tmp_path, basic_auth_user=user, basic_auth_pass=given)
        return settings.basic_auth_pass.get_secret_value()

    assert password("coach", "") == password("coach", " ") == "kept"
    assert password("coach", "given") == "given"
    assert password("", "") == ""  # nobody is asked for one


def test_a_password_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "basic-auth-pass").mkdir()
    with pytest.raises(ValidationError, match=r"or one in .*basic-auth-pass \(Is a directory\)"):
        Settings(_env_file=None, data_dir=tmp_path, basic_auth_user="coach")


@pytest.mark.parametrize("rate", ["0.0099", "0.51", "nan", "-0.1"])
def test_a_rate_of_false_alarms_out_of_range_is_refused_with_the_range(
    monkeypatch: pytest.MonkeyPatch, rate: str
) -> None:
    monkeypatch.setenv("FALSE_ALARM_RATE", rate)
    with pytest.raises(ValidationError, match=r"0\.01 to 0\.5"):
        Settings()


@pytest.mark.parametrize("rate", ["0.01", "0.5"])
def test_the_least_and_the_most_false_alarms_are_taken(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    monkeypatch.setenv("FALSE_ALARM_RATE", rate)
    assert Settings().false_alarm_rate == float(rate)
