"""Checkpoints whose tensors no weight can be, and files that declare more than they have."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from isegm import InputError, build_model, load_model
from isegm.model.checkpoint import load_state
from isegm.model.pretrained import read_file
from isegm.utils.tensor_files import read_tensor_file

ROOT = Path(__file__).resolve().parents[2]
NAME = "clickseg_mobilenetv2"
KEY = "feature_extractor.backbone.conv1.conv.weight"
VARIANCE = "feature_extractor.backbone.conv1.bn.running_var"
COUNT = "feature_extractor.backbone.conv1.bn.num_batches_tracked"


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return build_model(NAME).state_dict()


def write(path, content, **options):
    torch.save(content, path, **options)
    return path


def refused(path, *words):
    with pytest.raises(InputError) as error:
        load_model(path)
    message = str(error.value)
    assert str(path) in message and message.isprintable() and len(message) < 800 + len(str(path))
    for word in words:
        assert word in message, message


def poisoned(value, number):
    value = value.clone()
    value.view(-1)[-1] = number
    return value


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("key", "change", "word"),
    [
        (KEY, lambda value: poisoned(value, float("nan")), "infinite or no number"),
        (KEY, lambda value: poisoned(value, float("inf")), "infinite or no number"),
        (KEY, lambda value: poisoned(value.double(), 1e300), "values that float32 cannot hold"),
        (KEY, lambda value: value.to(torch.complex64), "of the type complex64 instead of float32"),
        (KEY, lambda value: value.to(torch.int64), "of the type int64 instead of float32"),
        (KEY, lambda value: value > 0, "of the type bool instead of float32"),
        (KEY, lambda value: value.to_sparse(), "sparse"),
        (KEY, lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8), "quantised"),
        (KEY, lambda value: value.to("meta"), "without values"),
        (KEY, lambda value: value.to(torch.float8_e4m3fn), "unusual type|float8"),
        (VARIANCE, lambda value: poisoned(value, -1.0), "variances below 0"),
        (COUNT, lambda value: torch.tensor(0.5), "values that int64 cannot hold"),
        (COUNT, lambda value: torch.tensor(1e30), "values that int64 cannot hold"),
    ],
    ids=range(13),
)
def test_a_tensor_that_no_weight_can_be_is_named(tmp_path, state, key, change, word):
    changed = {**state, key: change(state[key])}
    path = write(tmp_path / "odd.pth", {"state_dict": changed, "config": {"model": NAME}})
    for load in (lambda: load_model(path), lambda: load_model({"state_dict": changed, "config": {"model": NAME}})):
        with pytest.raises(InputError, match=word) as error:
            load()
        assert key in str(error.value)
    model = build_model(NAME)
    with pytest.raises(InputError):
        load_state(model, changed, path)


def test_weights_of_other_precision_and_layout_become_the_networks_own(tmp_path, state):
    changed = {**state, KEY: state[KEY].half().to(memory_format=torch.channels_last)}
    changed[VARIANCE] = torch.stack([state[VARIANCE].double()] * 2, dim=1)[:, 0]
    changed[COUNT] = torch.tensor(3.0)
    content = {"state_dict": changed, "config": {"model": NAME}}
    for model in (load_model(content), load_model(write(tmp_path / "half.pth", content))):
        loaded = model.state_dict()
        assert {key: value.dtype for key, value in loaded.items()} == {key: v.dtype for key, v in state.items()}
        assert all(value.is_contiguous() and not value.is_meta for value in loaded.values())
        assert torch.equal(loaded[KEY], state[KEY].half().float()) and int(loaded[COUNT]) == 3
        assert len({value.untyped_storage().data_ptr() for value in loaded.values()}) == len(loaded)


def test_the_network_has_memory_of_its_own(state):
    content = {"state_dict": {key: value.clone() for key, value in state.items()}, "config": {"model": NAME}}
    model = load_model(content)
    with torch.no_grad():
        model.get_parameter(KEY).zero_()
    assert torch.equal(content["state_dict"][KEY], state[KEY])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pretrained_weights_are_held_to_the_same(tmp_path):
    network = build_model("ritm_hrnet18s")
    own = network.feature_extractor.state_dict()
    path = write(tmp_path / "imagenet.pth", {**own, "conv1.weight": poisoned(own["conv1.weight"], float("nan"))})
    with pytest.raises(InputError, match=r"the weight conv1\.weight in .* infinite or no number"):
        network.load_imagenet_weights(path)
    for content in ({3: torch.zeros(2)}, {"a": torch.zeros(2).to_sparse()}, [1], {"a": [[]]}):
        with pytest.raises(InputError, match="imagenet"):
            read_file(write(path, content))


# --- files that declare more than they have


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Write the archive at ``path`` again; ``change`` returns the new records of a record, as name and content."""
    with zipfile.ZipFile(path) as old:
        records = [pair for name in old.namelist() for pair in change(name, old.read(name))]
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in records:
            new.writestr(name, content)
    return path


