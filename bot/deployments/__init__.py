"""Turn deployments into slash-command options, and the values of options into a run's inputs.

The HTTP calls to the backend are made in bot/comfydeploy.
"""
