"""Who gets in: every request's host, origin and credentials are checked before anything of it is read.

Programs (Label Studio, curl) send the user and password of the settings by Basic authentication. Label Studio's events
come without these and carry a secret instead, which the backend wrote into its webhook. People log in once and have a
signed cookie from then on. Open are only /health and the look of the pages, which the form to log in has. Without a
user and password in the settings everybody is let in who reaches the port, which is then one of this machine alone.

What a page of somebody else makes a browser send is refused in either case: it comes from another site, or names a
host that is none of ours (DNS rebinding), or lacks the token that our own forms have.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.datastructures import Authorization
from werkzeug.wrappers import Response

from backend.errors import Forbidden, ForeignRequest, TooManyAttempts, UnknownHost, as_json
from backend.labelstudio.addresses import host_of
from backend.labelstudio.records import WEBHOOK_HEADER
from backend.web.attempts import Attempts

log = logging.getLogger(__name__)

bp = Blueprint("access", __name__, template_folder="templates")

_NAME = "deadlift-access"
_OPEN = "backend.health"
_LOOK = "dashboard.static"
"""Files of the package, which tell nothing of anybody."""
_EVENTS = "backend.webhook"
_LOG_IN = "access.log_in"
_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_SENT_BY_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
"""What a form of another site can send without asking: ours carry a token."""
_TOKEN = "csrf_token"
_TOKEN_HEADER = "X-CSRF-Token"
_SESSION = timedelta(hours=12)
_MOST_OF_A_LOGIN = 16 * 1024
"""Bytes: the one body that is read before anybody gave a password."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer": with that browsers hide the origin of our own forms as well.
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True)
class Credentials:
    """The one user. The password is in no text of it."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"

    def accept(self, user: str, password: str) -> bool:
        """Compares in a time that tells nothing of what is right."""
        return _same(f"{user}\0{password}", f"{self.user}\0{self.password}")


class Access:
    """The rules of one server.

    credentials: None where everybody is let in. webhook_secret: "" where events need none of their own. hosts: names
    that the server is reached by, besides those of this machine and addresses in digits. on_event_without_secret: is
    called, while somebody waits, after an event that was refused.
    """

    def __init__(self, credentials: Credentials | None, webhook_secret: str, hosts: Iterable[str]) -> None:
        self.credentials = credentials
        self._webhook_secret = webhook_secret
        self._hosts = {host_of(host) for host in hosts if host}
        self._attempts = Attempts()
        self.on_event_without_secret: Callable[[], None] = lambda: None

    def attach(self, app: Flask, session_key: bytes) -> None:
        """From now on every request of the application is checked, and every answer has the headers of ours."""
        app.extensions[_NAME] = self
        app.secret_key = session_key
        app.config.update(
            # Cookies know no ports, and Label Studio may be on another one of this host.
            SESSION_COOKIE_NAME="deadlift_session",
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            PERMANENT_SESSION_LIFETIME=_SESSION,
        )
        app.jinja_env.globals["csrf_field"] = csrf_field
        app.register_blueprint(bp)
        app.before_request(self._check)
        app.after_request(_with_headers)

    def is_secret(self, given: str) -> bool:
        """Whether that is the secret of Label Studio's events."""
        return bool(self._webhook_secret) and _same(given, self._webhook_secret)

    def needs_secret(self) -> bool:
        """Whether the secret is all that events can show: there is no user and password."""
        return self.credentials is None and bool(self._webhook_secret)

    def log_in(self, user: str, password: str) -> bool:
        """Whether that is the user. Raises TooManyAttempts."""
        if self.credentials is None:
            return True
        return bool(password) and self._is_right(self.credentials.accept(user, password), f"{user}\0{password}")

    def _check(self) -> ResponseReturnValue | None:
        """What runs before every request: None lets it in. Raises what it is refused with."""
        if request.endpoint == _OPEN:
            return None
        self._check_host()
        if request.endpoint == _LOG_IN:
            request.max_content_length = _MOST_OF_A_LOGIN
        _check_origin()
        if request.endpoint == _LOOK:
            return None
        by_cookie = False
        if self.credentials is not None and not (request.endpoint == _LOG_IN and request.method == "POST"):
            by_cookie = session.get("user") == self.credentials.user
            if not by_cookie and not self._has_credentials():
                if request.endpoint == _EVENTS:
                    self.on_event_without_secret()
                return _ask_for_credentials()
        if request.method in _CHANGING and (by_cookie or request.mimetype in _SENT_BY_FORMS):
            _check_token()
        return None

    def _check_host(self) -> None:
        host = host_of(request.headers.get("Host", ""))
        if host in self._hosts or host == "localhost" or host.endswith(".localhost") or _is_address(host):
            return
        log.warning("Refused: a request for the host %.100r. If that is this server, add it to ALLOWED_HOSTS.", host)
        raise UnknownHost("This server is not known by that host name. If it is right, add it to ALLOWED_HOSTS.")

    def _has_credentials(self) -> bool:
        """Whether the request carries the right ones. Raises TooManyAttempts."""
        given, secret = request.authorization, request.headers.get(WEBHOOK_HEADER, "")
        if request.endpoint == _EVENTS and secret:
            # Before any pause: Label Studio does not send an event again. And a wrong secret is no guess at a password.
            if self.is_secret(secret):
                return True
            if given is None:
                self._log_refusal()
        if given is None:
            return False
        return self._is_right(self._accept(given), request.headers["Authorization"])

    def _accept(self, given: Authorization) -> bool:
        if given.type != "basic" or self.credentials is None:
            return False
        return self.credentials.accept(given.username or "", given.password or "")

    def _is_right(self, is_accepted: bool, guess: str) -> bool:
        """is_accepted, unless there were too many wrong guesses from the address, and never a right one.

        Raises TooManyAttempts: the answer to a right guess is then the same as to a wrong one. From an address that
        gave the right password lately it is let in, so that nobody locks out those with whom they share a proxy.
        """
        address = request.remote_addr or ""
        pause_s = self._attempts.pause_s(address)
        if pause_s > 0 and not (is_accepted and self._attempts.is_trusted(address)):
            refusal = TooManyAttempts(f"Too many wrong passwords from this address. Try again in {pause_s:.0f} s.")
            refusal.retry_after_s = pause_s
            raise refusal
        if is_accepted:
            self._attempts.succeeded(address)
            return True
        self._attempts.failed(address, guess)
        self._log_refusal()
        return False

    def _log_refusal(self) -> None:
        where = request.endpoint or "an unknown page"
        log.warning("Refused: wrong credentials from %s for %s.", request.remote_addr or "", where)


