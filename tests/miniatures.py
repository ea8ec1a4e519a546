"""A few tiny images in exactly the layouts of the published data sets.

Every function writes one data set below ``root`` and returns ``root``. Images are 60 rows by 80 columns of noise.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.io import savemat

from isegm.utils.files import write_image

SIZE = (60, 80)


def draw_image(path: Path, seed: int = 0) -> None:
    """Write an image of noise."""
    write_image(path, np.random.default_rng(seed).integers(0, 255, (*SIZE, 3)).astype(np.uint8))


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    """(60, 80) uint8: the n-th box (top, left, bottom, right; ends excluded) holds n, later ones cover earlier ones."""
    mask = np.zeros(SIZE, np.uint8)
    for number, (top, left, bottom, right) in enumerate(corners, start=1):
        mask[top:bottom, left:right] = number
    return mask


def voc_palette() -> list[int]:
    """VOC's 256 colours as 768 numbers."""
    colours = []
    for index in range(256):
        colour = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                colour[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        colours += colour
    return colours


def benchmarks(root: Path) -> Path:
    """GrabCut, Berkeley and DAVIS side by side, with one image each."""
    for name, images, masks in (
        ("GrabCut", "data_GT", "boundary_GT"),
        ("Berkeley", "images", "masks"),
        ("DAVIS", "img", "gt"),
    ):
        draw_image(root / name / images / "0.jpg")
        write_image(root / name / masks / "0.png", 255 * boxes((10, 15, 45, 60)))
    return root


def sbd(root: Path) -> Path:
    """SBD: 3 images in train, 2 in val; object 2 of the first of train is a buggy one, a thin diagonal."""
    for split, names in (("train", ("2008_000002", "2008_000003", "2008_000007")), ("val", ("2009_01", "2009_02"))):
        for number, name in enumerate(names):
            mask = boxes((5, 5, 30, 30), (10, 40, 50, 70))
            if split == "train" and number == 0:
                mask = boxes((5, 5, 30, 30))
                steps = np.arange(28)
                mask[31 + steps, 40 + steps] = 2
            elif number == 1:
                mask = boxes((5, 5, 30, 30))
            draw_image(root / "img" / f"{name}.jpg", number)
            (root / "inst").mkdir(parents=True, exist_ok=True)
            fields = {"Segmentation": mask, "Boundaries": np.zeros(1), "Categories": np.ones((2, 1), np.uint8)}
            savemat(root / "inst" / f"{name}.mat", {"GTinst": fields}, do_compression=True)
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def voc(root: Path) -> Path:
    """Pascal VOC: 2 images in train, 2 in val; the first of val holds objects 1, 2 and 16 (which looks like 1)."""
    splits = {"train": ("2007_000001", "2007_000002"), "val": ("2007_000003", "2007_000004")}
    for split, names in splits.items():
        for number, name in enumerate(names):
            mask = boxes((5, 5, 30, 30), (10, 40, 50, 70))
            mask[4, 5:30] = 255
            if split == "val" and number == 0:
                mask[52:58, 5:20] = 16
            draw_image(root / "JPEGImages" / f"{name}.jpg", number)
            (root / "SegmentationObject").mkdir(parents=True, exist_ok=True)
            labels = Image.fromarray(mask)
            labels.putpalette(voc_palette())
            labels.save(root / "SegmentationObject" / f"{name}.png")
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, names in (*splits.items(), ("trainval", (*splits["train"], *splits["val"]))):
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


THINGS = ((5, 5, 30, 30), (10, 40, 50, 70))  # boxes (top, left, bottom, right; ends excluded) on images of COCO
STUFF = (50, 0, 60, 80)
CROWD = (0, 60, 8, 80)
SEGMENTS = (3 + 256 * 4 + 65536 * 5, 7, 300, 70000)  # their panoptic ids, the two things first


def coco(root: Path, names: tuple[str, str] = ("train", "val")) -> Path:
    """COCO panoptic: 3 images in train, 2 in val, each with two things, one stuff and one crowd segment."""
    categories = [{"id": 1, "isthing": 1, "name": "person"}, {"id": 200, "isthing": 0, "name": "rug"}]
    for split, numbers in zip(names, ((1, 2, 3), (4, 5)), strict=True):
        annotations = []
        for number in numbers:
            ids = boxes(*THINGS, STUFF, CROWD)
            colours = np.zeros((*SIZE, 3), np.uint8)
            segments = []
            for position, segment in enumerate(SEGMENTS, start=1):
                colours[ids == position] = segment % 256, segment // 256 % 256, segment // 65536
                info = {"id": segment, "category_id": 200 if position == 3 else 1, "iscrowd": int(position == 4)}
                segments.append(info)
            draw_image(root / split / f"{number:012d}.jpg", number)
            write_image(root / "annotations" / f"panoptic_{split}" / f"{number:012d}.png", colours)
            annotations.append({"image_id": number, "file_name": f"{number:012d}.png", "segments_info": segments})
        content = {"images": [], "annotations": annotations, "categories": categories}
        (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(content))
    return root


def outline(top: int, left: int, bottom: int, right: int) -> list[float]:
    """A box, ends excluded, as LVIS writes polygons: x, y, x, y, ..."""
    return [left + 0.2, top, right - 1, top + 0.2, right - 1, bottom - 1, left, bottom - 1.3]


# Objects of every LVIS image: one that COCO has too, a part of it, one of its own, and one over most of that.
LVIS_OBJECTS = (THINGS[0], (10, 10, 20, 20), (32, 5, 48, 35), (32, 5, 48, 33))


def lvis(root: Path, version: str = "v1") -> Path:
    """LVIS: images 1 and 2 in train, 4 and (from train's folder) 3 in val, each with ``LVIS_OBJECTS``."""
    number_of = 0
    for split, images in (("train", ((1, "train"), (2, "train"))), ("val", ((4, "val"), (3, "train")))):
        content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "thing"}]}
        for number, folder in images:
            draw_image(root / folder / "images" / f"{number:012d}.jpg", number)
            url = f"http://images.cocodataset.org/{folder}2017/{number:012d}.jpg"
            content["images"].append({"id": number, "coco_url": url, "height": SIZE[0], "width": SIZE[1]})
            for box in LVIS_OBJECTS:
                number_of += 1
                content["annotations"].append(
                    {"id": number_of, "image_id": number, "category_id": 1, "segmentation": [outline(*box)]}
                )
        name = f"lvis_v1_{split}.json" if version == "v1" else f"lvis_{split}.json"
        (root / split).mkdir(exist_ok=True)
        (root / split / name).write_text(json.dumps(content))
    return root


