"""Certificates, good ones and each kind of bad one."""

import datetime
import socket
import ssl
from pathlib import Path
from typing import Any

import trustme

from tests.faults.server import Wrap

HOST = "127.0.0.1"
_PATIENCE = 5.0  # with a client that leaves a connection open
_LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)


class Certificates:
    """An authority that the client trusts, and one that it does not.

    `file`: the trusted one. `client`: a client's certificate with its key.
    """

    def __init__(self, folder: Path) -> None:
        self._authority, self._stranger = trustme.CA(), trustme.CA()
        self.file = self._write(folder / "ca.pem", self._authority.cert_pem)
        self.client = self._client(folder / "client.pem", self._authority)
        self.strange_client = self._client(folder / "strange.pem", self._stranger)
        self.good = self._wrap(self._authority.issue_cert(HOST))

    def _write(self, path: Path, blob: trustme.Blob) -> Path:
        blob.write_to_path(str(path))
        return path

    def _client(self, path: Path, authority: trustme.CA) -> Path:
        return self._write(path, authority.issue_cert("client").private_key_and_cert_chain_pem)

    def _wrap(self, certificate: trustme.LeafCert) -> Wrap:
        return wrapping(self._context(certificate))

    def _context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def expired(self) -> Wrap:
        return self._wrap(
            self._authority.issue_cert(
                HOST,
                not_before=_LONG_AGO,
                not_after=_LONG_AGO + datetime.timedelta(days=90),
            )
        )

    def not_yet_valid(self) -> Wrap:
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
        later = soon + datetime.timedelta(days=2)
        return self._wrap(self._authority.issue_cert(HOST, not_before=soon, not_after=later))

    def self_signed(self) -> Wrap:
        """An unknown authority's own certificate, which it signed itself."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        key, certificate = self._stranger.private_key_pem, self._stranger.cert_pem
        with key.tempfile() as key_file, certificate.tempfile() as certificate_file:
            context.load_cert_chain(certificate_file, key_file)
        return wrapping(context)

    def of_a_stranger(self) -> Wrap:
        return self._wrap(self._stranger.issue_cert(HOST))

    def for_another_host(self) -> Wrap:
        return self._wrap(self._authority.issue_cert("elsewhere.example", "127.0.0.2"))

    def wanting_a_client_s(self) -> Wrap:
        context = self._context(self._authority.issue_cert(HOST))
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)
        return wrapping(context)


def wrapping(context: ssl.SSLContext) -> Wrap:
    """A server's handshake; after one that fails it hears the client out.

    To close at once, with bytes unread, would reset the connection and take back the alert that
    says what was wrong.
    """

    def wrap(connection: Any) -> Any:
        connection.settimeout(_PATIENCE)
        wrapped = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            wrapped.do_handshake()
        except OSError:
            _hear_out(wrapped)
            raise
        wrapped.settimeout(None)
        return wrapped

    return wrap


def _hear_out(wrapped: ssl.SSLSocket) -> None:
    with socket.socket(fileno=wrapped.detach()) as raw:
        raw.settimeout(_PATIENCE)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(65536):
            pass
