"""Controllers that autosave, and where they do."""

from tests.demo.scripted import opened

CLICKS = ((20, 15, True), (40, 30, False), (25, 10, True))


def journal_of(place):
    (path,) = (place / "auto").glob("*.jsonl")
    return path


def begun(place, *clicks, **options):
    """A controller after some clicks, with autosave."""
    controller = opened(place, autosave=place / "auto", **options)
    for click in clicks:
        controller.click(*click)
        controller.wait()
    return controller


def begun_elsewhere(place, *clicks):
    """A controller without autosave after some clicks."""
    controller = opened(place)
    for click in clicks:
        controller.click(*click)
    return controller


def journal_of_aside(place, number):
    (path,) = (place / "auto").glob(f"*.{number}.old")
    return path
