"""The tokenizers library, whichever of its lines is installed."""

import gc
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import lightclient
from lightclient import Bundle, BundleError
from lightclient.model.encoding import encode
from tests.golden import FOLDERS, GOLDEN
from tests.oracle import IS_1

TEXTS = ["I like you. [SEP] <mask> I love you", ("a </s> b", "the film"), "x" * 300, "é ﬁ"]
needs_1 = pytest.mark.skipif(not IS_1, reason="0.x loads JSON that is not a file")


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Path]:
    """Copies a golden folder, with changes in its two files."""

    def make(name: str, settings: dict[str, Any], **parts: Any) -> Path:
        folder = Path(shutil.copytree(GOLDEN / name, tmp_path / name))
        for file, changes in (("tokenizer_config.json", settings), ("tokenizer.json", parts)):
            found = json.loads((folder / file).read_bytes()) | changes
            (folder / file).write_text(json.dumps(found))
        return folder

    return make


def elsewhere(program: str, *arguments: object, **environ: str) -> str:
    """What a program prints in a process of its own."""
    package = str(Path(lightclient.__file__).parent.parent)
    path = os.pathsep.join([*environ.pop("before", "").split(), package])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)], check=False,
        env=os.environ | {"PYTHONPATH": path} | environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


UNPICKLE = """
import pickle, sys
from pathlib import Path
from lightclient.model.encoding import encode
data = Path(sys.argv[1])
bundles, texts = pickle.loads(data.read_bytes())
answers = [encode(texts, bundle, limit) for bundle in bundles for limit in (None, 8)]
data.write_bytes(pickle.dumps(answers))
"""


def test_a_pickled_bundle_gives_the_same_tokens_elsewhere(
    copy: Callable[..., Path], tmp_path: Path
) -> None:
    """Where the model's folder may not be."""
    splitting = copy("bert-uncased", {"split_special_tokens": True})
    bundles = [*map(Bundle.load, [splitting, *FOLDERS])]
    data = tmp_path / "pickle"
    data.write_bytes(pickle.dumps((bundles, TEXTS)))
    shutil.rmtree(splitting)
    elsewhere(UNPICKLE, data)
    answers = pickle.loads(data.read_bytes())
    assert answers == [encode(TEXTS, bundle, limit) for bundle in bundles for limit in (None, 8)]


def test_a_tokenizer_is_loaded_once(tmp_path: Path) -> None:
    bundle = Bundle.load(GOLDEN / "bert-uncased")
    folder = Path(shutil.copytree(GOLDEN / "bert-uncased", tmp_path / "m"))
    for some in (Bundle.load(folder), deepcopy(bundle), pickle.loads(pickle.dumps(bundle))):
        assert some.loaded.tokenizer is bundle.loaded.tokenizer
    settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    for other in ({"split_special_tokens": True}, {"do_lower_case": False}):
        (folder / "tokenizer_config.json").write_text(json.dumps(settings | other))
        assert Bundle.load(folder).loaded.tokenizer is not bundle.loaded.tokenizer
    assert Bundle.load(GOLDEN / "bert-cased").loaded.tokenizer is not bundle.loaded.tokenizer


def test_a_tokenizer_that_nobody_holds_is_let_go(copy: Callable[..., Path]) -> None:
    bundle = Bundle.load(copy("bert-uncased", {"additional_special_tokens": ["<let go>"]}))
    gone = weakref.ref(bundle.loaded.tokenizer)
    del bundle
    gc.collect()
    assert gone() is None


