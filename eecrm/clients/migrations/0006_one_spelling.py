"""One form of email addresses and of people's names."""

from django.db import migrations

from api.email_addresses import AddressField, address_checked
from api.person_names import PersonNameField, names_checked

# Each is as the fields write it, but for domains beyond ASCII, which the constraint then names.
STORED = """
UPDATE clients_client SET
    email = substring(email FROM '^.*@') || lower(substring(email FROM '[^@]*$')),
    first_name = normalize(btrim(first_name)), last_name = normalize(btrim(last_name))
 WHERE email <> substring(email FROM '^.*@') || lower(substring(email FROM '[^@]*$'))
    OR first_name <> normalize(btrim(first_name)) OR last_name <> normalize(btrim(last_name));
"""


class Migration(migrations.Migration):
    dependencies = [("clients", "0005_lists")]

    operations = [
        migrations.AlterField("client", "email", AddressField()),
        migrations.AlterField("client", "first_name", PersonNameField(max_length=150)),
        migrations.AlterField("client", "last_name", PersonNameField(max_length=150)),
        migrations.RunSQL(STORED, migrations.RunSQL.noop),
        migrations.AddConstraint("client", names_checked("client_names_plain", "first_name", "last_name")),
        migrations.AddConstraint("client", address_checked("client_email_form", "email")),
    ]
