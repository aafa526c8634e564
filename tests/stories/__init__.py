"""Stories: what people do, and what each of them sees.

Each module `story_*.py` is a short script, and the file in `transcripts` with its name is what people saw.
Read them in order to learn every feature of the bot. `make snapshots` writes the transcripts anew.

A story runs the real bot in virtual time between the fake Discord and the fake ComfyDeploy, like a round of
the simulation, but without chance, and with no faults except those that it tells of.
"""
