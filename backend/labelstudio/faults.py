"""What calls to Label Studio raise, as errors of ours: which may pass, and which stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from backend.errors import LabelStudioError, LabelStudioRefused, NotInLabelStudio

_AWAY = (401, 502, 503, 504)
"""Answers that every other request would get as well: by the token, or by a proxy in front of a server that is down."""


@contextmanager
def mapped(thing: str) -> Iterator[None]:
    """Turn what the SDK raises into a LabelStudioError without headers or bodies, which may hold tokens."""
    from label_studio_sdk.core import ApiError

    try:
        yield
    except ApiError as error:
        if error.status_code == 404:
            raise NotInLabelStudio(f"Label Studio does not have {thing}.") from error
        status = error.status_code or 500
        if status < 400:  # the SDK's way of saying that the answer is no JSON
            raise _unreadable(thing) from error
        refuses_token = status in (401, 403)
        hint = " Check LABEL_STUDIO_API_KEY." if refuses_token else ""
        # 401: a token that expired or was renewed; 408, 409, 425: come again.
        kind = LabelStudioError if status >= 500 or status in (401, 408, 409, 425) else LabelStudioRefused
        answered = kind(f"Label Studio answered {status} for {thing}.{hint}")
        answered.answers_nobody, answered.refuses_token = status in _AWAY, refuses_token
        raise answered from error
    except httpx.TooManyRedirects as error:
        endless = LabelStudioRefused(f"Label Studio redirects {thing} without end. Check LABEL_STUDIO_URL.")
        endless.answers_nobody = True
        raise endless from error
    except httpx.HTTPError as error:
        unreachable = LabelStudioError(
            f"Label Studio cannot be reached for {thing} ({type(error).__name__}). Does it run? Check LABEL_STUDIO_URL."
        )
        unreachable.answers_nobody = True
        raise unreachable from error
    except (ValueError, TypeError) as error:  # a web page, or other JSON, as a proxy answers
        raise _unreadable(thing) from error


def _unreadable(thing: str) -> LabelStudioError:
    error = LabelStudioError(f"Label Studio's answer for {thing} cannot be read. Check LABEL_STUDIO_URL.")
    error.answers_nobody = True
    return error
