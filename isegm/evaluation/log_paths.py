"""Paths of the files that an evaluation writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from isegm.evaluation.selection import Selection, folder_name

NO_TARGET = "target-iou-none"  # the last of the settings of an evaluation that stops at no IoU


def file_name(dataset: str) -> str:
    """Name a data set in the name of a file; those of folders in config.yml may have any letters."""
    return folder_name(dataset, dataset) if dataset.strip(".") else "_"


@dataclass(frozen=True)
class LogPaths:
    """Paths of everything that the evaluation of one checkpoint writes.

    The logs folder is ``<logs path>/others/<stem of the checkpoint>``, for several checkpoints their names joined by +;
    with ``--exp-path`` it is ``<logs path>/<experiment>``. Evaluations with other settings have folders of their own;
    they share the table, whose rows say the settings.

    Attributes:
        logs_dir: the logs folder.
        model: its path below the folder of all logs.
        prefix: begins the names of logs; it names the checkpoints of an experiment and the options of a cascade, such
            as ``acf4_1clk`` for 4 more passes on the first click, adaptive. Empty for none.
        run: ``<eval mode>_<mode>_<number of clicks>``.
        settings: the settings that are not the usual ones, such as ``thresh-0.5_max-objects-10``; empty for none.
        checkpoint: folder name of the checkpoint if several are evaluated; empty for one.
    """

    logs_dir: Path
    model: Path
    prefix: str
    run: str
    settings: str
    checkpoint: str

    @classmethod
    def of(cls, selection: Selection, checkpoint: Path, run: str, settings: Sequence[str] = ()) -> LogPaths:
        """Make the paths of one of the selected checkpoints, for a run whose unusual settings are given one by one."""
        folder = selection.names(checkpoint).folder if selection.several else ""
        named = "_".join(settings)
        return cls(
            selection.logs_dir,
            selection.logs_dir.relative_to(selection.logs_root),
            selection.prefix,
            run,
            folder_name(named, named),
            folder,
        )

    def _with_prefix(self, name: str) -> str:
        return f"{self.prefix}_{name}" if self.prefix else name

    def table(self, dataset: str) -> Path:
        """The table of the published code, to which rows are appended: ``<logs>/[<prefix>_]<run>.txt``.

        If several checkpoints are evaluated and there is a prefix, each data set has a table of its own.
        """
        name = f"{file_name(dataset)}_{self.run}" if self.checkpoint and self.prefix else self.run
        return self.logs_dir / f"{self._with_prefix(name)}.txt"

    def _with_settings(self, name: str) -> str:
        return f"{name}_{self.settings}" if self.settings else name

    @property
    def _run_folder(self) -> Path:
        return Path(self._with_settings(self._with_prefix(self.run))) / self.checkpoint

    @property
    def folder(self) -> Path:
        """Folder of records, reports and images: ``<logs>/[<prefix>_]<run>[_<settings>][/<checkpoint>]``."""
        return self.logs_dir / self._run_folder

    def records(self, dataset: str) -> Path:
        """One record per object."""
        return self.folder / f"records_{file_name(dataset)}.jsonl"

    def report(self, dataset: str) -> Path:
        """The table's row and all other scores."""
        return self.folder / f"report_{file_name(dataset)}.txt"

    def image(self, kind: str, dataset: str) -> Path:
        """An image of the whole data set: ``miou``, ``best``, ``worst`` or ``sheet``."""
        return self.folder / f"{kind}_{file_name(dataset)}.png"

    def ious(self, dataset: str) -> Path:
        """The pickle of ``--save-ious``."""
        return self.logs_dir / "ious" / self.prefix / f"{self._with_settings(f'{file_name(dataset)}_{self.run}')}.pkl"

    def curve(self, dataset: str) -> Path:
        """The pickle of ``--iou-analysis``, which stops at no IoU, so that its name does not say so."""
        name = replace(self, settings=self.settings.removesuffix(NO_TARGET).removesuffix("_"))._with_settings(
            self._with_prefix(f"{file_name(dataset)}_{self.run}")
        )
        return self.logs_dir / "plots" / f"{name}.pickle"

    def click_images(self, dataset: str) -> Path:
        """Folder of ``--vis-preds``."""
        return self.logs_dir / "predictions_vis" / self._run_folder / file_name(dataset)

    def object_images(self, vis_path: str, dataset: str) -> Path:
        """Folder of ``--vis``: ``<vis path>/<model>/[<prefix>_]<run>[_<settings>][/<checkpoint>]/<data set>``."""
        return Path(vis_path) / self.model / self._run_folder / file_name(dataset)
