"""Texts of every kind, the same in each run."""

import random
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

_SENTENCES = Path(__file__).parent.parent / "data" / "sst2" / "dev.tsv"
SENTENCES = [
    line.split("\t")[0] for line in _SENTENCES.read_text(encoding="utf-8").splitlines() if line
]
ODD = [
    "", " ", "\t\n", "\u00a0\u2003\u200b", "a\u2028b\u2029c\x85d", "a\x00b\x07c\x1b[31m",
    "naïve café Ünïcödé", "nai\u0308ve cafe\u0301", "中文和日本語のテスト", "한국어 문장입니다",
    "مرحبا بالعالم", "שלום עולם", "สวัสดีชาวโลก", "नमस्ते दुनिया", "Привет, мир!", "Γειά σου Κόσμε",
    "👩‍👩‍👧‍👦 🇩🇪 😀 ❤️", "[SEP] [CLS] <s> </s> <mask> [PAD]", "https://example.com/a?b=c#d e@f.gh",
    "1,234.56 € 10^-3 ½ ² ①", "x" * 300, "don't can't I'LL", "\ufffd\ue000\U0010ffff",
    "ﬁ ﬂ Ａ Ｂ ㍿", "İstanbul DİYARBAKIR ß ẞ ſ", "word " * 700, "e" + "\u0301" * 40,
]  # fmt: skip


def mixed(count: int) -> list[str]:
    """At least `count` texts: the sentences, the odd ones, mixtures of both, and Hypothesis's."""
    pick = random.Random(7)
    words = " ".join(SENTENCES + ODD[:25]).split(" ")
    mixtures = [" ".join(pick.choices(words, k=pick.randint(1, 60))) for _ in range(count // 3)]
    made: list[str] = []
    fewest = max(200, count - len(SENTENCES) - len(ODD) - len(mixtures))

    @settings(
        max_examples=fewest, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
    def collect(text: str) -> None:
        made.append(text)

    while len(made) < fewest:
        collect()
    return SENTENCES + ODD + mixtures + made
