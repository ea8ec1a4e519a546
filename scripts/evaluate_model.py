"""Count the clicks that a network needs, with the simulated user of the published evaluations.

    python scripts/evaluate_model.py NoBRS --checkpoint=coco_lvis_h18_itermask --datasets=GrabCut,Berkeley
    python scripts/evaluate_model.py Baseline --checkpoint=mobilenetv2_default --infer-size=384 --thresh=0.5
    python scripts/evaluate_model.py FocalClick --checkpoint=<file>.pth --thresh=0.5 --datasets=DAVIS,D585_SP --vis
    python scripts/evaluate_model.py f-BRS-B --checkpoint=coco_lvis_h18_itermask --datasets=GrabCut
    python scripts/evaluate_model.py NoBRS --checkpoint=coco_lvis_h18_itermask --datasets=GrabCut --cf-n=4 --acf
    python scripts/evaluate_model.py --datasets=Samples --cpu

``isegm/evaluation/log_paths.py`` lists the files that are written.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("evaluate")

main = main_of("evaluate")
