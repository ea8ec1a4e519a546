"""Options of an evaluation: each default, choice, bound and help text is stated here, once.

The command line (``isegm/cli/evaluate.py``) builds its parser from the fields of ``EvalOptions``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from isegm.data.initial_masks import INIT_SUFFIX
from isegm.data.simulated_prompts import PROMPTS
from isegm.evaluation.option_fields import check_bounds, option
from isegm.inference.cascade import MOST_CLICKS, MOST_STEPS, Cascade
from isegm.inference.postprocess import FocusRefine
from isegm.inference.precision import LOWER
from isegm.inference.protocols import (
    MERGES,
    MODE_PROTOCOLS,
    MOST_SIDE,
    PROTOCOLS,
    RITM,
    InferenceSettings,
    protocol_named,
    settings_for,
    with_further_looks,
)
from isegm.inference.refinement import Refinement, build_refinement, list_refinements
from isegm.inference.simulation import CLICKERS, MOST_JITTER, NEVER_STOP, EvalSettings
from isegm.inference.transforms import ZoomIn
from isegm.model.click_model import ClickModel
from isegm.utils.arguments import whole_from
from isegm.utils.errors import InputError
from isegm.utils.schema import shown

# Evaluation modes and the inference protocol of each; None: the network's own protocol.
MODES: dict[str, str | None] = {"NoBRS": None, **MODE_PROTOCOLS, **dict.fromkeys(list_refinements())}
CPU = torch.device("cpu")
VIS_PATH = "./experiments/vis_val"
MIN_INPUT_SIDE = 32  # pixels; of a smaller network input nothing is left at the coarsest stage
MOST_SIDE_BY_SIDE = 4096  # objects
MOST_OBJECTS = 10**9  # of a data set
MOST_ON_SHEET = 100  # objects on a picture, which is then 3936 pixels wide
LOWEST_TARGET = 0.8  # published evaluations stop at no lower IoU
PUBLISHED_SETS = ("GrabCut", "Berkeley", "DAVIS", "SBD", "PascalVOC")


def _auto_or_whole(text: str) -> int | None:
    """Read a number, or None from "auto"."""
    return None if text == "auto" else whole_from(1, MOST_SIDE_BY_SIDE)(text)


@dataclass(frozen=True)
class EvalOptions:
    """Everything that the command line of an evaluation says.

    Attributes:
        device: where the networks run.
        command: the command line, for the reports.

    Raises:
        InputError: a value is not among the choices or out of its bounds.
    """

    mode: str | None = field(
        default=None,
        metadata=option(
            "NoBRS: the network's own protocol, as published (networks of EMC-Click also need --eval-mode=emc-click); "
            "Baseline, FocalClick, CDNet: those of ClickSEG; EMC-Click: that of its networks; "
            "the others fit features (f-BRS), the image (RGB-BRS) or the click maps (DistMap-BRS) to the clicks "
            "(default: that of the network)",
            flag="mode",
            choices=MODES,
        ),
    )
    checkpoint: str | None = field(
        default=None,
        metadata=option(
            "path; or beginning of a file name below --model_dir; or model:checkpoint; several with commas "
            "(default: the checkpoint that comes with the code)",
        ),
    )
    exp_path: str | None = field(
        default=None, metadata=option("experiment below EXPS_PATH, as path[:prefix of its checkpoints] (default: none)")
    )
    model_dir: str = field(
        default="",
        metadata=option(
            "where --checkpoint is looked for (default: INTERACTIVE_MODELS_PATH of the configuration)",
            flag="--model_dir",
        ),
    )
    datasets: str | None = field(
        default=None,
        metadata=option(
            "names, or folder:<path>, with commas (default: those that are there of "
            f"{', '.join(PUBLISHED_SETS)}; Samples if none is)"
        ),
    )
    init_masks: str | None = field(
        default=None,
        metadata=option(
            "start from these masks, which isegm initial-masks makes, on one data set "
            "(default: those of the data set, if it has some)",
            metavar="FOLDER",
        ),
    )
    merge: str = field(
        default="published",
        metadata=option(
            "how a prediction changes an initial mask; guarded: only the connected change at the click, and only as "
            "its sign says; published: Progressive Merge, the same whatever the sign; none: the prediction replaces "
            "the mask (default: %(default)s)",
            choices=MERGES,
        ),
    )
    device: torch.device = CPU
    target_iou: float | None = field(
        default=None,
        metadata=option(
            f"stop clicking an object at this IoU, at least {LOWEST_TARGET} (default: {EvalSettings.target_iou}; "
            f"{PROTOCOLS['segnext'].target_iou} with networks of SegNext, and of SimpleClick with --cf-n)",
            type=float,
            least=0,
            most=1,
        ),
    )
    iou_analysis: bool = field(
        default=False, metadata=option("give every object all clicks, and pickle IoUs as published plots read them")
    )
    n_clicks: int = field(
        default=EvalSettings.max_clicks,
        metadata=option("clicks per object at most (default: %(default)s)", least=1, most=MOST_CLICKS),
    )
    max_n_clicks: int | None = field(
        default=None,
        metadata=option(
            "clicks per object at most, where scores count other than --n-clicks, an option of SegNext (default: "
            "--n-clicks)",
            type=int,
            least=1,
            most=MOST_CLICKS,
        ),
    )
    min_n_clicks: int = field(
        default=EvalSettings.min_clicks, metadata=option("clicks per object at least (default: %(default)s)", least=1)
    )
    clicker: str = field(
        default=EvalSettings.clicker,
        metadata=option(
            "where the simulated user clicks: the middle of the largest error, as published, or a random pixel of it "
            "(default: %(default)s)",
            choices=CLICKERS,
        ),
    )
    prompts: str = field(
        default=EvalSettings.prompt,
        metadata=option(
            "what the simulated user gives first, which counts as a click; clicks follow: a click, the box around the "
            "object, a scribble in it, or a mask with errors (that of the data set, if it has some) "
            "(default: %(default)s)",
            choices=PROMPTS,
        ),
    )
    box_jitter: float = field(
        default=EvalSettings.box_jitter,
        metadata=option(
            "with --prompts box, move each side by up to this fraction of the box's width (left and right sides) or "
            "height (top and bottom sides) (default: %(default)s)",
            least=0,
            most=MOST_JITTER,
        ),
    )
    seed: int = field(
        default=EvalSettings.seed,
        metadata=option(
            "of --clicker random, --box-jitter and --prompts mask (default: %(default)s)",
            least=0,
            most=2**31 - 1,
        ),
    )
    thresh: float = field(
        default=EvalSettings.threshold,
        metadata=option("the mask is where the probability is greater (default: %(default)s)", least=0, most=1),
    )
    clicks_limit: int | None = field(
        default=None,
        metadata=option(
            "show the network only so many first clicks; -1: as many as --n-clicks "
            "(default: all; 8 with f-BRS, 5 with RGB-BRS and DistMap-BRS)",
            type=int,
        ),
    )
    eval_mode: str = field(
        default="cvpr",
        metadata=option("cvpr, fixed<N> or fixed<H>,<W>; emc-click, as EMC-Click was published (default: %(default)s)"),
    )
    eval_ritm: bool = field(
        default=False,
        metadata=option(
            "evaluate by RITM's protocol instead of the network's own, an option of SimpleClick; tables, reports and "
            "records name it"
        ),
    )
    infer_size: int | None = field(
        default=None,
        metadata=option(
            "side of the network's input, ClickSEG's protocols but CDNet's (default: 256 for FocalClick, else 384)",
            type=int,
            least=MIN_INPUT_SIDE,
            most=MOST_SIDE,
        ),
    )
    target_crop_r: float = field(
        default=ZoomIn.expansion_ratio,
        metadata=option("expansion of the crop, ClickSEG's protocols (default: %(default)s)", least=1, most=100),
    )
    focus_crop_r: float = field(
        default=FocusRefine.crop_ratio,
        metadata=option(
            "expansion of the focus crop, in which FocalClick refines its prediction (default: %(default)s)",
            least=1,
            most=100,
        ),
    )
    cf_n: int = field(
        default=0,
        metadata=option(
            "Cascade-Forward Refinement: run the network so many times more at a click, each time from its last "
            "prediction (default: %(default)s)",
            least=0,
            most=MOST_STEPS,
        ),
    )
    cf_click: int = field(
        default=Cascade.clicks,
        metadata=option("do so with the first so many clicks (default: %(default)s)", least=0, most=MOST_CLICKS),
    )
    acf: bool = field(
        default=Cascade.adaptive, metadata=option("leave out what remains of --cf-n once the mask has settled")
    )
    further_looks: bool = field(
        default=False,
        metadata=option(
            "look again as annotation programs do: at the first click into a crop around its answer, and with larger "
            "crops where the border of one cuts the mask; for networks that see crops"
        ),
    )
    save_ious: bool = field(default=False, metadata=option("pickle the IoUs of each object"))
    print_ious: bool = field(default=False, metadata=option("give every object all clicks, and print mean IoUs"))
    vis_preds: bool = field(default=False, metadata=option("write an image for each click"))
    vis: bool = field(
        default=False, metadata=option("write an image for each object: where it started, where it ended")
    )
    vis_path: str | None = field(
        default=None,
        metadata=option(f"the same, into this folder (default of --vis: below {VIS_PATH})", flag="--vis_path"),
    )
    overlays: bool = field(
        default=True, metadata=option("do not draw the best and the worst objects", flag="--no-overlays")
    )
    sheet: int | None = field(
        default=None,
        metadata=option(
            "draw so many objects, spread evenly over each data set, after one, two and four clicks (default: none)",
            type=whole_from(1, MOST_ON_SHEET),
            metavar="N",
            least=1,
            most=MOST_ON_SHEET,
        ),
    )
    model_name: str | None = field(
        default=None, metadata=option("name of the model in plots of --iou-analysis (default: that above the table)")
    )
    config_path: str = field(
        default="./config.yml", metadata=option("configuration; the default file may be missing (default: %(default)s)")
    )
    logs_path: str = field(default="", metadata=option("folder of all logs (default: EXPS_PATH/evaluation_logs)"))
    batch_size: int | None = field(
        default=None,
        metadata=option(
            "objects clicked side by side at most, fewer where images are large; auto: one on a CPU, on a GPU "
            "by its memory; does not change the results on a CPU (default: auto)",
            type=_auto_or_whole,
            metavar="N",
            least=1,
            most=MOST_SIDE_BY_SIDE,
        ),
    )
    precision: str = field(
        default="fp32",
        metadata=option(
            "in which the network computes; isegm compare tells how many objects need other clicks than with fp32 "
            "(default: %(default)s)",
            choices=("fp32", *LOWER),
        ),
    )
    compile: bool = field(
        default=False,
        metadata=option(
            "compile the network with torch.compile: minutes at the first clicks, then each takes less time"
        ),
    )
    resume: bool = field(default=False, metadata=option("go on with the records of an evaluation that was stopped"))
    max_objects: int | None = field(
        default=None,
        metadata=option(
            "evaluate only the first so many objects of each data set (default: all)",
            type=int,
            least=1,
            most=MOST_OBJECTS,
        ),
    )
    command: str = ""

    def __post_init__(self) -> None:
        if self.mode is not None and self.mode not in MODES:
            raise InputError(f"there is no mode {self.mode}: known are {', '.join(MODES)}.")
        if self.eval_ritm and MODES.get(self.mode or "") is not None:
            raise InputError(
                f"--eval-ritm evaluates by RITM's protocol, and mode {self.mode} by its own: leave one of them out."
            )
        check_bounds(self)
        most = "--n-clicks" if self.max_n_clicks is None else "--max-n-clicks"
        if self.min_n_clicks > self.clicks:
            raise InputError(f"--min-n-clicks {self.min_n_clicks} is more than {most} {self.clicks}: lower it.")
        if self.prompts not in ("click", "mask") and self.init_masks is not None:
            raise InputError(f"--prompts {self.prompts} begins without a mask: leave --init-masks out.")
        if self.clicks_limit is not None and self.clicks_limit != -1 and not 1 <= self.clicks_limit <= MOST_CLICKS:
            raise InputError(
                f"--clicks-limit is {shown(self.clicks_limit)}: give a number from 1 to {MOST_CLICKS}, or -1 for that "
                "of --n-clicks."
            )

    def protocol_of(self, model: ClickModel) -> str:
        """Name the inference protocol with which a network is evaluated."""
        return RITM if self.eval_ritm else MODES[self.mode or "NoBRS"] or model.protocol

    def refinement(self) -> Refinement | None:
        """Build the test-time refinement of the mode; None if the mode has none."""
        return build_refinement(self.mode) if self.mode in list_refinements() else None

    def cascade(self) -> Cascade | None:
        """Build the cascade of ``cf_n``; None for a single pass per click."""
        return Cascade(self.cf_n, self.acf, self.cf_click) if self.cf_n and self.cf_click else None

    @property
    def clicks(self) -> int:
        """Clicks per object at most."""
        return self.n_clicks if self.max_n_clicks is None else self.max_n_clicks

    def eval_settings(self, protocol: str) -> EvalSettings:
        """Say when clicking stops: never early if the IoUs of all clicks are wanted, and at no IoU below 0.8.

        Args:
            protocol: the inference protocol of the network or the mode.
        """
        every_click = (self.iou_analysis or self.print_ious) and self.min_n_clicks <= 1
        given = self.usual_target(protocol) if self.target_iou is None else self.target_iou
        target = NEVER_STOP if every_click else max(LOWEST_TARGET, given)
        random = self.clicker == "random" or self.box_jitter or self.prompts == "mask"
        seed = self.seed if random else EvalSettings.seed
        return EvalSettings(
            target, self.clicks, self.min_n_clicks, self.thresh, self.clicker, seed, self.prompts, self.box_jitter
        )

    def usual_target(self, protocol: str) -> float:
        """The IoU at which published evaluations stop: CFR-ICL's of SimpleClick's networks later than SimpleClick's."""
        published = protocol_named(protocol)
        return (published.cascade_target_iou if self.cf_n else None) or published.target_iou

    def inference_settings(self, protocol: str, dataset: str) -> InferenceSettings:
        """Build the inference settings of a protocol for a data set.

        Raises:
            InputError: see ``settings_for``.
        """
        if self.init_masks is not None:
            dataset = dataset.removesuffix(INIT_SUFFIX)
        settings = settings_for(
            protocol,
            self.eval_mode,
            dataset,
            self.infer_size,
            self.target_crop_r,
            clicks_limit=self.n_clicks if self.clicks_limit == -1 else self.clicks_limit,
            focus_crop_r=self.focus_crop_r,
        )
        if self.further_looks:
            settings = with_further_looks(settings)
        precision = None if self.precision == "fp32" else self.precision
        return replace(
            settings, merge=self.merge, cascade=self.cascade(), precision=precision, compiled=self.compile or None
        )
