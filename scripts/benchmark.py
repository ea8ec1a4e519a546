"""Time the work at every click against plain implementations, and print the ratio.

    python scripts/benchmark.py

Both give the same result, which is checked. Each figure is the median of several runs.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("benchmark")

main = main_of("benchmark")
