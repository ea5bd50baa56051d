"""What is left after kill -9 of the server, of a worker and of the training process at random moments of real work.

    python benchmarks/kill_test.py [--rounds 50] [--only server|worker|trainer]

Each kind has a data folder of its own, `deadlift serve` on it, and a small Label Studio that keeps predictions. After
every kill, and at the end when all pending work is done, it looks for lost labels, torn models, a CURRENT that names
none, and predictions that are there twice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
from kill_rounds import rounds

KINDS = ("server", "worker", "trainer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="kills of each kind")
    parser.add_argument("--only", choices=KINDS)
    arguments = parser.parse_args()
    results = {}
    for kind in [arguments.only] if arguments.only else KINDS:
        with tempfile.TemporaryDirectory(prefix=f"kill-{kind}-", ignore_cleanup_errors=True) as folder:
            results[kind] = rounds(kind, arguments.rounds, Path(folder), lambda line: print(line, flush=True))
    for kind, (events, wrong) in results.items():
        print(f"{kind}: {', '.join(f'{count} {what}' for what, count in events.items())}; {len(wrong)} things wrong")
        for line in wrong:
            print(f"  {line}")
    sys.exit(any(wrong for _, wrong in results.values()))


if __name__ == "__main__":
    main()
