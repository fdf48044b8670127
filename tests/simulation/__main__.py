"""`python -m tests.simulation [seeds] [first]`: many random worlds, for a night (make simulate)."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.histories import failure

_CHUNK = 20
_LINE_EVERY = 500


def main(seeds: int, first: int) -> int:
    """Live every seed on all cores; 1 and the shortest history at the first that breaks."""
    done = 0
    is_watched = sys.stdout.isatty()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seed, found in pool.map(_lived, range(first, first + seeds), chunksize=_CHUNK):
            done += 1
            if found:
                print(f"{chr(10) if is_watched else ''}{found}")
                pool.shutdown(cancel_futures=True)
                return 1
            if is_watched and done % _CHUNK == 0:
                print(f"\r{done} of {seeds} seeds", end="", flush=True)
            elif done % _LINE_EVERY == 0:
                print(f"{done} of {seeds} seeds, last {seed}", flush=True)
    print(f"{chr(10) if is_watched else ''}{seeds} seeds from {first} on: nothing broke")
    return 0


def _lived(seed: int) -> tuple[int, str]:
    return seed, failure(seed)


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    sys.exit(main(*given, *(10_000, 0)[len(given) :]))