def coco_lvis(root: Path) -> Path:
    """COCO+LVIS: 2 images in train, 1 in val: object 1 lies in 0, 2 stands alone, and 3 is stuff."""
    for split, numbers in (("train", (1, 2)), ("val", (4,))):
        index = {}
        for number in numbers:
            name = f"{number:012d}"
            layers = [boxes(THINGS[0], THINGS[1], STUFF), boxes((10, 10, 20, 20))]
            encoded = [cv2.imencode(".png", layer)[1] for layer in layers]
            mapping = [(0, 1), (1, 1), (0, 2), (0, 3)]
            parent = {"children": [1], "parent": None, "node_level": 0}
            child = {"children": [], "parent": 0, "node_level": 1}
            index[name] = {"num_instance_masks": 3, "hierarchy": {0: parent, 1: child, 2: None}}
            draw_image(root / split / "images" / f"{name}.jpg", number)
            (root / split / "masks").mkdir(exist_ok=True)
            (root / split / "masks" / f"{name}.pickle").write_bytes(pickle.dumps((encoded, mapping)))
        (root / split / "hannotation.pickle").write_bytes(pickle.dumps(dict(reversed(index.items()))))
    return root


def ade20k(root: Path, index: bool = True) -> Path:
    """ADE20k: 2 images in train and 1 in val with ``index_ade20k.mat``; instance 2, of grey level 90, is stuff.

    Args:
        index: write what ``scripts/convert_annotations.py ade20k`` would make of it too.
    """
    names, folders = [], []
    for split, numbers in (("train", (1, 2)), ("val", (3,))):
        entries = {}
        for number in numbers:
            name = f"ADE_{split}_{number:08d}"
            folder = f"ADE20K_2016_07_26/images/{'training' if split == 'train' else 'validation'}/a/abbey"
            levels = np.array([0, 40, 90, 200], np.uint8)
            objects, parts = levels[boxes(*THINGS, STUFF)[..., None]], levels[boxes((10, 10, 20, 20))[..., None]]
            blue = np.array([0, 0, 1], np.uint8)
            draw_image(root / folder / f"{name}.jpg", number)
            write_image(root / folder / f"{name}_seg.png", objects * blue)
            write_image(root / folder / f"{name}_parts_1.png", parts * blue)
            lines = ("1#0#0#person, individual#person#", "2#0#0#sky#sky#", "3#0#1#car, auto#car#", "1#1#0#head#head#")
            spaced = "\n".join(line.replace("#", " # ") for line in lines)
            (root / folder / f"{name}_atr.txt").write_text(spaced + "\n")
            names.append(f"{name}.jpg")
            folders.append(folder)
            classes = {1: ["person", "individual"], 2: ["sky"], 3: ["car", "auto"]}
            seg = {"mask_name": f"{name}_seg.png", "instance_to_class": classes}
            seg |= {"object_instances": [1, 3], "stuff_instances": [2]}
            part = {"mask_name": f"{name}_parts_1.png", "instance_to_class": {1: ["head"]}}
            part |= {"object_instances": [1], "stuff_instances": []}
            entries[name] = {"folder": folder, "layers": [seg, part]}
        if index:
            (root / f"{split}-annotations-object-segmentation.pkl").write_bytes(pickle.dumps(entries))
    cells = {"filename": np.array(names, object), "folder": np.array(folders, object)}
    savemat(root / "index_ade20k.mat", {"index": cells})
    return root


