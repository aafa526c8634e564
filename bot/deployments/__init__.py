"""Turn deployments into slash-command options, and the values of options into a run's inputs.

`schema/` is what an operator writes into deployments.toml, and `model.py` completes it with the backend's
description, which `catalogue.py` fetches. `inputs.py`, `files.py` and `choices.py` have a class for each kind
of input. `command_plan.py` fits the options into `/generate`, `draft.py` has the form, and `merge.py` makes
the inputs of a run. The HTTP calls to the backend are made in bot/comfydeploy.
"""
