"""Three states of a form become one, without a page around it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.http import QueryDict

from audit.form_merge import merge, shown
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
        ("name=Mine&amount=10&payment_due=2027-05-01", {"amount": Decimal("12.00")}, {"amount", "payment_due"}, ()),
        ("name=Mine&amount=10&payment_due=2027-05-01", {"name": "Theirs"}, {"amount", "payment_due"}, ("name",)),
        ("name=Same&amount=10&payment_due=2027-05-01", {"name": "Same"}, {"name", "amount", "payment_due"}, ()),
        ("name=Mine&amount=x&payment_due=2027-05-01", {"amount": Decimal("12.00")}, {"payment_due"}, ("amount",)),
        ("name=Mine", {"amount": Decimal("12.00")}, {"amount", "payment_due"}, ()),  # not sent at all: left alone
    ],
)
def test_what_is_kept_and_what_clashes(sent: str, now: dict[str, Any], kept: set[str], clashes: tuple[str, ...]) -> None:
    found = merge(form(sent, **now), shown(form()))
    assert (found.kept, found.clashes) == (kept, clashes)


def test_a_field_that_the_page_did_not_have_is_not_written() -> None:
    before = shown(form())
    del before["amount"]
    assert "amount" in merge(form("name=Mine&amount=99&payment_due=2027-05-01"), before).kept
