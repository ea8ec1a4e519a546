"""Drawing and dumping beside the records of an evaluation: images of clicks and objects, plots, pickled IoUs."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from isegm.data import EvaluationDataset
from isegm.evaluation import plots
from isegm.evaluation.log_paths import LogPaths
from isegm.evaluation.loop import ClickEvent, replay, replay_each
from isegm.evaluation.options import VIS_PATH, EvalOptions
from isegm.evaluation.panels import SamplePanels
from isegm.evaluation.records import ObjectRecord
from isegm.evaluation.reports import RunInfo
from isegm.inference.predictor import Predictor
from isegm.utils.files import atomic_write
from isegm.utils.log import printable

SHEET_OBJECTS = 6  # on a sheet of the best or worst objects


class EvaluationSink:
    """Draw and dump what the options ask for while one checkpoint is evaluated on one data set.

    Args:
        options: of the evaluation.
        paths: of the files.
        dataset: the data set.
        info: what is evaluated.
        protocol: name for plots, see ``protocol_of``.
    """

    def __init__(
        self, options: EvalOptions, paths: LogPaths, dataset: EvaluationDataset, info: RunInfo, protocol: str
    ) -> None:
        self.options = options
        self.paths = paths
        self.dataset = dataset
        self.info = info
        self.protocol = protocol
        self._drawings: list[Callable[[ClickEvent], None]] = []
        if options.vis_preds:
            self._drawings.append(plots.ClickImages(paths.click_images(dataset.name)))
        if options.vis or options.vis_path is not None:
            folder = paths.object_images(options.vis_path or VIS_PATH, dataset.name)
            self._drawings.append(SamplePanels(folder))

    def on_click(self, event: ClickEvent) -> None:
        """Draw a click, or an object after its last click."""
        for draw in self._drawings:
            draw(event)

    def on_finish(self, records: Sequence[ObjectRecord], predictor: Predictor) -> None:
        """Dump the IoUs and draw the plots of a whole data set.

        Args:
            records: of all its objects, at least one.
            predictor: the one that they come from; it repeats the clicks of the drawn objects.
        """
        self._dump_ious(records)
        title = f"{self.info.model_name} ({self.info.mode}) on {self.dataset.name}"
        plots.save_figure(plots.miou_figure(records, title), self.paths.image("miou", self.dataset.name))
        if self.options.overlays:
            self._draw_sheets(records, predictor, title)
        if self.options.sheet is not None:
            self._draw_click_sheet(plots.spread_records(records, self.options.sheet), predictor, title)

    def _dump_ious(self, records: Sequence[ObjectRecord]) -> None:
        """Write the pickles of ``--save-ious`` and ``--iou-analysis`` in the form of the published code."""
        ious = [np.array(record.ious, dtype=np.float32) for record in records]
        if self.options.save_ious:
            with atomic_write(self.paths.ious(self.dataset.name)) as file:
                pickle.dump(ious, file)
        if self.options.iou_analysis:
            name = f"{self.options.model_name or self.info.model_name}_{self.info.mode}"
            content = {
                "dataset_name": self.dataset.name,
                "model_name": name,
                "all_ious": ious,
                "protocol": self.protocol,
            }
            with atomic_write(self.paths.curve(self.dataset.name)) as file:
                pickle.dump(content, file)

    def _draw_sheets(self, records: Sequence[ObjectRecord], predictor: Predictor, title: str) -> None:
        """Draw the best and the worst objects, each with the mask after its last click; a bar shows how far it is."""
        settings = self.options.eval_settings(self.info.protocol)
        ranked = plots.rank_records(records, settings.target_iou, settings.max_clicks)
        sheets = {"best": ranked[:SHEET_OBJECTS], "worst": ranked[: -SHEET_OBJECTS - 1 : -1]}
        chosen = {record.key: record for sheet in sheets.values() for record in sheet}
        cases: dict[tuple[int, int], plots.Case] = {}
        with tqdm(
            total=len(chosen) + len(sheets), desc=f"pictures of {printable(self.dataset.name)}", leave=False
        ) as bar:
            for key, record in chosen.items():
                sample = self.dataset.get_sample(record.index)
                mask = replay(record, sample, predictor).mask(settings.threshold)
                cases[key] = plots.Case(record, sample.image, sample.get_object_mask(record.object_id), mask)
                bar.update()
            for kind, sheet in sheets.items():
                figure = plots.contact_sheet([cases[record.key] for record in sheet], f"{kind} of {title}")
                plots.save_figure(figure, self.paths.image(kind, self.dataset.name))
                bar.update()

    def _draw_click_sheet(self, chosen: Sequence[ObjectRecord], predictor: Predictor, title: str) -> None:
        """Draw objects after one, two and four clicks; a bar shows how far it is."""
        with tqdm(total=len(chosen) + 1, desc=f"sheet of {printable(self.dataset.name)}", leave=False) as bar:

            def objects() -> Iterator[list[plots.Case]]:
                for record in chosen:
                    yield self._stages(record, predictor)
                    bar.update()

            figure = plots.click_sheet(objects(), len(chosen), f"{title}, click by click")
            plots.save_figure(figure, self.paths.image("sheet", self.dataset.name))
            bar.update()

    def _stages(self, record: ObjectRecord, predictor: Predictor) -> list[plots.Case]:
        """Repeat the first clicks of an object once, with the mask at each of its stages."""
        sample = self.dataset.get_sample(record.index)
        gt_mask = sample.get_object_mask(record.object_id)
        threshold = self.options.eval_settings(self.info.protocol).threshold
        stages = plots.click_stages(record)
        masks = [session.mask(threshold) for session in replay_each(stages[-1], sample, predictor)]
        return [plots.Case(stage, sample.image, gt_mask, masks[len(stage.ious) - 1]) for stage in stages]
