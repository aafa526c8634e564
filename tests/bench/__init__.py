"""`make bench`: figures of speed and memory, each beside a bare baseline of the same run where there is one.

The bot runs as a process of its own against the fake Discord and the fake ComfyDeploy, on real sockets. Nothing here
is a test: a machine under load gives worse figures, and no figure fails anything.
"""
