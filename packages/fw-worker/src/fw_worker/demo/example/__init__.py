"""The tasks of the demo, as a team would write them."""