def openimages(root: Path, index: bool = True) -> Path:
    """OpenImages: 2 images in train (masks of another size; one is listed but absent), 1 in validation.

    Args:
        index: write what ``scripts/convert_annotations.py openimages`` would make of it too.
    """
    for split, numbers in (("train", (1, 2)), ("validation", (3,))):
        rows, masks = ["MaskPath,ImageID,LabelName,BoxID"], {}
        for number in numbers:
            name = f"{number:016x}"
            draw_image(root / split / "images" / f"{name}.jpg", number)
            for place, box in enumerate(THINGS[:number]):
                file = f"{name}_m01_{place}.png"
                mask = np.kron(boxes(box), np.full((2, 2), 255, np.uint8))[:, :120]
                write_image(root / split / "masks" / file, mask)
                rows.append(f"{file},{name},/m/01,{place}")
                masks.setdefault(name, []).append(file)
        rows += ["absent.png,0000000000000001,/m/01,9", "a.png,00000000000000ff,/m/01,9"]
        stem = f"{split}-annotations-object-segmentation"
        (root / split / f"{stem}.csv").write_text("\n".join(rows) + "\n")
        if index:
            content = {"image_id_to_masks": masks, "dataset_samples": list(masks)}
            (root / split / f"{stem}_clean.pkl").write_bytes(pickle.dumps(content))
    return root


def medical(root: Path) -> Path:
    """BraTS, ssTEM and OAI-ZIB side by side, an image each: with one object, two parts of a mask, two grey levels."""
    for name, image, mask in (
        ("BraTS20", "image/1.png", "annotation/1.png"),
        ("ssTEM", "raw/1.tif", "mitochondria/1.png"),
        ("OAI-ZIB", "test/image/1.png", "test/annotations/1.png"),
    ):
        draw_image(root / name / image)
        objects = boxes(*THINGS)
        write_image(root / name / mask, objects if name == "OAI-ZIB" else 255 * (objects > 0).astype(np.uint8))
    return root
