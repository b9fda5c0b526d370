"""The stand-in itself: start, address, end."""

import threading
from collections.abc import Mapping
from urllib.parse import quote

from lightclient.errors import InputError, LightClientError
from lightclient.standin.batching import BatchedModels, Batching
from lightclient.standin.connections import Connections
from lightclient.standin.demo import load_demo_model
from lightclient.standin.exchange import Exchange
from lightclient.standin.models import Repository, ServedModel, served
from lightclient.standin.protocol import respond
from lightclient.standin.signatures import Run

_SELF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  only told apart, not bound


class StandIn:
    """TensorFlow Serving's REST API on a port of this machine, for development and tests.

    `models`: nothing for the demo model (named "demo"); a callable of a dict of arrays, served as
    "model" behind the usual text classifier signature; a dict of names to callables and
    `ServedModel`s; or `SavedModels(folder)`, which TensorFlow runs. `port` 0 takes a free one.
    `batching`: requests that arrive together run in one batch; None: each runs alone.

    A callable that raises a ValueError or an IndexError refuses the request: status 400, with the
    error's message. Anything else that it raises is a status of 500.

    Use it in a `with` statement: this gives the URL of the first model, and leaves no thread and no
    socket behind.
    """

    def __init__(
        self,
        models: Run | ServedModel | Mapping[str, Run | ServedModel] | Repository | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        batching: Batching | None = None,
    ) -> None:
        if not isinstance(host, str) or not host:
            raise InputError(f'host is {host!r}: give a name or an address, such as "127.0.0.1"')
        if type(port) is not int or not 0 <= port <= 65535:
            raise InputError(f"port is {port!r}: give a number from 0 (a free one) to 65535")
        if not isinstance(batching, (Batching, type(None))):
            raise InputError(f"batching is {batching!r}: give a Batching, such as Batching()")
        if models is None:
            models = {"demo": load_demo_model()}
        self._repository = models if isinstance(models, Repository) else Repository(served(models))
        batched = BatchedModels(self._repository, batching) if batching else self._repository
        self._current = batched.current
        self._wanted = (host, port)
        self._connections: Connections | None = None
        self._closed = threading.Event()

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on. Raises LightClientError before `start`."""
        if self._connections is None:
            raise LightClientError("the stand-in is not running: use it in a with statement")
        host, port = self._connections.server_address[:2]
        return str(host), port

    @property
    def url(self) -> str:
        """The URL of the first model. Raises LightClientError before `start`."""
        host, port = self.address
        host = _SELF.get(host, host)
        literal = f"[{host}]" if ":" in host else host
        name = next(iter(self._current()))
        return f"http://{literal}:{port}/v1/models/{quote(name, safe='')}"

    def start(self) -> str:
        """Open the port and return `url`; from then on requests are answered.

        Raises InputError if it cannot listen there or the models cannot be loaded. A stand-in that
        is running already goes on as it is.
        """
        if self._connections is None:
            # The port opens when all is loaded, as that of the real server does.
            self._repository.start()
            self._closed.clear()
            try:
                self._connections = self._listen()
            except InputError:
                self._repository.close()
                raise
        return self.url

    def close(self) -> None:
        """End every connection and thread. It may be closed twice, and started again."""
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()
            self._repository.close()
        self._closed.set()

    def serve_forever(self) -> None:
        """Start if necessary, and wait for `close` or for Ctrl-C, which closes it and is raised."""
        self.start()
        try:
            self._closed.wait()
        finally:
            self.close()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _respond(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        return respond(self._current(), method, path, body)

    def _listen(self) -> Connections:
        try:
            return Connections(self._wanted, Exchange, self._respond)
        except (OSError, UnicodeError) as error:  # UnicodeError: it cannot be a name
            host, port = self._wanted
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"host {host!r}, port {port}: cannot listen there ({reason}); "
                "end what uses the port, or give another (port 0 takes a free one)"
            ) from error
