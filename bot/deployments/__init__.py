"""Decides what a deployment offers as options, and how typed values become its inputs.

How a deployment is described and started over HTTP is decided by the backend's package.
"""
