"""Accept requests and judge stored ones. Read usage, and find double presses and unanswered requests.

The rules themselves are in bot/domain/policy.py and bot/domain/budgets.py.
"""
