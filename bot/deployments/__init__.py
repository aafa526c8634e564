"""Turn deployments into slash-command options, and convert the values that users enter to a run's inputs.

The HTTP calls to the backend are made in bot/comfydeploy.
"""
