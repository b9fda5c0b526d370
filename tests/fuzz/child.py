"""One target under libFuzzer; `python -m tests.fuzz` starts it."""

import logging
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lightclient"]):
    from tests.fuzz.__main__ import keep
    from tests.fuzz.seeds import SEEDS
    from tests.fuzz.targets import TARGETS


def main(name: str, seconds: str, home: Path) -> None:
    logging.disable()  # the client warns of each model that carries no bundle
    corpus = home / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate(SEEDS[name]()):
        (corpus / f"seed-{at}").write_bytes(seed)
    seen: set[object] = set()

    def run(data: bytes) -> None:
        try:
            TARGETS[name](data)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            keep(name, data, error, home, seen)
        except BaseException as error:
            if type(error) is KeyboardInterrupt:
                raise
            keep(name, data, error, home, seen)  # a panic of tokenizers is no Exception

    # A hang or a flood of memory ends the run, and leaves its input behind as well.
    limits = ["-timeout=20", "-rss_limit_mb=1500", "-max_len=4096", "-len_control=10"]
    artifacts = f"-artifact_prefix={home / 'found'}/{name}-"
    options = [f"-max_total_time={seconds}", "-verbosity=0", "-print_final_stats=1", artifacts]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
