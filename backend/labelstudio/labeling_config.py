"""Reading a project's labeling config: which controls the predictions go to, under whatever names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import LabelConfigError
from backend.labelstudio.task_data import ORIGINAL, names, resolve
from pipeline.counts import counted, listed
from pipeline.records import RepLabel

DEFAULT_RATE = 24.0
"""Frames per second that Label Studio assumes where the Video tag's frameRate says nothing usable."""

_HIGHEST_RATE = 1e6
_LONGEST_CONFIG = 1_000_000
_MEANINGS: tuple[RepLabel, ...] = ("normal", "anomalous")


@dataclass(frozen=True)
class FaultChoice:
    """One choice of a per-region Choices control; `predicted` are the words of its `predicted_values`, if any."""

    value: str
    predicted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Controls:
    """The controls of a labeling config that the backend fills.

    `video` and `labels` are tag names. `media` and `frame_rate` are the Video tag's attributes as written, which name
    places in the task data (`$video`, `$media.fps`); the rate may be a number or empty as well. The rest is empty where
    a config has none. unused: further labels of the timeline, which mean nothing here.
    """

    video: str
    media: str
    frame_rate: str
    labels: str
    normal: str
    anomalous: str
    number: str = ""
    choices: str = ""
    choice_values: tuple[FaultChoice, ...] = ()
    text: str = ""
    unused: tuple[str, ...] = ()

    @property
    def unused_words(self) -> str:
        """That regions with other labels of the timeline count for nothing, "" where it has no others."""
        if not self.unused:
            return ""
        return (
            f"Regions labelled {listed(self.unused)} are not used: only {self.normal} (normal) and {self.anomalous} "
            "(anomalous) are repetitions."
        )

    def media_of(self, data: dict[str, object]) -> str:
        """The address of a task's video, "" where its data has none; of the original where a copy of it is played."""
        media = data.get(ORIGINAL) or resolve(self.media, data)
        return media if isinstance(media, str) else ""

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


def is_empty(label_config: str) -> bool:
    """Whether a project has no labeling config yet: Label Studio's own is a View without anything in it."""
    try:
        return not label_config.strip() or len(_parsed(label_config)) == 0
    except LabelConfigError:
        return False


def parse_controls(label_config: str) -> Controls:
    """Find the controls. Raises LabelConfigError, naming what is missing.

    Of several TimelineLabels on a video, the one whose labels say by `predicted_values` what they mean ("normal",
    "anomalous") is that of repetitions, else the first with two labels. Labels without `predicted_values` are
    distinguished by their order: normal, anomalous. Names of tags and attributes may be written in any case.
    """
    root = _parsed(label_config)
    videos = {tag.get("name", ""): tag for tag in root.iter("video")}
    timelines = [tag for tag in root.iter("timelinelabels") if tag.get("toname", "") in videos]
    if not timelines:
        raise LabelConfigError(
            "The labeling config has no TimelineLabels on a Video. Add both, as in labeling_config.xml: "
            '<Video name="video" value="$video" frameRate="$fps"/> and <TimelineLabels name="reps" toName="video">.'
        )
    timeline = max(timelines, key=lambda tag: (len(_by_meaning(_labels(tag))), len(_labels(tag)) >= 2))
    normal, anomalous = _two_labels(timeline)
    video = videos[timeline.get("toname", "")]
    target = video.get("name", "")
    _hide_those_of_other_timelines(root, {tag.get("name", "") for tag in timelines} - {timeline.get("name", "")})
    choices = _per_region(root, "choices", target)
    return Controls(
        video=target,
        media=_media(video),
        frame_rate=video.get("framerate", "").strip(),
        labels=timeline.get("name", ""),
        normal=normal,
        anomalous=anomalous,
        number=_name(_per_region(root, "number", target)),
        choices=_name(choices),
        choice_values=_choices(choices),
        text=_name(_per_region(root, "textarea", target)),
        unused=tuple(
            dict.fromkeys(value for value in map(_value, _labels(timeline)) if value not in (normal, anomalous))
        ),
    )


