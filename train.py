"""Train a click network.

    python train.py models/light/mobilenetv2_folder.py --data my_images --exp-name first-try
    python train.py models/iter_mask/hrnet18s_folder.py --data my_images --gpus 0 --amp bf16
    python train.py models/light/mobilenetv2_folder.py --data my_images --resume-exp 000

    python train.py models/iter_mask/hrnet18s_folder.py --data my_images --gpus 0,1
    torchrun --nproc_per_node=2 train.py models/iter_mask/hrnet18s_folder.py --data my_images --gpus 0,1

The third command resumes a stopped run exactly; give it the options of the first start. The last two do the same: they
start one process for each GPU, with half of every batch. torchrun also spans several machines.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("train")

main = main_of("train")