@bp.post("/login")
def log_in() -> ResponseReturnValue:
    """From the form: the cookie of somebody who gave the right password, who then gets the page that was asked for."""
    if not access_of(current_app).log_in(request.form.get("user", ""), request.form.get("password", "")):
        return _form(request.form.get("page", ""), "Wrong user or password."), 401
    credentials = access_of(current_app).credentials
    session.clear()
    session.permanent = True
    session["user"] = credentials.user if credentials is not None else ""
    return redirect(_own_page(request.form.get("page", "")), 303)


@bp.post("/logout")
def log_out() -> ResponseReturnValue:
    session.clear()
    return redirect("/", 303)


def access_of(app: Flask) -> Access:
    """The rules of an application that create_app made."""
    found: Access = app.extensions[_NAME]
    return found


def csrf_field() -> Markup:
    """The hidden input that every form of a page must have; in templates `{{ csrf_field() }}`."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(_TOKEN, csrf_token())


def csrf_token() -> str:
    """The token of this browser's session, which a request without a form sends as X-CSRF-Token."""
    token: str = session.setdefault(_TOKEN, secrets.token_urlsafe(32))
    return token


def _check_origin() -> None:
    """Raises ForeignRequest for what a page of another site made a browser send; programs say nothing of an origin."""
    if request.method not in _CHANGING:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        is_foreign = site not in ("same-origin", "none")
    else:  # older browsers, and all where there is no TLS
        is_foreign = origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower()
    if is_foreign:
        log.warning("Refused: another site made a browser send a request to %s.", request.endpoint)
        raise ForeignRequest("Requests that change something are not taken from pages of other sites.")


def _check_token() -> None:
    """Raises ForeignRequest for a form without the token of its session."""
    given = request.headers.get(_TOKEN_HEADER) or request.form.get(_TOKEN, "")
    if not given or not _same(given, session.get(_TOKEN, "")):
        raise ForeignRequest(
            "The form lacks the token of its page, or is too old: load the page again. Programs send application/json."
        )


def _ask_for_credentials() -> ResponseReturnValue:
    if request.method == "GET" and wants_page():
        # No scheme that browsers know: theirs would ask in a window of its own, before the form is seen.
        return _form(request.full_path.rstrip("?"), ""), 401, {"WWW-Authenticate": 'Form realm="deadlift"'}
    needed = "Send BASIC_AUTH_USER and BASIC_AUTH_PASS of the ML backend by Basic authentication."
    return as_json(Forbidden.__name__, needed), 401, {"WWW-Authenticate": 'Basic realm="deadlift"'}


def _form(page: str, problem: str) -> str:
    return render_template("login.html", page=_own_page(page), problem=problem)


def wants_page() -> bool:
    """Whether it is a browser that asks, for somebody to read the answer."""
    return request.accept_mimetypes["text/html"] > request.accept_mimetypes["application/json"]


def _own_page(page: str) -> str:
    """A path of this server; the first page for anything else, such as `//elsewhere`."""
    is_path = page.startswith("/") and not page.startswith(("//", "/\\")) and page.isprintable()
    return page if is_path and not page.startswith("/log") else "/"


def _with_headers(answer: Response) -> Response:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    if not (request.endpoint or "").endswith(".static"):
        answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _is_address(host: str) -> bool:
    """In digits: no name that somebody could point elsewhere."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _same(given: str, right: str) -> bool:
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, right)]
    return hmac.compare_digest(*digests)
