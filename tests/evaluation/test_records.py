import json
from pathlib import Path

import numpy as np
import pytest

from isegm.evaluation.records import ObjectRecord, RecordWriter, is_records_file, read_records
from isegm.utils.errors import InputError
from tests.evaluation.fakes import record

IDENTITY = {"checkpoint": "ab", "inference": {"resize": (48, 48), "zoom_in": {"skip_clicks": 1}}, "max_clicks": 20}


def write(path, records, identity=IDENTITY, resume=False):
    with RecordWriter(path, identity, resume) as writer:
        for one in records:
            writer.write(one)
        return writer.records


def test_a_record_survives_its_line_with_float32_ious():
    ious = np.random.default_rng(0).random(200, dtype=np.float32)
    before = record(ious, index=3, object_id=7, seconds=1.25)
    line = before.to_json()
    assert "\n" not in line
    assert ObjectRecord.from_json(line) == before
    assert np.array_equal(np.array(ObjectRecord.from_json(line).ious, dtype=np.float32), ious)


def test_names_in_any_script_survive():
    before = ObjectRecord("Köln", 0, 1, "写真\n1", ((1, 2, 1),), (0.5,), 0.0)
    assert ObjectRecord.from_json(before.to_json()) == before


def test_records_come_back_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "new" / "records.jsonl"
    records = [record([0.5, 0.25], index=i) for i in (2, 0, 1)]
    assert write(path, records) == []
    assert read_records(path).records == records
    assert write(path, [], resume=True) == records


def test_each_record_is_on_disk_as_soon_as_it_is_written(tmp_path):
    path = tmp_path / "records.jsonl"
    with RecordWriter(path, IDENTITY) as writer:
        writer.write(record([0.5]))
        assert len(read_records(path).records) == 1


def test_without_resume_records_are_replaced(tmp_path):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5])])
    write(path, [record([0.25], index=1)])
    assert [one.index for one in read_records(path).records] == [1]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_last_line_that_a_kill_cut_off_is_dropped_and_written_over(tmp_path, cut):
    path = tmp_path / "records.jsonl"
    records = [record([0.5], index=i) for i in range(3)]
    write(path, records)
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_records(path).records == records[:2]
    assert write(path, records[2:], resume=True) == records[:2]
    assert read_records(path).records == records


