"""Accept requests and judge stored ones. Read usage.

The rules themselves are in bot/domain/policy.py and bot/domain/budgets.py.
"""
