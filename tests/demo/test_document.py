"""Documents of the interactive program, their undo history, and how actions change them."""

import numpy as np
import pytest

from isegm import Click, InputError
from isegm.annotations import AnnotatedObject, Region
from isegm.annotations.objects import MAX_NUMBER
from isegm.demo.actions import Action, carry_out, outcome_from_json, outcome_to_json
from isegm.demo.document import KEEP, Document, History, Selected
from isegm.utils.vis import object_color
from tests.demo.scripted import as_data

SIZE = (20, 30)


def box(top, left, bottom, right, size=SIZE):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return Region.of(mask)


def selected(*edges, threshold=0.5):
    return Selected(box(*edges), threshold)


def clicked(document, *edges, at=(3.0, 4.0)):
    return document.moved(Click(True, at), selected(*edges))


def with_objects(*regions, **values):
    return Document(SIZE, tuple(AnnotatedObject(i, region, **values) for i, region in enumerate(regions, start=1)))


def test_clicks_of_a_draft_begin_anew_after_a_partial_finish():
    document = clicked(clicked(Document(SIZE), 0, 0, 5, 5), 0, 0, 6, 6)
    assert len(document.draft.clicks) == 2 and document.draft.kept is None
    kept = document.moved(KEEP, selected(0, 0, 6, 6))
    assert kept.draft.clicks == () and kept.draft.kept.same(box(0, 0, 6, 6))
    after = clicked(kept, 0, 0, 9, 9, at=(8.0, 8.0))
    assert [click.coords for click in after.draft.clicks] == [(8.0, 8.0)] and after.draft.kept is kept.draft.kept
    assert len(after.draft.moves) == 4 and after.draft.region.same(box(0, 0, 9, 9))


def test_protected_objects_keep_their_pixels_and_others_do_not():
    document = with_objects(box(0, 0, 10, 10), box(0, 8, 10, 20)).edited(1, protected=True)
    after = clicked(document, 5, 5, 15, 15)
    expected = np.zeros(SIZE, bool)
    expected[5:15, 5:15] = True
    expected[:10, :10] = False
    np.testing.assert_array_equal(after.selection.mask(), expected)
    assert after.draft.region.same(box(5, 5, 15, 15))  # the network goes on from all that it selected
    labels = after.concluded().annotations("a.png").labels()
    assert (labels[:10, :10] == np.where(np.arange(10) < 8, 1, 2)).all()  # object 2 was there before the protection
    assert (labels[expected] == 3).all()


def test_an_open_object_does_not_protect_itself_and_keeps_number_name_class_and_colour():
    document = with_objects(box(0, 0, 10, 10), box(0, 8, 10, 20), category="cat", protected=True)
    document = document.edited(1, name="Mia", color=(1, 2, 3))
    opened = document.reopened(1, 0.5)
    assert opened.draft_number == 1 and opened.draft.start.same(box(0, 0, 10, 10))
    assert [item.number for item in opened.objects] == [1, 2] and [item.number for item in opened.finished] == [2]
    after = clicked(opened, 0, 0, 12, 12).concluded(name="other", category="dog", protected=False)
    first = after.objects[-1]
    assert (first.number, first.name, first.category) == (1, "Mia", "cat") and after.objects[0].number == 2
    assert first.color == (1, 2, 3) and first.protected
    expected = box(0, 0, 12, 12).mask() & ~box(0, 8, 10, 20).mask()
    np.testing.assert_array_equal(first.region.mask(), expected)
    assert opened.abandoned().objects == document.objects


def test_an_object_that_was_opened_again_lies_above_the_others_when_it_is_finished():
    below = with_objects(box(0, 0, 10, 10), box(0, 6, 10, 20), box(15, 0, 20, 5)).reopened(1, 0.5)
    assert (below.abandoned().annotations("a.png").labels()[:10, 6:10] == 2).all()
    after = clicked(below, 0, 0, 10, 12).concluded()
    assert [item.number for item in after.objects] == [2, 3, 1]
    for labels in (after.annotations("a.png").labels(), below.annotations("a.png", with_draft=True).labels()):
        assert (labels[:10, 6:10] == 1).all() and (labels[:10, 12:20] == 2).all()


def test_only_one_object_is_in_progress():
    document = clicked(with_objects(box(0, 0, 5, 5)), 0, 0, 3, 3)
    with pytest.raises(InputError, match="an object is in progress: finish or reset it"):
        document.reopened(1, 0.5)
    begun = document.with_draft(selected(1, 1, 2, 2))
    assert begun.draft.moves == () and begun.draft.region.same(box(1, 1, 2, 2))


