"""``fw bench``: how fast sending, running and waiting are with your broker and database."""
