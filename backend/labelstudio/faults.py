"""What calls to Label Studio raise, as errors of ours: which may pass, and which stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from backend.errors import LabelStudioError, LabelStudioRefused, NotInLabelStudio


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
        hint = " Check LABEL_STUDIO_API_KEY." if status in (401, 403) else ""
        # 401: a token that expired or was renewed; 408, 409, 425: come again.
        kind = LabelStudioError if status >= 500 or status in (401, 408, 409, 425) else LabelStudioRefused
        raise kind(f"Label Studio answered {status} for {thing}.{hint}") from error
    except httpx.TooManyRedirects as error:
        raise LabelStudioRefused(f"Label Studio redirects {thing} without end. Check LABEL_STUDIO_URL.") from error
    except httpx.HTTPError as error:
        raise LabelStudioError(
            f"Label Studio cannot be reached for {thing} ({type(error).__name__}). Does it run? Check LABEL_STUDIO_URL."
        ) from error
    except (ValueError, TypeError) as error:  # a web page, or other JSON, as a proxy answers
        raise _unreadable(thing) from error


def _unreadable(thing: str) -> LabelStudioError:
    return LabelStudioError(f"Label Studio's answer for {thing} cannot be read. Check LABEL_STUDIO_URL.")
