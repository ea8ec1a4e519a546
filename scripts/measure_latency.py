"""Measure how long an image, its first click and the next ones take, and the memory, for any networks.

    python scripts/measure_latency.py --cpu
    python scripts/measure_latency.py --models=ritm_hrnet18s,simpleclick_vitb --gpus=0 --plot=latency.png
    python scripts/measure_latency.py --checkpoint=<file>.pth --grid=16 --json=latency.json

Each network runs by its own published protocol, in a process of its own.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("measure-latency")

main = main_of("measure-latency")
