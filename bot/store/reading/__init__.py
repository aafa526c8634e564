"""Repositories that only read: lists of runs, the export, durations for the estimates, and gauges."""