def test_numbers_go_on_from_the_highest_and_have_a_limit():
    document = with_objects(box(0, 0, 5, 5), box(5, 5, 9, 9), box(9, 9, 12, 12))
    assert document.removed(1).draft_number == 4 and document.removed(3).draft_number == 3
    dot = box(0, 0, 1, 1)
    full = Document(SIZE, tuple(AnnotatedObject(n, dot, color=(1, 2, 3)) for n in range(1, MAX_NUMBER + 1)))
    for more in (lambda: clicked(full, 0, 0, 2, 2).concluded(), lambda: full.imported(full.objects[:1])):
        with pytest.raises(InputError, match="one image holds 65535 objects at most"):
            more()
    assert full.reopened(MAX_NUMBER, 0.5).draft_number == MAX_NUMBER


def test_after_the_highest_number_come_the_lowest_free_ones():
    last = Document(SIZE, tuple(AnnotatedObject(number, box(0, 0, 1, 1)) for number in (2, MAX_NUMBER)))
    finished = clicked(last, 0, 0, 2, 2).concluded()
    assert [item.number for item in finished.objects] == [2, MAX_NUMBER, 1] and finished.draft_number == 3
    imported = clicked(last, 0, 0, 2, 2).imported([*last.objects, AnnotatedObject(4, box(0, 0, 1, 1))])
    assert [item.number for item in imported.concluded().objects] == [2, MAX_NUMBER, 1, 3, 4, 5]


def test_imported_objects_get_free_numbers_and_lie_above():
    document = clicked(with_objects(box(0, 0, 5, 5)), 0, 0, 3, 3)
    added = tuple(AnnotatedObject(number, box(2, 2, 4, 4), name=str(number)) for number in (1, 2, 9))
    after = document.imported(added)
    assert [(item.number, item.name) for item in after.objects] == [(1, ""), (2, "1"), (3, "2"), (9, "9")]
    assert after.draft is document.draft and after.concluded().objects[-1].number == 10
    assert after.annotations("a.png").labels()[3, 3] == 9


def test_imported_objects_have_the_colour_of_their_new_number_or_their_own():
    added = (AnnotatedObject(1, box(0, 0, 2, 2)), AnnotatedObject(2, box(2, 2, 4, 4), color=(1, 2, 3)))
    after = Document(SIZE).imported(added).imported(added)
    assert [item.color for item in after.objects] == [object_color(1), (1, 2, 3), object_color(3), (1, 2, 3)]


def test_removing_an_open_object_ends_the_work_on_it():
    document = with_objects(box(0, 0, 5, 5), box(5, 5, 9, 9)).reopened(2, 0.5)
    assert document.removed(2).draft is None and document.removed(1).draft is document.draft
    for number in (0, 3):
        with pytest.raises(InputError, match=rf"there is no object {number}: there are \[1, 2\]"):
            document.removed(number)


def test_nothing_selected_cannot_be_finished():
    document = Document(SIZE)
    assert document.concluded() is document and document.abandoned() is document
    empty = document.moved(Click(False, (1.0, 1.0)), Selected(Region.empty(SIZE), 0.5))
    covered = clicked(with_objects(box(0, 0, 9, 9), protected=True), 2, 2, 5, 5)
    for each in (empty, covered):
        with pytest.raises(InputError, match="nothing is selected"):
            each.concluded()
        with pytest.raises(InputError, match="nothing is selected"):
            each.annotations("a.png", with_draft=True)
        assert len(each.annotations("a.png").objects) == len(each.objects)


def test_edits_are_checked():
    document = with_objects(box(0, 0, 5, 5))
    for changes in ({"color": (0, 0, 256)}, {"category": " "}):
        with pytest.raises(InputError, match="object 1 has"):
            document.edited(1, **changes)


def in_steps(count):
    history = History(Document(SIZE))
    for number in range(count):
        history.add(clicked(history.present, 0, 0, 2 + number % 15, 3))
    return history


def test_undo_and_redo_have_no_limit_and_end_quietly():
    history = in_steps(500)
    last, seen = history.present, []
    while history.can_undo:
        seen.append(as_data(history.present))
        history.undo()
    assert len(seen) == 500 and history.present.draft is None
    history.undo()
    for expected in reversed(seen):
        history.redo()
        assert as_data(history.present) == expected
    assert history.present is last and not history.can_redo
    history.redo()
    assert history.present is last


def test_what_changes_nothing_is_no_step():
    history = in_steps(1)
    history.add(history.present)
    history.undo()
    assert not history.can_undo


def test_something_new_forgets_what_could_be_done_again():
    history = in_steps(3)
    history.undo()
    history.branch()
    assert not history.can_redo and history.next is None
    history.postpone("a")
    history.postpone("b")
    assert [history.resume(), history.next, history.resume()] == ["b", "a", "a"] and not history.can_redo


