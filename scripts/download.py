"""Fetch published data sets and weights to where the configuration looks for them.

    python scripts/download.py --list
    python scripts/download.py weights coco_lvis_h18_itermask
    python scripts/download.py datasets GrabCut Berkeley --config-path config.yml

A fetch that was cut off goes on when the same command runs again.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("download")

main = main_of("download")
