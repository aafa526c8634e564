"""Run the whole bot in one thread and in virtual time, with faults, and check its promises.

A round starts a fake Discord, a fake ComfyDeploy and one or several bot processes on an event loop whose time
jumps to the next timer. People act, services fail, processes die, and a checker that knows no internals of
the bot compares what people saw with what was run. A seed replays exactly.

`tests.simulation.engine.patches` must be imported before any other library, because it replaces clocks and
randomness. So a test runs a simulation as a process of its own:

    python -m tests.simulation --seed 1 --rounds 10
"""
