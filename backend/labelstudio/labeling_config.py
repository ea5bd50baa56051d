"""Reading a project's labeling config: which controls the predictions go to, under whatever names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import LabelConfigError
from pipeline.records import RepLabel

DEFAULT_RATE = 24.0
"""Frames per second that Label Studio assumes where the Video tag's frameRate says nothing usable."""

_HIGHEST_RATE = 1e6


@dataclass(frozen=True)
class FaultChoice:
    """One choice of a per-region Choices control; `predicted` are the words of its `predicted_values`, if any."""

    value: str
    predicted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Controls:
    """The controls of a labeling config that the backend fills.

    `video` and `labels` are tag names; `media_key` is the key of the video's address in the task data. `frame_rate`
    is the Video tag's attribute as written: a number, `$key`, or empty. The rest is empty where a config has none.
    """

    video: str
    media_key: str
    frame_rate: str
    labels: str
    normal: str
    anomalous: str
    number: str = ""
    choices: str = ""
    choice_values: tuple[FaultChoice, ...] = ()
    text: str = ""

    @property
    def rate_key(self) -> str:
        """The task data key that the frame rate comes from, or ""."""
        return self.frame_rate[1:] if self.frame_rate.startswith("$") else ""

    def label_value(self, label: RepLabel) -> str:
        return self.normal if label == "normal" else self.anomalous

    def rep_label(self, value: str) -> RepLabel | None:
        """What a label's value means, None for a label that is not one of the two."""
        if value == self.normal:
            return "normal"
        return "anomalous" if value == self.anomalous else None


@lru_cache(maxsize=64)  # every event carries it
def default_config() -> str:
    """The labeling config that comes with the project, as XML."""
    return (files("backend.labelstudio") / "labeling_config.xml").read_text(encoding="utf-8")


def parse_controls(label_config: str) -> Controls:
    """Find the controls. Raises LabelConfigError, naming what is missing.

    The two labels are distinguished by `predicted_values` ("normal", "anomalous"), else by order: normal, anomalous.
    """
    try:
        root = fromstring(label_config)
    except (ParseError, DefusedXmlException, TypeError, ValueError) as error:
        raise LabelConfigError(f"The labeling config is not XML: {error}.") from error
    videos = {tag.get("name", ""): tag for tag in root.iter("Video")}
    for tag in root.iter("TimelineLabels"):
        video = videos.get(tag.get("toName", ""))
        if video is None:
            continue
        normal, anomalous = _two_labels(tag)
        attributes = {key.lower(): value for key, value in video.attrib.items()}
        target = video.get("name", "")
        media_key = attributes.get("value", "").removeprefix("$")
        if not media_key:
            raise LabelConfigError(f'Video "{target}" has no value. Expected the key of the task data, as in "$video".')
        choices = _per_region(root, "Choices", target)
        return Controls(
            video=target,
            media_key=media_key,
            frame_rate=attributes.get("framerate", "").strip(),
            labels=tag.get("name", ""),
            normal=normal,
            anomalous=anomalous,
            number=_name(_per_region(root, "Number", target)),
            choices=_name(choices),
            choice_values=_choices(choices),
            text=_name(_per_region(root, "TextArea", target)),
        )
    raise LabelConfigError(
        "The labeling config has no TimelineLabels on a Video. Add both, as in labeling_config.xml: "
        '<Video name="video" value="$video" frameRate="$fps"/> and <TimelineLabels name="reps" toName="video">.'
    )


def effective_rate(controls: Controls, data: dict[str, object]) -> float:
    """Frames per second that Label Studio really uses to show this task.

    It parses the attribute (or the task data behind `$key`) as a number; what is no number is 24, and a number below
    1 is taken as seconds per frame. So is 24 here for rates that no frame number could be made of.
    """
    value: object = data.get(controls.rate_key) if controls.rate_key else controls.frame_rate
    try:
        rate = float(value)  # type: ignore[arg-type]  # whatever stands in the task data
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_RATE
    if rate <= 0:
        return DEFAULT_RATE
    rate = 1.0 / rate if rate < 1 else rate
    return rate if rate <= _HIGHEST_RATE else DEFAULT_RATE  # also for NaN


def _two_labels(tag: Element) -> tuple[str, str]:
    labels = [label for label in tag.iter("Label") if _value(label)]
    if len(labels) < 2:
        raise LabelConfigError(
            f'TimelineLabels "{tag.get("name", "")}" has {len(labels)} labels. '
            "Expected two: one for normal and one for anomalous repetitions."
        )
    by_meaning: dict[str, Element] = {}
    for label in labels:
        for word in _words(label.get("predicted_values")):
            by_meaning.setdefault(word, label)
    normal, anomalous = by_meaning.get("normal"), by_meaning.get("anomalous")
    rest = [label for label in labels if label is not normal and label is not anomalous]
    normal = normal if normal is not None else rest.pop(0)
    anomalous = anomalous if anomalous is not None else rest.pop(0)
    return _value(normal), _value(anomalous)


def _per_region(root: Element, kind: str, video: str) -> Element | None:
    for tag in root.iter(kind):
        if tag.get("toName") == video and tag.get("perRegion", "").lower() == "true":
            return tag
    return None


def _name(tag: Element | None) -> str:
    return tag.get("name", "") if tag is not None else ""


def _choices(tag: Element | None) -> tuple[FaultChoice, ...]:
    if tag is None:
        return ()
    return tuple(
        FaultChoice(_value(choice), _words(choice.get("predicted_values")))
        for choice in tag.iter("Choice")
        if _value(choice)
    )


def _value(tag: Element) -> str:
    """What stands in results for a label or choice: its alias, if it has one."""
    return tag.get("alias") or tag.get("value") or ""


def _words(attribute: str | None) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in (attribute or "").split(",") if word.strip())
