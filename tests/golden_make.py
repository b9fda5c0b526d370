# ruff: noqa: BLE001, E501
"""Make `tests/data/golden/`: small model folders and what transformers computes for them.

Run by hand, never by the tests. Needs transformers, torch, sentencepiece and protobuf. The folders
are made by transformers 4.57, the answers by 4.57 or 5.x (they load the folders as a user would):

    python tests/golden_make.py folders SST2_TSV            # 4.57: train, wrap, save_pretrained
    python tests/golden_make.py answers [FOLDER ...]        # golden.json of each folder
    python tests/golden_make.py scores [OLDER_SCORES]       # scores.json, noting where OLDER differs
    python tests/golden_make.py bundled SST2_TSV VOCAB_TXT  # bert-base-uncased.json
    python tests/golden_make.py compare OTHER_DIR           # differences from another run's output

`--out DIR` writes elsewhere than `tests/data/golden`. `answers` and `bundled` were run with both
versions; whose answers are kept, and why, is in `tests/data/golden/README.md`.
"""

import argparse
import json
import shutil
import sys
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

GOLDEN = Path(__file__).parent / "data" / "golden"

# ------------------------------------------------------------------------------------------- texts

OWN = [
    "I like you. I love you",
    "The train to Zürich leaves at seven, and the café is still closed.",
    "She opened the window because the room was too warm for reading.",
    "A good map is worth more than a fast horse, said the old guide.",
    "We tried the soup, the bread and the cheese; nothing was bad.",
    "Don't wait for me, I'll be late again. It's the rain!",
    "Numbers such as 12, 3.14, 1,000 and 2026 appear in every report.",
    "Write to help@example.com or see https://example.com/a/b?c=1#d for more.",
    "Das Wetter ist schön, aber der Fluß ist kalt und tief.",
    "Le garçon mange une crème brûlée à côté de l'église.",
    "El niño pequeño sueña con mañana; ¿quién no?",
    "Быстрая лисица прыгает через ленивую собаку.",
    "Η γρήγορη αλεπού πηδάει πάνω από τον σκύλο.",
    "我喜欢你。我爱你。今天天气很好。",
    "私はあなたが好きです。東京タワーはとても高い。",
    "나는 당신을 좋아합니다. 오늘은 날씨가 좋아요.",
    "أنا أحبك كثيرا والطقس جميل اليوم",
    "אני אוהב אותך והיום יפה מאוד",
    "ฉันรักคุณ วันนี้อากาศดี",
    "मैं तुमसे प्यार करता हूँ",
    "What a day! 😀 👍 🎉",
]

PREMISE = "A man in a blue shirt is reading a long book on the bench near the river."
HYPOTHESIS = "He reads outdoors."
LONG = " ".join(
    f"{subject} {verb} the {thing} and"
    for subject in ("the guide", "my friend", "a child", "nobody", "the old man")
    for verb in ("likes", "opened", "forgot", "is reading")
    for thing in ("map", "window", "letter")
)[:-4]  # 300 words and a few

