"""Accept requests and judge stored ones: usage, double presses, and requests that may be unanswered.

The rules themselves are in bot/domain/policy.py and bot/domain/budgets.py.
"""
