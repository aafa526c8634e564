"""Measure speed and memory with `make bench`, each beside a bare baseline of the same run where there is one.

The bot runs as a process against the fake Discord and the fake ComfyDeploy, on real sockets. Nothing here is
a test: a busy machine gives worse figures, and no figure fails anything.
"""
