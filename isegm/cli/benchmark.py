"""Time the work at every click against plain implementations, and print the ratio."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from isegm.benchmarks.busy_machine import RUNTIME_DEFAULTS, busy_processes, seconds_per_click
from isegm.benchmarks.pass_memory import CLICK, DTYPES, RECOMPUTED, TRAINING, cost_of
from isegm.benchmarks.published_layouts import full_grid_disks, in_published_layout
from isegm.benchmarks.scaling import print_scaling
from isegm.benchmarks.step_stages import SIZE as STEP_SIZE
from isegm.benchmarks.step_stages import stage_lines, training_stages
from isegm.benchmarks.training_throughput import updates_per_second
from isegm.click_maps import DistMaps
from isegm.clicks import Click
from isegm.inference.clicker import Clicker
from isegm.inference.merge import change_around
from isegm.inference.predictor import Predictor
from isegm.model import build_model
from isegm.model.heads.pixel_diffusion import DILATIONS, STEPS, PixelDiffusion
from isegm.utils.arguments import CommandParser
from isegm.utils.cli import add_thread_option, choose_device, program
from isegm.utils.log import printable
from isegm.utils.memory import keep_freed_memory
from isegm.utils.quantities import in_bytes
from isegm.utils.schema import Whole
from isegm.utils.text_values import from_text
from isegm.utils.threads import SPINS, set_threads

# The benchmark that a first word chooses: the module of its command, None for this one, and the options that it gets.
KINDS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "clicks": (None, ()),
    "eval": ("benchmark_eval", ()),
    "train": (None, ("--training",)),
    "latency": ("measure_latency", ("--plain",)),
}
REPEATS = 7
VIT_REPEATS = 3
STEP_BATCH, STEPS_TIMED = 8, 4  # of the stages of a training step
NETWORKS = (
    "clickseg_mobilenetv2",
    "ritm_hrnet18s",
    "ritm_hrnet32",
    "focalclick_hrnet18s_s2",
    "focalclick_segformerb3_s2",
)


def median_ms(work: Callable[[], object]) -> float:
    """Measure the median time of a call in milliseconds, after one call that does not count."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def report(name: str, plain: float, ours: float) -> None:
    print(f"{name:<58} plain {plain:8.2f} ms   here {ours:8.2f} ms   {plain / ours:6.1f} x")