FORK = """
import os, signal, sys
from lightclient import Bundle, BundleError
from lightclient.model.encoding import encode
bundle = Bundle.load(sys.argv[1])
encode(["a", "b"], bundle)
if os.fork() == 0:
    signal.alarm(20)  # ends a child that hangs
    try:
        print(encode(["a"], Bundle.load(sys.argv[2])).input_ids[0], flush=True)
    except BundleError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_loading_in_a_forked_process(tmp_path: Path) -> None:
    """What its parent has loaded, or another, for which 1.0.0rc3 would wait for ever."""
    folder = GOLDEN / "bert-uncased"
    silent = {"TOKENIZERS_PARALLELISM": "false"}  # 0.21 warns
    assert elsewhere(FORK, folder, folder, **silent) == "[2, 164, 3]\n"
    other = elsewhere(FORK, folder, GOLDEN / "bert-cased", **silent)
    assert ("load it before the fork" in other) if IS_1 else other.startswith("[2, ")


def test_special_tokens_read_as_letters(copy: Callable[..., Path]) -> None:
    """By one, by several, and when they are cut."""
    bundle = Bundle.load(copy("bert-uncased", {"split_special_tokens": True}))
    letters = [2, 164, 1, 182, 21, 32, 1, 165, 3]
    assert encode(["a [SEP] b"], bundle).input_ids == [letters]
    assert encode(["a [SEP] b", "a"], bundle).input_ids == [letters, [2, 164, 3]]
    assert encode(["a [SEP] b"], bundle, 5).input_ids == [[*letters[:4], 3]]
    assert bundle.loaded.tokenizer.bare_ids("a [SEP] b") == letters[1:-1]
    without = Bundle.load(GOLDEN / "bert-uncased")
    assert encode(["a [SEP] b"], without).input_ids == [[2, 164, 3, 165, 3]]


def test_stated_tokens_are_added(copy: Callable[..., Path]) -> None:
    """As transformers adds them at loading: with ids of the vocabulary, or new ones behind it."""
    more = ["<e1>", "the", {"content": "<e2>", "lstrip": True}, "<e1>", "<e2>", "[SEP]"]
    bundle = Bundle.load(copy("bert-uncased", {"additional_special_tokens": more}))
    assert encode(["a<e1>THE the  <e2> b"], bundle).input_ids == [
        [2, 164, 700, 244, 244, 701, 165, 3]
    ]
    added = bundle.loaded.tokenizer.document.added_ids()
    assert {name: added[name] for name in ("the", "<e1>", "<e2>")} == {
        "the": 244, "<e1>": 700, "<e2>": 701
    }  # fmt: skip


def test_a_token_that_is_stated_twice_is_as_it_is_first(copy: Callable[..., Path]) -> None:
    more = [{"content": "<e1>", "lstrip": True}, "<e1>"]
    bundle = Bundle.load(copy("roberta", {"additional_special_tokens": more}))
    assert encode(["a  <e1>"], bundle).input_ids == encode(["a<e1>"], bundle).input_ids


def test_the_pad_token_may_be_a_new_one(copy: Callable[..., Path]) -> None:
    folder = copy("bert-uncased", {"pad_token": "<p>"})
    with pytest.raises(BundleError, match="pad token '<p>' is not in the model's vocabulary"):
        Bundle.load(folder)  # which has 700 embeddings only
    config = json.loads((folder / "config.json").read_bytes()) | {"vocab_size": 710}
    (folder / "config.json").write_text(json.dumps(config))
    assert Bundle.load(folder).loaded.padding.token_id == 700
    settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    settings["added_tokens_decoder"] = {"800": {"content": "<e1>"}, "801": {"content": "the"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    bundle = Bundle.load(folder)
    assert bundle.loaded.padding.token_id == 701
    assert encode(["<e1> <p>"], bundle).input_ids == [[2, 700, 701, 3]]


def test_the_padding_of_the_file_names_a_token_that_is_not_there(copy: Callable[..., Path]) -> None:
    padding = {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None,
               "pad_id": 0, "pad_type_id": 0, "pad_token": "[NOPE]"}  # fmt: skip
    folder = copy("conflict-bert-generic-class", {}, padding=padding)
    settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(BundleError, match=r"pad token '\[NOPE\]' is not in"):
        Bundle.load(folder)


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize("stated", [True, False])
def test_the_prefix_space_of_a_generic_class(
    in_file: bool, stated: bool, copy: Callable[..., Path]
) -> None:
    """Transformers 5.23 follows the file; 4.57 does not."""
    splitter = {"type": "ByteLevel", "add_prefix_space": in_file, "trim_offsets": True,
                "use_regex": True}  # fmt: skip
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": stated}
    bundle = Bundle.load(copy("roberta", settings, pre_tokenizer=splitter))
    with_space, without = encode([" film", "film"], bundle).input_ids
    assert (with_space == without) == in_file


@pytest.mark.parametrize("name", ["bert-uncased", "xlm-roberta"])
def test_the_pad_token_may_be_one_of_the_vocabulary_alone(
    name: str, copy: Callable[..., Path]
) -> None:
    folder = copy(name, {}, added_tokens=[])
    assert Bundle.load(folder).loaded.padding == Bundle.load(GOLDEN / name).loaded.padding


def test_a_truncation_that_cannot_be_is_not_used(copy: Callable[..., Path]) -> None:
    """The library would panic: its stride leaves no room."""
    truncation = {"max_length": 4, "stride": 9, "strategy": "LongestFirst", "direction": "Right"}
    padding = {"strategy": {"Fixed": 50}, "direction": "Left", "pad_to_multiple_of": 8, "pad_id": 0,
               "pad_type_id": 0, "pad_token": "[PAD]"}  # fmt: skip
    bundle = Bundle.load(copy("bert-uncased", {}, truncation=truncation, padding=padding))
    assert (
        encode(TEXTS, bundle).input_ids
        == encode(TEXTS, Bundle.load(GOLDEN / "bert-uncased")).input_ids
    )


def test_a_panic_of_the_library_is_an_error_of_ours(copy: Callable[..., Path]) -> None:
    """At loading, or at a text, which is not told."""
    folder = copy("bert-uncased", {}, post_processor={
        "type": "TemplateProcessing", "special_tokens": {}, "pair": [],
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
    })  # fmt: skip
    with pytest.raises(BundleError, match=r"not a tokenizer that tokenizers .* can run") as caught:
        encode(["private words"], Bundle.load(folder))
    assert "private" not in str(caught.value)


def test_a_prefix_space_beside_a_normalizer(copy: Callable[..., Path]) -> None:
    """1.0.0rc3 has no such thing, and it cannot be said in other words: an error, no wrong ids."""
    folder = copy("roberta", {"add_prefix_space": True}, normalizer={"type": "Lowercase"})
    if IS_1:
        with pytest.raises(
            BundleError, match=r"tokenizer\.json is not a tokenizer that tokenizers 1"
        ):
            Bundle.load(folder)
    else:
        with_space = encode([" film"], Bundle.load(folder)).input_ids
        assert encode(["Film"], Bundle.load(folder)).input_ids == with_space


def token(at: int, content: str, **flags: bool) -> dict[str, Any]:
    return {"id": at, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": True, "special": True} | flags  # fmt: skip


@pytest.mark.parametrize("name", ["deberta-v2", "xlm-roberta"])
def test_normalized_tokens_that_take_spaces(name: str, copy: Callable[..., Path]) -> None:
    """The mark of a word is put where no token is, and the spaces go that a token takes."""
    [known] = encode(["a"], Bundle.load(GOLDEN / name)).input_ids
    first, *a, last = known
    own = json.loads((GOLDEN / name / "tokenizer.json").read_bytes())["added_tokens"]
    at = own[-1]["id"] + 1
    more = [token(at, "<e-1>", rstrip=True), token(at + 1, "<e2>", lstrip=True, special=False)]
    folder = copy(name, {}, added_tokens=own + more)
    settings = json.loads((folder / "config.json").read_bytes()) | {"vocab_size": at + 2}
    (folder / "config.json").write_text(json.dumps(settings))
    bundle = Bundle.load(folder)
    for text, ids in (
        ("<e-1>a", [at, *a]),
        ("<e-1> a<e2>a", [at, *a, at + 1, *a]),
        ("a <e2><e-1> <e2> a", [*a, at + 1, at, at + 1, *a]),
    ):
        assert encode([text], bundle).input_ids == [[first, *ids, last]]


@needs_1
@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("the", {}),
        ("<mask>", {"normalizer": {"type": "Replace", "pattern": {"String": "m"}, "content": "n"}}),
        ("<mask>", {"normalizer": {"type": "Prepend", "prepend": " "}}),
        ("<mask>", {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                                      "prepend_scheme": "never", "split": True}}),
        ("first mark", {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                                          "prepend_scheme": "first", "split": True}}),
    ],
)  # fmt: skip
def test_what_1_x_cannot_read_alike_is_refused(
    content: str, parts: dict[str, Any], copy: Callable[..., Path]
) -> None:
    if content == "the":
        own = json.loads((GOLDEN / "xlm-roberta" / "tokenizer.json").read_bytes())["added_tokens"]
        parts = {"added_tokens": [*own, token(602, "the")]}
    with pytest.raises(BundleError, match=f"{content}.*cannot read as .*'tokenizers<1'"):
        Bundle.load(copy("xlm-roberta", {}, **parts))


@needs_1
@pytest.mark.parametrize("in_memory", [True, False])
def test_no_folder_for_a_temporary_file(
    copy: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    """As in a container that is read only. A system with files in memory, as Linux, needs none."""
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")
    # With a token that no other test has, because a tokenizer is loaded once only.
    own = f"[ONLY HERE {in_memory}]"
    changed = copy("bert-uncased", {"additional_special_tokens": [own]})
    vocab = tmp_path / "vocab.txt"
    vocab.write_text(
        (GOLDEN / "bert-slow" / "vocab.txt").read_text("utf-8") + f"only{in_memory}\n", "utf-8"
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    if in_memory:
        assert own in Bundle.load(changed).loaded.tokenizer.document.added_ids()
        assert Bundle.from_vocab(vocab, labels=["a"]).labels == ("a",)
        return
    with pytest.raises(BundleError, match="TMPDIR to a folder that can be written"):
        Bundle.load(changed)
    with pytest.raises(BundleError, match="TMPDIR"):
        Bundle.from_vocab(vocab, labels=["a"])


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bundle = Bundle.load(GOLDEN / "bert-slow")
    assert encode(["a"], bundle).input_ids == [[2, 164, 3]]
    assert list(tmp_path.iterdir()) == []


WORKING = """
__version__ = '2.0.0'
class Encoding:
    ids, type_ids = [1, 2], [0, 0]
