"""One request in, one answer out: the REST API without HTTP.

Sources: tensorflow_serving/model_servers/http_server.cc, http_rest_api_handler.cc and
http_rest_api_util.cc.
"""

import logging
import traceback
from collections.abc import Mapping

from lightclient.standin.jsontext import read
from lightclient.standin.metadata import metadata_of, status_of
from lightclient.standin.models import ServedModel
from lightclient.standin.modelspec import GET, POST, ModelSpec, number_of
from lightclient.standin.prediction import predict
from lightclient.standin.status import HTTP_STATUS, StatusError

LOG = logging.getLogger("lightclient.standin")


def respond(
    models: Mapping[str, ServedModel], method: str, path: str, body: bytes
) -> tuple[int, object]:
    """Answer any request with a status and a JSON value; what goes wrong here is logged."""
    try:
        return 200, _dispatch(models, method, path, body)
    except StatusError as error:
        return HTTP_STATUS[error.code], {"error": error.message}
    except Exception as error:  # noqa: BLE001  a failing model must not cut the connection
        kind, place = type(error).__name__, traceback.extract_tb(error.__traceback__)[-1]
        # The log gets no message, since that may quote the request.
        LOG.error("%s in %s, line %s", kind, place.filename, place.lineno)  # noqa: TRY400
        return 500, {"error": f"{kind}: {error}"}


def _dispatch(models: Mapping[str, ServedModel], method: str, path: str, body: bytes) -> object:
    if method == "POST" and (found := POST.fullmatch(path)):
        spec, document = ModelSpec.of(found), read(body)
        version = number_of(models, spec)
        return predict(models[spec.name].versions[version], document)
    if method == "GET" and (found := GET.fullmatch(path)):
        spec = ModelSpec.of(found)
        if not spec.name:
            raise StatusError("Missing model name in request.")
        return metadata_of(models, spec) if found["metadata"] else status_of(models, spec)
    raise StatusError(f"Malformed request: {method} {path}")
