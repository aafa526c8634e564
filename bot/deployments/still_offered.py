"""Compare a stored run with its deployment as the operator offers it today."""

from __future__ import annotations

from bot.deployments.catalogue import Catalogue
from bot.deployments.model import ATTACHMENTS, Deployment, Input, OfferedValue, deployment_of
from bot.deployments.size_conversion import as_offered
from bot.deployments.validation import takes_value
from bot.domain.backend import InputKind
from bot.domain.errors import RefusedError
from bot.domain.policy import Offer
from bot.domain.runs import Run
from bot.domain.text import escape_line, in_code


def offer_of(catalogue: Catalogue, run: Run) -> Offer:
    """Return what is offered today for a stored run.

    A deployment that the operator has not removed, but that nothing describes now, still takes its runs.
    """
    if catalogue.configured(run) is None:
        return Offer(refusal=RefusedError("deployment_gone"))
    marks = catalogue.age_marks(run)
    deployment = deployment_of(run, catalogue.all())
    if deployment is None:
        return Offer(gpu=run.expected_gpu or run.gpu, age_marks=marks)
    return Offer(
        gpu=deployment.expected_gpu(run.gpu), age_marks=marks, refusal=removed_since(deployment, run)
    )


def removed_since(deployment: Deployment, run: Run) -> RefusedError | None:
    """Return the refusal if a run asks for a GPU or a value that its deployment no longer takes.

    Inputs that were added since have defaults. Sizes are compared by their numbers, so a renamed one fits.
    """
    if not _offers_gpu(deployment, run.gpu):
        return RefusedError("gpu_removed", gpu=escape_line(str(run.gpu), 60))
    items = {item.key: item for item in deployment.inputs}
    for key, value in as_offered(deployment, run.inputs).items():
        item = items.get(key)
        if item is None or not _takes(item, value):
            option = item.option if item is not None else key
            return RefusedError("value_removed", option=in_code(option, 60))
    return None


def _offers_gpu(deployment: Deployment, gpu: str | None) -> bool:
    # A pinned GPU is used whatever was chosen.
    is_free = gpu is None or deployment.pinned_gpu is not None
    return is_free or gpu in deployment.gpus or gpu == deployment.default_gpu


def _takes(item: Input, value: OfferedValue) -> bool:
    if item.fixed is not None:
        return item.fixed == value
    if item.hidden:
        return False
    if isinstance(value, list):
        return item.kind is InputKind.IMAGES and len(value) <= item.max_count
    return item.kind in ATTACHMENTS or takes_value(item, value)
