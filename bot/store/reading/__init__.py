"""Repositories that only read: lists of runs, the export, and figures."""
