import datetime
from decimal import Decimal

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import api.text_fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("clients", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Contract",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", api.text_fields.LineField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("signed", "Signed")],
                        db_default="draft",
                        default="draft",
                        max_length=6,
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=2,
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(
                                Decimal("0.01"), "The amount of a contract is positive."
                            ),
                            django.core.validators.MaxValueValidator(Decimal("9999999999.99")),
                        ],
                    ),
                ),
                (
                    "currency",
                    models.CharField(choices=[("EUR", "Euro")], db_default="EUR", default="EUR", max_length=3),
                ),
                (
                    "payment_due",
                    models.DateField(
                        validators=[
                            django.core.validators.MinValueValidator(
                                datetime.date(2000, 1, 1), "A payment is due between 2000 and 2099."
                            ),
                            django.core.validators.MaxValueValidator(
                                datetime.date(2099, 12, 31), "A payment is due between 2000 and 2099."
                            ),
                        ]
                    ),
                ),
                ("signed_at", models.DateTimeField(editable=False, null=True)),
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
                    "name_order",
                    models.CharField(blank=True, db_collation="C", editable=False, max_length=250),
                ),
                (
                    "client",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contracts",
                        to="clients.client",
                    ),
                ),
                (
                    "sales_contact",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(models.F("search"), name="contract_search"),
                    models.Index(models.F("updated_at"), models.F("id"), name="contract_updated_at"),
                    models.Index(models.F("payment_due"), models.F("id"), name="contract_payment_due"),
                    models.Index(models.F("client"), models.F("id"), name="contract_client"),
                    models.Index(models.F("created_at"), models.F("id"), name="contract_created_at"),
                    models.Index(models.F("name_order"), models.F("id"), name="contract_name"),
                    models.Index(models.F("amount"), models.F("id"), name="contract_amount"),
                    models.Index(
                        models.F("id"),
                        models.F("created_at"),
                        models.F("updated_at"),
                        models.F("payment_due"),
                        models.F("amount"),
                        models.F("status"),
                        name="contract_list",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("sales_contact", "id"), name="contract_sales_contact"),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["draft", "signed"])),
                        name="contract_status_known",
                        violation_error_message="A contract is a draft or signed.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", "\\S")),
                        name="contract_name_filled",
                        violation_error_message="A contract has a name.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.F("name"),
                                output_field=models.BooleanField(),
                                template="(%(expressions)s IS NFC NORMALIZED)",
                            ),
                            models.Q(
                                django.db.models.lookups.Regex(
                                    models.F("name"),
                                    models.Value(
                                        "^[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]|[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]$|[\\u0001-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF]"
                                    ),
                                ),
                                _negated=True,
                            ),
                        ),
                        name="contract_name_plain",
                        violation_error_message="A text is stored in NFC, without control characters, and without invisible characters at its edges.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", Decimal("0.01")), ("amount__lte", Decimal("9999999999.99"))),
                        name="contract_amount_positive",
                        violation_error_message="The amount of a contract is positive.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency", "EUR")),
                        name="contract_currency_known",
                        violation_error_message="Contracts are in euros.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("payment_due__gte", datetime.date(2000, 1, 1)),
                            ("payment_due__lt", datetime.date(2100, 1, 1)),
                        ),
                        name="contract_payment_due_bounded",
                        violation_error_message="A payment is due between 2000 and 2099.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("signed_at__isnull", False), ("status", "signed")),
                            models.Q(("signed_at__isnull", True), ("status", "draft")),
                            _connector="OR",
                        ),
                        name="contract_signed_at_when_signed",
                        violation_error_message="A contract has a time of signature once it is signed, and only then.",
                    ),
                ],
            },
        ),
    ]
