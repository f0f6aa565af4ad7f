import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import api.email_addresses
import api.phone_numbers
import api.text_fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Client",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[("prospect", "Prospect"), ("client", "Client")],
                        db_default="prospect",
                        default="prospect",
                        max_length=8,
                    ),
                ),
                ("company_name", api.text_fields.LineField(max_length=200)),
                ("first_name", api.text_fields.PersonNameField(max_length=150)),
                ("last_name", api.text_fields.PersonNameField(max_length=150)),
                ("email", api.email_addresses.AddressField(max_length=254)),
                ("phone", api.phone_numbers.PhoneField(blank=True, max_length=128, region=None)),
                ("mobile", api.phone_numbers.PhoneField(blank=True, max_length=128, region=None)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("version", models.BigIntegerField(db_default=1, editable=False)),
                ("search", django.contrib.postgres.search.SearchVectorField(editable=False)),
                (
                    "company_name_order",
                    models.CharField(blank=True, db_collation="C", editable=False, max_length=250),
                ),
                (
                    "last_name_order",
                    models.CharField(blank=True, db_collation="C", editable=False, max_length=250),
                ),
                (
                    "account",
                    models.OneToOneField(
                        blank=True,
                        help_text="The external partner's account that may read this client, its contracts and its events.",
                        limit_choices_to={"is_superuser": False, "role": "external"},
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="linked_client",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "sales_contact",
                    models.ForeignKey(
                        db_index=False,
                        limit_choices_to={"is_active": True, "is_superuser": False, "role": "sales"},
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="clients",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(models.F("search"), name="client_search"),
                    models.Index(models.F("updated_at"), models.F("id"), name="client_updated_at"),
                    models.Index(models.F("company_name_order"), models.F("id"), name="client_company_name"),
                    models.Index(models.F("last_name_order"), models.F("id"), name="client_last_name"),
                    models.Index(models.F("created_at"), models.F("id"), name="client_created_at"),
                    models.Index(
                        models.F("id"),
                        models.F("created_at"),
                        models.F("updated_at"),
                        models.F("status"),
                        name="client_list",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("sales_contact", "id"), name="client_sales_contact"),
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("email"),
                        name="client_email_unique",
                        violation_error_message="A client with this email address exists already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["prospect", "client"])),
                        name="client_status_known",
                        violation_error_message="A client is a prospect or a client.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("company_name__regex", "\\S"),
                            ("email__regex", "\\S"),
                            ("first_name__regex", "\\S"),
                            ("last_name__regex", "\\S"),
                        ),
                        name="client_names_filled",
                        violation_error_message="A client has a company name, a first name, a last name and an email address.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("mobile__regex", "^(\\+[1-9][0-9]{5,14})?$"), ("phone__regex", "^(\\+[1-9][0-9]{5,14})?$")
                        ),
                        name="client_phones_e164",
                        violation_error_message="A phone number is stored in E.164: + and at most 15 digits.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("first_name"),
                                output_field=models.BooleanField(),
                                template="(%(expressions)s IS NFC NORMALIZED)",
                            ),
                            models.Q(
                                django.db.models.lookups.Regex(
                                    models.F("first_name"),
                                    models.Value(
                                        "^ | $|[\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]"
                                    ),
                                ),
                                _negated=True,
                            ),
                            models.Q(
                                django.db.models.lookups.IRegex(
                                    models.Func(
                                        models.F("first_name"),
                                        output_field=models.TextField(),
                                        template="normalize(%(expressions)s, NFKC)",
                                    ),
                                    models.Value(
                                        "//|\\\\|www[.]|\\S@|(https?|ftp|mailto|tel|sms):|[0-9]([.\\u3002][0-9]+){2}[.\\u3002][0-9]|[^\\s!-/:-@\\[-`{-~\\u2010-\\u2027\\u3002][.\\u3002][^\\s!-/:-@\\[-`{-~\\u2010-\\u2027\\u3002]{2}"
                                    ),
                                ),
                                _negated=True,
                            ),
                            models.Func(
                                models.F("last_name"),
                                output_field=models.BooleanField(),
                                template="(%(expressions)s IS NFC NORMALIZED)",
                            ),
                            models.Q(
                                django.db.models.lookups.Regex(
                                    models.F("last_name"),
                                    models.Value(
                                        "^ | $|[\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]"
                                    ),
                                ),
                                _negated=True,
                            ),
                            models.Q(
                                django.db.models.lookups.IRegex(
                                    models.Func(
                                        models.F("last_name"),
                                        output_field=models.TextField(),
                                        template="normalize(%(expressions)s, NFKC)",
                                    ),
                                    models.Value(
                                        "//|\\\\|www[.]|\\S@|(https?|ftp|mailto|tel|sms):|[0-9]([.\\u3002][0-9]+){2}[.\\u3002][0-9]|[^\\s!-/:-@\\[-`{-~\\u2010-\\u2027\\u3002][.\\u3002][^\\s!-/:-@\\[-`{-~\\u2010-\\u2027\\u3002]{2}"
                                    ),
                                ),
                                _negated=True,
                            ),
                        ),
                        name="client_names_plain",
                        violation_error_message="This has characters that nobody sees, such as line breaks or marks of direction: type it again. A name holds no web or email address: no //, no www., no @ within, no mailto: or tel:, and a space after each full stop.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("company_name"),
                                output_field=models.BooleanField(),
                                template="(%(expressions)s IS NFC NORMALIZED)",
                            ),
                            models.Q(
                                django.db.models.lookups.Regex(
                                    models.F("company_name"),
                                    models.Value(
                                        "^[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]|[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]$|[\\u0001-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF]"
                                    ),
                                ),
                                _negated=True,
                            ),
                        ),
                        name="client_texts_plain",
                        violation_error_message="A text is stored in NFC, without control characters, and without invisible characters at its edges.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("email__regex", "^[!#-?A-~]{1,64}@[a-z0-9.:\\[\\]-]+$")),
                        name="client_email_form",
                        violation_error_message="An email address is stored in ASCII, without quotation marks, with its domain in lower case (IDNA).",
                    ),
                ],
            },
        ),
    ]
