"""Benchmarks of speed and memory (`make bench`), where possible with a baseline measured in the same run.

The bot runs as a process against the fake Discord and the fake ComfyDeploy, on real sockets. Nothing fails
because of a figure, which may be worse on a busy machine.
"""
