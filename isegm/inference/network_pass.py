"""One pass of the network over any number of sessions: prepare, forward, postprocess."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from isegm.clicks import points_tensor
from isegm.inference.batch import Batch, Member, NetworkOutput, input_rows, kept_rows, stroke_rows
from isegm.inference.painting import Painting
from isegm.inference.postprocess import Prediction
from isegm.inference.precision import computing_in
from isegm.inference.protocols import InferenceSettings
from isegm.inference.refinement import NetworkInput, Refinement
from isegm.inference.session import Session, take_rows
from isegm.inference.transforms import ZoomState, flipped_clicks, mean_with_flipped, resized
from isegm.model.click_model import ClickModel, where_given
from isegm.model.compilation import COMPILED_CLICKS, in_powers_of_two
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError

CPU_PIXELS, GPU_PIXELS = 1_500_000, 16_000_000  # of the network's input in one pass, by device


@dataclass(frozen=True, eq=False)
class Request:
    """One session that the network is to run on.

    Attributes:
        session: its clicks, and the mask that the network starts from.
        given: see ``Member``.
        start: the session whose mask a repetition starts from, see ``ZoomIn.wants_repetition``.
        crop: what the network is to see of the image; None for what the settings choose.
    """

    session: Session
    given: Session
    start: Session
    crop: Box | None = None


class NetworkPass:
    """Runs the network once on each session, on the view that the settings choose, with its clicks and its mask.

    Args:
        model: the network, in evaluation mode on ``device``.
        device: of all tensors.
        settings: crop, input size, flip and postprocessing.
        threshold: pixels of a greater probability are in the mask.
        refinement: test-time optimisation, which runs the network itself; None for the network's own output.
    """

    def __init__(
        self,
        model: ClickModel,
        device: torch.device,
        settings: InferenceSettings,
        threshold: float,
        refinement: Refinement | None,
    ) -> None:
        self.model, self.device, self.settings = model, device, settings
        self.threshold, self.refinement = threshold, refinement

    @torch.no_grad()
    def run(self, requests: Sequence[Request]) -> list[Session]:
        """Run the network once for each request; inputs of equal size go through it together.

        A refinement takes one at a time. What the network keeps in memory at once is bounded, see ``CPU_PIXELS``.

        Args:
            requests: of any images; their sessions are not changed.

        Returns:
            the sessions with their new predictions, in order.

        Raises:
            InputError: the network's output is not a number.
        """
        groups: dict[tuple, dict[int, Member]] = defaultdict(dict)
        for i, request in enumerate(requests):
            member = self._member(request)
            session, alone = member.session, None if self.refinement is None else i
            groups[member.view.size, session.features is None, session.cache is None, alone][i] = member
        predicted: dict[int, Session] = {}
        for group in groups.values():
            most = self._most_together(next(iter(group.values())).view.size)
            split = in_powers_of_two if self.settings.compiled else _parts
            for part in split(list(group.items()), most):
                output = self._forward(self._prepare([member for _, member in part]))
                predicted.update(zip((i for i, _ in part), self._postprocess(output), strict=True))
        return [predicted[i] for i in range(len(requests))]

    def _most_together(self, size: tuple[int, int]) -> int:
        """How many sessions of an input size go through the network together, so that its memory stays bounded."""
        budget = CPU_PIXELS if self.device.type == "cpu" else GPU_PIXELS
        height, width = self.model.encoded_size or size
        return max(1, budget // (height * width * (2 if self.settings.flip else 1)))

    def _member(self, request: Request) -> Member:
        """The request with its view; a session that changes view or network loses what was computed from the former."""
        session = request.session
        view = self.settings.view(
            session.zoom, session.clicks, session.image_size, request.crop, self.model.input_multiple
        )
        if session.view != view or session.computed_by != (id(self.model), self.settings.flip):
            kept = None if self.refinement is None else self.refinement.in_new_view(session.refinement)
            computed_by = (id(self.model), self.settings.flip)
            session = replace(session, view=view, features=None, cache=None, refinement=kept, computed_by=computed_by)
        return Member(session, request.given, view)

    def _prepare(self, members: Sequence[Member]) -> Batch:
        """Build the network's input; all views have the same size, and all sessions have features or none has."""
        flip = self.settings.flip
        clicks = [member.view.clicks(member.session.clicks) for member in members]
        if flip:
            width = members[0].view.size[1]
            clicks += [flipped_clicks(row, width) for row in clicks]
        prev_mask = None
        if self.model.with_prev_mask:
            prev_mask = input_rows([member.view.crop(member.session.prev_probs) for member in members], flip)
        features = kept_rows([member.session.features for member in members], flip)
        return Batch(
            members=members,
            clicks=clicks,
            points=points_tensor(
                clicks, self.settings.clicks_limit, self.device, COMPILED_CLICKS if self.settings.compiled else 1
            ),
            prev_mask=prev_mask,
            strokes=stroke_rows(members, self.model, flip, self.device),
            features=self.encode(members) if features is None else features,
            cache=kept_rows([member.session.cache for member in members], flip),
            flip=flip,
            compiled=bool(self.settings.compiled),
        )

    def _forward(self, batch: Batch) -> NetworkOutput:
        """Run the network, or the refinement around it."""
        outputs: Mapping[str, Any] = {}
        state = None
        if self.refinement is None:
            strokes = where_given(batch.strokes)
            with computing_in(self.settings.precision, self.device):
                outputs = self.model.decode(batch.features, batch.points, batch.prev_mask, batch.cache, **strokes)
            logits = resized(outputs["instances"].float(), batch.size)  # (B, 1, h, w)
        else:
            limit = self.settings.clicks_limit
            all_shown = limit is None or len(batch.clicks[0]) <= limit
            given = NetworkInput(
                features=batch.features,
                points=batch.points,
                prev_mask=batch.prev_mask,
                strokes=batch.strokes,
                clicks=batch.clicks,
                all_shown=all_shown,
                flip=batch.flip,
                threshold=self.threshold,
            )
            (member,) = batch.members
            with computing_in(self.settings.precision, self.device):
                logits, state = self.refinement.refine(self.model, given, member.session.refinement)  # (B, 1, h, w)
        if logits.isnan().any():
            raise InputError(
                f"the output of {type(self.model).__name__} is not a number: its weights are damaged or overflow; "
                "load another checkpoint."
            )
        if batch.flip:  # outputs are averaged as logits (docs/fidelity.md#logits-averaged)
            logits = mean_with_flipped(logits)
        return NetworkOutput(batch, logits, outputs, state)

    def _postprocess(self, output: NetworkOutput) -> list[Session]:
        """The sessions with their predictions in the image, and with what the next click needs."""
        if self.settings.postprocess is None:
            predictions = [Prediction.of(Painting(base)) for base in output.pasted()]
        else:
            with computing_in(self.settings.precision, self.device):
                predictions = self.settings.postprocess(self.model, output)
        batch, cache = output.batch, output.outputs.get("cache")
        return [
            replace(
                member.session,
                prev_probs=prediction.probs,
                clicks_seen=len(member.session.clicks),
                prompts_seen=len(member.session.prompts),
                passes=member.session.passes + 1,
                focus=prediction.focus,
                painting=prediction.painting,
                zoom=ZoomState(member.view.roi, prediction.zoom_probs, member.session.zoom.outlined),
                features=self._features_of(member, batch, i),
                cache=take_rows(cache, batch.rows(i)),
                refinement=output.refinement,
            )
            for i, (member, prediction) in enumerate(zip(batch.members, predictions, strict=True))
        ]

    def _features_of(self, member: Member, batch: Batch, index: int) -> Mapping[str, Any] | None:
        """What a member keeps of its view: features that it has are shared by its later sessions, never copied."""
        if member.session.features is not None:
            return member.session.features
        return take_rows(batch.features, batch.rows(index)) if self.model.encodes_once else None

    def encode(self, members: Sequence[Member]) -> Mapping[str, Any]:
        """Return the features of a batch, as the network's ``encode`` gives them.

        Args:
            members: N sessions with views of one size (h, w); the network reads (B, 3, h, w) float32 in 0..1, B = N, or
                B = 2N where the settings flip.
        """
        image = input_rows([member.view.crop(member.session.image) for member in members], self.settings.flip)
        with torch.no_grad(), computing_in(self.settings.precision, self.device):
            return self.model.encode(image)


def _parts(items: Sequence[tuple[int, Member]], size: int) -> Iterable[Sequence[tuple[int, Member]]]:
    """Split a list into parts of at most ``size`` items."""
    return (items[first : first + size] for first in range(0, len(items), size))
