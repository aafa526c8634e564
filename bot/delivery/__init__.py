"""Send messages to Discord: prepare their files, choose their places, retry, and delete obsolete messages.

bot/ui decides what a message looks like.
"""
