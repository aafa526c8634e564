"""Turn deployments into options in Discord, and the values that users enter into inputs.

The HTTP calls to the backend are in the backend's package.
"""
