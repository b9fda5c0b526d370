"""Model folders: found everywhere, read as transformers reads them, and refused with a mend."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightclient import Bundle, BundleError, InputError
from lightclient.model.encoding import check_text, encode
from lightclient.model.files import DEFAULT_BUNDLE
from lightclient.model.tokenizer import Padding
from tests.golden import FOLDERS, GOLDEN, read


def test_the_default() -> None:
    bundle = Bundle.load()
    assert bundle.name == DEFAULT_BUNDLE
    assert bundle.labels == ("NEGATIVE", "POSITIVE")
    assert bundle.max_length == 512
    assert bundle.loaded.padding == Padding(token_id=0, type_id=0, left=False)
    for source in (DEFAULT_BUNDLE, Path(__file__).parent.parent / "vocab" / DEFAULT_BUNDLE):
        assert repr(Bundle.load(source)) == repr(bundle)


def test_the_shipped_file_itself_neither_pads_nor_truncates() -> None:
    folder = Path(__file__).parent.parent / "vocab" / DEFAULT_BUNDLE
    shipped = read(folder / "tokenizer.json")
    assert shipped["padding"] is shipped["truncation"] is None
    assert len(shipped["model"]["vocab"]) == 30522


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_padding_and_limits_are_transformers_own(folder: Path) -> None:
    golden = read(folder / "golden.json")
    padding = Bundle.load(folder).loaded.padding
    assert padding.token_id == golden["pad_token_id"]
    assert padding.type_id == golden["pad_token_type_id"]
    assert padding.left == (golden["padding_side"] == "left")


@pytest.mark.parametrize(
    ("name", "limit"),
    [("roberta", 512), ("xlm-roberta", 512), ("mpnet", 512), ("bert-uncased", 512),
     ("gpt2", 1024), ("xlnet", None), ("bert-slow", 512), ("bert-own-padding", 512)],
)  # fmt: skip
def test_the_longest_length(name: str, limit: int | None) -> None:
    assert Bundle.load(GOLDEN / name).max_length == limit


@pytest.mark.parametrize(("name", "limit"), [("roberta", 512), ("mpnet", 512), ("electra", 512)])
def test_the_positions_limit_the_length_where_the_tokenizer_does_not(
    name: str, limit: int, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(GOLDEN / name, tmp_path / name))
    write("tokenizer_config.json", model_max_length=10**30)(folder)
    assert Bundle.load(folder).max_length == limit


@pytest.mark.parametrize("endless", [10**30, 1e30, float("inf"), None])
@pytest.mark.parametrize(("positions", "limit"), [(512, 512), (-1, None), (64.0, 64)])
def test_a_tokenizer_without_a_limit(
    endless: float | None, positions: float, limit: int | None, folder: Path
) -> None:
    write("tokenizer_config.json", model_max_length=endless)(folder)
    write("config.json", max_position_embeddings=positions)(folder)
    assert Bundle.load(folder).max_length == limit


Change = Callable[[Path], object]
# Said by us or by the library.
NO_TOKENIZER = "tokenizer.json (cannot be read as a tokenizer:|is not a tokenizer that).*; copy it"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "bert-uncased", tmp_path / "model"))


def write(name: str, **changes: Any) -> Change:
    def change(folder: Path) -> None:
        path = folder / name
        found = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in found.items() if v != "absent"}))

    return change


def contents(name: str, data: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(data)


def without(*names: str) -> Change:
    return lambda folder: [(folder / name).unlink() for name in names]


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"id2label": {"1": "b", "0": "a"}}, ("a", "b")),
        ({"id2label": "absent"}, ("LABEL_0", "LABEL_1")),
        ({"id2label": "absent", "num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"id2label": "absent", "num_labels": 3.0}, ("LABEL_0", "LABEL_1", "LABEL_2")),
    ],
)
def test_labels(folder: Path, changes: dict[str, Any], labels: tuple[str, ...]) -> None:
    write("config.json", **changes)(folder)
    assert Bundle.load(folder).labels == labels


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("config.json"), "config.json is missing; copy it from"),
        (
            without("tokenizer.json", "vocab.txt"),
            "vocab.txt is missing .* no tokenizer.json .*save_pretr",
        ),
        (
            contents("config.json", b"{"),
            "config.json cannot be read as a JSON object.*copy it from",
        ),
        (
            contents("config.json", b"[" * 100_000),
            "config.json cannot be read as a JSON object.*copy it from",
        ),
        (contents("config.json", b"[]"), "cannot be read as a JSON object: 'list'"),
        (contents("config.json", b"\xff\xfe{"), "config.json cannot be read"),
        (contents("tokenizer.json", b""), NO_TOKENIZER),
        (contents("tokenizer.json", b"{}"), NO_TOKENIZER),
        (contents("tokenizer.json", b"[]"), NO_TOKENIZER),
        (contents("tokenizer.json", b"\xff"), NO_TOKENIZER),
        (contents("tokenizer.json", b"[" * 100_000), NO_TOKENIZER),
        (contents("tokenizer.json", b'{"version":"1.0"'), NO_TOKENIZER),
        (write("tokenizer.json", model={"type": "BPE"}), NO_TOKENIZER),
        (write("tokenizer.json", model="absent"), NO_TOKENIZER),
        (contents("tokenizer_config.json", b"nope"), "tokenizer_config.json cannot be read"),
        (
            write("config.json", id2label={"0": "a", "2": "c"}),
            "id2label must be an object .* without a gap",
        ),
        (write("config.json", id2label=["a", "b"]), "id2label must be an object"),
        (write("config.json", id2label={}), "id2label must be an object"),
        (write("config.json", id2label="absent", num_labels="2"), "num_labels must be"),
        (write("config.json", problem_type="guess"), "problem_type must be one of"),
        (write("config.json", problem_type=["regression"]), "problem_type must be one of"),
        (
            write("config.json", model_type="roberta", max_position_embeddings=1),
            "max_position_embeddings must be a whole number from 2",  # one is its pad token's
        ),
        (write("config.json", max_position_embeddings="512"), "max_position_embeddings"),
        (
            write("config.json", max_position_embeddings=0),
            "max_position_embeddings must be a whole number from 1",
        ),
        (write("tokenizer_config.json", model_max_length="512"), "model_max_length"),
        (write("tokenizer_config.json", pad_token="[NOPE]"), r"pad token '\[NOPE\]' is not in"),
        (
            write("tokenizer_config.json", padding_side="up"),
            'padding_side must be one of "left", "right"',
        ),
        (
            write("config.json", model_type=[], max_position_embeddings=0),
            "max_position_embeddings must be a whole number from 1",
        ),
        (
            write("config.json", id2label="absent", num_labels=10**9),
            "num_labels must be a whole number from 1 to 100000",
        ),
        (write("tokenizer_config.json", pad_token="\ud800"), r"'\\ud800' is no token"),
        (write("tokenizer_config.json", pad_token="a\ud800"), r"'a\\ud800' is no token"),
        (write("tokenizer_config.json", additional_special_tokens=[3]), "3 is no token"),
        (
            write("tokenizer_config.json", extra_special_tokens=3),
            "extra_special_tokens must be a list or an object",
        ),
        (write("tokenizer_config.json", added_tokens_decoder="a"), "added_tokens_decoder must be"),
        (write("tokenizer.json", added_tokens=3), NO_TOKENIZER),
        (write("tokenizer.json", added_tokens=[3]), NO_TOKENIZER),
        (write("tokenizer.json", added_tokens=[{"id": 7}]), NO_TOKENIZER),
        (write("tokenizer.json", normalizer=["a"]), NO_TOKENIZER),
        (write("tokenizer_config.json", do_lower_case=1), "do_lower_case must be one of true, fal"),
        (write("tokenizer_config.json", do_lower_case="yes"), "do_lower_case must be"),
        (write("tokenizer_config.json", strip_accents=3), "strip_accents must be"),
    ],
)
def test_a_broken_folder(folder: Path, change: Change, words: str) -> None:
    change(folder)
    with pytest.raises(BundleError, match=words):
        Bundle.load(folder)


def test_no_place_is_told_in_a_file_that_was_edited(folder: Path) -> None:
    """It would be that in the JSON which the library is given."""
    path = folder / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BundleError, match=r"tokenizers .* can run") as caught:
        Bundle.load(folder)
    assert "line" not in str(caught.value).partition("can run")[2]


def test_no_such_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"not a shipped name \\({DEFAULT_BUNDLE}\\)"):
        Bundle.load("no-such-model")
    with pytest.raises(BundleError, match="not a folder"):
        Bundle.load(tmp_path / "absent")
    with pytest.raises(BundleError, match="not a folder"):
        Bundle.load("x" * 300)
    with pytest.raises(InputError, match="not int"):
        Bundle.load(3)  # type: ignore[arg-type]


@pytest.mark.skipif(not os.path.isfile("/proc/self/mem"), reason="needs a file that fails")
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("/proc/self/mem")
    with pytest.raises(BundleError, match=f"^{tmp_path} cannot be read as a bundle: .* copy it"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize("name", ["..", ".", "", "/etc", "../tests"])
def test_a_name_never_leaves_the_shipped_folder(name: str) -> None:
    with pytest.raises(BundleError):
        Bundle.load(name)


def test_a_vocab_txt_alone(tmp_path: Path) -> None:
    vocab = Path(shutil.copy(GOLDEN / "bert-slow" / "vocab.txt", tmp_path))
    bundle = Bundle.from_vocab(vocab, labels=["no", "yes"])
    for case in read(GOLDEN / "bert-slow" / "golden.json")["cases"]:
        text = case["text"] if case.get("text_pair") is None else (case["text"], case["text_pair"])
        found = encode([check_text(text)], bundle, case["max_length"])
        assert found.input_ids == [case["input_ids"]]
    assert (bundle.labels, bundle.max_length) == (("no", "yes"), 512)


def test_a_line_of_a_vocab_txt_is_an_id(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / "bert-slow", tmp_path / "model"))
    write("config.json", vocab_size=710)(folder)
    write("tokenizer_config.json", additional_special_tokens=["<e1>"])(folder)
    lines = (folder / "vocab.txt").read_text(encoding="utf-8")
    for end, new in (("", 700), ("\n", 701)):  # an empty line is a token as well
        (folder / "vocab.txt").write_text(lines + end, encoding="utf-8")
        ids = encode(["a <e1>"], Bundle.load(folder)).input_ids
        assert ids == [[2, 164, new, 3]]


def test_a_role_that_is_null_has_the_token_of_a_bert(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / "bert-slow", tmp_path / "model"))
    write("tokenizer_config.json", mask_token=None)(folder)
    write("special_tokens_map.json", mask_token=None)(folder)
    assert encode(["a [MASK]"], Bundle.load(folder)).input_ids == [[2, 164, 4, 3]]


def test_the_flags_of_a_vocab_txt(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Été", "été", "ete", "中", "中文"]
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("\n".join(words) + "\n", encoding="utf-8")

    def ids(text: str, **flags: Any) -> list[int]:
        return encode([text], Bundle.from_vocab(vocab, labels=["a"], **flags)).input_ids[0][1:-1]

    assert ids("Été") == [7]
    assert ids("Été", strip_accents=False) == [6]
    assert ids("Été", do_lower_case=False) == [5]
    assert ids("中文", tokenize_chinese_chars=False) == [9]
    assert ids("中文") == [8, 1]


@pytest.mark.parametrize("labels", [None, "AB", [], [1], 3])
def test_labels_of_a_vocab_txt_are_checked(labels: Any) -> None:
    with pytest.raises(InputError, match=r"^labels must be"):
        Bundle.from_vocab(GOLDEN / "bert-slow" / "vocab.txt", labels=labels)


def test_a_tokenizer_json_is_no_vocabulary() -> None:
    """The flags for a vocabulary would mean nothing for it."""
    with pytest.raises(InputError, match=r"Bundle\.load"):
        Bundle.from_vocab(GOLDEN / "bert-uncased" / "tokenizer.json", labels=["a"])


def test_a_vocab_txt_that_is_none(tmp_path: Path) -> None:
    vocab = tmp_path / "vocab.txt"
    for missing in (vocab, tmp_path):
        with pytest.raises(BundleError, match=f"^{missing} is missing .*; give the right path, or"):
            Bundle.from_vocab(missing, labels=["a"])
    vocab.write_text("hello\nworld\n")
    with pytest.raises(BundleError, match=r"has no .*\[PAD\].*; is it a BERT vocabulary"):
        Bundle.from_vocab(vocab, labels=["a"])
    vocab.write_bytes(b"\xff\xfe")
    with pytest.raises(BundleError, match=r"vocab\.txt cannot be read as a tokenizer: 'utf-8'"):
        Bundle.from_vocab(vocab, labels=["a"])
