"""Stories: what people do, and what each of them sees.

Each module `story_*.py` is a short script, and the file in `transcripts` with its name is what people saw.
Read 01 to 21 in order to learn every feature of the bot; the others show what is rare. `make snapshots`
writes the transcripts anew. In them, `┃` is a message with a frame, `|` its text, `[…]` a button, `⟨…⟩` what
differs each time, and `-` what is gone from a changed message.

A story runs the real bot in virtual time between the fake Discord and the fake ComfyDeploy, like a round of
the simulation, but without chance, and with no faults except those that it tells of.
"""