def click_maps(batch: int, slots: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    points = torch.full((batch, 2 * slots, 3), -1.0)
    points[:, : slots // 2] = torch.from_numpy(rng.uniform(0, min(size), (batch, slots // 2, 3))).float()
    maps = DistMaps(5, use_disks=True)
    assert torch.equal(maps(points, size), full_grid_disks(points, size, 5))
    report(
        f"click maps, batch {batch}, {slots} slots, {size[0]}x{size[1]}",
        median_ms(lambda: full_grid_disks(points, size, 5)),
        median_ms(lambda: maps(points, size)),
    )


def full_image_click(truth: np.ndarray, pred: np.ndarray) -> tuple[bool, int]:
    """Find the next click by distance transforms of the whole image: its sign and its flat index."""
    depths = []
    for error in (truth & ~pred, ~truth & pred):
        padded = np.pad(error.astype(np.uint8), 1)
        depths.append(cv2.distanceTransform(padded, cv2.DIST_L2, 0)[1:-1, 1:-1])
    is_positive = depths[0].max() > depths[1].max()
    depth = depths[0] if is_positive else depths[1]
    return bool(is_positive), int(np.flatnonzero(depth == depth.max())[0])


def next_click(height: int, width: int) -> None:
    rows, columns = np.mgrid[:height, :width]
    truth = ((rows / height - 0.45) / 0.3) ** 2 + ((columns / width - 0.5) / 0.2) ** 2 <= 1
    pred = np.roll(truth, height // 40, axis=0)

    def ours() -> tuple[bool, int]:
        clicker = Clicker(gt_mask=truth.astype(np.int32))
        start = time.perf_counter()
        clicker.make_next_click(pred)
        spent.append(1000 * (time.perf_counter() - start))
        click = clicker.clicks_list[0]
        return click.is_positive, int(click.coords[0] * width + click.coords[1])

    spent: list[float] = []
    assert ours() == full_image_click(truth, pred)
    median_ms(ours)
    plain = median_ms(lambda: full_image_click(truth, pred))
    report(f"next simulated click, {height}x{width}", plain, statistics.median(spent))


def change_by_click(height: int, width: int) -> None:
    """Time the search for the changed region that holds the last click, of FocalClick's crop and merge."""
    rows, columns = np.mgrid[:height, :width]
    before = ((rows / height - 0.45) / 0.3) ** 2 + ((columns / width - 0.5) / 0.2) ** 2 <= 1
    changed = before ^ np.roll(before, height // 40, axis=0)
    row, column = (int(indices[len(indices) // 2]) for indices in np.nonzero(changed))

    def plain() -> np.ndarray:
        labels = cv2.connectedComponents(changed.astype(np.uint8), connectivity=8)[1]
        return labels == labels[row, column]

    region = change_around(changed, row, column)
    assert region is not None and np.array_equal(plain(), region)
    ours = median_ms(lambda: change_around(changed, row, column))
    report(f"region changed by a click, {height}x{width}", median_ms(plain), ours)


@torch.inference_mode()
def pixel_diffusion(side: int) -> None:
    """Time CDNet's pixel diffusion against convolutions with the kernels that published files hold."""
    diffusion = PixelDiffusion()
    image, logits, clicks = torch.rand(1, 3, side, side), torch.randn(1, 1, side, side), torch.zeros(1, 2, side, side)

    def convolved(x: torch.Tensor, kernels: torch.nn.Module) -> torch.Tensor:
        """Convolve each channel with each kernel at each dilation: (C, kernels * dilations, H, W)."""
        kernel = kernels.get_buffer("kernel")
        planes = x.transpose(0, 1)
        padded = [(F.pad(planes, (d,) * 4, mode="replicate"), d) for d in DILATIONS]
        return torch.cat([F.conv2d(plane, kernel, dilation=d) for plane, d in padded], dim=1)

    def plain() -> torch.Tensor:
        unit = 1e-8 + 0.1 * convolved(image, diffusion.aff_std).std(1, keepdim=True)
        affinity = (-convolved(image, diffusion.aff_x).abs() / unit).mean(0, keepdim=True).softmax(1)
        residual = 2 * (logits.sigmoid() - 0.5)
        mask = torch.where(residual.abs() > 0.25, residual, 0.0)
        for _ in range(STEPS):
            mask = (convolved(mask, diffusion.aff_m) * affinity).sum(1, keepdim=True)
        return mask + residual

    torch.testing.assert_close(plain(), diffusion(image, logits, clicks), atol=1e-3, rtol=0)
    ours = median_ms(lambda: diffusion(image, logits, clicks))
    report(f"pixel diffusion of CDNet, {side}x{side}", median_ms(plain), ours)


@torch.inference_mode()
def vit_click() -> None:
    """Time a click of SimpleClick's ViT-B, with its flipped copy, against the published layout; both in turn."""
    network = build_model("simpleclick_vitb").eval()
    plain = in_published_layout(network)
    inputs = torch.rand(1, 4, 448, 448), torch.tensor([[[200.0, 300, 0], [-1, -1, -1]]])
    torch.testing.assert_close(plain(*inputs)["instances"], network(*inputs)["instances"], atol=1e-3, rtol=0)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    seconds: list[list[float]] = [[], []]
    for _ in range(VIT_REPEATS):
        for measured, model in zip(seconds, (plain, network), strict=True):
            predictor = Predictor(model)
            begun = [predictor.start(image)]
            start = time.perf_counter()
            predictor.step(begun, [Click(True, (200, 300))])
            measured.append(1000 * (time.perf_counter() - start))
    report("ViT-B, one click at 448, CPU fp32", *map(statistics.median, seconds))


def memory_of(name: str, side: int, batch: int, dtype: str, threads: int | None) -> None:
    """Print the memory and the seconds of a click, and of a training step without and with activation checkpointing."""
    size = f"{side} x {side} pixels, batch {batch}, {dtype}"
    print(f"{printable(name)}, {size}; peak of the process, of that the pass, and its time")
    kinds = {CLICK: "click", TRAINING: "training step", RECOMPUTED: "the same, activation checkpointing"}
    for kind, words in kinds.items():
        if kind == CLICK or dtype == "fp32":
            cost = cost_of(kind, name, side, batch, dtype, threads)
            print(f"{words:<34} {in_bytes(cost.peak):>8} {in_bytes(cost.own):>8} {cost.seconds:8.1f} s", flush=True)


@torch.inference_mode()
def allocator() -> None:
    """Time a forward pass before and after freed memory is kept, as in all commands; this cannot be undone."""
    network = build_model("clickseg_mobilenetv2").eval()
    image, points = torch.rand(1, 4, 384, 384), torch.full((1, 2, 3), -1.0)
    plain = median_ms(lambda: network(image, points))
    if not keep_freed_memory():
        print("freed memory cannot be kept with this C library")
        return
    report("MobileNetV2 forward 384x384, freed memory kept", plain, median_ms(lambda: network(image, points)))


def click_on(device: torch.device, name: str) -> None:
    """Time a click, from the image in memory to the mask, on a GPU against the CPU; then eight of them together."""
    network = build_model(name).eval()
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    click = Click(True, (200, 300))

    def median_of(place: torch.device | str, sessions: int) -> float:
        predictor = Predictor(network, place)
        begun = [predictor.start(image)] * sessions
        return median_ms(lambda: [found.mask(0.49) for found in predictor.step(begun, [click] * sessions)]) / sessions

    cpu, one, eight = median_of("cpu", 1), median_of(device, 1), median_of(device, 8)
    report(f"{name}, a click on the CPU against {device}", cpu, one)
    report(f"{name}, the same, of 8 together", cpu, eight)


def clicks_beside(busy: int, clicks: int, rounds: int, threads: int | None) -> None:
    """Time clicks as OpenMP waits by itself and with the bound of ``bound_spinning``, idle and beside busy processes.

    Both are timed in turn in every round; the figures are medians over the rounds.
    """
    print(f"seconds per click, medians of {rounds} rounds of {clicks} clicks; by default, and with bounded spinning")
    for name, count in (("idle", 0), (f"beside {busy} busy processes", busy)):
        plain, ours = [], []
        with busy_processes(count):
            for _ in range(rounds):
                plain.append(seconds_per_click(RUNTIME_DEFAULTS, clicks, threads))
                ours.append(seconds_per_click(SPINS, clicks, threads))
        before, after = statistics.median(plain), statistics.median(ours)
        print(f"{name:<28} default {before:7.3f} s   here {after:7.3f} s   {before / after:6.2f} x", flush=True)


def training_on(device: torch.device) -> None:
    """Time training through the data loader against training on images, augmentation and clicks on the device.

    On CUDA with a recipe's numbers, 320 pixels and batches of 96 in bfloat16, and compiled too; on others in small.
    In front of that the stages of a step of RITM's HRNet-18s, with samples from disk.
    """
    keep_freed_memory()  # as isegm train does
    on_cuda = device.type == "cuda"
    height, width = STEP_SIZE
    print(f"a step of RITM's HRNet-18s, {height}x{width}, batches of {STEP_BATCH}, fp32, on {device}")
    print(*stage_lines(training_stages("ritm_hrnet18s", STEP_BATCH, STEPS_TIMED, device)), sep="\n", flush=True)
    amp = torch.bfloat16 if on_cuda else None
    side, batch_size, batches = (320, 96, 12) if on_cuda else (192, 16, 6)
    print(f"sample-updates per second, MobileNetV2, {side}x{side}, batches of {batch_size}; loader, and on {device}")
    kinds = [("training", True, False), ("samples and clicks alone", False, False)]
    kinds += [("training, compiled", True, True)] if on_cuda else []
    for name, with_network, compiled in kinds:
        loader, ours = (
            updates_per_second(device, on_device, side, batch_size, batches, amp, with_network, compiled)
            for on_device in (False, True)
        )
        print(f"{name:<28} loader {loader:8.1f}   here {ours:8.1f}   {ours / loader:6.2f} x", flush=True)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options, from ``sys.argv`` by default."""
    parser = CommandParser(
        prog=program("benchmark", arguments),
        description="Time the work at every click against plain implementations of the same results. Words in front of "
        "the options: eval times an evaluation (isegm benchmark-eval), latency an image and its clicks (isegm "
        "measure-latency --plain), train is --training.",
    )
    parser.add_argument(
        "--busy",
        type=from_text(Whole(1, 64)),
        metavar="N",
        help="time clicks instead, idle and beside N processes that spin, spinning bounded or not (default: do not)",
    )
    parser.add_argument(
        "--clicks",
        type=from_text(Whole(1, 10_000)),
        default=40,
        help="clicks of a round of --busy (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=from_text(Whole(1, 1000)), default=3, help="rounds of --busy (default: %(default)s)"
    )
    parser.add_argument(
        "--training",
        action="store_true",
        help="time training instead, images on --device (default: the CPU) against the data loader (default: do not)",
    )
    parser.add_argument(
        "--memory",
        metavar="NETWORK",
        help="measure the memory of a click and of a training step of this network instead (default: do not)",
    )
    parser.add_argument(
        "--side",
        type=from_text(Whole(32, 4096)),
        default=448,
        help="of the square input of --memory, in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--batch", type=from_text(Whole(1, 1024)), default=2, help="samples of --memory (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype",
        choices=tuple(DTYPES),
        default="fp32",
        help="of --memory; bf16 measures the click alone (default: %(default)s)",
    )
    parser.add_argument(
        "--scaling",
        metavar="RECORDS",
        help="replay a records file of isegm evaluate with several processes instead (default: do not)",
    )
    parser.add_argument(
        "--objects",
        type=from_text(Whole(1, 10_000_000)),
        default=100_000,
        help="of a second replay, with the same images again and again (default: %(default)s)",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw --scaling into this PNG file (default: do not)")
    add_thread_option(parser)
    parser.add_argument(
        "--device", help="time clicks on this device, such as cuda, against the CPU instead; default: none"
    )
    args = parser.parse_args(arguments)
    if args.plot is not None and args.scaling is None:
        parser.error("--plot draws what --scaling replays: give both, or neither")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the times that the options ask for; a first word of ``KINDS`` chooses another benchmark."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] and words[0] in KINDS:
        command, options = KINDS[words[0]]
        if command is not None:
            import_module(f"isegm.cli.{command}").main([*options, *words[1:]])
            return
        arguments = [*options, *words[1:]]
    args = parse_args(arguments)
    threads = set_threads(args.threads)
    print(f"torch {torch.__version__}, {threads} threads")
    if args.busy is not None:
        clicks_beside(args.busy, args.clicks, args.rounds, args.threads)
        return
    if args.memory is not None:
        memory_of(args.memory, args.side, args.batch, args.dtype, args.threads)
        return
    if args.scaling is not None:
        print_scaling(args.scaling, args.objects, args.plot)
        return
    if args.training:
        training_on(choose_device(device=args.device or "cpu"))
        return
    if args.device is not None:
        chosen = choose_device(device=args.device)
        if chosen.type == "cuda":
            print(torch.cuda.get_device_name(chosen))
        for name in NETWORKS:
            click_on(chosen, name)
        return
    click_maps(2, 20, (400, 400))
    click_maps(8, 24, (320, 480))
    next_click(480, 854)
    next_click(2048, 2048)
    change_by_click(480, 854)
    change_by_click(2048, 2048)
    allocator()
    pixel_diffusion(384)
    vit_click()
