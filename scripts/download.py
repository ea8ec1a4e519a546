"""Fetch published data sets and weights to where the configuration looks for them.

    python scripts/download.py --list
    python scripts/download.py weights coco_lvis_h18_itermask
    python scripts/download.py datasets GrabCut Berkeley --config-path config.yml

A fetch that was cut off goes on when the same command runs again.
"""

from isegm.cli.download import main
from isegm.utils.cli import run

if __name__ == "__main__":
    run(main)
