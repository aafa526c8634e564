"""Records and rules without I/O: no discord, aiohttp or SQLAlchemy, not even through an import."""