class Tokenizer:
    @staticmethod
    def from_file(path):
        return Tokenizer()
    def encode(self, text, **how):
        return Encoding()
    def encode_batch(self, texts, **how):
        return [Encoding()] * len(texts)
"""
UNKNOWN = {
    "a next line, of which nothing is known": WORKING,
    "no version": "class Tokenizer: ...",
    "no Tokenizer": "__version__ = '1.3.0'",
    "nothing that loads": "__version__ = '1.3.0'\nclass Tokenizer: ...",
    "nothing that loads in 0.x": "__version__ = '0.30.0'\nclass Tokenizer: ...",
    "other arguments": """
__version__ = '1.9.0'
class Tokenizer:
    @staticmethod
    def from_file(path):
        return Tokenizer()
    def encode(self, text): ...
    def encode_batch(self, texts): ...
""",
}
PROGRAM = """
from lightclient import Bundle, BundleError
from lightclient.model.encoding import encode
for texts in (["private"], ["private", "words"]):
    try:
        encode(texts, Bundle.load())
    except BundleError as error:
        print(error)
"""


def with_fake(folder: Path, source: str) -> list[str]:
    """Two calls with another library of this name: the message of each."""
    (folder / "tokenizers").mkdir()
    (folder / "tokenizers" / "__init__.py").write_text(source)
    return elsewhere(PROGRAM, before=str(folder)).splitlines()


@pytest.mark.parametrize("words", UNKNOWN)
def test_a_version_that_this_client_does_not_know(words: str, tmp_path: Path) -> None:
    told = with_fake(tmp_path, UNKNOWN[words])
    assert len(told) == 2
    for line in told:
        assert "pip install 'tokenizers>=0.21,<2'" in line
        assert "private" not in line


def test_what_the_library_says_of_a_text_is_not_told(tmp_path: Path) -> None:
    told = with_fake(
        tmp_path,
        """
__version__ = '1.9.0'
class Tokenizer:
    @staticmethod
    def from_file(path):
        return Tokenizer()
    def encode(self, text, **how):
        raise ValueError(f"cannot read {text}")
    encode_batch = encode
""",
    )
    assert len(told) == 2
    for line in told:
        assert "not a tokenizer that tokenizers 1.9.0 can run: ValueError" in line
        assert "private" not in line


def test_what_is_said_of_a_pair_of_empty_texts() -> None:
    tokenizer = Bundle.load(GOLDEN / "roberta").loaded.tokenizer
    assert (tokenizer.special_count(pair=False), tokenizer.special_count(pair=True)) == (2, 4)
    assert tokenizer.bare_ids("") == []
