"""Login to the admin site: the honeypot (false admin site) at `/admin/`, the second factor, and the session limits."""
