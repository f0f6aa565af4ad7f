from django.db import migrations

from audit.trail.recording import recorded


class Migration(migrations.Migration):
    dependencies = [("events", "0002_rules"), ("audit", "0001_trail")]

    operations = [recorded("events_event", no_news=("search",))]
