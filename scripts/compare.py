"""Compare evaluations: scores side by side, paired differences to the first with 95 % intervals, published values.

python scripts/evaluate_model.py --checkpoint=first.pth --datasets=GrabCut
python scripts/evaluate_model.py --checkpoint=second.pth --datasets=GrabCut
python scripts/compare.py experiments/evaluation_logs/others/first experiments/evaluation_logs/others/second
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("compare")

main = main_of("compare")
