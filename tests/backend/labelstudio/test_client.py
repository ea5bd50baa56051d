"""Calls to Label Studio's API through its SDK, against a server that speaks it."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator

import pytest
from label_studio_api import FakeLabelStudio, token
from media_server import MediaServer, reply
from pydantic import SecretStr

from backend.errors import LabelStudioError, LabelStudioRefused, NotInLabelStudio
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access, TaskState


def states_of(client: LabelStudioClient, *tasks: int) -> dict[int, TaskState]:
    return client.task_states(1, list(tasks))


@pytest.fixture
def web_page() -> Iterator[MediaServer]:
    """Some web server, but no Label Studio."""
    server = MediaServer(reply(body=b"<html>Welcome</html>", Content_Type="text/html"))
    yield server
    server.close()


def test_a_personal_token_is_exchanged_for_one_that_is_sent(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    assert states_of(client, number)[number].task.id == number


def test_the_exchange_is_done_once_for_many_calls(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    for _ in range(3):
        states_of(client, 1)
    assert label_studio.calls["POST /api/token/refresh/"] == 1


def test_a_legacy_token_is_sent_as_it_is(label_studio: FakeLabelStudio) -> None:
    client = LabelStudioClient(Access(label_studio.url, SecretStr("0123456789abcdef")))
    assert client.authorization() == {"Authorization": "Token 0123456789abcdef"}


def test_there_is_no_authorization_without_a_token() -> None:
    assert LabelStudioClient(Access("http://127.0.0.1:9", SecretStr(""))).authorization() == {}


def test_addresses_in_storages_come_as_they_were_imported(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task("s3://bucket/a.mp4")
    assert states_of(client, number)[number].task.data["video"] == "s3://bucket/a.mp4"


def test_a_task_that_was_deleted_is_left_out(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    assert list(states_of(client, number, 999)) == [number]


def test_a_single_task_that_was_deleted_is_an_error(client: LabelStudioClient) -> None:
    with pytest.raises(NotInLabelStudio, match="task 999"):
        client.task_state(Task(999, 1, {}))


def test_a_project_that_was_deleted_is_an_error(client: LabelStudioClient) -> None:
    with pytest.raises(NotInLabelStudio, match="project 5"):
        client.task_states(5, [1])


def test_many_tasks_are_asked_for_by_the_hundred(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    numbers = [label_studio.add_task() for _ in range(201)]
    assert len(client.task_states(1, numbers)) == 201
    assert label_studio.calls["GET /api/tasks/"] == 3


def test_an_untouched_task_has_no_frames(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    assert not states_of(client, number)[number].has_frames


def test_an_annotation_has_frames(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    label_studio.tasks[number]["total_annotations"] = 1
    assert states_of(client, number)[number].has_frames


@pytest.mark.parametrize("owner", ["me", "somebody else"])
def test_a_draft_has_frames_whoever_began_it(
    client: LabelStudioClient, label_studio: FakeLabelStudio, owner: str
) -> None:
    number = label_studio.add_task()
    label_studio.tasks[number]["draft_owners"] = [owner]
    assert states_of(client, number)[number].has_frames


def test_a_prediction_has_frames(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    label_studio.add_prediction(number, "other", [{"id": "r", "type": "timelinelabels"}])
    assert states_of(client, number)[number].has_frames


def test_an_empty_prediction_has_no_frames(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    label_studio.add_prediction(number, "other", [])
    assert not states_of(client, number)[number].has_frames


def test_predictions_are_told_by_version_the_oldest_first(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    first = label_studio.add_prediction(number, "v1", [])
    label_studio.add_prediction(number, "v2", [])
    third = label_studio.add_prediction(number, "v1", [])
    assert states_of(client, number)[number].prediction_ids("v1") == [first, third]


def test_every_task_of_a_project_is_listed(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    numbers = [label_studio.add_task() for _ in range(150)]
    assert [task.id for task, _, _ in client.tasks(1)] == numbers


def test_a_prediction_is_stored_with_score_and_version(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    number = label_studio.add_task()
    prediction = client.create_prediction(number, {"model_version": "v", "score": 0.25, "result": []})
    stored = label_studio.predictions[prediction]
    assert (stored["task"], stored["score"], stored["model_version"]) == (number, 0.25, "v")


def test_task_data_is_replaced(client: LabelStudioClient, label_studio: FakeLabelStudio) -> None:
    number = label_studio.add_task()
    client.set_task_data(number, {"video": "x", "fps": 30})
    assert label_studio.tasks[number]["data"] == {"video": "x", "fps": 30}


def test_an_unknown_token_is_an_error_with_the_remedy(label_studio: FakeLabelStudio) -> None:
    client = LabelStudioClient(Access(label_studio.url, SecretStr(token("refresh", 1e5))))
    with pytest.raises(LabelStudioError, match=r"401.*Check LABEL_STUDIO_API_KEY"):
        states_of(client, 1)


def test_an_expired_token_is_an_error_with_the_remedy(label_studio: FakeLabelStudio) -> None:
    client = LabelStudioClient(Access(label_studio.url, SecretStr(token("refresh", -10))))
    with pytest.raises(LabelStudioError, match=r"401.*Check LABEL_STUDIO_API_KEY"):
        states_of(client, 1)


def test_a_server_that_is_down_is_an_error() -> None:
    client = LabelStudioClient(Access("http://127.0.0.1:9", SecretStr("legacy")))
    with pytest.raises(LabelStudioError, match="cannot be reached"):
        states_of(client, 1)


@pytest.mark.parametrize("key", ["legacy", token("refresh", 1e5)])
def test_a_server_that_is_no_label_studio_is_an_error(web_page: MediaServer, key: str) -> None:
    with pytest.raises(LabelStudioError):
        states_of(LabelStudioClient(Access(web_page.url, SecretStr(key))), 1)


def test_missing_settings_are_an_error_with_the_remedy() -> None:
    with pytest.raises(LabelStudioError, match="Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"):
        states_of(LabelStudioClient(Access("", SecretStr(""))), 1)


@pytest.mark.parametrize(
    ("answer", "lasts"),
    [
        (reply("401 Unauthorized", b"{}"), False),
        (reply("403 Forbidden", b"{}"), True),
        (reply("400 Bad Request", b"{}"), True),
        (reply("429 Too Many Requests", b"{}"), False),
        (reply("500 Internal Server Error", b"{}"), False),
        (reply("503 Service Unavailable", b"<html>", Retry_After="7"), False),
        (reply(body=b'{"tasks": [', length=500), False),
        (reply(body=b'{"tasks": ['), False),
    ],
)
def test_what_may_pass_is_told_from_what_stays(answer: bytes, lasts: bool) -> None:
    server = MediaServer(answer)
    try:
        with pytest.raises(LabelStudioError) as caught:
            states_of(LabelStudioClient(Access(server.url, SecretStr("legacy"))), 1)
    finally:
        server.close()
    assert isinstance(caught.value, LabelStudioRefused) == lasts
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "silent"),
    [
        (reply("401 Unauthorized", b"{}"), True),
        (reply("403 Forbidden", b"{}"), False),
        (reply("404 Not Found", b"{}"), False),
        (reply("429 Too Many Requests", b"{}"), True),
        (reply("500 Internal Server Error", b"{}"), False),
        (reply("502 Bad Gateway", b"<html>"), True),
        (reply(body=b"<html>"), True),
        (b"", True),
    ],
)
def test_that_nobody_is_answered_is_known_until_somebody_is(
    label_studio: FakeLabelStudio, access: Access, answer: bytes, silent: bool
) -> None:
    server = MediaServer(answer)
    client = LabelStudioClient(Access(server.url, SecretStr("legacy")))
    try:
        for _ in range(2):
            with pytest.raises(LabelStudioError) as caught:
                states_of(client, 1)
            fault = client.fault
            assert (fault.message if fault else None) == (str(caught.value) if silent else None)
    finally:
        server.close()
    working = LabelStudioClient(access)
    working.fault = client.fault
    states_of(working, 1)
    assert working.fault is None


@pytest.mark.parametrize("body", [b"<html>", b'{"id": 1, "label_c', b"[]", b"null"])
def test_an_answer_that_cannot_be_read_may_be_another_one_later(body: bytes) -> None:
    server = MediaServer(reply(body=body))
    try:
        with pytest.raises(LabelStudioError, match="cannot be read") as caught:
            LabelStudioClient(Access(server.url, SecretStr("legacy"))).label_config(1)
    finally:
        server.close()
    assert not isinstance(caught.value, LabelStudioRefused)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("30", 30, 30), ("999999999", 3600, 3600), ("soon", 0, 0), ("-5", 0, 0), ("", 0, 0),
     ("Fri, 01 Jan 1999 00:00:00 GMT", 0, 0), ("Fri, 01 Jan 2100 00:00:00 GMT", 3600, 3600)],
)  # fmt: skip
def test_a_busy_label_studio_says_how_long_to_wait(text: str, least: float, most: float) -> None:
    server = MediaServer(reply("429 Too Many Requests", b"{}", Retry_After=text))
    try:
        with pytest.raises(LabelStudioError, match="too busy") as caught:
            LabelStudioClient(Access(server.url, SecretStr(token("refresh", 1e5)))).authorization()
    finally:
        server.close()
    assert least <= caught.value.retry_after_s <= most


@pytest.mark.parametrize("shown", ["", "rec", "Deadlift", "base-0"])
def test_the_project_shows_our_version_instead_of_what_nobody_chose(
    client: LabelStudioClient, label_studio: FakeLabelStudio, shown: str
) -> None:
    label_studio.project_version = shown
    client.show_model_version(1, "base-1", {"base-0", "rec"})
    assert label_studio.project_version == "base-1"


def test_the_project_goes_on_showing_what_somebody_chose(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    label_studio.project_version = "their own"
    client.show_model_version(1, "base-1", {"base-0"})
    assert label_studio.project_version == "their own"


# Secrets


def test_the_key_is_not_shown() -> None:
    assert "hunter2" not in repr(Access("http://ls", SecretStr("hunter2")))


def test_the_key_travels_to_workers() -> None:
    travelled = pickle.loads(pickle.dumps(Access("http://ls", SecretStr("hunter2"))))
    assert travelled.api_key.get_secret_value() == "hunter2"


def test_errors_and_logs_hold_no_token(label_studio: FakeLabelStudio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = token("refresh", 1e5)
    client = LabelStudioClient(Access(label_studio.url, SecretStr(key)))
    with pytest.raises(LabelStudioError) as caught:
        states_of(client, 1)
    assert key not in str(caught.value) + str(caught.value.__cause__) + caplog.text


# The secret of webhooks


def test_our_webhook_is_told_the_secret_and_others_are_not(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    label_studio.backend_version = "base-1"
    for number, url in enumerate(("http://127.0.0.1:9090/webhook", "http://elsewhere/webhook"), start=1):
        label_studio.webhooks[number] = {"id": number, "url": url, "headers": {"A": "b"}}
    assert [client.set_webhook_header(1, "base-1", "X-Secret", "s") for _ in range(2)] == [1, 0]
    assert [hook["headers"] for hook in label_studio.webhooks.values()] == [{"A": "b", "X-Secret": "s"}, {"A": "b"}]


def test_the_webhook_of_another_backend_is_not_told_the_secret(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    label_studio.backend_version = "another-model"
    label_studio.webhooks[1] = {"id": 1, "url": "http://127.0.0.1:9090/webhook", "headers": {}}
    assert client.set_webhook_header(1, "base-1", "X-Secret", "s") is None


@pytest.mark.parametrize("auth", [(), ("coach", "correct horse")])
def test_a_backend_is_connected_with_what_it_asks_for(
    client: LabelStudioClient, label_studio: FakeLabelStudio, auth: tuple[str, ...]
) -> None:
    client.connect_backend(2, "http://127.0.0.1:9090", "Deadlift", *auth)
    (sent,) = label_studio.connections
    wanted = ("BASIC_AUTH", *auth) if auth else (None, None, None)
    assert tuple(sent.get(name) for name in ("auth_method", "basic_auth_user", "basic_auth_pass")) == wanted


def test_people_have_their_names_or_else_their_addresses(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    label_studio.users = [
        {"id": 1, "first_name": "Ada", "last_name": "Coach", "email": "ada@example.com"},
        {"id": 2, "first_name": "", "last_name": "", "email": "ben@example.com"},
        {"id": "x", "email": "odd"},
    ]
    assert client.people() == {1: "Ada Coach", 2: "ben@example.com"}
