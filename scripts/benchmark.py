"""Time the work at every click against plain implementations, and print the ratio.

    python scripts/benchmark.py

Both give the same result, which is checked. Each figure is the median of several runs.
"""

from isegm.cli.benchmark import main
from isegm.utils.cli import run

if __name__ == "__main__":
    run(main, keep_memory=False)
