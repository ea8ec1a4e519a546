"""Fields of recipes that the command line replaces."""

from dataclasses import replace

import pytest

from isegm.recipes import Recipe, light
from isegm.recipes.overrides import with_fields
from isegm.utils.errors import InputError

RECIPE = Recipe(
    data=light.folders(epoch_len=8), crop={0: (64, 64), 2: (96, 96)}, sampler=light.SAMPLER, clicks=3,
    losses=light.losses(aux=0.4), batch_size=2, lr=1e-3, epochs=4, ema=0.9,
)  # fmt: skip


def test_fields_that_fit_together_alone_may_come_in_any_order():
    folder = replace(RECIPE, interleaved_batches=4, train_every_click=True, lr=1e-2)
    settings = ("mixed_clicks=true", "train_every_click=false", "interleaved_batches=1")
    for order in (settings, settings[::-1]):
        assert with_fields(folder, order).mixed_clicks
    with pytest.raises(
        InputError, match=r"^--set mixed_clicks=true --set lr=0\.1 do not fit: mixed_clicks takes one step"
    ):
        with_fields(folder, ("mixed_clicks=true", "lr=0.1"))
    with pytest.raises(
        InputError, match=r"^--set sampler\.prob_gamma=0\.7 leads into a value that another --set gives"
    ):
        with_fields(folder, ("sampler=null", "sampler.prob_gamma=0.7"))


def test_every_sample_of_mixed_clicks_begins_without_a_mask():
    masked = replace(RECIPE, initial_masks=lambda sample, rng: sample)
    with pytest.raises(InputError, match=r"^--set mixed_clicks=true does not fit: .*leave out initial_masks\.$"):
        with_fields(masked, ["mixed_clicks=true"])


def test_fields_get_other_values_and_the_recipe_keeps_its_own():
    changed = with_fields(
        RECIPE,
        ["ema=null", "crop=[32, 48]", "clicks=7", "sampler.merge_all_prob=0.5", "data.copy_paste=null",
         "losses.instance_aux_loss.weight=0.1"],
    )  # fmt: skip
    assert (changed.ema, changed.crop, changed.clicks) == (None, (32, 48), 7)
    assert changed.sampler.merge_all_prob == 0.5 and changed.data.copy_paste is None
    assert [term.weight for term in changed.losses.values()] == [1.0, 0.1]
    assert (RECIPE.ema, RECIPE.clicks, RECIPE.data.copy_paste is None) == (0.9, 3, False)
    assert with_fields(RECIPE, ["lr=1e-3", "losses.instance_loss.weight=2E1"]).lr == 1e-3
    assert with_fields(RECIPE, ["checkpoint_every=[[0, 5], [3, 1]]"]).checkpoint_every == ((0, 5), (3, 1))
    assert with_fields(RECIPE, ["crop={0: [32, 32], 3: [64, 64]}"]).crop == {0: (32, 32), 3: (64, 64)}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("ema", "--set ema must be FIELD=VALUE"),
        ("=3", "must be FIELD=VALUE"),
        ("click_number=3", "the recipe has no click_number: there are data, crop"),
        ("sampler.x=3", "the recipe has no sampler.x: there are max_num_points"),
        ("clicks.x=3", "leads into a value without fields"),
        ("clicks=many", "clicks of Recipe must be"),
        ("sampler.max_num_points=2", "3 simulated clicks do not fit into 2 rows: raise sampler.max_num_points"),
        ("crop=[32", "--set crop=.32 is not valid YAML: line 1: expected"),
        ("crop=&x [*x]", "is not valid YAML: .* an alias refers to what it is in"),
        ("crop={0: [64, 64], 0: [32, 32]}", "is not valid YAML: .* it has the key 0 twice"),
        ("sampler.negative_bg_prob=0.9", "add up to"),
        ("epochs=0", "epochs of Recipe must be a whole number of at least 1"),
        ("crop={}", "crop of Recipe must be a list of 2 or a mapping of at least 1"),
        ("losses={}", "losses of Recipe must be a mapping of at least 1"),
        ("losses.instance_loss.weight=x", "weight of LossTerm must be a finite number"),
        ("losses.instance_loss.criterion=3", "criterion of LossTerm must be a function"),
        ("data.views=3", "views of FolderData must be a function"),
        ("crop={1: [64, 64]}", r"crop of Recipe begins at the epochs 1: let the first one be 0"),
        ("crop={2: [64, 64], 0: [32, 32]}", r"crop of Recipe begins at the epochs 2, 0: .* order the others"),
        ("checkpoint_every=[[5, 1]]", "checkpoint_every of Recipe begins at the epochs 5"),
        ("data.copy_paste.scale=[0.9, 0.1]", "must be two numbers, the smaller one first, from 0 to 1"),
        ("sampler.max_num_merged_objects=1", "max_num_merged_objects of MultiPointSampler must be a whole"),
        ("sampler.positive_erode_iters=1000000", "positive_erode_iters of MultiPointSampler must be a whole"),
        ("sampler.expand_ratio=1000000", "expand_ratio of MultiPointSampler must be a finite number from 0 to 10"),
        ("data.copy_paste.scale=[0.5, 3]", "must be two numbers, the smaller one first, from 0 to 1"),
        ("data.epoch_len=0", "epoch_len of FolderData must be a whole number of at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_named(setting, words):
    with pytest.raises(InputError, match=words):
        with_fields(RECIPE, [setting])
