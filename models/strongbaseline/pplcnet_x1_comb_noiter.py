"""ClickSEG's light baseline, PP-LCNet, trained on from pplcnet_x1_comb without clicks in turn (Chen et al. 2022).

    python train.py models/strongbaseline/pplcnet_x1_comb_noiter.py --gpus=0,1 --batch-size=32 --weights=LAST

LAST is the last checkpoint of pplcnet_x1_comb, with whose experiments those of this script lie, as published: tell them
apart with --exp-name. The loss counts the surroundings of clicks more. CLICKSEG_AS_PUBLISHED in config.yml: see there.
"""

from isegm.recipes import Recipe, clickseg, train

MODEL_NAME = "pplcnet_x1_comb"
RECIPE = Recipe(
    crop=(384, 384), batch_size=32, lr=5e-2, epochs=230, milestones=(190, 210), checkpoint_every=((0, 50), (200, 10)),
    sampler=clickseg.sampler(prob_gamma=0.9, first_click_center=False), clicks=0,
    losses=clickseg.light_losses(aux=0.4, click=1.0),
    data=clickseg.combined(stuff=0.1),
    starts_from="the network that the script without _noiter has trained: "
    "give that run's last checkpoint with --weights",
)  # fmt: skip


def init_model(cfg):
    return clickseg.network("clickseg_pplcnet", cfg)


def main(cfg):
    train(init_model(cfg), cfg, RECIPE)
