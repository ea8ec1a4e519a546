"""Time what runs at every click against the plain way to do it, and print the ratio.

    python scripts/benchmark.py

Both ways give the same result, which is checked; each figure is the median of several runs.
"""

from isegm.cli.benchmark import main
from isegm.utils.cli import run

if __name__ == "__main__":
    run(main, keep_memory=False)