TEXTS = [
    # ordinary
    "I like you. I love you",
    "a gorgeous , witty , seductive movie .",
    "The soup was GOOD, the Bread was not; Don't wait, I'll be LATE!!!",
    "unbelievably antidisestablishmentarianism",
    # empty and blank
    "",
    " ",
    "     ",
    "\t",
    "\n\n",
    "\r\n",
    "\u00a0",
    "\u3000",
    "\u200b",
    "\ufeff",
    "\u2028\u2029",
    "\x85",
    "\x1c\x1f",
    "  two  leading, double   inside and trailing  ",
    "tab\tnewline\nreturn\r\nvertical\x0bform\x0cend\n",
    "no\u00a0break\u202fthin\u2009ideographic\u3000zero\u200bwidth\u2060joiner\ufeffbom",
    # accents and case
    "café naïve Zürich crème brûlée",
    unicodedata.normalize("NFD", "café naïve Zürich crème brûlée"),
    "Å Å \u212b \u0301x e\u0301\u0323 ñ",
    "İstanbul ISPARTA ıssız Straße STRASSE ΑΣ ΟΔΟΣ ǅ",
    "ﬁne ﬂour ① ½ Ⅷ ™ … ｆｕｌｌｗｉｄｔｈ １２３ x² ㎏",
    # scripts
    "我喜欢你。I love 東京タワー very much",
    "\U00020000\U0002a6d6 豈 \uf900 々〆",
    "나는 " + unicodedata.normalize("NFD", "당신을"),
    "أنا أُحِبُّكَ، שָׁלוֹם \u200fעולם\u200e!",
    "ฉันรักคุณ วันนี้อากาศดีมาก",
    "मैं तुमसे क्षत्रिय",
    "Привет, мир! Ёлка й",
    "😀 👍🏽 👨\u200d👩\u200d👧\u200d👦 🇩🇪 1\ufe0f\u20e3 ❤\ufe0f",
    # control characters and friends
    "a\x00b",
    "\x00",
    "bell\x07 back\x08space \x1b[31mred\x7f",
    "soft\u00adhyphen \ufffd replacement \ue000 private \U0010ffff",
    # special tokens written out
    "[SEP]",
    "a [SEP] b",
    "a[SEP]b [sep] [Sep]",
    "[CLS] x [MASK] y [PAD] [UNK] z",
    "<s> a </s>",
    "a</s></s>b",
    "fill the <mask> here<mask>",
    "<pad> <unk> <cls> <sep> <eop> <|endoftext|> <S>",
    "##ing ## Ġword ▁word ▁ ` `` '' quoted``x''",
    # long words and texts
    "a" * 99 + " " + "b" * 100 + " " + "c" * 101,
    "x" * 300,
    LONG,
    # the web, numbers, code
    "see https://example.com/a/b?c=1&d=%20x#frag, or mail help@example.com",
    "1,234.56 $99.99 €5 50% -3e-7 2026-11-22 007",
    "#hashtag @user RT: LOL!!! ??? :-) ;_; ~~~",
    '<p class="x">HTML &amp; entities</p> {"json": [1, 2]} \\n C:\\dir',
    "if (x<=y) { return a[i]^2 | ~b; } // 中文 comment",
    "x²+y³≤∞ ∀ε>0 ∃δ “quoted” ‘single’ – — ―",
    "!",
    ".",
    "a",
    "É",
    "the",
    "The guide opened the letter",
]

PAIRS = [
    (PREMISE, HYPOTHESIS),
    (HYPOTHESIS, PREMISE),
    ("a", "b"),
    ("", "b"),
    (" ", " "),
    ("a [SEP] b", "c </s> d"),
    ("我喜欢你", "😀"),
]
EMPTY_SECOND = [("I like you", ""), ("", "")]
TRUNCATED_PAIRS = [
    (HYPOTHESIS, PREMISE),
    (PREMISE, HYPOTHESIS),
    (PREMISE, "He reads " + PREMISE),
    (PREMISE, PREMISE),
]
BATCH = [
    "I like you. I love you",
    "",
    "a gorgeous , witty movie",
    "the",
    "Don't wait for me [SEP] now",
]
BATCH_PAIRS = [(PREMISE, HYPOTHESIS), ("a", ""), ("", "b"), ("", ""), (HYPOTHESIS, "the")]

# ----------------------------------------------------------------------------------------- folders

RULES = {  # a small stand-in for SentencePiece's nmt_nfkc table, which alone is 300 KB
    **{chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)},
    **dict.fromkeys("\t\n\r\xa0\u2009\u200b\u202f\u3000\ufeff\u2028\u2029", " "),
    **{chr(c): "" for c in (*range(1, 9), *range(14, 32), 0x7F)},
    **{c: unicodedata.normalize("NFKC", c) for c in "ﬁﬂ①½Ⅷ™…²㎏\u212b"},
    **{unicodedata.normalize("NFD", c): c for c in "éèêëàâäáïîôöûüúñçåÅÉ"},
}


def corpus(sst2: Path, every: int = 1) -> list[str]:
    lines = sst2.read_text(encoding="utf-8").splitlines()
    return OWN * 4 + [line.split("\t")[0] for line in lines[::every]]


