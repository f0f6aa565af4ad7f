from django.db import migrations

from audit.trail.recording import recorded


class Migration(migrations.Migration):
    dependencies = [("contracts", "0002_rules"), ("audit", "0001_trail")]

    operations = [recorded("contracts_contract", no_news=("search",))]
