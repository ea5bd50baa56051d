"""Finding the controls of a labeling config, under whatever names, and the rate that frames are counted at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from fakes import CONFIG, WITH_THIRD_LABEL
from places import LABELING_CONFIG

from backend.errors import LabelConfigError
from backend.labelstudio.labeling_config import (
    DEFAULT_RATE,
    Controls,
    FaultChoice,
    effective_rate,
    parse_controls,
    task_rate,
)

RENAMED = """<View><Video name="film" value="$clip" framerate="25"/>
<TimelineLabels name="lifts" toName="film">
  <Label value="Schlecht" predicted_values="anomalous"/><Label value="Gut" predicted_values="normal, good"/>
</TimelineLabels></View>"""


def video(attributes: str) -> Controls:
    return parse_controls(
        f'<View><Video name="v" {attributes}/><TimelineLabels name="r" toName="v">'
        '<Label value="N"/><Label value="A"/></TimelineLabels></View>'
    )


def rate(attributes: str, **data: object) -> float:
    return effective_rate(video(f'value="$video" {attributes}'), data)


def test_every_control_of_the_recommended_config_is_found() -> None:
    found = parse_controls(CONFIG)
    assert (found.video, found.media, found.labels) == ("video", "$video", "reps")
    assert (found.number, found.choices, found.text) == ("anomaly", "fault", "note")


def test_the_shipped_config_has_every_control() -> None:
    found = parse_controls(LABELING_CONFIG.read_text())
    assert all((found.number, found.choices, found.text, found.frame_rate))


@pytest.mark.parametrize("name", ["02_setup", "03_predict_batch", "06_predict_s3_task"])
def test_configs_as_label_studio_sends_them_are_understood(payload: Callable[[str], Any], name: str) -> None:
    body = payload(name)
    assert parse_controls(body.get("schema") or body["label_config"]).labels == "reps"


def test_labels_are_told_apart_by_their_order() -> None:
    found = parse_controls(CONFIG)
    assert (found.normal, found.anomalous) == ("Normal rep", "Anomalous rep")


def test_labels_are_told_apart_by_predicted_values_before_order() -> None:
    found = parse_controls(RENAMED)
    assert (found.normal, found.anomalous) == ("Gut", "Schlecht")


def test_the_key_of_the_video_may_have_any_name() -> None:
    assert parse_controls(RENAMED).media == "$clip"


def test_attributes_may_be_written_in_any_case() -> None:
    assert effective_rate(parse_controls(RENAMED), {}) == 25.0


def test_controls_that_a_config_lacks_are_empty() -> None:
    found = parse_controls(RENAMED)
    assert (found.number, found.choices, found.text) == ("", "", "")


def test_controls_for_the_whole_video_are_not_taken_for_those_of_a_region() -> None:
    config = CONFIG.replace(
        '<Number name="anomaly" toName="video" perRegion="true"/>', '<Number name="n" toName="video"/>'
    )
    assert parse_controls(config).number == ""


def test_an_alias_stands_in_results_instead_of_the_value() -> None:
    config = CONFIG.replace('<Label value="Normal rep"/>', '<Label value="Normal rep" alias="ok"/>')
    assert parse_controls(config).label_value("normal") == "ok"


def test_choices_keep_what_they_stand_for() -> None:
    config = CONFIG.replace(
        '<Choice value="Hitching"/>', '<Choice value="Hitching" predicted_values="knees pull, knees"/>'
    )
    assert parse_controls(config).choice_values == (
        FaultChoice("Rounded back"),
        FaultChoice("Hitching", ("knees pull", "knees")),
    )


def test_a_label_of_neither_kind_means_nothing() -> None:
    assert parse_controls(CONFIG).rep_label("Warm-up") is None


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "not XML"),
        ("<View>", "not XML"),
        ("\ud800", "not XML"),
        ('<!DOCTYPE v [<!ENTITY a "b">]><View>&a;</View>', "not XML"),
        ("<View/>", "no TimelineLabels"),
        ('<View><Video name="video" value="$video"/></View>', "no TimelineLabels"),
        ('<View><TimelineLabels name="r" toName="x"><Label value="a"/></TimelineLabels></View>', "no TimelineLabels"),
        (CONFIG.replace('<Label value="Anomalous rep"/>', ""), r"has 1 label\."),
        (CONFIG.replace('value="$video"', ""), "has no value"),
    ],
)
def test_a_config_without_what_is_needed_is_refused(config: str, said: str) -> None:
    with pytest.raises(LabelConfigError, match=said):
        parse_controls(config)


@pytest.mark.parametrize(
    ("attributes", "data", "expected"),
    [
        ('frameRate="30"', {}, 30.0),
        ('frameRate="29.97"', {}, 29.97),
        ('frameRate=" 25 "', {}, 25.0),
        ('frameRate="$fps"', {"fps": 60}, 60.0),
        ('frameRate="$fps"', {"fps": "59.94"}, 59.94),
        ('frameRate="$rate"', {"rate": 50, "fps": 25}, 50.0),
        ('frameRate="0.04"', {}, 25.0),
        ("", {}, DEFAULT_RATE),
        ("", {"fps": 60}, DEFAULT_RATE),
        ('frameRate=""', {}, DEFAULT_RATE),
        ('frameRate="$fps"', {}, DEFAULT_RATE),
        ('frameRate="$fps"', {"fps": None}, DEFAULT_RATE),
        ('frameRate="$fps"', {"fps": "30000/1001"}, DEFAULT_RATE),
        ('frameRate="$fps"', {"fps": [30]}, 30.0),
        ('frameRate="$fps"', {"fps": float("nan")}, DEFAULT_RATE),
        ('frameRate="$fps"', {"fps": float("inf")}, DEFAULT_RATE),
        ('frameRate="$fps"', {"fps": 10**400}, DEFAULT_RATE),
        ('frameRate="$fps"', {"fps": 1e-320}, DEFAULT_RATE),
        ('frameRate="$fps"', {"fps": 1e300}, DEFAULT_RATE),
        ('frameRate="0"', {}, DEFAULT_RATE),
        ('frameRate="-30"', {}, DEFAULT_RATE),
    ],
)
def test_the_rate_is_what_label_studio_makes_of_the_tag(attributes: str, data: dict[str, Any], expected: float) -> None:
    assert rate(attributes, **data) == expected


# Several timelines on a page: HumanSignal/label-studio PR 6191 (its template with several), #7124.

_REPS = (
    '<TimelineLabels name="reps" toName="video"><Label value="Good" predicted_values="normal"/>'
    '<Label value="Bad" predicted_values="anomalous"/></TimelineLabels>'
)
_PLAIN_REPS = '<TimelineLabels name="reps" toName="video"><Label value="N"/><Label value="A"/></TimelineLabels>'
_VIEW = '<TimelineLabels name="view" toName="video"><Label value="Side"/><Label value="Front"/></TimelineLabels>'
_SET = '<TimelineLabels name="set" toName="video"><Label value="Set"/></TimelineLabels>'
_VIDEO = '<Video name="video" value="$video"/>'


@pytest.mark.parametrize(
    "timelines",
    [
        _VIEW + _REPS,
        _SET + _REPS,
        _REPS + _VIEW + _SET,
        _SET + _PLAIN_REPS + _VIEW,  # nothing says which: the first with two labels
        _VIEW.replace('value="Side"', 'value="Side" predicted_values="side, person"') + _REPS,
        _VIEW.replace('value="Side"', 'value="Side" predicted_values="normal"') + _REPS,  # one meaning of two
        _VIEW.replace('toName="video"', 'toName="other"') + _PLAIN_REPS,
    ],
)
def test_the_timeline_of_repetitions_is_found_among_several(timelines: str) -> None:
    assert parse_controls(f"<View>{timelines}{_VIDEO}</View>").labels == "reps"


def test_a_timeline_that_says_it_is_meant_but_lacks_a_label_is_refused() -> None:
    lacking = _REPS.replace('<Label value="Bad" predicted_values="anomalous"/>', "")
    with pytest.raises(LabelConfigError, match=r'"reps" has 1 label\.'):
        parse_controls(f"<View>{_VIEW}{lacking}{_VIDEO}</View>")


def test_only_timelines_without_two_labels_are_refused() -> None:
    with pytest.raises(LabelConfigError, match=r'"set" has 1 label\.'):
        parse_controls(f"<View>{_SET}{_VIDEO}</View>")


def test_controls_that_are_shown_for_another_timeline_are_not_filled() -> None:
    angle = '<Number name="angle" toName="video" perRegion="true" {}/>'
    score = '<Number name="score" toName="video" perRegion="true" whenTagName="reps"/>'
    for other in (
        angle.format('whenTagName="view"'),
        f'<View visibleWhen="region-selected" whenTagName="view">{angle.format("")}</View>',
    ):
        assert parse_controls(f"<View>{_VIEW}{_REPS}{other}{score}{_VIDEO}</View>").number == "score"


def test_tags_and_attributes_may_be_written_in_lower_case() -> None:
    shouted = _VIEW + _REPS + '<Video name="video" value="$Video" frameRate="$FPS"/>'
    for written in ("TimelineLabels", "toName", "Label ", "Video ", "frameRate"):
        shouted = shouted.replace(written, written.lower())
    found = parse_controls(f"<view>{shouted}</view>")
    assert (found.labels, found.normal, found.media, found.frame_rate) == ("reps", "Good", "$Video", "$FPS")


# Nested task data: HumanSignal/label-studio#5610.


def test_address_and_rate_of_nested_data_are_found() -> None:
    controls = video('value="$media.video" frameRate="$media.fps"')
    data: dict[str, object] = {"media": {"video": "a.mp4", "fps": 30}}
    assert (controls.media_of(data), effective_rate(controls, data)) == ("a.mp4", 30.0)


@pytest.mark.parametrize("data", [{}, {"media": "a.mp4"}, {"media": {"video": 3}}, {"media": {"video": None}}])
def test_nested_data_without_the_video_has_no_address(data: dict[str, Any]) -> None:
    assert video('value="$media.video"').media_of(data) == ""


@pytest.mark.parametrize("value", ["video", "https://example.org/a.mp4", "$", "$-clip", "$.video"])
def test_a_video_that_is_the_same_for_every_task_is_refused(value: str) -> None:
    with pytest.raises(LabelConfigError, match="same text for every task"):
        video(f'value="{value}"')


@pytest.mark.parametrize(
    ("fps", "most", "given"),
    [(60.0, 0.0, 60.0), (60.0, 12.0, 12.0), (30.0, 12.0, 10.0), (24.0, 12.0, 12.0), (25.0, 60.0, 25.0)],
)
def test_a_task_gets_a_whole_part_of_the_videos_rate(fps: float, most: float, given: float) -> None:
    assert task_rate(fps, most) == pytest.approx(given)


def test_no_single_key_ticks_a_fault() -> None:
    """Label Studio gives controls without a hotkey the next free one of 1, 2, ... 0, q, w, e."""
    root = fromstring(LABELING_CONFIG.read_text())
    keys = [tag.get("hotkey", "") for name in ("Choice", "Number") for tag in root.iter(name)]
    assert all(key.startswith("alt+shift+") for key in keys)
    assert len(set(keys)) == len(keys) == 13


def test_labels_beside_the_two_are_named_as_not_used() -> None:
    found = parse_controls(WITH_THIRD_LABEL)
    assert (found.normal, found.anomalous, found.unused) == ("Normal rep", "Anomalous rep", ("Unsure",))
    assert found.unused_words.startswith("Regions labelled Unsure are not used: only Normal rep (normal) and")
    assert parse_controls(CONFIG).unused_words == ""


def test_a_label_beside_those_that_say_what_they_mean_is_not_used_wherever_it_stands() -> None:
    labels = '<Label value="Unsure"/><Label value="ok" predicted_values="normal"/>'
    config = CONFIG.replace('<Label value="Normal rep"/>', labels)
    config = config.replace('value="Anomalous rep"', 'value="bad" predicted_values="anomalous"')
    found = parse_controls(config)
    assert (found.normal, found.anomalous, found.unused) == ("ok", "bad", ("Unsure",))