def wordpiece_vocab(
    texts: list[str], lowercase: bool, size: int, special: list[str], folder: Path
) -> Path:
    """Write letters, then the commonest words and word endings: the trainer breaks ties at random."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, splitter = BertNormalizer(lowercase=lowercase), BertPreTokenizer()
    words = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    letters = {piece for word in words for piece in (word[0], *(f"##{c}" for c in word[1:]))}
    longer: Counter[str] = Counter()
    for word, count in words.items():
        for piece in {word, *(f"##{word[-n:]}" for n in range(2, min(5, len(word))))} - letters:
            longer[piece] += count
    best = sorted(longer, key=lambda piece: (-longer[piece], piece))
    vocab = [*special, *sorted(letters), *best][:size]
    path = folder / "vocab.txt"
    path.write_text("".join(token + "\n" for token in vocab), encoding="utf-8")
    return path


def byte_level_files(texts: list[str], special: list[str], folder: Path) -> dict[str, str]:
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(texts, vocab_size=700, special_tokens=special, show_progress=False)
    vocab, merges = trained.save_model(str(folder))
    return {"vocab_file": vocab, "merges_file": merges}


def unigram_file(texts: list[str], folder: Path, **options: object) -> str:
    import sentencepiece

    rules = folder / "rules.tsv"
    rules.write_text(
        "".join(rule_line(source, target) for source, target in RULES.items()), encoding="utf-8"
    )
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(folder / "spm"), model_type="unigram", num_threads=1,
        vocab_size=600, character_coverage=0.9995, normalization_rule_tsv=str(rules), minloglevel=2, **options,
    )  # fmt: skip
    return str(folder / "spm.model")


def rule_line(source: str, target: str) -> str:
    return f"{' '.join(f'{ord(c):X}' for c in source)}\t{' '.join(f'{ord(c):X}' for c in target)}\n"


BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
STARS = {i: f"{i + 1} star{'s' * (i > 0)}" for i in range(5)}
SENTIMENT = {0: "NEGATIVE", 1: "POSITIVE"}
NLI = {0: "contradiction", 1: "entailment", 2: "neutral"}
TOXIC = dict(enumerate(["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]))
TINY = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def labels(id2label: dict[int, str], **more: object) -> dict[str, object]:
    return {"id2label": id2label, "label2id": {name: i for i, name in id2label.items()}, **more}


def save(
    out: Path, name: str, tokenizer: object, config: object, architecture: str, **how: object
) -> Path:
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    config.vocab_size = len(tokenizer)
    config.architectures = [architecture]
    tokenizer.save_pretrained(folder, **how)
    config.save_pretrained(folder)
    return folder


def make_folders(out: Path, sst2: Path) -> None:
    texts = corpus(sst2)
    with tempfile.TemporaryDirectory() as scratch:
        for make in (make_wordpiece, make_byte_level, make_unigram):
            make(out, texts, Path(scratch))
    for name in ("albert", "xlm-roberta", "xlnet"):
        edit_parts(out / name / "tokenizer.json", out / name / "tokenizer.json", HUB_STYLE)
    make_variants(out)
    for folder in out.iterdir():
        if folder.is_dir():
            tidy(folder)


def tidy(folder: Path) -> None:
    """Write tokenizer.json without its indentation, which is most of it."""
    path = folder / "tokenizer.json"
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(
            json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
        )


def make_wordpiece(out: Path, texts: list[str], scratch: Path) -> None:
    import transformers as t

    vocab = str(wordpiece_vocab(texts, True, 700, BERT, scratch))
    plain = {"vocab_file": vocab, "model_max_length": 512}
    save(
        out,
        "bert-uncased",
        t.BertTokenizerFast(**plain),
        t.BertConfig(**TINY),
        "BertForSequenceClassification",
    )
    config = t.DistilBertConfig(dim=8, n_layers=1, n_heads=2, hidden_dim=16, **labels(SENTIMENT))
    save(
        out,
        "distilbert",
        t.DistilBertTokenizerFast(**plain),
        config,
        "DistilBertForSequenceClassification",
    )
    config = t.ElectraConfig(**TINY, **labels(TOXIC, problem_type="multi_label_classification"))
    save(
        out, "electra", t.ElectraTokenizerFast(**plain), config, "ElectraForSequenceClassification"
    )
    config = t.BertConfig(**TINY, **labels(NLI))
    folder = save(
        out, "bert-slow", t.BertTokenizer(**plain), config, "BertForSequenceClassification"
    )
    assert not (folder / "tokenizer.json").exists()

    own = t.BertTokenizerFast(**plain)
    own.backend_tokenizer.enable_truncation(128)
    own.backend_tokenizer.enable_padding(length=128)
    save(
        out,
        "bert-own-padding",
        own,
        t.BertConfig(**TINY, **labels(STARS)),
        "BertForSequenceClassification",
    )

    vocab = str(wordpiece_vocab(texts, False, 800, BERT, scratch))
    cased = t.BertTokenizerFast(vocab_file=vocab, do_lower_case=False, model_max_length=512)
    save(
        out,
        "bert-cased",
        cased,
        t.BertConfig(**TINY, **labels(STARS)),
        "BertForSequenceClassification",
    )

    special = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
    vocab = str(wordpiece_vocab(texts, True, 700, special, scratch))
    config = t.MPNetConfig(**TINY, max_position_embeddings=514, **labels(NLI))
    mpnet = t.MPNetTokenizerFast(vocab_file=vocab, model_max_length=512)
    save(out, "mpnet", mpnet, config, "MPNetForSequenceClassification")


def make_byte_level(out: Path, texts: list[str], scratch: Path) -> None:
    import transformers as t

    files = byte_level_files(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], scratch)
    config = t.RobertaConfig(**TINY, max_position_embeddings=514, type_vocab_size=1, **labels(NLI))
    roberta = t.RobertaTokenizerFast(**files, model_max_length=512)
    save(out, "roberta", roberta, config, "RobertaForSequenceClassification")

    files = byte_level_files(texts, ["<|endoftext|>"], scratch)
    gpt2 = t.GPT2TokenizerFast(**files, pad_token="<|pad|>", model_max_length=1024)
    config = t.GPT2Config(n_embd=8, n_layer=1, n_head=2, num_labels=3, bos_token_id=0, eos_token_id=0,
                          pad_token_id=gpt2.pad_token_id)  # fmt: skip
    save(out, "gpt2", gpt2, config, "GPT2ForSequenceClassification")


def make_unigram(out: Path, texts: list[str], scratch: Path) -> None:
    import transformers as t

    json_only = {"legacy_format": False}
    spm = unigram_file(texts, scratch)
    config = t.XLMRobertaConfig(
        **TINY, max_position_embeddings=514, type_vocab_size=1, **labels(STARS)
    )
    xlmr = t.XLMRobertaTokenizerFast(vocab_file=spm, model_max_length=512)
    save(out, "xlm-roberta", xlmr, config, "XLMRobertaForSequenceClassification", **json_only)

    spm = unigram_file(
        texts,
        scratch,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols="[CLS],[SEP],[MASK]",
    )
    config = t.AlbertConfig(
        **TINY, embedding_size=8, **labels({0: "LABEL_0"}, problem_type="regression")
    )
    albert = t.AlbertTokenizerFast(vocab_file=spm, model_max_length=512)
    save(out, "albert", albert, config, "AlbertForSequenceClassification", **json_only)

    spm = unigram_file(texts, scratch, pad_id=0, bos_id=1, eos_id=2, unk_id=3, unk_piece="[UNK]", pad_piece="[PAD]",
                       bos_piece="[CLS]", eos_piece="[SEP]")  # fmt: skip
    config = t.DebertaV2Config(**TINY, type_vocab_size=0, **labels(NLI))
    deberta = t.DebertaV2TokenizerFast(vocab_file=spm)
    save(out, "deberta-v2", deberta, config, "DebertaV2ForSequenceClassification", **json_only)

    spm = unigram_file(texts, scratch, unk_id=0, bos_id=1, eos_id=2, control_symbols="<cls>,<sep>,<pad>,<mask>,<eod>",
                       user_defined_symbols="<eop>")  # fmt: skip
    config = t.XLNetConfig(d_model=8, n_layer=1, n_head=2, d_inner=16, **labels(SENTIMENT))
    xlnet = t.XLNetTokenizerFast(vocab_file=spm)
    save(out, "xlnet", xlnet, config, "XLNetForSequenceClassification", **json_only)


# How the published tokenizer.json files of ALBERT, XLM-RoBERTa and XLNet split words.
METASPACE = {
    "type": "Metaspace",
    "replacement": "\u2581",
    "prepend_scheme": "always",
    "split": True,
}
HUB_STYLE = {
    "": {
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, METASPACE],
        }
    }
}

# The files of a folder contradict each other, or one says nothing: source folder, then what is changed in
# tokenizer_config.json (None takes the key away), then what is changed in tokenizer.json, part by part.
VARIANTS: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "conflict-bert-config-says-cased": (
        "bert-uncased", {"do_lower_case": False, "strip_accents": False, "tokenize_chinese_chars": False}, {}),
    "conflict-bert-json-says-cased": (
        "bert-uncased", {"do_lower_case": None, "strip_accents": None, "tokenize_chinese_chars": None},
        {"normalizer": {"lowercase": False, "strip_accents": False, "handle_chinese_chars": False}}),
    "conflict-bert-json-says-left": (
        "bert-uncased", {"model_max_length": None},
        {"": {"padding": {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None,
                          "pad_id": 1, "pad_type_id": 2, "pad_token": "[UNK]"},
              "truncation": {"direction": "Left", "max_length": 5, "strategy": "OnlyFirst", "stride": 2}}}),
    "conflict-bert-generic-class": (
        "bert-uncased", {"tokenizer_class": "PreTrainedTokenizerFast"},
        {"normalizer": {"lowercase": False, "strip_accents": False, "handle_chinese_chars": False}}),
    "conflict-roberta-json-says-prefix": (
        "roberta", {"add_prefix_space": None},
        {"pre_tokenizer": {"add_prefix_space": True}, "post_processor": {"add_prefix_space": True}}),
    "conflict-roberta-config-says-prefix": ("roberta", {"add_prefix_space": True}, {}),
    # as 4.57 converts a SentencePiece file; the published tokenizer.json files have HUB_STYLE instead
    "conflict-xlm-roberta-metaspace-only": ("xlm-roberta", {}, {"": {"pre_tokenizer": METASPACE}}),
}  # fmt: skip
SHORT_LIST = [text for text in TEXTS if len(text) < 90][:40]


def make_variants(out: Path) -> None:
    for name, (source, config_changes, json_changes) in VARIANTS.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(out / source / "config.json", folder)
        edit(
            out / source / "tokenizer_config.json", folder / "tokenizer_config.json", config_changes
        )
        edit_parts(out / source / "tokenizer.json", folder / "tokenizer.json", json_changes)


def edit(source: Path, target: Path, changes: dict[str, object]) -> None:
    content = json.loads(source.read_text(encoding="utf-8")) | changes
    content = {
        key: value for key, value in content.items() if not (key in changes and value is None)
    }
    target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def edit_parts(source: Path, target: Path, changes: dict[str, dict[str, object]]) -> None:
    content = json.loads(source.read_text(encoding="utf-8"))
    for part, values in changes.items():
        (content[part] if part else content).update(values)
    target.write_text(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
    )


# ----------------------------------------------------------------------------------------- answers


def lists(encoding: object) -> dict[str, object]:
    names = ("input_ids", "token_type_ids", "attention_mask")
    return {name: encoding.get(name) for name in names}


def case(
    tokenizer: object, text: str, pair: str | None = None, max_length: int | None = None
) -> dict[str, object]:
    """What one call with one text answers."""
    limit = {} if max_length is None else {"truncation": True, "max_length": max_length}
    full = tokenizer(text, pair)["input_ids"]
    answer = lists(tokenizer(text, pair, **limit))
    question = {"text": text} | ({} if pair is None else {"text_pair": pair})
    return (
        question
        | {"max_length": max_length}
        | answer
        | {"truncated": len(full) > len(answer["input_ids"])}
    )


def batch(tokenizer: object, texts: list[object], **how: object) -> dict[str, object]:
    """What one call with several texts (or pairs, then all of them) answers."""
    if isinstance(texts[0], tuple):
        firsts, seconds = [list(side) for side in zip(*texts, strict=True)]
        answer = tokenizer(firsts, seconds, **how)
    else:
        answer = tokenizer(texts, **how)
    return {"texts": texts, "call": how} | lists(answer)


def limits(tokenizer: object, text: str, pair: str | None = None) -> list[int]:
    """Limits worth trying: a single token of text, odd and even, one below the length, the length itself."""
    special = tokenizer.num_special_tokens_to_add(pair=pair is not None)
    length = len(tokenizer(text, pair)["input_ids"])
    wanted = {special + 1, special + 2, special + 3, 12, 17, length - 1, length}
    return sorted(n for n in wanted if special < n <= length)


def cases(
    tokenizer: object, texts: list[str], pairs: list[tuple[str, str]]
) -> list[dict[str, object]]:
    found = [case(tokenizer, text) for text in texts]
    found += [case(tokenizer, text, pair) for text, pair in pairs + EMPTY_SECOND]
    found += [case(tokenizer, PREMISE, None, n) for n in limits(tokenizer, PREMISE)]
    found += [case(tokenizer, text, None, 8) for text in ("", "a", "x" * 40, "a [SEP] b")]
    found += [
        case(tokenizer, *pair, n) for pair in TRUNCATED_PAIRS for n in limits(tokenizer, *pair)
    ]
    return found


def batches(tokenizer: object) -> list[dict[str, object]]:
    def fixed(length: int) -> dict[str, object]:
        return {"padding": "max_length", "truncation": True, "max_length": length}

    found = [batch(tokenizer, BATCH, **how) for how in ({"padding": True}, fixed(32))]
    return found + [batch(tokenizer, BATCH_PAIRS, **how) for how in ({"padding": True}, fixed(17))]


def facts(tokenizer: object) -> dict[str, object]:
    import transformers

    return {
        "transformers": transformers.__version__,
        "pad_token_id": tokenizer.pad_token_id,
        "pad_token_type_id": tokenizer.pad_token_type_id,
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
        "model_max_length": tokenizer.model_max_length,
        "model_input_names": tokenizer.model_input_names,
        "num_special_tokens": [
            tokenizer.num_special_tokens_to_add(pair=pair) for pair in (False, True)
        ],
        "length_of_1200_words": [
            len(tokenizer("the " * 1200, truncation=cut)["input_ids"]) for cut in (False, True)
        ],
    }


def make_answers(out: Path, only: list[str]) -> None:
    import transformers as t

    for folder in sorted(
        path for path in out.iterdir() if path.is_dir() and (not only or path.name in only)
    ):
        tokenizer = t.AutoTokenizer.from_pretrained(folder)
        small = folder.name in VARIANTS
        found = cases(tokenizer, SHORT_LIST if small else TEXTS, PAIRS)
        if small and "left" not in folder.name:
            found = [row for row in found if row["max_length"] is None]
        elif not small:
            found += [case(tokenizer, LONG, None, n) for n in (64, 128)]
        write(folder / "golden.json", facts(tokenizer), found, batches(tokenizer))


def make_bundled(out: Path, sst2: Path, vocab: Path) -> None:
    import transformers as t

    # 5.x takes the vocabulary itself; given the older `vocab_file` it would quietly build an empty one
    source = {"vocab" if t.__version__ >= "5" else "vocab_file": str(vocab)}
    tokenizer = t.BertTokenizerFast(**source, do_lower_case=True, model_max_length=512)
    assert tokenizer("I like you. I love you")["input_ids"] == [
        101,
        1045,
        2066,
        2017,
        1012,
        1045,
        2293,
        2017,
        102,
    ]
    sentences = [
        line.split("\t")[0] for line in sst2.read_text(encoding="utf-8").splitlines()[::17]
    ][:50]
    found = cases(tokenizer, TEXTS + OWN[1:] + sentences, PAIRS)
    for limit in (100, 512):
        texts = [LONG, LONG + " and " + LONG, OWN[1], sentences[0]]
        found += [case(tokenizer, text, None, limit) for text in texts]
        found += [
            case(tokenizer, *pair, limit)
            for pair in [(LONG, HYPOTHESIS), (HYPOTHESIS, LONG), (LONG, LONG)]
        ]
    write(out / "bert-base-uncased.json", facts(tokenizer), found, batches(tokenizer))


def write(
    path: Path, head: dict[str, object], found: list[object], padded: list[object] | None = None
) -> None:
    """One case a line, ASCII only, so that a difference can be read and control characters survive."""

    def dump(value: object) -> str:
        return json.dumps(value, separators=(",", ":"))

    parts = [f"{dump(key)}:{dump(value)}" for key, value in head.items()]
    for name, rows in (("cases", found), ("batches", padded)):
        if rows is not None:
            parts.append(f"{dump(name)}:[\n" + ",\n".join(map(dump, rows)) + "\n]")
    path.write_text("{" + ",\n".join(parts) + "}\n", encoding="ascii")


# ------------------------------------------------------------------------------------------ scores

FIVE = {"id2label": {str(i): name for i, name in STARS.items()}}
TWO = {"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}}
THREE = {"id2label": {"0": "negative", "1": "neutral", "2": "positive"}}
MANY = [round(((i * 7919) % 1009) / 100 - 5, 2) for i in range(77)]
MULTI = {
    "id2label": {str(i): name for i, name in TOXIC.items()},
    "problem_type": "multi_label_classification",
}

SCORES: list[tuple[str, dict[str, object], list[float]]] = [
    ("no id2label at all", {}, [-1.5, 2.25]),
    ("two labels", TWO, [-4.2159214, 4.58923769]),
    ("two labels, the other way", TWO, [3.0, -0.5]),
    ("num_labels only", {"num_labels": 3}, [0.1, 0.3, 0.2]),
    ("num_labels contradicts id2label", THREE | {"num_labels": 2}, [0.1, 0.3]),
    ("num_labels contradicts id2label, logits as id2label", THREE | {"num_labels": 2}, [0.1, 0.3, 0.2]),
    ("three, string keys", THREE, [0.5, -0.25, 0.125]),
    ("three, keys in another order", {"id2label": {"2": "c", "0": "a", "1": "b"}}, [0.5, -0.25, 0.125]),
    ("label2id only", {"label2id": {"no": 0, "yes": 1}}, [0.5, -0.25]),
    ("two labels of one name", {"id2label": {"0": "same", "1": "same"}}, [0.5, -0.25]),
    ("five labels", FIVE, [-2.0, -1.0, 0.0, 1.0, 2.0]),
    ("one label", {"id2label": {"0": "LABEL_0"}}, [0.75]),
    ("one label, num_labels only", {"num_labels": 1}, [-3.5]),
    ("one label, single_label_classification", {"num_labels": 1, "problem_type": "single_label_classification"}, [0.75]),
    ("one label, multi_label_classification", {"num_labels": 1, "problem_type": "multi_label_classification"}, [0.75]),
    ("regression, one label", {"num_labels": 1, "problem_type": "regression"}, [3.7]),
    ("regression, three labels", THREE | {"problem_type": "regression"}, [1.5, -2.25, 4.1]),
    ("regression, ties", THREE | {"problem_type": "regression"}, [1.5, 1.5, 1.5]),
    ("multi-label", MULTI, [2.1, -3.0, 0.0, -7.25, 1.1, -0.5]),
    ("multi-label, saturated: 20 and 25 tie in float32", MULTI, [20.0, 25.0, 15.0, 16.0, 17.0, 18.0]),
    ("multi-label, far below zero", MULTI, [-88.0, -89.0, -100.0, -104.0, -1e4, 1e4]),
    ("two labels, multi_label_classification", TWO | {"problem_type": "multi_label_classification"}, [1.0, 1.0]),
    ("two labels, single_label_classification", TWO | {"problem_type": "single_label_classification"}, [1.0, 2.0]),
    ("problem_type null", TWO | {"problem_type": None}, [1.0, 2.0]),
    ("function_to_apply sigmoid, two labels", TWO | {"function_to_apply": "sigmoid"}, [1.0, 2.0]),
    ("function_to_apply none, two labels", TWO | {"function_to_apply": "none"}, [1.0, 2.0]),
    ("function_to_apply none, one label", {"num_labels": 1, "function_to_apply": "none"}, [1.0]),
    ("function_to_apply softmax, multi-label", MULTI | {"function_to_apply": "softmax"}, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    ("function_to_apply sigmoid, regression", {"num_labels": 1, "problem_type": "regression", "function_to_apply": "sigmoid"}, [2.0]),
    ("tie of two", TWO, [0.5, 0.5]),
    ("tie of the best two of three", THREE, [-1.0, 2.0, 2.0]),
    ("all equal", FIVE, [3.0] * 5),
    ("far apart", TWO, [1e4, -1e4]),
    ("far apart, all low", THREE, [-1e4, -1e4, -2e4]),
    ("saturated softmax: 1.0 and something tiny", TWO, [-20.0, 20.0]),
    ("softmax ties only in float32", THREE, [200.0, 0.0, 60.0]),
    ("logits that differ only beyond float32", TWO, [1.00000001, 1.00000002]),
    ("logits one float32 step apart", TWO, [1.0, 1.0000001]),
    ("zero and minus zero", TWO, [-0.0, 0.0]),
    ("77 labels", {"id2label": {str(i): f"intent_{i}" for i in range(77)}}, MANY),
    ("77 equal labels", {"id2label": {str(i): f"intent_{i}" for i in range(77)}}, [0.0] * 77),
    ("11 labels, keys sorted as text", {"id2label": {k: f"c{k}" for k in sorted(map(str, range(11)))}}, [float(i % 4) for i in range(11)]),
]  # fmt: skip


def make_scores(out: Path, older: list[str]) -> None:
    import transformers as t

    with tempfile.TemporaryDirectory() as scratch:
        found = [score(Path(scratch), *row) for row in SCORES]
    if older:
        before = json.loads(Path(older[0]).read_text())
        for now, then in zip(found, before["cases"], strict=True):
            if now != then:
                now["older"] = {key: then.get(key) for key in ("num_labels", "results")}
    write(out / "scores.json", {"transformers": t.__version__}, found)


def score(
    scratch: Path, name: str, config: dict[str, object], logits: list[float]
) -> dict[str, object]:
    """What the real pipeline says of a model that always answers `logits`; where it refuses, its error."""
    row = {"case": name, "config": config, "logits": logits}
    try:
        return row | pipeline_results(scratch, config, logits)
    except Exception as problem:
        return row | {"error": f"{type(problem).__name__}: {problem}"}


def pipeline_results(
    scratch: Path, config: dict[str, object], logits: list[float]
) -> dict[str, object]:
    import torch
    import transformers as t
    from transformers.modeling_outputs import SequenceClassifierOutput

    (scratch / "config.json").write_text(
        json.dumps({"model_type": "bert", "vocab_size": 8} | TINY | config)
    )
    read = t.AutoConfig.from_pretrained(scratch)
    model = t.BertForSequenceClassification(read)
    model.forward = lambda **inputs: SequenceClassifierOutput(
        logits=torch.tensor([logits], dtype=torch.float32)
    )
    tokenizer = t.AutoTokenizer.from_pretrained(GOLDEN / "bert-uncased")
    pipe = t.TextClassificationPipeline(model=model, tokenizer=tokenizer, device=-1)
    results = {"default": pipe("x")}
    for key, top_k in (("null", None), ("1", 1), ("3", 3), ("all", len(logits))):
        results[key] = pipe("x", top_k=top_k)
    return {"num_labels": read.num_labels, "results": results}


# ----------------------------------------------------------------------------------------- compare


def compare(ours: Path, theirs: Path) -> None:
    for path in sorted(
        p
        for p in ours.rglob("*.json")
        if p.name in ("golden.json", "scores.json", "bert-base-uncased.json")
    ):
        other = theirs / path.relative_to(ours)
        a, b = json.loads(path.read_text()), json.loads(other.read_text())
        for key in a.keys() - {"cases", "batches", "transformers"}:
            report(path, key, {key: a[key]}, {key: b[key]})
        for part in ("cases", "batches"):
            for number, (x, y) in enumerate(zip(a.get(part, []), b.get(part, []), strict=True)):
                report(path, f"{part}[{number}]", x, y)


def report(path: Path, where: str, ours: dict[str, object], theirs: dict[str, object]) -> None:
    for key in ours | theirs:
        if ours.get(key) != theirs.get(key):
            name = ours.get("text", ours.get("case", ""))
            print(
                f"{path.parent.name}/{path.name} {where} {name[:60]!r} {key}:\n  {ours.get(key)}\n  {theirs.get(key)}"[
                    :900
                ]
            )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=GOLDEN)
    parser.add_argument("what", choices=["folders", "answers", "scores", "bundled", "compare"])
    parser.add_argument("rest", nargs="*")
    given = parser.parse_args(arguments)
    steps = {
        "folders": lambda: make_folders(given.out, Path(given.rest[0])),
        "answers": lambda: make_answers(given.out, given.rest),
        "scores": lambda: make_scores(given.out, given.rest),
        "bundled": lambda: make_bundled(given.out, *map(Path, given.rest)),
        "compare": lambda: compare(given.out, Path(given.rest[0])),
    }
    steps[given.what]()


if __name__ == "__main__":
    main(sys.argv[1:])
