"""Name the protocol of an evaluation from the identity of its records, and tell where it leaves the published one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from isegm.data.initial_masks import INIT_SUFFIX
from isegm.inference.protocols import PROTOCOLS, usual_settings
from isegm.inference.simulation import EvalSettings

PUBLISHED_CLICKS = 20
NOT_OF_CROPS = ("cascade", "widen", "second_look", "precision", "compiled")  # settings that have names of their own
CENTRE = EvalSettings.clicker  # the published simulated user


def deviation(identity: Mapping[str, Any], dataset: str, max_clicks: int) -> str:
    """Say how an evaluation differs from the published ones: NoBRS, 20 clicks on all objects, the protocol's mode."""
    if identity.get("own_protocol"):
        return f"it ran RITM's protocol (--eval-ritm) instead of {identity['own_protocol']}"
    if identity.get("refinement"):
        return f"it ran {identity['refinement'].get('mode', 'a refinement')}"
    if identity.get("prompt"):
        return f"it began with a {identity['prompt']} instead of a click"
    if identity.get("clicker", CENTRE) != CENTRE:
        return "its simulated user clicked at random"
    if identity.get("min_clicks", 1) > 1:
        return f"it had at least {identity['min_clicks']} clicks on each object"
    if max_clicks != PUBLISHED_CLICKS:
        return f"it had {max_clicks} clicks instead of {PUBLISHED_CLICKS}"
    if identity.get("max_objects"):
        return f"it took only {identity['max_objects']} objects"
    protocol = PROTOCOLS.get(str(identity.get("protocol")))
    if protocol is not None and identity.get("threshold") != protocol.mask_threshold:
        return f"its masks begin at {identity.get('threshold')}"
    if identity.get("inference", {}).get("cascade"):
        return "it ran Cascade-Forward Refinement"
    if _looks_again(identity):
        return "it looked again as annotation programs do (--further-looks)"
    if precision := identity.get("inference", {}).get("precision"):
        return f"it computed in {precision}"
    if not _as_published(identity, dataset):
        return "it showed the network other crops or sizes"
    return ""


def _as_published(identity: Mapping[str, Any], dataset: str) -> bool:
    """Whether crops and sizes are those of the protocol, whatever cascade, looks, refinement or arithmetic there is."""
    if identity.get("protocol") not in PROTOCOLS:
        return False
    if identity.get("init_masks"):
        dataset = dataset.removesuffix(INIT_SUFFIX)
    usual = json.loads(json.dumps(asdict(usual_settings(identity["protocol"], dataset))))
    inference = identity.get("inference", {}) | {name: usual[name] for name in NOT_OF_CROPS}
    if identity.get("refinement"):  # which brings these
        inference |= {name: usual[name] for name in ("clicks_limit", "postprocess")}
    return inference == usual


def _looks_again(identity: Mapping[str, Any]) -> bool:
    inference = identity.get("inference", {})
    return bool(inference.get("second_look") or inference.get("widen"))


def protocol_of(identity: Mapping[str, Any], dataset: str) -> str:
    """Name the inference protocol of a run with what was changed in it; empty where its records do not say."""
    name, inference = identity.get("protocol"), identity.get("inference", {})
    if name is None:
        return ""
    parts = [f"{name} (--eval-ritm)" if identity.get("own_protocol") else name]
    if mode := identity.get("refinement", {}).get("mode"):
        parts.append(mode)
    if prompt := identity.get("prompt"):
        parts.append(f"{prompt} first")
    if identity.get("clicker", CENTRE) != CENTRE:
        parts.append("random clicks")
    cascade = inference.get("cascade")
    if isinstance(cascade, Mapping):
        adaptive = " adaptive" if cascade.get("adaptive") else ""
        parts.append(f"cf-n {cascade.get('steps')}{adaptive} on {cascade.get('clicks')} clicks")
    if _looks_again(identity):
        parts.append("further looks")
    if inference and not _as_published(identity, dataset):
        parts.append("other crops or sizes")
    return ", ".join(parts)
