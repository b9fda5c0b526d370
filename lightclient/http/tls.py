"""The certificates that a connection over https trusts and shows."""

import ssl
from pathlib import Path

from lightclient.errors import InputError
from lightclient.http.sockets import TimedTLSSocket
from lightclient.messages import short_repr


def tls_context(
    ca_certs: str | Path | None, client_cert: str | Path | tuple[str, str] | None
) -> ssl.SSLContext:
    """A context that verifies the server's certificate and host name, TLS 1.2 or newer.

    Args:
        ca_certs: a PEM file of certificate authorities; None: the system's.
        client_cert: a PEM file with certificate and key, or a pair of files.

    Raises:
        InputError: a file is missing or is no PEM of that kind.
    """
    try:
        context = ssl.create_default_context(cafile=ca_certs)
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"ca_certs: {short_repr(ca_certs, 200)} cannot be read as PEM: {error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = TimedTLSSocket
    if client_cert is not None:
        try:
            pair = client_cert if isinstance(client_cert, tuple) else (client_cert, None)
            certificate, key = pair
            context.load_cert_chain(certificate, key, _no_password)
        except (OSError, TypeError, ValueError) as error:
            raise InputError(
                "client_cert must be a PEM file with a certificate and its unencrypted key, or a "
                f"pair of such files: {error}"
            ) from error
    return context


def _no_password() -> str:
    # OpenSSL would ask for it at the terminal.
    raise ValueError("the key is encrypted, and there is no password for it")
