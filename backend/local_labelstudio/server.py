"""Runs a Label Studio on this machine: loopback only, its own data directory, no usage statistics or error reports."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from backend.errors import LabelStudioError
from backend.local_labelstudio import access_token
from backend.local_labelstudio.install import VERSION, Progress, install

__all__ = ["LOOPBACK", "LabelStudioServer", "install"]

LOOPBACK = "127.0.0.1"
STOP_GRACE_S = 15.0
POLL_S = 0.25
TAIL_LINES = 15
_LAUNCHER = Path(__file__).with_name("launcher.py")

# What a process needs of ours. Not passed on: LABEL_STUDIO_*, HOST, PORT, USERNAME, SECRET_KEY, DJANGO_*, which Label
# Studio reads as its own settings; PYTHON*, which point to our environment; and proxies, which would take its requests
# to the backend on this machine elsewhere.
INHERITED = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}

# Label Studio's list of networks that it sends no request to, without loopback, where our backend is. Its two switches
# ML_BLOCK_LOCAL_IP and SSRF_PROTECTION_ENABLED would open every private network to whoever may import a task.
BANNED_NETWORKS = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "233.252.0.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001:0000::/32",
    "2001:20::/28",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
]


class LabelStudioServer:
    """A Label Studio process, started by `start()` or `with`, stopped by `stop()` or at the end of the `with` block.

    It ends too when our process does, however that happens.

    Everything that it keeps is in `data_dir`; a later server on the same folder goes on where this one ended.

    Args:
        script: the `label-studio` script that `install()` returned.
        data_dir: database, uploads, log and token; created if absent. One server at a time.
        port: 1..65535; 0 takes any free port at `start()`.
        username: an e-mail address; the account is created at the first start on `data_dir`.
        password: kept by Label Studio from the first start on; a later change here has no effect there.
        env: further settings for Label Studio's environment, over ours.
        ready_within_s: how long `start()` waits for an answer; the first start creates a database, which takes a
            minute, more on a busy machine.
        progress: called with one line of text at each step.
    """

    def __init__(
        self,
        script: Path,
        data_dir: Path,
        port: int = 8080,
        *,
        username: str,
        password: str,
        env: Mapping[str, str] | None = None,
        ready_within_s: float = 600.0,
        progress: Progress = lambda line: None,
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"Expected a port in 0..65535, got {port}.")
        self.script = script
        self.data_dir = data_dir.expanduser().absolute()
        self.port = port
        self.username = username
        self.password = password
        self._env = dict(env or {})
        self._ready_within_s = ready_within_s
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.data_dir / "label-studio.log"

    @property
    def pid(self) -> int | None:
        """Process id, None when it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and return when it answers.

        Raises:
            LabelStudioError: the port is taken, another server works on `data_dir`, the process ends early or does not
                answer in time. Nothing is left running then.
        """
        if self.pid is not None:
            raise LabelStudioError(f"Label Studio already runs at {self.url} (process {self.pid}).")
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._lock()
        except OSError as error:
            raise LabelStudioError(
                f"The data directory {self.data_dir} cannot be used: {error.strerror}. Name another one."
            ) from error
        with lock:
            self.port = free_port(self.port)
            first = not (self.data_dir / "label_studio.sqlite3").exists()
            self._progress(
                f"Starting Label Studio {VERSION}" + (" and creating its database (about a minute)" if first else "")
            )
            try:
                with self.log_path.open("wb") as log:
                    self._process = subprocess.Popen(
                        self._command(),
                        cwd=self.data_dir,  # from another folder it would serve the folder's data/ as local files
                        env=self._environment(),
                        stdin=subprocess.PIPE,  # never written to: its closing tells the launcher that we are gone
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,  # a Ctrl-C is for us, who then stop it in order
                        pass_fds=(lock.fileno(),),  # it holds the lock as long as it lives
                    )
            except OSError as error:
                raise LabelStudioError(
                    f"Label Studio cannot be started by {self.script}: {error.strerror}. Install it again."
                ) from error
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self._progress(f"Label Studio {VERSION} is ready at {self.url}")

    def wait(self) -> None:
        """Return when the process has ended, by itself or by `stop()`."""
        if self._process is not None:
            self._process.wait()

    def fault(self) -> LabelStudioError | None:
        """That the process ended by itself, where it did."""
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return None
        return LabelStudioError(f"Label Studio ended with exit code {code}. Its log is {self.log_path}.")

    def stop(self) -> None:
        """Stop the process and whatever it started; does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        for sign, patience_s in ((signal.SIGTERM, STOP_GRACE_S), (signal.SIGKILL, STOP_GRACE_S)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            try:
                process.wait(patience_s)
                break
            except subprocess.TimeoutExpired:
                continue
        if process.stdin is not None:
            process.stdin.close()

    def personal_token(self) -> str:
        """The account's personal access token, kept in `data_dir`; see `access_token.personal_token`."""
        return access_token.personal_token(self.url, self.username, self.password, self.token_file)

    @property
    def token_file(self) -> Path:
        """Where the token is kept, for the owner's eyes alone."""
        return self.data_dir / "personal-access-token"

    def log_tail(self) -> str:
        """The last lines of the log, without blank ones."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join([line for line in text.splitlines() if line.strip()][-TAIL_LINES:])

    def _command(self) -> list[str]:
        # The interpreter is named, because the script's first line breaks when the path to it is long.
        return [
            str(self.script.with_name("python")),
            str(_LAUNCHER),
            str(self.script),
            "start",
            "--no-browser",
            f"--internal-host={LOOPBACK}",
            f"--port={self.port}",
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name in INHERITED},
            "PYTHONUNBUFFERED": "1",
            # The argument --data-dir is read too late: folders in the home directory are made before.
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.data_dir),
            # By environment, not by argument: arguments can be read by every user of the machine.
            "LABEL_STUDIO_USERNAME": self.username,
            "LABEL_STUDIO_PASSWORD": self.password,
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "false",
            "LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS": ",".join(BANNED_NETWORKS),
            # Usage statistics, error reports (server and page) and the question for a newer version. One thing no
            # setting turns off: the login page asks for a tip of the day, which the server looks for at GitHub.
            "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
            "LABEL_STUDIO_SENTRY_DSN": "",
            "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
            "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
            **self._env,
        }

    def _lock(self) -> IO[bytes]:
        """The data directory's lock, held. Not by `filelock`: its open file is passed on to Label Studio's process."""
        lock = (self.data_dir / "server.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise LabelStudioError(
                f"Another Label Studio works on {self.data_dir}. Stop it, or name another data directory."
            ) from None
        return lock

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self._ready_within_s
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            while time.monotonic() < deadline:
                if (code := self._process.poll()) is not None:
                    raise LabelStudioError(
                        f"Label Studio ended with exit code {code} while starting. "
                        f"The last lines of {self.log_path}:\n{self.log_tail()}"
                    )
                if moved := re.search(r"Trying to start at\s+(\d+)", self.log_tail()):
                    raise LabelStudioError(
                        f"Port {self.port} was taken while Label Studio started (it went on to {moved[1]}). "
                        "Name another port."
                    )
                if _answers(client, self.url):
                    return
                time.sleep(POLL_S)
        raise LabelStudioError(
            f"Label Studio did not answer at {self.url} within {self._ready_within_s:.0f} s. "
            f"The last lines of {self.log_path}:\n{self.log_tail()}"
        )


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        response = client.get(f"{url}/api/version")
        return response.status_code == 200 and response.json().get("release") == VERSION
    except (httpx.TransportError, ValueError):
        return False


def free_port(port: int) -> int:
    """The port if nobody listens on it, any free one for 0. Raises LabelStudioError for one that somebody has."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise LabelStudioError(
                f"Port {port} of this machine cannot be used for Label Studio: {error.strerror}. Name another port."
            ) from error
        return int(probe.getsockname()[1])
