"""Gets a personal access token from a Label Studio whose account name and password are known."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from backend.errors import LabelStudioError
from pipeline.files import written_aside

TIMEOUT_S = 30.0


def personal_token(url: str, username: str, password: str, keep: Path) -> str:
    """The account's personal access token: the kept one if Label Studio still takes it, else a new one.

    Label Studio shows a token in full only when it is created (its list leaves the signature out), and gives an account
    one token at a time. So the token is kept in a file that only its owner may read, and a token that was not kept is
    revoked before a new one is asked for.

    Args:
        url: address of Label Studio.
        username: e-mail address of the account.
        password: its password.
        keep: file of the kept token, read and written here.

    Raises:
        LabelStudioError: Label Studio does not answer, does not accept the account, or gives no token.
    """
    # trust_env: a proxy of the environment does not know the way to a server on this machine
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
        try:
            kept = keep.read_text().strip() if keep.exists() else ""
            if kept and _is_accepted(client, kept):
                return kept
            _log_in(client, username, password)
            token = _new_token(client)
        except httpx.HTTPStatusError as error:
            raise LabelStudioError(
                f"Label Studio at {url} gave no token: it answered {error.response.status_code} "
                f"to {error.request.method} {error.request.url.path}."
            ) from error
        except httpx.TransportError as error:
            raise LabelStudioError(
                f"Label Studio at {url} did not answer ({type(error).__name__}). Is it running there?"
            ) from error
    with written_aside(keep, mode=0o600) as aside:  # which nobody else can read from the start
        aside.write_text(token + "\n")
    return token


def csrf_token(page: str) -> str:
    """The form token of a Label Studio page; LabelStudioError when the page has none."""
    for tag in re.findall(r"<input\b[^>]*>", page):
        if re.search(r"""name=["']csrfmiddlewaretoken["']""", tag) and (
            value := re.search(r"""value=["']([^"']+)""", tag)
        ):
            return value[1]
    raise LabelStudioError("Label Studio's login page has no form token: is another program answering at this address?")


def _is_accepted(client: httpx.Client, token: str) -> bool:
    return client.post("/api/token/refresh/", json={"refresh": token}).status_code == 200


def _log_in(client: httpx.Client, username: str, password: str) -> None:
    form = client.get("/user/login/")
    answer = client.post(
        "/user/login/",
        data={"email": username, "password": password, "csrfmiddlewaretoken": csrf_token(form.text)},
        headers={"Referer": f"{client.base_url}/user/login/"},
    )
    if answer.status_code != 302:  # a refused login answers 200 with the form again
        raise LabelStudioError(
            f"Label Studio at {client.base_url} does not accept the password of {username}. "
            "Its account keeps the password of its first start."
        )


def _new_token(client: httpx.Client) -> str:
    headers = {"X-CSRFToken": client.cookies.get("csrftoken") or "", "Referer": f"{client.base_url}/"}
    listed = client.get("/api/token/")
    listed.raise_for_status()
    for entry in listed.json():
        client.post("/api/token/blacklist/", json={"refresh": entry["token"]}, headers=headers).raise_for_status()
    created = client.post("/api/token/", headers=headers)
    created.raise_for_status()
    return str(created.json()["token"])
