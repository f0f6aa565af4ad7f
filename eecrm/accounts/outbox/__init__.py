"""Worker jobs of the outbox: claim, write and send mails, find alerts, delete expired rows."""
