"""Label Studio's own addresses, under whatever name: as paths below its root, which are the same for everybody.

Browsers may know Label Studio by another name than the backend does, and below a path: its LABEL_STUDIO_HOST, which it
writes into the tasks of its storages. The backend reaches it at LABEL_STUDIO_URL, with a token that goes nowhere else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit, urlunsplit

LOCAL_FILES = "/data/local-files/"
UPLOADS = "/data/upload/"

_SERVED = ("/data/", "/tasks/", "/storage-data/", "/api/")
"""What Label Studio serves; at its public name a proxy may serve more."""

_LONGEST_NAME = 300


def public_url(value: object) -> str:
    """A public name without a slash at its end; "" for what is none, which Label Studio takes no notice of either."""
    text = value.strip().rstrip("/") if isinstance(value, str) else ""
    if not text.startswith(("http://", "https://")) or len(text) > _LONGEST_NAME or not text.isprintable():
        return ""
    origin = origin_of(text)
    return text if origin is not None and origin[1] and not set("?#@") & set(text) else ""


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is that of the machine itself, as "localhost" and 127.0.0.1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def own_path(address: str, url: str, public_urls: Iterable[str]) -> str | None:
    """The path, with its query, below Label Studio's root; None for an address of somebody else.

    address: a whole one, or one without a host, which is Label Studio's. url: where it is reached, "" for nowhere.
    public_urls: its other names. Of what lies at those only what Label Studio serves counts as its own.
    """
    names = [name for name in (url, *public_urls) if name]
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if not parts.scheme and not parts.netloc:
        return _without_prefix(address if address.startswith("/") else f"/{address}", names)
    if origin_of(address) is None or not parts.netloc:
        return None
    query, fragment = f"?{parts.query}" if parts.query else "", f"#{parts.fragment}" if parts.fragment else ""
    path = f"{parts.path or '/'}{query}{fragment}"
    for name in names:
        below = _below(path, urlsplit(name).path) if origin_of(name) == origin_of(address) else None
        if below is not None and (name == url or below.startswith(_SERVED)):
            return below
    return None


def looks_served(address: str) -> bool:
    """Whether some Label Studio may serve the address: it has a path such as those of uploads and local files."""
    return LOCAL_FILES in address or UPLOADS in address


def path_prefix(url: str, public_urls: Iterable[str]) -> str:
    """The path that Label Studio's pages lie below as browsers see it, without a slash at its end; "" for none."""
    return next((urlsplit(name).path for name in (*public_urls, url) if name), "")


def shown_address(media: str) -> str:
    """A video's address without what may be secret in it: user, password, signature."""
    try:
        parts = urlsplit(media)
    except ValueError:
        return "The video's address"
    if not parts.netloc:
        return media
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def host_of(value: str) -> str:
    """The name without its port, of a Host header or a setting, as it is compared: in small letters."""
    value = value.strip().lower()
    if value.startswith("["):
        return value[1:].partition("]")[0]
    name, _, port = value.rpartition(":")
    return (name if name and ":" not in name and port.isdecimal() else value).rstrip(".")


def origin_of(address: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None for what is no http address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    return parts.scheme, parts.hostname or "", port or {"http": 80, "https": 443}[parts.scheme]


def _below(path: str, prefix: str) -> str | None:
    """The rest of a path below a prefix; None where it does not lie there."""
    if not prefix:
        return path or "/"
    if "/.." in unquote(path):  # could lead out again
        return None
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else None


def _without_prefix(path: str, names: Iterable[str]) -> str:
    """An upload's address has the path that Label Studio's pages lie below, an imported one may have none."""
    if not path.startswith(_SERVED):
        for name in names:
            below = _below(path, urlsplit(name).path)
            if below is not None and below.startswith(_SERVED):
                return below
    return path
