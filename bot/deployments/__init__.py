"""Deployments: their options in Discord, and the inputs made from the values that users enter.

The HTTP calls to the backend are in the backend's package.
"""
