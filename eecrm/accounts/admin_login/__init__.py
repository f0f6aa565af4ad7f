"""Login to the admin site: the honeypot before it, the second factor, and the limits of a session."""
