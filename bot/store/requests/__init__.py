"""Decides whether a request is stored and may start: limits, budgets, second presses, the answer's check.

The rules themselves are in bot/domain/policy.py and bot/domain/budgets.py.
"""
