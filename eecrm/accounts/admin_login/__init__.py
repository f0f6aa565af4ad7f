"""The gate of the admin site: the decoy before it, the second factor in it, and how long a login lasts."""
