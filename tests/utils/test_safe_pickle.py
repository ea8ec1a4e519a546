"""Pickles of plain data are read as they are; anything else is refused before it runs."""

import pickle
import pickletools
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from isegm.utils.errors import InputError
from isegm.utils.safe_pickle import load_plain

ROOT = Path(__file__).resolve().parents[2]
ARRAYS = {
    "floats": np.linspace(0, 1, 6, dtype=np.float32),
    "columns first": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "encoded image": np.arange(9, dtype=np.uint8),
    "flags": np.array([[True], [False]]),
    "names": np.array(["a", "bcd"]),
    "empty": np.zeros((0, 4), np.float64),
    "nothing but a number": np.array(2.5),
}


def written(tmp_path, content: bytes) -> Path:
    path = tmp_path / "annotations.pickle"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("numpy", ["1", "2"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back_equal_from_every_protocol_and_numpy(tmp_path, protocol, numpy):
    content = pickle.dumps(ARRAYS, protocol)
    if numpy == "1" and protocol < 4:  # later protocols write the length of a name before it
        content = content.replace(b"numpy._core", b"numpy.core")
    found = load_plain(written(tmp_path, content))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert type(found[name]) is np.ndarray, name
        assert found[name].dtype.newbyteorder("=") == array.dtype.newbyteorder("="), name
        assert found[name].flags.f_contiguous == array.flags.f_contiguous, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_plain_containers_and_scalars_come_back_equal(tmp_path, protocol):
    data = OrderedDict(
        image=([1, (2, None)], {"a": {3, 4}, "b": frozenset([5])}, b"\x00\xff", True, 2.5, 1 + 2j),
        scalar=np.float32(0.25),
        kind=np.dtype("<u2"),
    )
    found = load_plain(written(tmp_path, pickle.dumps(data, protocol)))
    assert found == data and type(found) is OrderedDict
    assert type(found["scalar"]) is np.float32


def test_arrays_within_tuples_and_ragged_arrays_are_plain_too(tmp_path):
    ragged = np.empty((2, 1), dtype=object)
    ragged[0, 0], ragged[1, 0] = np.ones(3, np.float32), [np.zeros(2)]
    layers = (ARRAYS["floats"], [(ARRAYS["flags"],)])
    found_ragged, found, again = load_plain(written(tmp_path, pickle.dumps((ragged, layers, layers))))
    assert found is again and type(found[0]) is type(found[1][0][0]) is np.ndarray
    assert type(found_ragged[0, 0]) is type(found_ragged[1, 0][0]) is np.ndarray
    np.testing.assert_array_equal(found_ragged[0, 0], np.ones(3))


def test_a_list_that_holds_itself_is_read(tmp_path):
    loop: list = [1]
    loop.append(loop)
    found = load_plain(written(tmp_path, pickle.dumps(loop)))
    assert found[1] is found


def test_python_2_text_is_latin_1(tmp_path):
    assert load_plain(written(tmp_path, b"S'caf\\xe9'\n.")) == "café"


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_malicious_pickle_is_refused_and_never_run(tmp_path):
    victim = tmp_path / "ran"
    path = written(tmp_path, pickle.dumps([Runs(victim)]))
    with pytest.raises(InputError, match=r"annotations\.pickle holds pathlib.*which is no plain data"):
        load_plain(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    "content, named",
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
        (b"Pelsewhere\n.", "outside the file"),
        (pickle.dumps(np.zeros(1, [("x", "f4")])), "the NumPy type 'V4'"),
        (pickle.dumps(np.ma.zeros(2)), r"numpy\.ma"),
        (b"c__builtin__\ngetattr\n(S'text'\nS'upper'\ntR.", "__builtin__.getattr"),
        (b"cnumpy\nload\n(S'x.npy'\ntR.", "numpy.load"),
        # a dtype of objects whose state says that it holds none: NumPy would take the bytes of the file for addresses
        (
            b"cnumpy\ndtype\n(S'f4'\nI00\nI01\ntR(I3\nS'<'\nS'x'\n(S'a'\nt}I8\nI8\nI0\ntb.",
            "a structured NumPy type",
        ),
    ],
)
def test_what_is_no_plain_data_is_named(tmp_path, content, named):
    with pytest.raises(InputError, match=named):
        load_plain(written(tmp_path, content))


def test_object_arrays_are_never_made_of_bytes(tmp_path):
    content = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI00\nI01\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'AAAAAAAA'\ntb."
    )
    with pytest.raises(InputError, match="do not fit its type"):
        load_plain(written(tmp_path, content))


