import json

import numpy as np
import pytest

from isegm.evaluation.records import ObjectRecord, RecordWriter, read_records
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
        ("[1]", "fields"),
        ('{"index": 1}', "fields"),
        (record([0.5]).to_json().replace("0.5", "1.5"), "between 0 and 1"),
        (record([0.5]).to_json().replace("0.5", "NaN"), "between 0 and 1"),
        (record([0.5]).to_json().replace("[0.5]", "[0.5, 0.5]"), "1 clicks and 2 IoUs"),
        (record([0.5]).to_json().replace("[0.5]", "null"), "wrong type"),
        (record([0.5], index=1).to_json(), "twice"),
        ("\udcff", "line 3"),
    ],
)
def test_any_other_bad_line_is_named(tmp_path, damaged, said):
    path = tmp_path / "records.jsonl"
    write(path, [record([0.5], index=i) for i in (1, 2, 3)])
    lines = path.read_text().splitlines()
    lines[2] = damaged
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=f"line 3 of .*records.jsonl.*{said}" if said != "line 3" else said):
        read_records(path)
    with pytest.raises(InputError):
        RecordWriter(path, IDENTITY, resume=True)


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
    with pytest.raises(InputError, match=r"\(images or masks of the data set have changed since\): leave"):
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
        write(path, [record([0.5], index=i) for i in range(count)], {"count": count})
        kept.append(read_records(aside).identity["count"] if aside.is_file() else None)
    assert kept == [None, 3, 3, 3, 3]
    write(path, [record([0.5], index=i) for i in range(4)], {"count": 4})
    write(path, [], {})
    assert read_records(aside).identity == {"count": 4}
