"""Lambda as a function sees it: the Runtime API, and the runtime client that runs the function.

`Function` starts `python -m awslambdaric` as a process, against a server of the Runtime API here,
which takes on Lambda's part: it gives events, takes answers, and has a time limit.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
HANDLER = "lightclient.aws_lambda.handler"
_PATIENCE = 60.0  # far more than anything here takes


class TimeIsUpError(Exception):
    """The function gave no answer in its time; Lambda would have killed it."""


@dataclass
class Answer:
    """`kind`: "response" or "error", as the last part of the path that it was sent to."""

    kind: str
    value: Any


@dataclass
class _Invocation:
    name: str
    event: Any
    deadline: float  # seconds since 1970
    answered: "queue.Queue[Answer]" = field(default_factory=queue.Queue)


class RuntimeApi(ThreadingHTTPServer):
    """Serves the Runtime API, version 2018-06-01.

    `reports`: what the function reported besides its answers, as (path, JSON) pairs: that it asks
    for the next event, that it is ready for a snapshot, that its start failed.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reports: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.restored = threading.Event()
        self._waiting: queue.Queue[_Invocation | None] = queue.Queue()
        self._begun: dict[str, _Invocation] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def begin(self, event: Any, seconds: float) -> _Invocation:
        found = _Invocation(f"request-{len(self._begun)}", event, time.time() + seconds)
        self._begun[found.name] = found
        self._waiting.put(found)
        return found

    def next(self) -> _Invocation | None:
        """Wait for the next event; None at the end."""
        self.reports.put(("/runtime/invocation/next", None))
        return self._waiting.get()

    def take(self, path: str, value: Any) -> None:
        """Take what the function sends to a path."""
        *_, name, kind = path.split("/")
        if name in self._begun:
            self._begun[name].answered.put(Answer(kind, value))
        else:
            self.reports.put((path, value))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what is wrong here, and not that a function was ended."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        for _ in range(8):  # more than there are processes
            self._waiting.put(None)
        self.restored.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        path = self.path.removeprefix("/2018-06-01")
        if path == "/runtime/restore/next":
            self.server.reports.put((path, None))
            self.server.restored.wait(_PATIENCE)
            self._reply(200, {})
        elif path == "/runtime/invocation/next" and (found := self.server.next()):
            self._reply(200, found.event, self._about(found))
        else:
            self.close_connection = True

    def _about(self, invocation: _Invocation) -> dict[str, str]:
        name = "arn:aws:lambda:eu-central-1:123456789012:function:reviews"
        return {
            "Lambda-Runtime-Aws-Request-Id": invocation.name,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": name,
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        }

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(self.path.removeprefix("/2018-06-01"), json.loads(body))
        self._reply(202, {"status": "OK"})

    def _reply(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Function:
    """A function that runs from the `with` to its end.

    Args:
        settings: variables of its environment, besides those that Lambda sets.
        handler: what Lambda is told.
        python: the interpreter, with its options.
        folder: what Lambda would have unpacked, where it differs from the checkout.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        handler: str = HANDLER,
        *,
        python: tuple[str, ...] = (sys.executable,),
        folder: Path = ROOT,
    ) -> None:
        self.api = RuntimeApi()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = kept | {
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": "reviews",
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            **settings,
        }
        self._command = [*python, "-m", "awslambdaric", handler]
        self._folder = folder

    def __enter__(self) -> "Function":
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.api.end()
        self._log.close()

    @property
    def log(self) -> str:
        """All that it has printed."""
        self._log.seek(0)
        return self._log.read().decode()

    def report(self) -> tuple[str, Any]:
        """The next thing that it reports, like that it is ready for an event."""
        try:
            return self.api.reports.get(timeout=_PATIENCE)
        except queue.Empty:
            raise AssertionError(f"nothing came from the function:\n{self.log}") from None

    def wait_until_ready(self) -> None:
        """Wait for the end of the init phase."""
        path, value = self.report()
        assert path == "/runtime/invocation/next", (path, value, self.log)

    def invoke(self, event: Any, seconds: float = _PATIENCE) -> Answer:
        """Send an event, and wait for its answer for as long as the function may take.

        Raises:
            TimeIsUpError: it took longer.
        """
        begun = self.api.begin(event, seconds)
        return self.wait(begun)

    def wait(self, begun: _Invocation) -> Answer:
        """The answer to an event that was sent with `api.begin`."""
        try:
            return begun.answered.get(timeout=max(0.0, begun.deadline - time.time()))
        except queue.Empty:
            raise TimeIsUpError(self.log) from None

    def result(self, event: Any) -> Any:
        """What the function returns for an event."""
        answer = self.invoke(event)
        assert answer.kind == "response", answer
        return answer.value

    def freeze(self) -> None:
        """What Lambda does between two events."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def exit_code(self) -> int:
        return self._process.wait(_PATIENCE)