@pytest.fixture
def honest(tmp_path, state):
    return write(tmp_path / "model.pth", {"state_dict": state, "config": {"model": NAME}})


def test_an_honest_file_is_read_in_both_formats(honest, state, tmp_path):
    content = {"state_dict": state, "config": {"model": NAME}}
    legacy = write(tmp_path / "legacy.pth", content, _use_new_zipfile_serialization=False)
    for path in (honest, legacy):
        found = load_model(path).state_dict()
        assert all(torch.equal(found[key], value) for key, value in state.items())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "compression", "word"),
    [
        (lambda name, content: [(name, content)], zipfile.ZIP_DEFLATED, "compressed records"),
        (lambda name, content: [(name, content)] * 2, zipfile.ZIP_STORED, "two records of one name"),
        (lambda name, content: [(name, content[:4] if name.endswith("/data/0") else content)], 0, "more values than"),
        (lambda name, content: [] if name.endswith("/data/3") else [(name, content)], 0, "cut off"),
        (lambda name, content: [(name, b"" if name.endswith("data.pkl") else content)], 0, "cut off"),
    ],
    ids=["deflated", "twice", "short", "absent", "without a pickle"],
)
def test_an_archive_that_torch_would_not_write_is_refused(honest, change, compression, word):
    refused(rewritten(honest, change, compression), word)