def effective_rate(controls: Controls, data: dict[str, object]) -> float:
    """Frames per second that Label Studio really uses to show this task.

    It takes the attribute, with what it names of the task data, as JavaScript's Number() does; what is no number is 24,
    and a number below 1 is taken as seconds per frame. So is 24 here for rates that no frame number could be made of.
    """
    value = resolve(controls.frame_rate, data)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and ("_" in value or not value.isascii()):  # numbers to Python alone
        return DEFAULT_RATE
    try:
        rate = float(value)  # type: ignore[arg-type]  # whatever stands in the task data
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_RATE
    if rate <= 0:
        return DEFAULT_RATE
    rate = 1.0 / rate if rate < 1 else rate
    return rate if rate <= _HIGHEST_RATE else DEFAULT_RATE  # also for NaN


def task_rate(fps: float, most: float) -> float:
    """The frames per second that a new task is given: those of its video, or a whole part of them that is not above
    `most` (0 for no limit), so that every frame of the timeline begins with one of the video."""
    return fps / math.ceil(fps / most - 1e-6) if most > 0 else fps


def _parsed(label_config: str) -> Element:
    """The config with names of tags and attributes in lower case, as Label Studio's page reads them."""
    if len(label_config) > _LONGEST_CONFIG:
        raise LabelConfigError(f"The labeling config has more than {_LONGEST_CONFIG:,} characters.")
    try:
        root: Element = fromstring(label_config)
    except (ParseError, DefusedXmlException, TypeError, ValueError) as error:
        raise LabelConfigError(f"The labeling config is not XML: {error}.") from error
    for tag in root.iter():
        tag.tag = tag.tag.lower()
        tag.attrib = {key.lower(): value for key, value in tag.attrib.items()}
    return root


def _media(video: Element) -> str:
    """The Video tag's value, which has to name something of the task data."""
    target, value = video.get("name", ""), video.get("value", "").strip()
    if not value:
        raise LabelConfigError(f'Video "{target}" has no value. Expected the key of the task data, as in "$video".')
    if not names(value):
        raise LabelConfigError(
            f'Video "{target}" has value="{value}", which is the same text for every task. '
            'Expected a key of the task data after a dollar sign, as in "$video" or "$media.video".'
        )
    return value


def _labels(tag: Element) -> list[Element]:
    return [label for label in tag.iter("label") if _value(label)]


def _by_meaning(labels: list[Element]) -> dict[RepLabel, Element]:
    """The labels that say by `predicted_values` what they mean, the first of each meaning."""
    found: dict[RepLabel, Element] = {}
    for label in labels:
        for meaning in _MEANINGS:
            if meaning in _words(label.get("predicted_values")):
                found.setdefault(meaning, label)
    return found


def _two_labels(tag: Element) -> tuple[str, str]:
    labels = _labels(tag)
    if len(labels) < 2:
        raise LabelConfigError(
            f'TimelineLabels "{tag.get("name", "")}" has {counted(len(labels), "label")}. '
            "Expected two: one for normal and one for anomalous repetitions."
        )
    by_meaning = _by_meaning(labels)
    normal, anomalous = by_meaning.get("normal"), by_meaning.get("anomalous")
    rest = [label for label in labels if label is not normal and label is not anomalous]
    normal = normal if normal is not None else rest.pop(0)
    anomalous = anomalous if anomalous is not None else rest.pop(0)
    return _value(normal), _value(anomalous)


def _hide_those_of_other_timelines(tag: Element, others: set[str]) -> None:
    """Remove what the page shows only for regions of other timelines (`whenTagName`)."""
    for child in list(tag):
        if others.intersection(name.strip() for name in child.get("whentagname", "").split(",")):
            tag.remove(child)
        else:
            _hide_those_of_other_timelines(child, others)


def _per_region(root: Element, kind: str, video: str) -> Element | None:
    for tag in root.iter(kind):
        if tag.get("toname") == video and tag.get("perregion", "").lower() == "true":
            return tag
    return None


def _name(tag: Element | None) -> str:
    return tag.get("name", "") if tag is not None else ""


def _choices(tag: Element | None) -> tuple[FaultChoice, ...]:
    if tag is None:
        return ()
    return tuple(
        FaultChoice(_value(choice), _words(choice.get("predicted_values")))
        for choice in tag.iter("choice")
        if _value(choice)
    )


def _value(tag: Element) -> str:
    """What stands in results for a label or choice: its alias, if it has one."""
    return tag.get("alias") or tag.get("value") or ""


def _words(attribute: str | None) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in (attribute or "").split(",") if word.strip())
