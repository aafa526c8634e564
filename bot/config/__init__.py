"""The operator's settings and their validation, and logging. Only this package reads the environment.

The effect of a setting is decided where it is used.
"""