def test_weights_that_were_damaged_on_a_disk_are_refused(honest):
    content = bytearray(honest.read_bytes())
    content[len(content) // 2] ^= 1  # the last bit of a number: it stays finite
    honest.write_bytes(content)
    refused(honest, "checksums do not fit")


@pytest.mark.parametrize("name", ["\x1b[2J" * 1000, "a\nb"])
@pytest.mark.parametrize("key", ["model", "class"])
def test_names_in_a_configuration_are_shown_short_and_printable(tmp_path, state, key, name):
    refused(write(tmp_path / "named.pth", {"state_dict": state, "config": {key: name}}))


def test_records_that_overlap_are_refused(honest):
    content = bytearray(honest.read_bytes())
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    third = content.index(b"PK\x01\x02", second + 4)
    content[third + 42 : third + 46] = content[second + 42 : second + 46]  # where its local header lies
    honest.write_bytes(content)
    refused(honest, "overlap")


def archive(path, pickled):
    """A checkpoint archive with a given pickle."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data.pkl", pickled)
        file.writestr("model/version", "3\n")
        file.writestr("model/byteorder", "little")
        file.writestr("model/data/0", bytes(16))
    return path


def called(function, argument):
    return (
        b"\x80\x02}(X\x0a\x00\x00\x00state_dict"
        + f"c{function}\n".encode()
        + b"("
        + argument
        + b"tRX\x06\x00\x00\x00config}u."
    )


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu%stQ"
FOUR, HUGE = b"K\x04", b"\x8a\x05\x00\x00\x00\x00\x01"


def tensor(numel=FOUR, size=b"K\x04\x85", stride=b"K\x01\x85"):
    return called("torch._utils\n_rebuild_tensor_v2", STORAGE % numel + b"K\x00" + size + stride + b"\x89}")


PICKLES = {
    "bytearray": (called("builtins\nbytearray", HUGE), "Python object builtins.bytearray"),
    "legacy tensor": (called("torch\nFloatTensor", HUGE), "Python object torch.FloatTensor"),
    "untyped storage": (called("torch.storage\nUntypedStorage", HUGE), "Python object torch.storage.UntypedStorage"),
    "quantised": (called("torch._utils\n_rebuild_qtensor", HUGE), "state_dict in"),
    "counter": (called("collections\nCounter", b"]"), "Python object collections.Counter"),
    "storage": (tensor(numel=HUGE), "more values than it has"),
    "expanded": (tensor(size=HUGE + HUGE + b"\x86", stride=b"K\x00K\x00\x86"), "more values than the file has"),
    "shape": (tensor(size=b"J\xff\xff\xff\xff\x85"), "a shape that is none"),
    "beyond the end": (tensor(stride=b"M\x00\x10\x85"), "more values than the file has"),
    "memo": (b"\x80\x02]r\xff\xff\xff\xff.", "several models"),
    "long text": (b"\x80\x02X\xff\xff\xff\x7fabc.", "cut off"),
    "bytearray of protocol 5": (b"\x80\x05\x96\x00\x00\x00\x00\x01\x00\x00\x00.", "cut off"),
    "cyclic": (b"\x80\x02]q\x00h\x00a.", "within each other"),
    "shared": (b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(25)) + b".", "twice counts"),
    "deep": (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "within each other"),
    "deep key": (b"\x80\x02}N" + b"\x85" * 100_000 + b"Ns.", "cut off"),
    "shared key": (
        b"\x80\x02}Nq\x00" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"Ns.",
        "cut off",
    ),
    "huge number": (b"\x80\x02}(X\x06\x00\x00\x00config\x8a\x0c" + b"\x7f" * 12 + b"u.", "at most 64 bits"),
    "object": (called("os\nsystem", b"X\x04\x00\x00\x00true"), "Python object os.system"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_that_declares_more_than_it_has_is_refused(tmp_path, name):
    pickled, word = PICKLES[name]
    refused(archive(tmp_path / "model.pth", pickled), word)


def test_a_file_of_the_old_format_that_declares_more_than_it_has_is_refused(tmp_path):
    path = write(
        tmp_path / "old.pth", {"state_dict": {"a": torch.zeros(4)}, "config": {}}, _use_new_zipfile_serialization=False
    )
    content = path.read_bytes()
    numel = content.index(b"cpu") + 3
    numel = content.index(b"K\x04", numel)
    path.write_bytes(content[:numel] + HUGE + content[numel + 2 :])
    refused(path, "declares more values than it has")
    path.write_bytes(content[:-8])
    refused(path, "cut off")


@pytest.mark.parametrize(
    "params",
    [
        {"width": 100_000},
        {"width": 10**9},
        {"width": 2**62},
        {"width": 10**30},
        {"ocr_width": 10**7},
        {"width": -3},
        {"width": 0},
        {"norm_radius": float("nan")},
        {"norm_mean_std": [[1.0] * 10**5] * 2},
        {"clicks_groups": [10**6] * 9000},
        {"with_prev_mask": "no"},
        {"norm_mean_std": [[0.5, 0.5, 0.5], [0.0, 0.5, 0.5]]},
    ],
    ids=range(12),
)
def test_arguments_that_no_network_has_are_refused_without_building_it(tmp_path, params):
    content = {"state_dict": {"a": torch.zeros(4)}, "config": {"model": "ritm_hrnet18s", "params": params}}
    refused(write(tmp_path / "wide.pth", content))


@pytest.mark.parametrize(
    "params",
    [
        {"with_prev_mask": "no"},
        {"use_disks": 1},
        {"norm_radius": float("inf")},
        {"norm_radius": "5"},
        {"norm_radius": 10**9},
        {"norm_mean_std": [[0.5, 0.5, 0.5], [0.0, 0.5, 0.5]]},
        {"norm_mean_std": [[0.5, float("nan"), 0.5], [0.5, 0.5, 0.5]]},
        {"norm_mean_std": [[0.5], [0.5]]},
    ],
    ids=str,
)
def test_arguments_that_would_change_results_without_a_word_are_refused(tmp_path, state, params):
    path = write(tmp_path / "model.pth", {"state_dict": state, "config": {"model": NAME, "params": params}})
    refused(path, f"config.params.{next(iter(params))}", "must be")


LOADS = """
import resource, sys
from isegm import InputError, load_model
load_model()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        load_model(path)
    except InputError as error:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not tell a process's memory")
def test_hostile_files_take_no_memory(tmp_path):
    state = {"a": torch.zeros(4)}
    paths = [write(tmp_path / "deflated.pth", {"state_dict": {"a": torch.zeros(1 << 26)}, "config": {}})]
    rewritten(paths[0], lambda name, content: [(name, content)], zipfile.ZIP_DEFLATED)
    for width in (500, 8000, 10**8):
        config = {"model": "ritm_hrnet18", "params": {"width": width}}
        paths.append(write(tmp_path / f"wide{width}.pth", {"state_dict": state, "config": config}))
    ended = subprocess.run([sys.executable, "-c", LOADS, *paths], capture_output=True, text=True, cwd=ROOT)
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0 and len(lines) == len(paths), ended.stderr[-500:]
    for path, line in zip(paths, lines, strict=True):
        assert path.name in line and int(line.split()[0]) < 200_000, line


def test_a_damaged_pytorch_file_is_one_sentence(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"PK\x03\x04" + b"\x00" * 100)
    with pytest.raises(
        InputError, match=r"x\.pth is not a PyTorch checkpoint, or is cut off \(\w+\): fetch it again\."
    ):
        read_tensor_file(tmp_path / "x.pth", "fetch it again")
