"""Login to the admin site: the honeypot at `/admin/`, the second factor, and the limits of a session."""
