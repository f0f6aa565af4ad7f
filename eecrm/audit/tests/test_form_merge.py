"""Three states of a form become one, without a page around it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.http import QueryDict

from audit.admin.form_merge import initial_digests, labels, merge
from audit.admin.page_versions import UNCHANGED
from contracts.models import Contract


class ContractForm(forms.ModelForm):
    class Meta:
        model = Contract
        fields = ["name", "amount", "payment_due"]


def form(sent: str = "", **values: Any) -> ContractForm:
    row = Contract(pk=1, **{"name": "Gala", "amount": Decimal("10.00"), "payment_due": date(2027, 5, 1)} | values)
    return ContractForm(QueryDict(sent) if sent else None, instance=row)


@pytest.mark.parametrize(
    ("sent", "now", "kept", "clashes"),
    [
        ("name=Gala&amount=10&payment_due=2027-05-01", {}, {"name", "amount", "payment_due"}, ()),
        ("name= Gala &amount=010.00&payment_due=01/05/2027", {}, {"name", "amount", "payment_due"}, ()),
        ("name=Mine&amount=10&payment_due=2027-05-01", {"status": "signed"}, {"amount", "payment_due"}, ()),  # a page without it
        ("name=Mine&amount=10&payment_due=2027-05-01", {"name": "Theirs"}, {"amount", "payment_due"}, {"name": ["name"]}),
        ("name=Mine&amount=10&payment_due=2027-05-01", {"amount": Decimal("12.00")}, {"amount", "payment_due"}, {"name": ["amount"]}),
        ("name=Same&amount=10&payment_due=2027-05-01", {"name": "Same"}, {"name", "amount", "payment_due"}, ()),
        ("name=Mine&amount=x&payment_due=2027-05-01", {"amount": Decimal("12.00")}, {"payment_due"}, {"amount": ["amount"], "name": ["amount"]}),
        ("name=Mine", {"payment_due": date(2027, 6, 1)}, {"amount", "payment_due"}, {"name": ["payment_due"]}),  # not sent at all: left alone
        ("amount=10", {"payment_due": date(2027, 6, 1)}, {"name", "amount", "payment_due"}, ()),
    ],
)  # fmt: skip
def test_what_is_kept_and_what_clashes(sent: str, now: dict[str, Any], kept: set[str], clashes: Any) -> None:
    found = merge(form(sent, **now), initial_digests(form()))
    assert (found.kept, found.clashes) == (kept, clashes or {})


@pytest.mark.parametrize(
    ("sent", "trail", "clashes"),
    [
        ("name=Mine", {"name"}, {"name": ["name"]}),  # it is again what was shown
        ("name=Mine", {"status"}, {"name": ["status"]}),  # which the form doesn't have
        ("name=Mine", {"signed_at", "version"}, {}),
        ("name=Gala", {"name", "amount", "status"}, {}),
    ],
)
def test_what_the_trail_tells_is_changed_whatever_it_is_now(sent: str, trail: set[str], clashes: Any) -> None:
    assert merge(form(sent), initial_digests(form()), UNCHANGED._replace(fields=frozenset(trail))).clashes == clashes


def test_what_a_form_does_not_have_has_a_name_too() -> None:
    assert labels(form(), ["amount", "status", "events"]) == ["Amount", "Status", "Event"]


def test_a_field_that_the_page_did_not_have_is_not_written() -> None:
    before = initial_digests(form())
    del before["amount"]
    assert "amount" in merge(form("name=Mine&amount=99&payment_due=2027-05-01"), before).kept
