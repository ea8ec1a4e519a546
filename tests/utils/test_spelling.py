import time

from isegm.utils.spelling import nearest


def test_the_nearest_of_the_known_names_is_found():
    known = ["GrabCut", "Berkeley", "DAVIS"]
    assert nearest("Berkelei", known) == "Berkeley"
    assert nearest("Berkelei", (name for name in known), cutoff=0.99) is None
    assert nearest("Cityscapes", known) is None and nearest("", known) is None


def test_a_page_of_letters_takes_no_time():
    started = time.process_time()
    assert nearest("x" * 10_000_000, ["GrabCut"] * 100) is None
    assert time.process_time() - started < 1
