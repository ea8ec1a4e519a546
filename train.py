"""Train a click network.

    python train.py models/light/mobilenetv2_folder.py --data my_photos --exp-name first-try
    python train.py models/iter_mask/hrnet18s_folder.py --data my_photos --gpus 0 --amp bf16
    python train.py models/light/mobilenetv2_folder.py --data my_photos --resume-exp 000

    python train.py models/iter_mask/hrnet18s_folder.py --data my_photos --gpus 0,1
    torchrun --nproc_per_node=2 train.py models/iter_mask/hrnet18s_folder.py --data my_photos --gpus 0,1

The third one goes on where a stopped run ended, exactly; it takes the same options as the first start. The last two
are the same: a process for each of two GPUs, which has half of every batch. torchrun also spans machines.
"""

from isegm.cli.train import main
from isegm.utils.cli import run

if __name__ == "__main__":
    run(main)