def unpacked(history):
    """Bytes of all masks that lie unpacked in a history, each counted once."""
    documents = [history.present, *history._past, *history._future]
    regions = [each.draft.region for each in documents if each.draft is not None]
    regions += [item.region for each in documents for item in each.objects]
    regions += [each.__dict__.get(name) for each in documents for name in ("selection", "kept")]
    regions = [region for region in regions if region is not None]
    masks = {id(region): region._pixels for region in regions if region._pixels is not None}
    return sum(pixels.nbytes for pixels in masks.values()), sum(len(region._bits or b"") for region in set(regions))


@pytest.mark.parametrize("protected", [False, pytest.param(True, marks=pytest.mark.long)])
def test_300_steps_on_a_large_image_take_megabytes(protected):
    size = (2000, 2000)
    objects = (AnnotatedObject(1, box(900, 900, 1000, 1000, size), protected=True),) if protected else ()
    history = History(Document(size, objects))
    mask = np.zeros(size, bool)
    mask[5:-5, 5:-5] = True
    for number in range(300):
        mask[500 : 500 + number, 700:800] = False
        move = Click(True, (9.0, 9.0)) if number % 2 else KEEP
        history.add(history.present.moved(move, Selected(Region.of(mask), 0.5)))
        assert history.present.selection and history.present.kept  # as the window asks for them
    masks = 1 + 2 * protected
    for step in (lambda: None, history.undo, history.redo):
        for _ in range(300):
            step()
            assert not history.can_undo or all(mask.area for mask in (history.present.selection, history.present.kept))
        loose, packed = unpacked(history)
        assert loose <= 22 * 4e6 * masks and packed < 10e6
    while history.can_undo:
        history.undo()
    assert history.present.draft is None


def test_objects_that_were_finished_and_deleted_take_megabytes_too():
    size = (1000, 1000)
    history = History(Document(size, (AnnotatedObject(1, box(900, 900, 1000, 1000, size), protected=True),)))
    for number in range(100):
        history.add(history.present.moved(KEEP, selected_on(size, number)))
        history.add(history.present.concluded())
        history.add(history.present.imported([AnnotatedObject(9, selected_on(size, number).region)]))
        history.add(history.present.removed(2))
        history.add(history.present.removed(9))
    for step in (lambda: None, history.undo, history.redo):
        for _ in range(500):
            step()
            assert all(item.region.area for item in history.present.objects) and history.present.objects[0].region
        loose, packed = unpacked(history)
        assert loose <= 22 * 3e6 and packed < 10e6
    kept = history.present.objects[0].region
    assert kept._pixels is not None  # what is still there lies ready


def selected_on(size, number):
    return Selected(box(5, 5, 950 - number % 50, 950, size), 0.5)


def test_actions_do_what_they_say_and_refused_ones_nothing():
    history = History(Document(SIZE))
    click = Action.of_click(Click(True, (3.0, 4.0)))
    assert click.values == {"x": 4.0, "y": 3.0, "positive": True} and click.move == Click(True, (3.0, 4.0))
    carry_out(history, Action(KEEP))
    assert history.present.draft is None and not history.can_undo
    carry_out(history, click, selected(0, 0, 5, 5))
    carry_out(history, Action(KEEP), selected(0, 0, 5, 5))
    carry_out(history, Action("threshold"), selected(0, 0, 4, 4, threshold=0.7))
    assert history.present.draft.threshold == 0.7 and history.present.draft.region.area == 16
    carry_out(history, Action("undo"))
    assert history.present.draft.moves == (click.move,)
    carry_out(history, Action("finish", {"category": "cat", "protected": True}))
    carry_out(history, Action("edit", {"number": 1, "color": [1, 2, 3]}))
    assert history.present.objects[0].color == (1, 2, 3) and history.present.objects[0].category == "cat"
    carry_out(history, Action("threshold"), selected(0, 0, 4, 4))  # of an object that is finished meanwhile
    before = history.present
    for wrong in (Action("reopen", {"number": 7, "threshold": 0.5}), Action("remove", {"number": 7})):
        with pytest.raises(InputError, match="there is no object 7"):
            carry_out(history, wrong)
    assert history.present is before


def test_outcomes_come_back_from_a_file():
    one = outcome_from_json(SIZE, outcome_to_json(selected(1, 2, 3, 4, threshold=0.25)))
    assert one.threshold == 0.25 and one.region.same(box(1, 2, 3, 4))
    objects = (AnnotatedObject(5, box(1, 2, 3, 4), "Mia", "cat", (1, 2, 3), True), AnnotatedObject(6, box(0, 0, 1, 1)))
    found = outcome_from_json(SIZE, outcome_to_json(objects))
    assert as_data(Document(SIZE, found)) == as_data(Document(SIZE, objects))
    assert outcome_to_json(None) == {} and outcome_from_json(SIZE, {}) is None
    with pytest.raises(ValueError, match="does not fit"):
        outcome_from_json((2, 2), outcome_to_json(objects))
