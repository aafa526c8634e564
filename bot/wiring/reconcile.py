"""The role that talks to ComfyDeploy: queue calls, questions about silent runs; and what clears up."""

from __future__ import annotations

from typing import Any

from bot.delivery.posting import Poster
from bot.delivery.uploads import AttachmentRenewer
from bot.retention import Pruner
from bot.wiring.foundations import Foundations
from bot.workers.events import Recorder
from bot.workers.reconciler import Reconciler
from bot.workers.submission import Submission
from bot.workers.worker import Worker


def reconcile_workers(base: Foundations, poster: Poster, recorder: Recorder) -> dict[str, Worker[Any]]:
    """`submit`, `check` and `prune`."""
    submission = _submission(base, poster)
    reconciler = _reconciler(base, recorder)
    pruner = Pruner(base.store.retention, base.clock)
    return {
        "submit": Worker("submit", submission.claim, submission.submit, pause=2, width=32),
        "check": Worker("check", reconciler.claim, reconciler.check, pause=2, width=4),
        "prune": Worker("prune", pruner.claim, pruner.handle, pause=3600),
    }


def _submission(base: Foundations, poster: Poster) -> Submission:
    renewer = AttachmentRenewer(base.catalogue, base.store.reviews, poster)
    return Submission(
        store=base.store,
        comfy=base.comfy,
        signer=base.signer,
        nudges=base.nudges,
        limit=base.limit,
        renew=renewer.inputs,
        first_check=base.silence,
        grace=base.grace,
        user_installs=base.settings.allow_user_installs,
        clock=base.clock,
    )


def _reconciler(base: Foundations, recorder: Recorder) -> Reconciler:
    return Reconciler(
        store=base.store,
        comfy=base.comfy,
        recorder=recorder,
        nudges=base.nudges,
        metrics=base.metrics,
        pause=base.interval,
        grace=base.grace,
        clock=base.clock,
    )
