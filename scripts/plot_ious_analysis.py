"""Plot the mean IoU per click of several models, one figure per data set, and print it.

python scripts/evaluate_model.py NoBRS --checkpoint=coco_lvis_h18_itermask --datasets=GrabCut --iou-analysis
python scripts/plot_ious_analysis.py --model-dirs experiments/evaluation_logs/others/coco_lvis_h18_itermask
python scripts/plot_ious_analysis.py --files first/records_GrabCut.jsonl second/GrabCut_cvpr_NoBRS_20.pickle
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("plot-ious")

main = main_of("plot-ious")
