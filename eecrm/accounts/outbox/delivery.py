"""Sends the queued mails, and answers requests for password links. If a worker dies, no mail is lost.

A worker claims a mail for a limited time (the lease). If the worker doesn't store a result in this time, the mail is
due again. A mail is sent twice only if a worker dies after sending the mail and before storing the result. Both copies
have the same Message-ID.

A mail that the server refuses for good is given up at once. A try that fails because of the mail server is a deferral:
no connection, a refused login or sender, a server that asks to try again later (4xx), a stop of the worker. Deferrals
go on for days, because the mail isn't at fault. Any other failure costs one of MAX_MAIL_TRIES.

If the disk is full, no mail is sent. After a worker has claimed a mail, it tests if a result can be stored: it stores
the result "sent", and rolls this change back.
"""

import logging
import random
import re
import smtplib
import time
import traceback
from datetime import timedelta
from typing import Any

from django.core.mail import get_connection
from django.db import connection
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from access.database import acting_as_login_role, rolled_back_if
from accounts.models import LinkRequest, Mail, User
from accounts.models.mail import MailQuerySet
from accounts.outbox import mails
from accounts.outbox.smtp import DeliveryStopped
from accounts.passwords.links import link_queued
from api.email_addresses import normalise_address
from api.requests import limits

log = logging.getLogger("eecrm.mail")

MAX_MAIL_TRIES = 8
MAX_DEFERRALS = 120  # about five days, as RFC 5321 (section 4.5.4.1) recommends
FIRST_MAIL_RETRY, MAX_MAIL_RETRY = timedelta(minutes=1), timedelta(hours=1)
MIN_MAIL_INTERVAL = timedelta(minutes=10)  # minimum time between two mails that reset an account's password
MAX_ACCOUNTS_PER_ADDRESS = 10  # one request for a link mails at most this number of accounts
_LOGIN_CODES = {530, 534, 535, 538}  # the login is missing, too weak, wrong, or needs TLS (RFC 4954, section 6)
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b", re.ASCII)

_DUE_MAIL = """
    SELECT id FROM accounts_mail
     WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at <= statement_timestamp() AND kind {} 'invitation'
     ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
# The statement has `=`, because with IN the planner may run the subquery for each row, and claim every mail.
# Invitations go last, because an import may queue thousands of them. COALESCE runs the second subquery only if needed.
_CLAIM_MAILS = f"""
    UPDATE accounts_mail SET due_at = statement_timestamp() + make_interval(secs => %s), attempts = attempts + 1
     WHERE id = COALESCE(({_DUE_MAIL.format("<>")}), ({_DUE_MAIL.format("=")}))
    RETURNING id
