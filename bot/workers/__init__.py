"""The workers, which start, poll, cancel and time out runs, and record reports about them.

bot/domain decides the effect of a report, and bot/delivery posts the messages.
"""