@pytest.mark.parametrize("content", [b"", b'{"run": {"check'])
def test_a_file_that_was_cut_off_in_its_first_line_starts_anew(tmp_path, content):
    path = tmp_path / "records.jsonl"
    path.write_bytes(content)
    assert write(path, [record([0.5])], resume=True) == []
    assert len(read_records(path).records) == 1


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("{", "line 3"),
        ("", "line 3"),
        ("[1]", "must be a mapping"),
        ('{"index": 1}', "must have the key dataset"),
        (record([0.5]).to_json().replace("0.5", "1.5"), r"ious\[0\] must be a finite number from 0 to 1, not 1.5"),
        (record([0.5]).to_json().replace("0.5", "NaN"), "from 0 to 1, not nan"),
        (record([0.5]).to_json().replace("0.5", "1e400"), "from 0 to 1, not inf"),
        (record([0.5]).to_json().replace("0.5", "1" * 400), "from 0 to 1, not a number of more than 64 bits"),
        (record([0.5]).to_json().replace("0.5", "true"), "from 0 to 1, not True"),
        (record([0.5]).to_json().replace('"index": 0', '"index": 1e400'), "index must be a whole number"),
        (record([0.5]).to_json().replace('"index": 0', '"index": 1.5'), "index must be a whole number"),
        (record([0.5]).to_json().replace('"index": 0', '"index": "0"'), "index must be a whole number"),
        (record([0.5]).to_json().replace('"index": 0', '"index": -1'), "index must be a whole number of at least 0"),
        (record([0.5]).to_json().replace('"index": 0', '"index": ' + "9" * 5000), "digits"),
        (record([0.5]).to_json().replace('"object_id": 0', '"object_id": ' + "9" * 400), "more than 64 bits"),
        (record([0.5]).to_json().replace('"object_id": 0', '"object_id": []'), "object_id must be a whole number"),
        (record([0.5]).to_json().replace('"name": "image0"', '"name": {}'), "name must be text"),
        (record([0.5]).to_json().replace('"Drawn"', "[]"), "dataset must be text"),
        (record([0.5]).to_json().replace('"Drawn"', '"Other"'), "an object of 'Other' among those of 'Drawn'"),
        (record([0.5]).to_json().replace("[[0, 0, 0]]", "[[0, 0, 2]]"), r"clicks\[0\]\[2\] must be .* from 0 to 1"),
        (record([0.5]).to_json().replace("[[0, 0, 0]]", "[[0, 0]]"), r"clicks\[0\] must be a list of 3"),
        (record([0.5]).to_json().replace("1.0}", "-1e999}"), "seconds must be"),
        ("[" * 100_000, "too many lists"),
        (record([0.5]).to_json().replace("[0.5]", "[0.5, 0.5]"), "1 clicks and 2 IoUs"),
        (record([0.5]).to_json().replace("[0.5]", "null"), "ious must be a list"),
        (record([0.5], index=1).to_json(), "twice"),
        ("\udcff", "line 3"),
    ],
)
def test_any_other_bad_line_is_named(tmp_path, damaged, said):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5], index=i) for i in (1, 2, 3)], {**IDENTITY, "dataset": "Drawn"})
    lines = path.read_text().splitlines()
    lines[2] = damaged
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=f"line 3 of .*records.jsonl.*{said}" if said != "line 3" else said):
        read_records(path)
    with pytest.raises(InputError):
        RecordWriter(path, IDENTITY, resume=True)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("[]", "run must be a mapping"),
        ('{"max_clicks": 1e400}', "run.max_clicks must be a whole number"),
        ('{"max_clicks": ' + "9" * 30 + "}", "more than 64 bits"),
        ('{"max_objects": 0}', "run.max_objects must be a whole number of at least 1"),
        ('{"target_iou": NaN}', "run.target_iou must be a finite number"),
        ('{"checkpoint": 3}', "run.checkpoint must be text"),
        ('{"inference": []}', "run.inference must be a mapping"),
        ('{"inference": {"zoom_in": ' + "[" * 50 + "]" * 50 + "}}", "within each other"),
        ('{"refinement": "f-BRS-B"}', "run.refinement must be a mapping"),
        ('{"refinement": {"mode": {}}}', "run.refinement.mode must be text"),
        ('{"init_masks": []}', "run.init_masks must be"),
        ('{"anything": 1e400, "more": {"a": ' + "9" * 30 + "}}", "64 bits"),
    ],
)
def test_a_header_of_other_kinds_is_named(tmp_path, run, said):
    path = tmp_path / "records.jsonl"
    path.write_text(f'{{"run": {run}}}\n')
    with pytest.raises(InputError, match=rf"line 1 of .*records\.jsonl.*{said}"):
        read_records(path)


@pytest.mark.parametrize(
    ("identity", "said"),
    [({"samples": 3}, "has 3 samples, and this would be that of index 3"), ({"max_clicks": 1}, "it has 2 clicks")],
)
def test_a_record_that_its_run_cannot_have_written_is_refused(tmp_path, identity, said):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5, 0.6], index=3)], identity)
    with pytest.raises(InputError, match=rf"line 2 of .*{said}"):
        read_records(path)


def test_a_second_writer_is_refused_until_the_first_ends(tmp_path):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5])])
    first = RecordWriter(path, IDENTITY, resume=True)
    for resume in (True, False):
        with pytest.raises(InputError, match=r"records\.jsonl is in use by another program .*: wait for the end"):
            RecordWriter(path, IDENTITY, resume)
    first.write(record([0.25], index=1))
    first.__exit__(None, None, None)
    assert write(path, [record([0.75], index=2)], resume=True) == [record([0.5]), record([0.25], index=1)]
    assert [one.index for one in read_records(path).records] == [0, 1, 2]
    assert [entry.name for entry in tmp_path.iterdir()] == ["records.jsonl"]