"""
_CLAIM_REQUEST = """
    UPDATE accounts_linkrequest SET due_at = statement_timestamp() + make_interval(secs => %s)
     WHERE id = (SELECT id FROM accounts_linkrequest WHERE due_at <= statement_timestamp()
                  ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, typed
"""

# Mails that this worker has sent, and whose results aren't stored yet, for example because the database restarts.
_unstored: list[Mail] = []


def deliver(lease: timedelta) -> bool:
    """Sends one mail that is due, and answers one request for a password link.

    Returns False if no mail and no request was due. They take turns, so that many of one can't delay the other. If the
    result of an earlier mail can't be stored, raises the error of the database and sends nothing.
    """
    _store_results()
    mail = _claim(lease)
    if mail is not None:
        _settle(mail)
    return _answer_request(lease) or mail is not None


def _settle(mail: Mail) -> None:
    """Sends a claimed mail, or gives it up."""
    if mail.attempts - mail.deferrals > MAX_MAIL_TRIES:
        _give_up(mail, "The worker was ended during each try.")
    elif reason := mails.reason_against(mail.kind, mail.user) or mails.without_recipient(mail, mail.user):
        _give_up(mail, reason)
    elif mail.attempts == 1 and _is_flood(mail, mail.user):
        _give_up(mail, "This address was sent many mails within a day, and nobody has confirmed it.")
    else:
        _send(mail, mail.user)


def _is_flood(mail: Mail, user: User) -> bool:
    """Counts this mail. Returns True if an unconfirmed email address was sent too many mails.

    The limit protects strangers, because any user may have entered a stranger's address. The count belongs to the
    address, so the count stays if the account is deleted or gets another address. Invitations that an import sends to
    one chosen address aren't counted.
    """
    address = (mail.address or user.email).lower()
    if mails.is_recipient_confirmed(mail, user) or not address or (mail.address and mail.kind == Mail.Kind.INVITATION):
        return False
    owner = salted_hmac("accounts.outbox", address, algorithm="sha256").hexdigest()
    with acting_as_login_role():
        (taken,) = limits.take((limits.limit("stranger"), owner, 1))
    return not taken.granted


def _claim(lease: timedelta) -> Mail | None:
    """Claims one due mail for the duration `lease`, and returns it. Returns None if no mail is due.

    The claim is committed before the mail is sent. The account is loaded with its password hash, because the token of a
    password link is computed from the hash.
    """
    with acting_as_login_role():
        row = _claimed_row(_CLAIM_MAILS, lease)
        # `first` returns None if the mail was deleted after it was claimed, together with its account.
        mail = Mail.objects.select_related("user", "alert").filter(pk=row[0]).first() if row else None
        if mail is not None:
            # Test if a result can be stored. Without this test, a full disk would cause repeated mails.
            # The claim needs no trail entry, so the claim succeeds even on a full disk.
            # The result needs a trail entry, so storing the result would fail after the mail was sent.
            # The mail would then be sent again after each lease.
            with rolled_back_if(True):
                _store_sent(mail)
        return mail


def _claimed_row(statement: str, lease: timedelta) -> Any:
    """Runs an SQL statement that claims one row for the duration `lease`. Returns the row, or None if none is due."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [lease.total_seconds()])
        return cursor.fetchone()


def _send(mail: Mail, user: User) -> None:
    started = time.perf_counter()
    try:
        message = mails.compose(mail, user)
        if message is not None:
            get_connection().send_messages([message])
    except Exception as error:  # noqa: BLE001  # an uncaught error of any kind would lose the mail
        _note_failure(mail, error)
        return
    if message is None:
        with acting_as_login_role():
            _claimed(mail).delete()
        _log_delivery(logging.INFO, "mail_told_already", mail)
        return
    _unstored.append(mail)
    _log_delivery(logging.INFO, "mail_sent", mail, milliseconds=round((time.perf_counter() - started) * 1000))
    _store_results()


def _store_results() -> None:
    """Stores that mails were sent. A mail whose result can't be stored stays in `_unstored`, and the error is raised."""
    while _unstored:
        with acting_as_login_role():
            _store_sent(_unstored[0])
        del _unstored[0]


def _store_sent(mail: Mail) -> None:
    Mail.objects.filter(pk=mail.pk).update(sent_at=Now(), error="", seen=mail.seen)


def _note_failure(mail: Mail, error: Exception) -> None:
    """Stores the kind of the error. The worker sends the mail again later, or gives up the mail.

    The error's text isn't stored, because it may contain an email address.
    """
    kind = _error_kind(error)
    if is_refusal(error):
        _give_up(mail, kind, is_refused=True)
        return
    deferrals = mail.deferrals + _is_deferral(error)
    if deferrals >= MAX_DEFERRALS or mail.attempts - deferrals >= MAX_MAIL_TRIES:
        _give_up(mail, kind)
        return
    _claimed(mail).update(due_at=_next_try_at(mail.attempts), deferrals=deferrals, error=kind)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log_delivery(logging.WARNING, "mail_failed", mail, error=kind, where=f"{frame.filename}:{frame.lineno}")


def is_refusal(error: Exception) -> bool:
    """Returns True if the mail server refuses the recipient or the mail for good (5xx).

    A refused sender or login isn't the mail's fault. Servers that want a login may say so to the recipient (530).
    """
    code = reply_of(error)[0]
    is_of_mail = isinstance(error, (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError))
    return is_of_mail and 500 <= code < 600 and code not in _LOGIN_CODES


def _is_deferral(error: Exception) -> bool:
    """Returns True if a try failed because of the mail server or the way to it, or because the worker stopped."""
    return isinstance(error, (OSError, DeliveryStopped))  # errors of smtplib and ssl are an OSError


def reply_of(error: Exception) -> tuple[int, str]:
    """Returns the code and the text of the mail server's reply that an error holds; 0 and "" if it holds none."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
    else:
        code, text = getattr(error, "smtp_code", 0), getattr(error, "smtp_error", b"")
    return code, text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _error_kind(error: Exception) -> str:
    """Returns the class of an error with its SMTP codes (RFC 5321, RFC 3463): `SMTPRecipientsRefused 550 5.1.1`."""
    code, text = reply_of(error)
    enhanced = _ENHANCED_CODE.match(text)
    return " ".join([type(error).__name__, *([str(code)] if code else []), *([enhanced[0]] if enhanced else [])])


def _next_try_at(attempts: int) -> Combinable:
    """Returns the time of the next try to send a mail. The pause doubles after each try, up to MAX_MAIL_RETRY.

    The pause varies at random by up to half. So mails that failed at the same time are sent again at different times.
    """
    pause = min(FIRST_MAIL_RETRY * 2 ** min(attempts - 1, 10), MAX_MAIL_RETRY)
    return Now() + pause * random.uniform(0.5, 1.5)  # noqa: S311  # the random number needn't be secret


def _give_up(mail: Mail, reason: str, *, is_refused: bool = False) -> None:
    with acting_as_login_role():
        _claimed(mail).update(given_up_at=Now(), is_refused=is_refused, error=reason)
    _log_delivery(logging.WARNING, "mail_refused" if is_refused else "mail_given_up", mail, error=reason)


def _claimed(mail: Mail) -> MailQuerySet:
    """Returns a queryset with the mail. It is empty if the lease has ended and another worker has claimed the mail."""
    return Mail.objects.filter(pk=mail.pk, attempts=mail.attempts, sent_at=None)


def _answer_request(lease: timedelta) -> bool:
    """Replaces one request for a password link by a mail to each account that has the typed username or email address.

    Returns False if no request was due. All writes are one transaction: after an error the request still exists, and is
    due again when the lease ends.
    """
    request = _claimed_row(_CLAIM_REQUEST, lease)
    if request is None:
        return False
    key, typed = request
    with acting_as_login_role():
        matches = Q(username=typed) | Q(email__iexact=normalise_address(typed))
        # Without the lock, two workers with two requests for one account could both queue a mail.
        accounts = User.objects.active().filter(matches, identity=None).exclude(email_confirmed_at=None).order_by("pk")
        locked = list(accounts.select_for_update(of=("self",), no_key=True).only("pk")[:MAX_ACCOUNTS_PER_ADDRESS])
        # A mail from before the present address was confirmed has gone to another address, or is put off because of it.
        recent = Mail.objects.filter(
            Q(created_at__gt=Now() - MIN_MAIL_INTERVAL) | Q(sent_at=None, given_up_at=None),
            kind=Mail.Kind.PASSWORD_RESET,
            created_at__gt=F("user__email_confirmed_at"),
        )
        already_mailed = set(recent.filter(user__in=locked).values_list("user_id", flat=True))
        resets = [Mail(kind=Mail.Kind.PASSWORD_RESET, user=user) for user in locked if user.pk not in already_mailed]
        Mail.objects.bulk_create(resets)
        LinkRequest.objects.filter(pk=key).delete()
    for mail in resets:
        link_queued(mail.user_id, mail.kind)
    log.info("mail_accounts_found", extra={"link_request": key, "mails": len(resets)})
    return True


def _log_delivery(level: int, event: str, mail: Mail, **fields: object) -> None:
    details = {"mail": mail.pk, "kind": mail.kind, "account": mail.user_id, "attempt": mail.attempts}
    log.log(level, event, extra=details | fields)
