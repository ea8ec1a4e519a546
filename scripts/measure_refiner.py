"""Compare the refined predictions of FocalClick, CDNet and EMC-Click with the coarse ones for the same clicks.

    python scripts/measure_refiner.py --checkpoint=<file>.pth --datasets=Berkeley --cpu
    python scripts/measure_refiner.py --checkpoint=<file>.pth --datasets=GrabCut,Berkeley --clicks=1,3,5 --thresh=0.5

For each data set it prints IoU, boundary IoU (Cheng et al. 2021) and the share of wrong pixels near the object's
border.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("measure-refiner")

main = main_of("measure-refiner")
