"""Make initial masks: the masks of an evaluation set, corrupted to a wanted IoU.

    python scripts/make_initial_masks.py --dataset Berkeley --out berkeley_init
    python scripts/make_initial_masks.py --dataset folder:my_images --out my_init --iou 0.75,0.85 --seed 0
    python scripts/make_initial_masks.py --davis585 DAVIS --out datasets/DAVIS585

The last one makes DAVIS-585 from DAVIS 2017 (480p): its frames and objects, and initial masks of its kind (D585_SP).
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("initial-masks")

main = main_of("initial-masks")
