"""The panel of `/settings`: rules and surroundings -> layout. Pure."""
