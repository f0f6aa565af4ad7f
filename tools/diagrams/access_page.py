"""Text of `docs/access.md`: the policy table and all rules.

`scripts/pictures` writes the page. A test compares the page with the code.
"""

from collections.abc import Iterable, Iterator

from access import rule_catalogue
from access.policy import MATRIX_ROLES, TABLE, Rule, Scope, scope_of
from access.rule_catalogue import Known
from access.state_rules import StateRule, declared_rules

_HEAD = """<!-- Written by scripts/pictures from the code: change the code, not this page. -->
# Who may do what, and why not

Each refusal tells the rule that decided, and this page has them all. Permission comes first and state second:

| status | what it says | where the rule stands |
| --- | --- | --- |
| 401 | nobody is logged in | |
| 404 | it doesn't exist, or you don't see it: the two are told alike | |
| 403 | you see it, and your role may not do this to it \
| `rule`, e.g. `contract.sign.support.none`: resource, action, role and whose rows |
| 409 | your role may, but not in this state; or it exists already | `rule`, e.g. `contract_signed_amount_frozen` |
| 400 | a value can't be stored, or a reason is missing | `errors[].code` |

`GET …/{id}/access/` of a client, a contract or an event tells beforehand what you may do with it at that moment,
action by action, each with its rule and its sentence. To *amend* a contract is to change its amount, to *reopen* a
contract or an event is to take it out of its last status, to *assign* a client or an event is to change its contact;
`create_…` is to make what hangs on it. `change_reason_required` means that it takes an `X-Change-Reason`. What there is
no need to do (to sign what is signed) is not allowed either, though a request for it is answered with 200 and changes
nothing. Management and auditors ask for somebody else with `?as=USERNAME`: leave cover counts, and an object that the
account doesn't see is `visible: false`.
"""

_STATE_HEAD = ("resource", "status", "action", "answer", "rule", "sentence")


def rendered_page() -> str:
    return "\n".join([_HEAD, *_matrix(), *_status_rules(), *_state(), *_value_rules(), *_others()]) + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    names = list(head)
    lines = [names, ["---"] * len(names), *([str(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def _scope_word(scope: Scope) -> str:
    return "" if scope is Scope.NONE else scope.value


def _matrix() -> list[str]:
    lines = [
        "## The table", "",
        "*own* are the rows whose contact one is (or for whose contact one stands in while they are on leave); for a "
        "partner, those of the client linked to the account. Empty is no row at all.", "",
    ]  # fmt: skip
    refusing_rules = list(_refusals_of_the_policy())
    for resource in dict.fromkeys(resource for resource, *_ in TABLE):
        actions = [action for listed, action, *_ in TABLE if listed == resource]
        cells = (
            [action, *(_scope_word(scope_of(resource, action, role)) for role in MATRIX_ROLES)] for action in actions
        )
        lines += [f"### {resource.replace('_', ' ')}", "", *_table(["", *MATRIX_ROLES], cells)]
        rules_by_sentence: dict[str, list[str]] = {}
        for rule in refusing_rules:
            if rule.resource == resource:
                rules_by_sentence.setdefault(rule.sentence, []).append(f"`{rule.id}`")
        lines += _table(["403", "rules"], ((sentence, ", ".join(ids)) for sentence, ids in rules_by_sentence.items()))
    return lines


def _refusals_of_the_policy() -> Iterator[Rule]:
    """Yields the cells of the policy table that refuse an action, either always or on rows of other users."""
    for resource, action, *_ in TABLE:
        for role in MATRIX_ROLES:
            scope = scope_of(resource, action, role)
            if scope is not Scope.ALL:
                yield Rule(resource, action, role, scope)


def _status_rules() -> list[str]:
    """Returns a table of the state rules: the API's answer to an action on a row with a certain status.

    `GET …/access/` predicts the same answers.
    """
    rows = [
        [rule.resource, status, action, _answer(rule), f"`{rule.name}`", rule.sentence]
        for rule in declared_rules().values()
        for status in rule.statuses
        for action in rule.actions
    ]
    return ["## What depends on the status", "", *_table(_STATE_HEAD, rows)]


def _answer(state: StateRule) -> str:
    if state.is_moot:
        return "nothing to do"
    if state.needs_reason:
        return "asks for a reason"
    return f"refused, unless one may {state.unless}" if state.unless else "refused"


def _rules(rules: Iterable[Known]) -> list[str]:
    rows = ([f"`{rule.name}`", rule.status, rule.sentence, rule.when] for rule in dict.fromkeys(rules))
    return _table(["rule", "status", "sentence", "asked when"], rows)


def _state() -> list[str]:
    model_rules = (rule for rule in rule_catalogue.of_models() if rule.status != 400)
    return [
        "## Rules of state",
        "",
        "Held by PostgreSQL, whoever writes.",
        "",
        *_rules([*rule_catalogue.of_triggers(), *model_rules]),
    ]


def _value_rules() -> list[str]:
    return [
        "## Values that can't be stored",
        "",
        *_rules(rule for rule in rule_catalogue.of_models() if rule.status == 400),
    ]


def _others() -> list[str]:
    return ["## All other refusals", "", *_rules(rule_catalogue.OTHERS)]
