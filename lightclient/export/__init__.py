"""A Hugging Face classifier into a SavedModel for TensorFlow Serving, and a bundle for the client.

    pip install '.[export]'
    export("distilbert-base-uncased-finetuned-sst-2-english", "models/sst2")

    add_bundle("models/sst2", "models/without")  # to a SavedModel that is there already

This module is the table of contents. TensorFlow and transformers are imported when one of the two
is called, never before.
"""

from lightclient.errors import ExportError
from lightclient.export.existing import add_bundle
from lightclient.export.exporter import Exported, export

__all__ = ["ExportError", "Exported", "add_bundle", "export"]
