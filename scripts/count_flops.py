"""Count multiply-accumulates (MACs) and parameters of networks; FLOPs are 2 x MACs.

    python scripts/count_flops.py
    python scripts/count_flops.py --models ritm_hrnet18s,clickseg_mobilenetv2 --size 448,448 --json compute.json
    python scripts/count_flops.py --checkpoint weights/mobilenetv2_default.pth

One pass of one image is counted: the coarse prediction, the refiner of networks that have one, and both. Protocols that
also run the flipped image need two passes per click, as the last column says.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("flops")

main = main_of("flops")
