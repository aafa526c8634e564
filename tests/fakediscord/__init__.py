"""A fake Discord on real sockets: HTTP API v10, gateway and CDN, with Discord's rules, faults and a log.

It runs in the test's process; the bot connects from another process, redirected by `launch.point_discord_at`.

    async with FakeDiscord() as discord:
        guild = discord.add_guild("Studio")
        general = discord.add_text(guild, "general")
        alice = discord.add_user("alice", guild)
        ...start the bot with discord.url and discord.token, then
        await discord.wait_command("generate")
        run = await discord.slash(alice, general, "generate", {"prompt": "a cat"})
        await run.wait_answer()
        await discord.wait_until(lambda: discord.messages(general))
"""
