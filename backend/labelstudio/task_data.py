"""What of a task's data an attribute of the labeling config means, found and set as Label Studio's own page finds it.

An attribute names data by `$` and a path: `$video`, `$media.fps`, `$files[0].url`. One that is nothing but a name
stands for whatever the data has there; within other text (`$host/lift.mp4`) names are replaced by what the data has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

ORIGINAL = "deadlift_original"
"""The key of the address of a task's own video, where a copy of it is played that browsers can play."""

_NAME = re.compile(r"\$[\w\[\].{}]+", re.ASCII)  # of Label Studio 1.23.2, whose pages know only these characters
_STEPS = re.compile(r"[^.\[\]]+")


def names(attribute: str) -> list[str]:
    """The paths that an attribute names, without `$`."""
    return [name[1:] for name in _NAME.findall(attribute) if _steps(name[1:])]


def place(attribute: str) -> str:
    """The path, where the attribute is one name and nothing else: a place that a value can be put at. Else ""."""
    attribute = attribute.strip()
    return attribute[1:] if _NAME.fullmatch(attribute) and _steps(attribute[1:]) else ""


def resolve(attribute: str, data: Json) -> object:
    """What an attribute means for a task; None where the data lacks what it names.

    Within a text, where the page would write "undefined" or "[object Object]", this is None as well.
    """
    attribute = attribute.strip()
    if path := place(attribute):
        return _found(data, path)
    values = {name: _found(data, name[1:]) for name in _NAME.findall(attribute)}
    if any(value is None or isinstance(value, dict | list) for value in values.values()):
        return None
    return _NAME.sub(lambda name: _as_text(values[name.group()]), attribute)


def with_value(data: Json, attribute: str, value: object) -> Json | None:
    """A copy of the data with the value at the attribute's place; objects and lists on the way are made.

    None where there is no such place: the attribute is no single name, or its path leads through something that is
    neither an object nor a list, or beyond the end of a list.
    """
    path = place(attribute)
    if not path:
        return None
    try:
        changed = _put(data, [path] if path in data else _steps(path), value)
    except LookupError:
        return None
    return dict(changed)


def without_value(data: Json, attribute: str) -> Json:
    """A copy of the data without what is at the attribute's place."""
    path = place(attribute)
    return dict(_left_out(data, [path] if path in data else _steps(path))) if path else data


def with_value_of(data: Json, attribute: str, other: Json) -> Json:
    """A copy of the data that has at the attribute's place what other data has there, or nothing as it has."""
    path = place(attribute)
    value = _found(other, path) if path else None
    if value is None:
        return without_value(data, attribute)
    changed = with_value(data, attribute, value)
    return changed if changed is not None else data


def _steps(path: str) -> list[str]:
    """The keys and positions on the way; none for a path that Label Studio finds nothing at."""
    return [] if path.startswith(".") or "[]" in path else _STEPS.findall(path)


def _found(data: Json, path: str) -> object:
    if path in data:  # a key may have dots in it
        return data[path]
    found: object = data
    for step in _steps(path) or [""]:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and (index := _index(step)) is not None and index < len(found):
            found = found[index]
        else:
            return None
    return found


def _put(node: Any, steps: Sequence[str], value: object) -> Any:
    """Raises LookupError where the steps lead nowhere."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    index = _index(step)
    if node is None:
        node = {} if index is None else []
    if isinstance(node, dict):
        return {**node, step: _put(node.get(step), rest, value)}
    if isinstance(node, list) and index is not None and index <= len(node):
        return [*node[:index], _put(node[index] if index < len(node) else None, rest, value), *node[index + 1 :]]
    raise LookupError(step)


def _left_out(node: Any, steps: Sequence[str]) -> Any:
    step, rest = steps[0], steps[1:]
    if isinstance(node, dict) and step in node:
        if rest:
            return {**node, step: _left_out(node[step], rest)}
        return {key: value for key, value in node.items() if key != step}
    index = _index(step)
    if isinstance(node, list) and index is not None and index < len(node):
        # The last step may not take an element out: the others would move.
        kept = _left_out(node[index], rest) if rest else None
        return [*node[:index], kept, *node[index + 1 :]]
    return node


def _index(step: str) -> int | None:
    is_position = step.isascii() and step.isdecimal() and len(step) < 10 and (step == "0" or step[0] != "0")
    return int(step) if is_position else None


def _as_text(value: object) -> str:
    """As JavaScript writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value)
