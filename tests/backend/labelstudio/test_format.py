"""Predictions as Label Studio's JSON: what they say, and that the labeling page can show them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from fakes import CONFIG, analysis
from hypothesis import given
from hypothesis import strategies as st

from backend.labelstudio import format
from backend.labelstudio.format import to_prediction
from backend.labelstudio.labeling_config import Controls, FaultChoice, default_config, parse_controls
from pipeline.records import Analysis, Phase, Reason, Rep, RepScore, VideoInfo

CONTROLS = parse_controls(CONFIG)
RATES = st.sampled_from(
    [1.0, 10.0, 23.976, 24.0, 24000 / 1001, 25.0, 29.97, 30000 / 1001, 30.0, 50.0, 59.94, 60.0, 240.0]
)


def results(prediction: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [result for result in prediction["result"] if result["type"] == kind]


def ranges(found: Analysis, rate: float = 30.0) -> list[tuple[int, int]]:
    spans = [r["value"]["ranges"][0] for r in results(to_prediction(found, CONTROLS, rate), "timelinelabels")]
    return [(span["start"], span["end"]) for span in spans]


def cut(*reps: tuple[float, float], duration_s: float = 100.0) -> Analysis:
    made = tuple(Rep(start, (start + end) / 2, end) for start, end in reps)
    one = analysis(scores=(0.1,)).scores[0]
    return replace(analysis(), reps=made, scores=(one,) * len(made), video=VideoInfo("v", duration_s, 30.0, 640, 480))


def test_a_prediction_has_one_label_per_repetition() -> None:
    labels = results(to_prediction(analysis((0.1, 0.9)), CONTROLS, 30.0), "timelinelabels")
    assert [r["value"]["timelinelabels"] for r in labels] == [["Normal rep"], ["Anomalous rep"]]


def test_the_score_of_a_repetition_stands_on_its_region_and_in_its_number() -> None:
    prediction = to_prediction(analysis((0.9,)), CONTROLS, 30.0)
    assert results(prediction, "timelinelabels")[0]["score"] == 0.9
    assert results(prediction, "number")[0]["value"]["number"] == 0.9


def test_the_results_of_a_region_share_its_id_and_range() -> None:
    prediction = to_prediction(analysis((0.9,)), CONTROLS, 30.0)
    assert {(r["id"], json.dumps(r["value"]["ranges"])) for r in prediction["result"]} == {
        ("rep1", '[{"start": 31, "end": 90}]')
    }


def test_ids_of_regions_are_unique() -> None:
    labels = results(to_prediction(analysis((0.1, 0.9, 0.2)), CONTROLS, 30.0), "timelinelabels")
    assert len({r["id"] for r in labels}) == 3


def test_only_controls_of_the_config_are_filled() -> None:
    bare = Controls("video", "$video", "", "reps", "Normal rep", "Anomalous rep")
    assert {r["from_name"] for r in to_prediction(analysis((0.9,)), bare, 30.0)["result"]} == {"reps"}


def test_no_repetitions_make_an_empty_prediction() -> None:
    assert to_prediction(analysis(()), CONTROLS, 30.0)["result"] == []


def test_touch_and_go_repetitions_share_no_frame() -> None:
    assert ranges(cut((1.0, 2.01), (2.01, 3.0))) == [(31, 61), (62, 90)]


def test_a_repetition_shorter_than_a_frame_is_not_lost() -> None:
    assert len(ranges(cut((0.0, 1.5), (1.5, 1.9)), rate=1.0)) == 2


def test_a_repetition_beyond_the_announced_duration_is_not_lost() -> None:
    assert ranges(cut((1.0, 3.0), (6.0, 7.0), duration_s=5.0))[1] == (150, 150)


@given(
    bounds=st.lists(st.floats(0, 60), min_size=2, max_size=20, unique=True),
    rate=RATES,
    score=st.floats(0, 1),
    duration_s=st.floats(1, 60),
)
def test_every_prediction_is_json_that_the_labeling_page_can_show(
    bounds: list[float], rate: float, score: float, duration_s: float
) -> None:
    edges = sorted(bounds)
    pairs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if a < (a + b) / 2 < b]
    found = cut(*pairs, duration_s=duration_s)
    scored = replace(found, scores=tuple(RepScore(score, 0.5, math.nan) for _ in pairs))
    prediction = to_prediction(scored, CONTROLS, rate)
    json.dumps(prediction, allow_nan=False)
    for result in prediction["result"]:
        (span,) = result["value"]["ranges"]
        assert type(span["start"]) is int
        assert type(span["end"]) is int
        assert 1 <= span["start"] <= span["end"]


def test_a_clear_verdict_on_a_sure_cut_is_confident() -> None:
    assert format.confidence(analysis((0.0, 1.0), confidence=1.0)) == 1.0


def test_a_verdict_in_the_middle_asks_for_a_look() -> None:
    assert format.confidence(analysis((0.0, 0.5), confidence=1.0)) == 0.5


def test_a_doubtful_cut_asks_for_a_look() -> None:
    assert format.confidence(analysis((0.0,), confidence=0.2)) == 0.2


def test_a_repetition_that_could_not_be_judged_asks_for_a_look() -> None:
    unjudged = replace(analysis((0.0,), confidence=1.0), scores=(RepScore(0.0, 1.0, 0.0, reliable=False),))
    assert format.confidence(unjudged) == 0.5


def reason(part: str = "hips", phase: Phase = "pull") -> Reason:
    return Reason(part, phase, 0.5)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ((FaultChoice("Other"), FaultChoice("Early hips", ("hips pull",))), "Early hips"),
        ((FaultChoice("Any hips", ("hips",)), FaultChoice("Early hips", ("hips pull",))), "Early hips"),
        ((FaultChoice("Late", ("hips lowering",)),), ""),
        ((FaultChoice("Hips rise first"),), "Hips rise first"),
        ((FaultChoice("Hip shift"),), "Hip shift"),
        ((FaultChoice("Hips rise first", ("back",)),), ""),
        ((), ""),
    ],
)
def test_the_likely_fault_is_the_choice_that_names_the_reason(choices: tuple[FaultChoice, ...], expected: str) -> None:
    assert format.likely_fault([reason()], choices) == expected


def test_the_strongest_reason_that_has_a_choice_decides() -> None:
    choices = (FaultChoice("Back", ("back",)), FaultChoice("Knees", ("knees",)))
    assert format.likely_fault([reason("hips"), reason("knees"), reason("back")], choices) == "Knees"


def test_a_fault_is_ticked_where_only_a_later_reason_stands_for_one() -> None:
    (score,) = analysis((0.9,)).scores
    choices = (FaultChoice("Knees", ("knees",)),)
    controls = replace(CONTROLS, choices="fault", choice_values=choices)
    later = replace(score, reasons=(reason("head"), reason("knees")))
    assert format.ticked_fault(later, controls) == "Knees"
    assert format.ticked_fault(replace(later, reliable=False), controls) == ""


def test_a_normal_repetition_has_no_fault() -> None:
    assert results(to_prediction(analysis((0.1,)), CONTROLS, 30.0), "choices") == []


def test_a_normal_repetition_has_no_note() -> None:
    assert results(to_prediction(analysis((0.1,)), CONTROLS, 30.0), "textarea") == []


def test_the_note_of_an_anomaly_says_why() -> None:
    assert format.note_text(analysis((0.9,)).scores[0]) == "unusual: back during the pull (60%)"


def test_the_note_says_what_could_not_be_judged() -> None:
    assert format.note_text(RepScore(0.5, 1.0, 0.0, reliable=False)) == "not judged reliably: please check"


def test_a_repetition_that_could_not_be_judged_is_marked_and_has_no_fault() -> None:
    why = (Reason("back", "pull", 0.6),)
    unjudged = replace(analysis((0.9,)), scores=(RepScore(0.9, 0.01, 3.0, why, reliable=False),))
    (label,) = results(to_prediction(unjudged, CONTROLS, 30.0), "timelinelabels")
    assert label["meta"] == {"text": ["not judged reliably: please check"]}
    assert label["value"]["timelinelabels"] == ["Normal rep"]
    assert "score" not in label
    (note,) = results(to_prediction(unjudged, CONTROLS, 30.0), "textarea")
    assert note["value"]["text"] == ["not judged reliably: please check"]
    assert results(to_prediction(unjudged, CONTROLS, 30.0), "choices") == []
    assert results(to_prediction(unjudged, CONTROLS, 30.0), "number") == []


@pytest.mark.parametrize(("earliest_s", "said"), [(0.03, ""), (0.5, "; the video starts at 0.50 s: Firefox shows it")])
def test_the_page_says_where_browsers_differ_about_a_video_that_starts_late(earliest_s: float, said: str) -> None:
    late = analysis((0.1,))
    late = replace(late, video=replace(late.video, earliest_s=earliest_s))
    (label,) = results(to_prediction(late, CONTROLS, 30.0), "timelinelabels")
    assert label["meta"]["text"][0].startswith(f"anomaly 0.10{said}")
    assert ("Firefox" in label["meta"]["text"][0]) == bool(said)


# A back that looks rounded


def rounded(score: float, *reasons: Reason, reliable: bool = True) -> RepScore:
    return RepScore(score, 0.1, 1.0, reasons, reliable, back_bow=0.06)


def test_the_note_names_a_rounded_back_before_the_reasons() -> None:
    assert format.note_text(rounded(0.9, reason())) == "the back looks rounded; unusual: hips during the pull (50%)"


def test_the_note_of_a_normal_repetition_says_that_its_back_looks_rounded() -> None:
    found = replace(analysis((0.1,)), scores=(rounded(0.1),))
    (note,) = results(to_prediction(found, CONTROLS, 30.0), "textarea")
    assert note["value"]["text"] == ["the back looks rounded"]
    assert results(to_prediction(found, CONTROLS, 30.0), "choices") == []


def test_the_note_of_what_was_not_judged_says_what_the_back_looks_like() -> None:
    assert format.note_text(rounded(0.5, reliable=False)) == "not judged reliably: please check; the back looks rounded"


def test_a_rounded_back_is_ticked_before_the_fault_of_a_reason() -> None:
    controls = parse_controls(default_config())
    assert format.ticked_fault(rounded(0.9, reason("hips")), controls) == "Rounded back"
    assert format.ticked_fault(replace(rounded(0.9, reason("hips")), back_bow=0.0), controls) == "Hips rise first"


@pytest.mark.parametrize("score", [rounded(0.2, Reason("hips", "pull", 0.5)), rounded(0.9, reliable=False)])
def test_a_rounded_back_alone_ticks_nothing(score: RepScore) -> None:
    assert format.ticked_fault(score, parse_controls(default_config())) == ""


def test_where_no_choice_stands_for_the_back_a_reason_decides() -> None:
    controls = replace(CONTROLS, choices="fault", choice_values=(FaultChoice("Knees", ("knees",)),))
    assert format.ticked_fault(rounded(0.9, reason("knees")), controls) == "Knees"


def test_a_prediction_is_the_same_but_for_what_is_said_of_the_back() -> None:
    """Labels, scores and rank of a normal repetition are as without it."""
    plain, told = (replace(analysis((0.1,)), scores=(replace(rounded(0.1), back_bow=bow),)) for bow in (None, 0.06))
    without, with_it = (to_prediction(found, CONTROLS, 30.0) for found in (plain, told))
    assert [one for one in with_it["result"] if one["type"] != "textarea"] == without["result"]
    assert with_it["score"] == without["score"]


@pytest.mark.parametrize(("bow", "is_guess"), [(0.06, False), (0.0, True)])
def test_a_fault_that_a_reason_ticked_is_called_a_guess(bow: float, is_guess: bool) -> None:
    found = replace(analysis((0.9,)), scores=(replace(rounded(0.9, reason("hips")), back_bow=bow),))
    (note,) = results(to_prediction(found, parse_controls(default_config()), 30.0), "textarea")
    assert note["value"]["text"][0].endswith("; ticked fault: a guess") == is_guess
