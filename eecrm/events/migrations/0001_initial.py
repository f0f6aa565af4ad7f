import datetime

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
        ("contracts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", api.text_fields.LineField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[("created", "Created"), ("in_progress", "In progress"), ("closed", "Closed")],
                        db_default="created",
                        default="created",
                        max_length=11,
                    ),
                ),
                (
                    "attendees",
                    models.PositiveIntegerField(validators=[django.core.validators.MaxValueValidator(1000000)]),
                ),
                (
                    "starts_at",
                    models.DateTimeField(
                        validators=[
                            django.core.validators.MinValueValidator(
                                datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc),
                                "An event takes place between 2000 and 2099.",
                            ),
                            django.core.validators.MaxValueValidator(
                                datetime.datetime(2099, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc),
                                "An event takes place between 2000 and 2099.",
                            ),
                        ]
                    ),
                ),
                (
                    "ends_at",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(
                                datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc),
                                "An event takes place between 2000 and 2099.",
                            ),
                            django.core.validators.MaxValueValidator(
                                datetime.datetime(2099, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc),
                                "An event takes place between 2000 and 2099.",
                            ),
                        ],
                    ),
                ),
                ("location", api.text_fields.LineField(blank=True, max_length=200)),
                ("notes", api.text_fields.FreeTextField(blank=True, max_length=10000)),
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
                    "contract",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="contracts.contract",
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
                (
                    "support_contact",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        limit_choices_to={"is_active": True, "is_superuser": False, "role": "support"},
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(models.F("search"), name="event_search"),
                    models.Index(models.F("updated_at"), models.F("id"), name="event_updated_at"),
                    models.Index(models.F("starts_at"), models.F("id"), name="event_starts_at"),
                    models.Index(models.F("contract"), models.F("id"), name="event_contract"),
                    models.Index(models.F("support_contact"), models.F("id"), name="event_support_contact"),
                    models.Index(
                        models.F("id"), condition=models.Q(("support_contact", None)), name="event_unassigned"
                    ),
                    models.Index(models.F("sales_contact"), models.F("id"), name="event_sales_contact"),
                    models.Index(models.F("created_at"), models.F("id"), name="event_created_at"),
                    models.Index(models.F("name_order"), models.F("id"), name="event_name"),
                    models.Index(models.F("attendees"), models.F("id"), name="event_attendees"),
                    models.Index(
                        models.F("id"),
                        models.F("created_at"),
                        models.F("updated_at"),
                        models.F("starts_at"),
                        models.F("status"),
                        models.ExpressionWrapper(
                            models.Q(("status", "created"), _negated=True), output_field=models.BooleanField()
                        ),
                        name="event_list",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["created", "in_progress", "closed"])),
                        name="event_status_known",
                        violation_error_message="An event is created, in progress or closed.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", "\\S")),
                        name="event_name_filled",
                        violation_error_message="An event has a name.",
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
                            models.Func(
                                models.F("location"),
                                output_field=models.BooleanField(),
                                template="(%(expressions)s IS NFC NORMALIZED)",
                            ),
                            models.Q(
                                django.db.models.lookups.Regex(
                                    models.F("location"),
                                    models.Value(
                                        "^[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]|[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]$|[\\u0001-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF]"
                                    ),
                                ),
                                _negated=True,
                            ),
                            models.Func(
                                models.F("notes"),
                                output_field=models.BooleanField(),
                                template="(%(expressions)s IS NFC NORMALIZED)",
                            ),
                            models.Q(
                                django.db.models.lookups.Regex(
                                    models.F("notes"),
                                    models.Value(
                                        "^[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]|[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]$|[\\u0001-\\u0008\\u000B-\\u001F\\u007F-\\u009F\\u2028\\u2029\\uFFFE\\uFFFF]"
                                    ),
                                ),
                                _negated=True,
                            ),
                        ),
                        name="event_texts_plain",
                        violation_error_message="A text is stored in NFC, without control characters, and without invisible characters at its edges.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("attendees__lte", 1000000)),
                        name="event_attendees_bounded",
                        violation_error_message="An event has at most 1,000,000 attendees.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("starts_at__gte", datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
                            ("starts_at__lt", datetime.datetime(2100, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
                            models.Q(
                                ("ends_at__isnull", True),
                                models.Q(
                                    ("ends_at__gte", datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
                                    ("ends_at__lt", datetime.datetime(2100, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
                                ),
                                _connector="OR",
                            ),
                        ),
                        name="event_dates_bounded",
                        violation_error_message="An event takes place between 2000 and 2099.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ends_at__isnull", True), ("ends_at__gte", models.F("starts_at")), _connector="OR"
                        ),
                        name="event_ends_after_start",
                        violation_error_message="An event ends after it starts.",
                    ),
                ],
            },
        ),
    ]
