"""Say which data sets are where config.yml says, how complete they are, and where to get the others.

    python scripts/check_datasets.py
    python scripts/check_datasets.py GrabCut Berkeley SBD

The exit code is 0 only if everything that was asked for is there.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("datasets")

main = main_of("datasets")
