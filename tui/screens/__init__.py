"""One screen per file. A screen composes widgets, starts workers that ask the gateway, and handles what they post."""
