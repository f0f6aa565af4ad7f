from django.db import migrations

from audit.trail.recording import recorded


class Migration(migrations.Migration):
    dependencies = [("clients", "0002_rules"), ("audit", "0001_trail")]

    operations = [recorded("clients_client", no_news=("search",))]
