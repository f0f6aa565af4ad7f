import datetime

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import accounts.login.usernames
import accounts.models.second_factor
import api.email_addresses
import api.phone_numbers
import api.text_fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Export",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rows", models.PositiveIntegerField(help_text="How many accounts are in the file.")),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    accounts.login.usernames.UsernameField(
                        db_index=True,
                        help_text="At most 150 characters: letters, digits and . @ + - _ only, as anna.smith. Case makes no difference.",
                        max_length=150,
                    ),
                ),
                ("first_name", api.text_fields.PersonNameField(blank=True, max_length=150)),
                ("last_name", api.text_fields.PersonNameField(blank=True, max_length=150)),
                (
                    "display_name",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.comparison.Coalesce(
                            django.db.models.functions.comparison.NullIf(
                                django.db.models.functions.text.Trim(
                                    django.db.models.functions.text.Concat(
                                        "first_name", models.Value(" "), "last_name", output_field=models.CharField()
                                    )
                                ),
                                models.Value(""),
                            ),
                            models.F("username"),
                            output_field=models.CharField(),
                        ),
                        output_field=models.CharField(max_length=301),
                    ),
                ),
                ("email", api.email_addresses.AddressField(blank=True, max_length=254)),
                ("email_confirmed_at", models.DateTimeField(editable=False, null=True, verbose_name="email confirmed")),
                ("deactivated_at", models.DateTimeField(editable=False, null=True, verbose_name="deactivated")),
                (
                    "is_claimed",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        help_text="Whether its owner has ever had a password or an identity: from then on its address is theirs.",
                    ),
                ),
                ("job_title", api.text_fields.LineField(blank=True, max_length=150)),
                ("mobile", api.phone_numbers.PhoneField(blank=True, max_length=128, region=None)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("external", "External partner"),
                            ("sales", "Sales"),
                            ("support", "Support"),
                            ("management", "Management"),
                            ("auditor", "Auditor"),
                        ],
                        db_default="external",
                        default="external",
                        max_length=10,
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Take this away instead of deleting an account: it logs out everywhere at once.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "logins_ended",
                    models.BigIntegerField(
                        db_default=0,
                        default=0,
                        editable=False,
                        help_text="How often all logins of the account were ended: a session of the site goes on with the number that it began with.",
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "ordering": ["username"],
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="AddressChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", api.email_addresses.AddressField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "asked_by",
                    models.ForeignKey(
                        help_text="Empty: a command on the server.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="address_change",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("deletions", "Many deletions"),
                            ("changes", "Many changes"),
                            ("accounts", "Many accounts made or given other rights"),
                            ("signatures", "Contract signed and reopened"),
                            ("reopenings", "Many contracts reopened"),
                            ("exports", "Many exports"),
                        ],
                        max_length=20,
                    ),
                ),
                ("actor_id", models.BigIntegerField(null=True, verbose_name="account")),
                ("actor_name", models.CharField(blank=True, max_length=150, verbose_name="username")),
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="Its number, where it is about one.",
                        max_length=20,
                        verbose_name="contract",
                    ),
                ),
                ("count", models.PositiveIntegerField()),
                ("first_at", models.DateTimeField(verbose_name="from")),
                ("last_at", models.DateTimeField(verbose_name="until")),
                ("seen", models.TextField(editable=False)),
                ("previous_id", models.BigIntegerField(default=0)),
                (
                    "told_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="told"),
                ),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "actor_id", "subject", "previous_id"),
                        name="alert_once",
                        nulls_distinct=False,
                        violation_error_message="This was told already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["deletions", "changes", "accounts", "signatures", "reopenings", "exports"])
                        ),
                        name="alert_kind_known",
                        violation_error_message="This kind of alert doesn't exist.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Cover",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ends_at", models.DateTimeField()),
                ("reason", api.text_fields.LineField(max_length=300)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "colleague",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="covered_by",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "granted_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "substitute",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="covers", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-ends_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="ExternalIdentity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("issuer", models.CharField(max_length=200)),
                ("subject", models.CharField(max_length=255)),
                (
                    "not_before",
                    models.DateTimeField(editable=False, help_text="Tokens issued earlier are refused.", null=True),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identity",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "external identities",
                "ordering": ["issuer", "subject"],
            },
        ),
        migrations.CreateModel(
            name="KnownPlace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.CharField(max_length=50)),
                ("used_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="known_places",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-used_at"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("invitation", "Invitation"),
                            ("password_reset", "Password reset"),
                            ("address_confirmation", "Confirmation of an address"),
                            ("address_notice", "Notice of another address"),
                            ("address_changed", "Address changed"),
                            ("identity_bound", "Identity bound"),
                            ("identity_removed", "Identity taken away"),
                            ("manager_unmade", "No manager's account any more"),
                            ("account_news", "News of accounts"),
                            ("unusual_activity", "Unusual activity"),
                            ("factor_set_up", "Second factor set up"),
                            ("factor_replaced", "Second factor replaced"),
                            ("factor_removed", "Second factor removed"),
                            ("factor_reset", "Second factor reset"),
                            ("recovery_codes", "New recovery codes"),
                            ("codes_refused", "Wrong codes of a second factor"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "address",
                    api.email_addresses.AddressField(
                        blank=True, help_text="Where it goes instead of the account's own address.", max_length=254
                    ),
                ),
                (
                    "is_address_confirmed",
                    models.BooleanField(
                        db_default=False, editable=False, help_text="The account's owner had confirmed `address`."
                    ),
                ),
                ("seen", models.TextField(blank=True, db_default="", editable=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="Not before: the next try, or the end of a worker's lease.",
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(db_default=0)),
                (
                    "deferrals",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        editable=False,
                        help_text="Attempts that failed because of the mail server.",
                    ),
                ),
                ("sent_at", models.DateTimeField(null=True)),
                ("given_up_at", models.DateTimeField(null=True)),
                (
                    "is_refused",
                    models.BooleanField(
                        db_default=False,
                        editable=False,
                        help_text="Given up because the mail server refused the recipient or the mail for good (SMTP 5xx).",
                        verbose_name="refused",
                    ),
                ),
                (
                    "bounced_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="When a mail server sent the mail back (`note_bounce`).",
                        null=True,
                        verbose_name="bounced",
                    ),
                ),
                ("error", models.CharField(blank=True, db_default="", max_length=500)),
                (
                    "alert",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mails",
                        to="accounts.alert",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mails",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="LinkRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("typed", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="Not before: the end of a worker's lease.",
                    ),
                ),
            ],
            options={
                "ordering": ["due_at", "id"],
                "default_permissions": (),
                "indexes": [models.Index(models.F("due_at"), models.F("id"), name="link_request_due")],
                "constraints": [models.UniqueConstraint(fields=("typed",), name="link_request_once")],
            },
        ),
        migrations.CreateModel(
            name="TokenSession",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("refresh_jti", models.UUIDField(help_text="Id of the one refresh token that may be exchanged.")),
                (
                    "previous_jti",
                    models.UUIDField(help_text="Its predecessor: may be tried again for 30 seconds.", null=True),
                ),
                ("rotated_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=200)),
                ("address", models.GenericIPAddressField(help_text="From which it was last refreshed.", null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "id"],
            },
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                condition=models.Q(("username__isnull", False)),
                fields=("username",),
                name="user_username_once",
                violation_error_code="unique",
                violation_error_message="An account with this username exists already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["external", "sales", "support", "management", "auditor"])),
                name="user_role_known",
                violation_error_message="This role doesn't exist.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("username", django.db.models.functions.text.Lower("username"))),
                name="user_username_lowercase",
                violation_error_message="A username is stored in lowercase.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("mobile__regex", "^(\\+[1-9][0-9]{5,14})?$")),
                name="user_mobile_e164",
                violation_error_message="A phone number is stored in E.164: + and at most 15 digits.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "username",
                        models.Func(
                            models.F("username"),
                            output_field=models.TextField(),
                            template="normalize(%(expressions)s, NFKC)",
                        ),
                    ),
                    models.Q(
                        django.db.models.lookups.Regex(
                            models.F("username"),
                            models.Value(
                                "^$|^www\\.|[\\u0001-*,/:-?\\[-^`{-\\u007F\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]"
                            ),
                        ),
                        _negated=True,
                    ),
                ),
                name="user_username_form",
                violation_error_message="A username has letters, digits and . @ + - _ only, and doesn't begin with www.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
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
                name="user_names_plain",
                violation_error_message="This has characters that nobody sees, such as line breaks or marks of direction: type it again. A name holds no web or email address: no //, no www., no @ within, no mailto: or tel:, and a space after each full stop.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Func(
                        models.F("job_title"),
                        output_field=models.BooleanField(),
                        template="(%(expressions)s IS NFC NORMALIZED)",
                    ),
                    models.Q(
                        django.db.models.lookups.Regex(
                            models.F("job_title"),
                            models.Value(
                                "^[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]|[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]$|[\\u0001-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF]"
                            ),
                        ),
                        _negated=True,
                    ),
                ),
                name="user_job_title_plain",
                violation_error_message="A text is stored in NFC, without control characters, and without invisible characters at its edges.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("email__regex", "^[!#-?A-~]{1,64}@[a-z0-9.:\\[\\]-]+$"), ("email", ""), _connector="OR"
                ),
                name="user_email_form",
                violation_error_message="An email address is stored in ASCII, without quotation marks, with its domain in lower case (IDNA).",
            ),
        ),
        migrations.AddConstraint(
            model_name="addresschange",
            constraint=models.CheckConstraint(
                condition=models.Q(("address__regex", "^[!#-?A-~]{1,64}@[a-z0-9.:\\[\\]-]+$")),
                name="address_change_form",
                violation_error_message="An email address is stored in ASCII, without quotation marks, with its domain in lower case (IDNA).",
            ),
        ),
        migrations.AddConstraint(
            model_name="cover",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gte", models.F("starts_at"))),
                name="cover_ends_after_start",
                violation_error_message="A cover ends after it starts.",
            ),
        ),
        migrations.AddConstraint(
            model_name="cover",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "ends_at__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("starts_at"), "+", models.Value(datetime.timedelta(days=180))
                        ),
                    )
                ),
                name="cover_at_most_180_days",
                violation_error_message="A cover lasts at most 180 days.",
            ),
        ),
        migrations.AddConstraint(
            model_name="cover",
            constraint=models.CheckConstraint(
                condition=models.Q(("colleague", models.F("substitute")), _negated=True),
                name="cover_by_somebody_else",
                violation_error_message="Nobody covers for themselves.",
            ),
        ),
        migrations.AddConstraint(
            model_name="cover",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason__regex", "\\S")),
                name="cover_has_a_reason",
                violation_error_message="A cover has a reason.",
            ),
        ),
        migrations.AddConstraint(
            model_name="cover",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Func(
                        models.F("reason"),
                        output_field=models.BooleanField(),
                        template="(%(expressions)s IS NFC NORMALIZED)",
                    ),
                    models.Q(
                        django.db.models.lookups.Regex(
                            models.F("reason"),
                            models.Value(
                                "^[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]|[\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000\\u0001-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u2800\\u3164\\uE000-\\uF8FF\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF\\U00013430-\\U00013442\\U00016FE4\\U0001BCA0-\\U0001BCA3\\U0001D159\\U0001D173-\\U0001D17A\\U000E0000-\\U000E0FFF\\U000F0000-\\U0010FFFF]$|[\\u0001-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF]"
                            ),
                        ),
                        _negated=True,
                    ),
                ),
                name="cover_reason_plain",
                violation_error_message="A text is stored in NFC, without control characters, and without invisible characters at its edges.",
            ),
        ),
        migrations.AddConstraint(
            model_name="externalidentity",
            constraint=models.UniqueConstraint(
                fields=("issuer", "subject"),
                name="external_identity_unique",
                violation_error_message="This identity belongs to an account already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="externalidentity",
            constraint=models.CheckConstraint(
                condition=models.Q(("subject__regex", "^[!-~]+$")),
                name="external_identity_subject_ascii",
                violation_error_message="A subject is what the provider calls the account: letters, digits and signs, without spaces.",
            ),
        ),
        migrations.AddConstraint(
            model_name="knownplace",
            constraint=models.UniqueConstraint(fields=("user", "place"), name="known_place_once"),
        ),
        migrations.AddIndex(
            model_name="tokensession",
            index=models.Index(
                condition=models.Q(("revoked_at", None)), fields=["user", "-created_at", "id"], name="login_open"
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                models.F("id"),
                condition=models.Q(
                    ("is_active", True),
                    models.Q(("role", "management"), ("is_superuser", True), _connector="OR"),
                ),
                name="user_managers",
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                django.db.models.functions.text.Upper("email"),
                condition=models.Q(("email_confirmed_at__isnull", False)),
                name="user_confirmed_email",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                models.F("due_at"),
                models.F("id"),
                condition=models.Q(
                    ("given_up_at", None), ("sent_at", None), models.Q(("kind", "invitation"), _negated=True)
                ),
                name="mail_due",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                models.F("due_at"),
                models.F("id"),
                condition=models.Q(("given_up_at", None), ("kind", "invitation"), ("sent_at", None)),
                name="invitation_due",
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                django.db.models.functions.text.Lower("address"),
                models.F("created_at"),
                condition=models.Q(("address", ""), _negated=True),
                name="mail_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "invitation",
                            "password_reset",
                            "address_confirmation",
                            "address_notice",
                            "address_changed",
                            "identity_bound",
                            "identity_removed",
                            "manager_unmade",
                            "account_news",
                            "unusual_activity",
                            "factor_set_up",
                            "factor_replaced",
                            "factor_removed",
                            "factor_reset",
                            "recovery_codes",
                            "codes_refused",
                        ],
                    )
                ),
                name="mail_kind_known",
                violation_error_message="This kind of mail doesn't exist.",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("alert", None), ("kind", "unusual_activity"), _connector="XOR"),
                name="mail_names_its_alert",
                violation_error_message="A mail about unusual activity names its alert, and no other does.",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_refused", False), ("given_up_at__isnull", False), _connector="OR"),
                name="mail_refused_given_up",
                violation_error_message="A mail that was refused for good is given up.",
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_address_confirmed", False), models.Q(("address", ""), _negated=True), _connector="OR"
                ),
                name="mail_confirmed_address",
                violation_error_message="Only a mail with an address of its own says that it was confirmed.",
            ),
        ),
    ]
