"""Run the whole bot in one thread and in virtual time, with faults, and check its promises.

A round starts a fake Discord, a fake ComfyDeploy and one or several bot processes on an event loop whose time
jumps to the next timer. People act, services fail and processes die. A checker, which knows no internals of
the bot, compares the messages that people saw with the runs that ComfyDeploy executed. A seed always replays
the same round.

`tests.simulation.engine.patches` must be imported before any other library, because it replaces clocks and
randomness. A test therefore runs a simulation in a separate process:

    python -m tests.simulation --seed 1 --rounds 10
"""
