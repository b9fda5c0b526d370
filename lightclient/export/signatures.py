"""The signatures by which a SavedModel carries its bundle (see `lightclient.model.files`).

They are added to the file `saved_model.pb` itself. So everything else of the SavedModel stays as it
is, and no variable is read or written; and `serving_default` gets its second name for the very same
tensors. For each set of tensors to feed and to fetch, a server keeps one executor and one queue of
batches (tensorflow/core/common_runtime/direct_session.cc, GetOrCreateExecutors; tensorflow_serving/
batching/batching_session.cc). So both names share these, and one warm-up is enough for both.
"""

from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2, struct_pb2

from lightclient.errors import ExportError
from lightclient.model.files import CONTENT, FILE, SIGNATURE, Files, bound, fingerprint
from lightclient.serving.signature import DEFAULT_NAME

_GRAPH = "saved_model.pb"
_CHECKSUM = "fingerprint.pb"
_LARGEST = 2**31 - 1  # of a file of protobuf


def add_signatures(folder: Path, files: Files, called: Path | None = None) -> None:
    """Add them to the SavedModel in a folder, in place. `called`: what errors call the folder.

    Raises:
        ExportError: there is none for serving, it has no `serving_default`, it carries a bundle
            already, or it would grow too large.
    """
    document = _read(folder / _GRAPH)
    graph = _serving_graph(document, called or folder)
    _add(graph, files)
    if document.ByteSize() > _LARGEST:
        raise ExportError(f"{folder / _GRAPH} has no room for a bundle: 2 GB is the most")
    (folder / _GRAPH).write_bytes(document.SerializeToString(deterministic=True))
    # A checksum of the file as it was before. A server does without.
    (folder / _CHECKSUM).unlink(missing_ok=True)


def _read(path: Path) -> Any:
    try:
        return saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except FileNotFoundError as error:
        raise ExportError(f"{path} is missing: {path.parent} holds no SavedModel") from error
    except DecodeError as error:
        raise ExportError(f"{path} is broken: {error!s:.300}") from error


def _serving_graph(document: Any, folder: Path) -> Any:
    graphs = [graph for graph in document.meta_graphs if graph.meta_info_def.tags == ["serve"]]
    if not graphs:
        raise ExportError(f"{folder} is a SavedModel without a graph for serving (tag 'serve')")
    names = sorted(graphs[0].signature_def)
    if DEFAULT_NAME not in names:
        raise ExportError(
            f"{folder} has no signature {DEFAULT_NAME!r}, but {', '.join(names) or 'none'}: save "
            f"the model with the one to serve named {DEFAULT_NAME!r}"
        )
    carried = [name for name in names if name.startswith(SIGNATURE)]
    if carried:
        raise ExportError(
            f"{folder} carries a bundle already ({carried[-1]}): give the folder of a version "
            f"without, like {folder.parent / '1'}, or export the model again"
        )
    return graphs[0]


def _add(graph: Any, files: Files) -> None:
    mark, added = fingerprint(files), _bundle_graph(files)
    function = added.graph_def.library.function[0].signature.name
    graph.graph_def.node.extend(added.graph_def.node)
    graph.graph_def.library.function.extend(added.graph_def.library.function)
    signatures = graph.signature_def
    for name in (SIGNATURE, bound(SIGNATURE, mark)):
        signatures[name].CopyFrom(added.signature_def[SIGNATURE])
    signatures[bound(DEFAULT_NAME, mark)].CopyFrom(signatures[DEFAULT_NAME])
    _add_objects(graph.object_graph_def, function, mark)


def _bundle_graph(files: Files) -> Any:
    """A graph with the one signature.

    It is made of constants and not of a table, which a server would have to fill first.
    """
    names, contents = list(files), [b"", *files.values()]

    def lightclient_bundle(file: Any) -> Any:
        known = tf.equal(tf.expand_dims(file, 1), names)
        place = tf.reduce_sum(tf.where(known, range(1, len(contents)), 0), axis=1)
        return {CONTENT: tf.gather(contents, place)}

    strings = tf.TensorSpec([None], tf.string, FILE)
    function = tf.function(lightclient_bundle, input_signature=[strings], autograph=False)
    # The scope keeps the names apart from those of the graph to which this one is added.
    with tf.Graph().as_default() as graph, tf.name_scope(SIGNATURE):
        file = tf.compat.v1.placeholder(tf.string, [None], FILE)
        content = tf.identity(function(file)[CONTENT], CONTENT)
    signature = meta_graph_pb2.SignatureDef(
        inputs={FILE: _tensor(file)},
        outputs={CONTENT: _tensor(content)},
        method_name=tf.compat.v1.saved_model.PREDICT_METHOD_NAME,
    )
    return meta_graph_pb2.MetaGraphDef(
        graph_def=graph.as_graph_def(), signature_def={SIGNATURE: signature}
    )


def _tensor(tensor: Any) -> Any:
    return meta_graph_pb2.TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )


def _add_objects(objects: Any, function: str, mark: str) -> None:
    """Add the functions to the Python objects, from which tf.saved_model.load takes them.

    A SavedModel of TensorFlow 1 has none, and load takes them from the graph.
    """
    if not objects.nodes:
        return
    places = {child.local_name: child.node_id for child in objects.nodes[0].children}
    children = objects.nodes[places["signatures"]].children
    default = next(child.node_id for child in children if child.local_name == DEFAULT_NAME)
    own, added = len(objects.nodes), objects.nodes.add().bare_concrete_function
    added.concrete_function_name = function
    added.argument_keywords.append(FILE)
    types = objects.concrete_functions[function]
    # Nothing by position, one tensor by name.
    types.canonicalized_input_signature.tuple_value.values.add().tuple_value.SetInParent()
    types.canonicalized_input_signature.tuple_value.values.append(_strings(FILE))
    types.output_signature.CopyFrom(_strings(CONTENT))
    children.add(node_id=own, local_name=SIGNATURE)
    children.add(node_id=own, local_name=bound(SIGNATURE, mark))
    children.add(node_id=default, local_name=bound(DEFAULT_NAME, mark))


def _strings(name: str) -> Any:
    """The Python type of one tensor by its name (core/protobuf/struct.proto)."""
    spec = struct_pb2.TensorSpecProto(
        name=name, shape=tf.TensorShape([None]).as_proto(), dtype=tf.string.as_datatype_enum
    )
    tensor = struct_pb2.StructuredValue(tensor_spec_value=spec)
    return struct_pb2.StructuredValue(dict_value=struct_pb2.DictValue(fields={name: tensor}))
