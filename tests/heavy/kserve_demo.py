"""A KServe model server, as its documentation shows one, with the demo model's weights in numpy.

Run as a program with the port to listen on.
"""

import sys
from typing import Any

import numpy as np
from kserve import Model, ModelServer

from lightclient.standin.demo import load_demo_model


class DemoModel(Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.graph = load_demo_model().versions[1]["serving_default"].run
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        rows = payload["instances"]
        inputs = {name: np.array([row[name] for row in rows], np.int32) for name in rows[0]}
        return {"predictions": self.graph(inputs)["logits"].tolist()}


if __name__ == "__main__":
    server = ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1)
    server.start([DemoModel("distilbert")])
