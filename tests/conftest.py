"""What tests of several folders share."""

import ctypes
import gc
import platform
import signal
import sys
from pathlib import Path

import pytest

from isegm.cli import train
from isegm.recipes import launch
from isegm.recipes.data_config import DataConfig
from isegm.utils.exp import init_experiment, load_script
from tests.published_data import make_all
from tests.screen import HAS_SCREEN, virtual_screen

ROOT = Path(__file__).resolve().parents[1]
FIRST = {  # files of tests that start processes, or run large networks
    *("test_distributed.py", "test_wheel.py", "test_processes.py", "test_trainer.py", "test_stopping.py"),
    *("test_segnext.py", "test_latency.py", "test_signals.py", "test_docs.py"),
}

# A shell that starts the tests in the background lets them, and the commands that they start, ignore Ctrl+C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--all", action="store_true", help="run the tests marked long too, and follow every recorded click"
    )


def pytest_collection_modifyitems(config, items):
    """Leave out what takes tens of seconds and tests little that others do not; ``make test-all`` runs it.

    Files that take long come first, so that two processes end together.
    """
    items.sort(key=lambda item: item.path.name not in FIRST)
    reason = "takes long, and other tests cover nearly the same: make test-all runs it"
    for item in items:
        if "long" in item.keywords and not config.getoption("--all"):
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish(session):
    """Spare the modules, which live as long as the tests, from collections of garbage, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Give freed memory back after each file: the commands keep it, and a process that tests runs hundreds of them."""
    if platform.libc_ver()[0] == "glibc" and (nextitem is None or nextitem.path != item.path):
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture
def every_click(request):
    """Whether runs of published code are followed to their end, and not for some clicks alone."""
    return request.config.getoption("--all")


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """The configuration of a script as train.py makes it, with experiments below the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(script, *arguments):
        monkeypatch.setattr("sys.argv", ["train.py", str(ROOT / script), "--cpu", "--workers", "0", *arguments])
        args = train.parse_args()
        module = load_script(args.model_path)
        return module, init_experiment(args, module)  # EXPS_PATH is relative to the test's folder

    return run


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A folder with all training sets where config.yml says, and SBD's scores."""
    return make_all(tmp_path_factory.mktemp("published"))


@pytest.fixture
def at_data(configure, published, tmp_path):
    """``configure`` in a folder that shows the training sets."""
    for name in ("datasets", "assets"):
        (tmp_path / name).symlink_to(published / name)
    return configure


@pytest.fixture
def planned(at_data, monkeypatch):
    """What a script hands to the trainer: network, training samples, validation samples, configuration."""

    class Recorder:
        def __init__(self, model, train_set, val_set, config, run_config):
            self.train_set, self.val_set, self.config, self.run_config = train_set, val_set, config, run_config
            self.steps_per_epoch = len(train_set) // config.batch_size
            self.__class__.parts = (model, train_set, val_set, config)

        def run(self):
            return True

    monkeypatch.setattr(launch, "Trainer", Recorder)

    def run(script, *arguments, **configured):
        module, cfg = at_data(script, *arguments)
        cfg.update(configured)
        module.main(cfg)
        return Recorder.parts

    return run


@pytest.fixture
def small_crops(monkeypatch):
    """Crops of published data sets that are above 256 x 256 pixels have 128 x 128, for the time that training takes."""
    opened = DataConfig.open

    def open_smaller(data, cfg, crops, *more):
        crops = {epoch: (128, 128) if max(size) > 256 else size for epoch, size in crops.items()}
        return opened(data, cfg, crops, *more)

    monkeypatch.setattr(DataConfig, "open", open_smaller)


@pytest.fixture(scope="session")
def screen():
    """The name of a virtual screen's display, such as ":1".

    Tests of windows are skipped where Xvfb is not installed: on a real display they would open in front of whoever
    works there, and on a server there is none. The controller behind the windows is tested everywhere.
    """
    if not HAS_SCREEN:
        pytest.skip("Xvfb, a virtual screen, is not installed")
    with virtual_screen() as display:
        yield display


@pytest.fixture
def opened(screen, monkeypatch):
    """(max_size, target_size) of each interactive program that opens its window, which closes after a round."""
    tkinter = pytest.importorskip("tkinter")
    view = pytest.importorskip("isegm.demo.view")
    monkeypatch.setenv("DISPLAY", screen)
    programs = []

    class Watched(view.Program):
        def __init__(self, root, controller, weights):
            super().__init__(root, controller, weights)
            programs.append((controller.settings.max_size, controller.settings.target_size))

    def one_round(root, n=0):
        root.update()
        assert root.winfo_viewable()
        root.destroy()

    monkeypatch.setattr(view, "Program", Watched)
    monkeypatch.setattr(tkinter.Tk, "mainloop", one_round)
    return programs


@pytest.fixture
def no_screen(monkeypatch):
    """No window can be opened, on systems whose windows need no DISPLAY either."""
    tk = pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)

    def refuse(*_, **__):
        raise tk.TclError("no display name and no $DISPLAY environment variable")

    if not sys.platform.startswith("linux"):
        monkeypatch.setattr(tk, "Tk", refuse)