@pytest.mark.parametrize("shape", [b"I100000", b"I-1"])
def test_object_arrays_are_never_larger_than_their_lists(tmp_path, shape):
    path = written(
        tmp_path,
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(" + shape + b"\nt"
        b"cnumpy\ndtype\n(S'O8'\nI00\nI01\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\n(I1\nltb.",
    )
    # in a process of its own, as NumPy would read beyond the end of the list and end it
    program = "import sys; from isegm.utils.safe_pickle import load_plain; load_plain(sys.argv[1])"
    ended = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 1 and "do not fit its shape" in ended.stderr


def test_bytes_are_made_of_text_and_never_of_a_length(tmp_path):
    with pytest.raises(InputError, match="bytes made of int"):
        load_plain(written(tmp_path, b"c__builtin__\nbytearray\n(I4000000000\ntR."))
    assert load_plain(written(tmp_path, b"c__builtin__\nbytearray\n(Vab\nS'latin1'\ntR.")) == bytearray(b"ab")


@pytest.mark.parametrize(
    "content",
    [b"", b"not a pickle", pickle.dumps(ARRAYS)[:-20], pickle.dumps([1, 2])[:-1], b"(" * 50 + b"t" * 50, b"\x80\x63."],
)
def test_a_damaged_pickle_is_one_sentence(tmp_path, content):
    with pytest.raises(InputError, match=r"annotations\.pickle is no readable pickle"):
        load_plain(written(tmp_path, content))


def test_an_array_larger_than_its_bytes_is_one_sentence(tmp_path):
    honest = pickle.dumps(np.zeros(200, np.uint8), protocol=3)
    length = next(at for code, value, at in pickletools.genops(honest) if code.name == "BININT1" and value == 200)
    with pytest.raises(InputError, match="is no readable pickle"):
        load_plain(written(tmp_path, honest[: length + 1] + b"\xc9" + honest[length + 2 :]))


def test_too_deep_a_pickle_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="is no readable pickle"):
        load_plain(written(tmp_path, b"]" + b"]" * 100_000 + b"a" * 100_000 + b"."))


BOMBS = {
    "a place in the memo": b"]r\xff\xff\xff\x7f.",
    "a place in the memo, as text": b"(lp2147483000\n.",
    "a bytearray": b"\x80\x05\x96\x00\x00\x00\x00\x01\x00\x00\x00.",
    "bytes": b"\x80\x04\x8e\x00\x00\x00\x00\x01\x00\x00\x00.",
    "a frame": b"\x80\x04\x95\x00\x00\x00\x00\x01\x00\x00\x00].",
    "shared lists": b"]q\x00" + b"".join(b"(h%ch%cl" % (i, i) + b"q%c" % (i + 1) for i in range(99)) + b".",
    "shared tuples as a key": b"}Nq\x00" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"Ns.",
    "shared tuples as a key, past marks and doubles": b"}Nq\x00"
    + b"".join(b"(0h%c2\x86Nbq%c" % (i, i + 1) for i in range(60))
    + b"N\x64.",
    "shared tuples as a key, in a memo numbered in two ways": b"Nq\x010q\x01"
    + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(60))
    + b"}h\x3cNs.",
    "shared tuples in a dict of marks": b"N\x94"
    + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(60))
    + b"(h\x3cNd.",
    "deep tuples as a key": b"}N" + b"\x85" * 1_000_000 + b"Ns.",
    "deep tuples in a set": b"\x80\x04\x8f(N" + b"\x85" * 1_000_000 + b"\x90.",
    "an array of items without bytes": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    b"(I1\n(I1000000000000\ntcnumpy\ndtype\n(S'S0'\nI00\nI01\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS''\ntb.",
}
LOADS = """
import resource, sys
from isegm.utils.errors import InputError
from isegm.utils.safe_pickle import load_plain
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_plain(sys.argv[1])
except InputError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not tell a process's memory")
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_pickle_takes_neither_memory_nor_time(tmp_path, bomb, large):
    start = b"\x80\x04(" + (b"B\x00\x00\x30\x00" + b"x" * 0x300000 + b"1(") if large else b""
    path = written(tmp_path, start + BOMBS[bomb])
    ended = subprocess.run([sys.executable, "-c", LOADS, path], capture_output=True, text=True, cwd=ROOT)
    kilobytes, _, message = ended.stdout.partition(" ")
    assert ended.returncode == 0 and "is no readable pickle" in message, ended.stderr[-500:]
    assert int(kilobytes) < 400_000


def test_lists_that_are_shared_as_honest_programs_share_them_are_read(tmp_path):
    row = [1, 2, 3]
    found = load_plain(written(tmp_path, pickle.dumps({name: [row] * 100 for name in range(1000)})))
    assert found[7][3] == row and found[7][3] is found[8][0]


def test_large_pickles_are_read_as_small_ones(tmp_path, monkeypatch):
    path = written(tmp_path, pickle.dumps([ARRAYS, {3: {"a", 2.5}, (1, "b"): OrderedDict(c=frozenset([4]))}]))
    small = load_plain(path)
    monkeypatch.setattr("isegm.utils.safe_pickle.SMALL", 10)
    large = load_plain(path)
    assert small[1] == large[1] == {3: {"a", 2.5}, (1, "b"): OrderedDict(c=frozenset([4]))}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(small[0][name], large[0][name])
        np.testing.assert_array_equal(large[0][name], array)


@pytest.mark.parametrize("large", [False, True])
def test_every_damage_to_a_pickle_is_one_sentence_or_data(tmp_path, large, monkeypatch):
    if large:
        monkeypatch.setattr("isegm.utils.safe_pickle.SMALL", 10)
    rng = np.random.default_rng(0)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        whole = np.frombuffer(pickle.dumps([ARRAYS, {"a": (1, 2.5, None), 3: {4, 5}}], protocol), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            damaged[rng.integers(len(whole), size=3)] = rng.integers(256, size=3)
            path = written(tmp_path, damaged.tobytes())
            try:
                load_plain(path)
            except InputError as error:
                assert "annotations.pickle" in str(error) and len(str(error)) < 500 + len(str(path))


def test_an_absent_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*absent\.pickle"):
        load_plain(tmp_path / "absent.pickle")
