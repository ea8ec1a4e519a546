"""Paths of the files that an evaluation writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isegm.evaluation.selection import Selection


@dataclass(frozen=True)
class LogPaths:
    """Paths of everything that the evaluation of one checkpoint writes.

    The logs folder is ``<logs path>/others/<stem of the checkpoint>``, for several checkpoints their names joined by +;
    with ``--exp-path`` it is ``<logs path>/<experiment>``.

    Attributes:
        logs_dir: the logs folder.
        prefix: begins the names of logs; it names the checkpoints of an experiment and the options of a cascade, such
            as ``acf4_1clk`` for 4 more passes on the first click, adaptive. Empty for none.
        run: ``<eval mode>_<mode>_<number of clicks>``.
        checkpoint: folder name of the checkpoint if several are evaluated; empty for one.
    """

    logs_dir: Path
    prefix: str
    run: str
    checkpoint: str

    @classmethod
    def of(cls, selection: Selection, checkpoint: Path, run: str) -> LogPaths:
        """Make the paths of one of the selected checkpoints."""
        folder = selection.names(checkpoint).folder if selection.several else ""
        return cls(selection.logs_dir, selection.prefix, run, folder)

    def _with_prefix(self, name: str) -> str:
        return f"{self.prefix}_{name}" if self.prefix else name

    def table(self, dataset: str) -> Path:
        """The table of the published code, to which rows are appended: ``<logs>/[<prefix>_]<run>.txt``.

        If several checkpoints are evaluated and there is a prefix, each data set has a table of its own.
        """
        name = f"{dataset}_{self.run}" if self.checkpoint and self.prefix else self.run
        return self.logs_dir / f"{self._with_prefix(name)}.txt"

    @property
    def folder(self) -> Path:
        """Folder of records, reports and images: ``<logs>/[<prefix>_]<run>[/<checkpoint>]``."""
        return self.logs_dir / self._with_prefix(self.run) / self.checkpoint

    def records(self, dataset: str) -> Path:
        """One record per object."""
        return self.folder / f"records_{dataset}.jsonl"

    def report(self, dataset: str) -> Path:
        """The table's row and all other scores."""
        return self.folder / f"report_{dataset}.txt"

    def image(self, kind: str, dataset: str) -> Path:
        """An image of the whole data set: ``miou``, ``best`` or ``worst``."""
        return self.folder / f"{kind}_{dataset}.png"

    def ious(self, dataset: str) -> Path:
        """The pickle of ``--save-ious``."""
        return self.logs_dir / "ious" / self.prefix / f"{dataset}_{self.run}.pkl"

    def curve(self, dataset: str) -> Path:
        """The pickle of ``--iou-analysis``."""
        return self.logs_dir / "plots" / f"{self._with_prefix(f'{dataset}_{self.run}')}.pickle"

    def click_images(self, dataset: str) -> Path:
        """Folder of ``--vis-preds``."""
        return self.logs_dir / "predictions_vis" / self.checkpoint / dataset

    def object_images(self, vis_path: str, dataset: str) -> Path:
        """Folder of ``--vis``."""
        return Path(vis_path) / self.checkpoint / dataset
