"""What `deadlift --help` costs beside importing typer and rich, which it is made with.

    python benchmarks/help_cost.py [--rounds 9]

Whole processes one after the other, in turns; prints the median seconds of both sides and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

SIDES = {
    "import typer, rich": "import typer, rich",
    "deadlift --help": "import sys; sys.argv = ['deadlift', '--help']; from backend.cli import main; main()",
}


def seconds(code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(rounds + 1):
        for side, code in SIDES.items():
            spent = seconds(code)
            if number:  # the first round fills the caches of the file system
                taken[side].append(spent)
    medians = {side: statistics.median(values) for side, values in taken.items()}
    for side, median in medians.items():
        print(f"{side:20} {median:.3f} s (median of {rounds})")
    bare, ours = medians.values()
    print(f"ratio                {ours / bare:.2f}")


if __name__ == "__main__":
    main()
