"""What the server tells of the model."""

STATES = ("START", "LOADING", "AVAILABLE", "UNLOADING", "END")


def test_status(server):
    answer = server.ask()
    assert set(answer.data) == {"model_version_status"}
    versions = answer.data["model_version_status"]
    numbers = [int(entry["version"]) for entry in versions]
    assert numbers == sorted(numbers, reverse=True)
    for entry in versions:
        assert set(entry) == {"version", "state", "status"}
        assert entry["state"] in STATES
        assert set(entry["status"]) == {"error_code", "error_message"}
        if entry["state"] == "AVAILABLE":
            assert entry["status"] == {"error_code": "OK", "error_message": ""}


def test_status_of_one_version(server):
    for entry in server.ask().data["model_version_status"]:
        answer = server.ask(f"/versions/{entry['version']}")
        assert answer.data == {"model_version_status": [entry]}


def test_the_newest_version_that_is_available_answers(server):
    versions = server.ask().data["model_version_status"]
    available = [int(entry["version"]) for entry in versions if entry["state"] == "AVAILABLE"]
    spec = server.ask("/metadata").data["model_spec"]
    assert spec == {"name": server.name, "version": str(max(available)), "signature_name": ""}


def test_metadata_of_one_version(server):
    found = server.ask("/metadata").data
    version = found["model_spec"]["version"]
    assert server.ask(f"/versions/{version}/metadata").data == found


def test_metadata_tell_every_signature(server):
    found = server.ask("/metadata").data
    assert set(found) == {"model_spec", "metadata"}
    assert set(found["metadata"]) == {"signature_def"}
    assert set(found["metadata"]["signature_def"]) == {"signature_def"}
    for signature in found["metadata"]["signature_def"]["signature_def"].values():
        assert set(signature) == {"inputs", "outputs", "method_name", "defaults"}
        for tensor in (*signature["inputs"].values(), *signature["outputs"].values()):
            check_tensor(tensor)


def check_tensor(tensor):
    assert set(tensor) == {"name", "dtype", "tensor_shape"}
    assert tensor["name"]
    assert tensor["dtype"].startswith("DT_")
    assert set(tensor["tensor_shape"]) == {"dim", "unknown_rank"}
    assert isinstance(tensor["tensor_shape"]["unknown_rank"], bool)
    for dimension in tensor["tensor_shape"]["dim"]:
        assert set(dimension) == {"size", "name"}
        assert int(dimension["size"]) >= -1
