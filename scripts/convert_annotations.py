"""Make the annotation files that training on COCO+LVIS, ADE20k and OpenImages needs.

    python scripts/convert_annotations.py coco_lvis --split train val --n-jobs 10
    python scripts/convert_annotations.py ade20k
    python scripts/convert_annotations.py openimages --split train validation

Paths come from config.yml. What is written lies in the folder of the data set.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("convert")

main = main_of("convert")
