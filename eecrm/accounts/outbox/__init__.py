"""The outbox at work: mails are claimed, written and sent by `manage.py run_worker`."""
