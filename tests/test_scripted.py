"""The scripted server itself, where a test would hang if it were wrong."""

import socket
import threading

import pytest

from tests.scripted import answering, outputs


@pytest.mark.parametrize(
    "sent",
    [b"POST / HTTP/1.1\r\nContent-Le", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"],
    ids=["in the head", "in the body"],
)
def test_a_client_that_closes_in_the_middle_ends_the_script(sent: bytes) -> None:
    client, server = socket.socketpair()
    script = threading.Thread(target=answering(outputs()), args=(server,), daemon=True)
    with client, server:
        script.start()
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        script.join(10)
        assert not script.is_alive()
        client.settimeout(0)
        with pytest.raises(BlockingIOError):  # half a request gets no answer
            client.recv(1)