def test_a_writer_that_is_refused_holds_no_lock(tmp_path):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5])])
    with pytest.raises(InputError, match="another run"):
        RecordWriter(path, {"checkpoint": "cd"}, resume=True)
    assert write(path, [], resume=True) == [record([0.5])]


def test_a_file_without_a_header_is_refused(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(record([0.5]).to_json() + "\n")
    with pytest.raises(InputError, match=r"line 1 of .*records\.jsonl"):
        read_records(path)


def test_resuming_another_run_is_refused_with_what_differs(tmp_path):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5])])
    content = path.read_bytes()
    other = json.loads(json.dumps(IDENTITY))
    other["checkpoint"] = "cd"
    other["inference"]["zoom_in"]["skip_clicks"] = -1
    with pytest.raises(InputError) as error:
        RecordWriter(path, other, resume=True)
    message = str(error.value)
    assert str(path) in message
    assert 'checkpoint was "ab" and is now "cd"' in message
    assert "inference.zoom_in.skip_clicks was 1 and is now -1" in message
    assert "max_clicks" not in message
    assert path.read_bytes() == content


def test_resuming_after_an_edit_of_the_data_is_refused_in_words(tmp_path):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5])], {"fingerprint": "ab", "samples": 3})
    with pytest.raises(InputError, match=r"\(they are of another data set .*masks have changed since\): leave"):
        RecordWriter(path, {"fingerprint": "cd", "samples": 3}, resume=True)


def test_reading_what_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"no records file .*absent\.jsonl"):
        read_records(tmp_path / "absent.jsonl")


def test_records_of_an_earlier_run_are_put_aside(tmp_path):
    path = tmp_path / "records.jsonl"
    for number in range(2):
        with RecordWriter(path, {"number": number}) as writer:
            writer.write(record([0.5]))
    assert read_records(path).identity == {"number": 1}
    assert read_records(tmp_path / "records.jsonl.bak").identity == {"number": 0}


def test_what_was_put_aside_gives_way_only_to_as_many_records(tmp_path):
    path, aside = tmp_path / "records.jsonl", tmp_path / "records.jsonl.bak"
    kept = []
    for count in (3, 1, 2, 3, 1):
        write(path, [record([0.5], index=i) for i in range(count)])
        kept.append(len(read_records(aside).records) if aside.is_file() else None)
    assert kept == [None, 3, 3, 3, 3]
    write(path, [record([0.5], index=i) for i in range(4)])
    write(path, [])
    assert len(read_records(aside).records) == 4


def test_records_of_several_data_sets_are_put_aside_side_by_side(tmp_path, caplog):
    path = tmp_path / "records.jsonl"
    for fingerprint in ("one", "two", "two", "six", "one", "two"):
        write(path, [record([0.5])], {"fingerprint": fingerprint})
    found = {
        file.name: read_records(file).identity["fingerprint"]
        for file in tmp_path.glob("*.jsonl*")
        if is_records_file(file)
    }
    assert found == {
        "records.jsonl": "two",
        "records.jsonl.bak": "one",
        "records.jsonl.bak2": "two",
        "records.jsonl.bak3": "six",
    }
    warned = [entry.message for entry in caplog.records if entry.levelname == "WARNING"]
    assert len(warned) == 4
    assert warned[0].startswith("the records of another run (they are of another data set of this name, or")
    assert warned[0].endswith("records.jsonl.bak")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        RecordWriter(tmp_path / "records.jsonl", IDENTITY) as writer,
    ):
        monkeypatch.setattr(writer, "_file", full)
        with pytest.raises(
            InputError, match=r"records\.jsonl cannot be written \(No space left on device\): make room"
        ):
            writer.write(record([0.5]))
