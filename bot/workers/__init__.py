"""Background work: starting, polling, cancelling and timing out runs, and recording reports about them.

The effect of a report is decided in bot/domain, and messages are posted by bot/delivery.
"""
