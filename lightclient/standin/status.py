"""Errors as TensorFlow names them, and the HTTP status each is sent with."""

# tensorflow_serving/model_servers/http_server.cc, ToHTTPStatusCode; only what a stand-in can meet
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
}


class StatusError(Exception):
    """Ends the work on a request; becomes `{"error": message}`."""

    def __init__(self, message: str, code: str = "INVALID_ARGUMENT") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
