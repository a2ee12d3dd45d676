"""The programs and how each is played; table.py lists them."""
