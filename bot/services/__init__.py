"""The use cases behind commands and buttons: functions of `App` and of the `Actor` who asks.

They raise InputError or RefusedError, and StoreUnavailable if the database is unreachable. In these cases
nothing was changed, but a refused request has an entry in the audit log. Nothing here imports discord.py or
builds a message.
"""
