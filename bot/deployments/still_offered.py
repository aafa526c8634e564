"""Compare a stored run with its deployment as the operator offers it today."""

from __future__ import annotations

from bot.deployments.catalogue import Catalogue
from bot.deployments.kinds import kind_of
from bot.deployments.model import Deployment, deployment_of
from bot.deployments.plain_kinds import Kind, Values
from bot.domain.errors import RefusedError
from bot.domain.policy import Offer
from bot.domain.runs import InputValue, Run
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
    # A pinned GPU is used whatever was chosen.
    is_free = run.gpu is None or deployment.pinned_gpu is not None
    if not is_free and run.gpu not in (*deployment.gpus, deployment.default_gpu):
        return RefusedError("gpu_removed", gpu=escape_line(str(run.gpu), 60))
    kinds = {key: kind for kind in map(kind_of, deployment.inputs) for key in kind.keys}
    for key, value in run.inputs.items():
        kind = kinds.get(key)
        if kind is None or not _takes(kind, key, value, run.inputs):
            option = kind.item.option if kind is not None else key
            return RefusedError("value_removed", option=in_code(option, 60))
    return None


def _takes(kind: Kind, key: str, value: InputValue, inputs: Values) -> bool:
    if not kind.item.offered:
        return kind.item.fixed is not None and kind.item.fixed == value
    if isinstance(value, list):
        return kind.fits(inputs) and kind.stored(inputs)[key] == value
    return kind.fits(inputs)
