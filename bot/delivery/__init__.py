"""Send messages to Discord: prepare their files, choose their routes, retry, and remove obsolete messages.

bot/ui decides what a message looks like.
"""
