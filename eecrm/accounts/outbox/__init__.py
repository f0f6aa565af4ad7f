"""Jobs of the worker process: write and send mails, find unusual activity, delete expired rows."""
