"""The use cases behind commands and buttons: functions of `App` and of the user who asks.

They raise InputError or RefusedError, in which case nothing was changed, and StoreUnavailable if the database
is unreachable. Nothing here imports discord.py or builds a message.
"""
