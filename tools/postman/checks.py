"""Generates JavaScript for Postman: tests of the API's answers."""

import json


def quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def answers(status: int) -> str:
    """Returns JavaScript that tests the status of an answer.

    If the test fails, the message is the API's error sentence, which after.js has put into the variable `refusal`.
    """
    return (
        f"pm.test('Answers {status}', () => pm.expect(pm.response.code, pm.variables.get('refusal')).to.eql({status}));"
    )


def holds(sentence: str, condition: str) -> str:
    """Returns JavaScript for a test with this title.

    `condition` is a JavaScript expression. It may use `answer`, the body of the API's answer.
    """
    expectation = f"const answer = pm.response.json(); pm.expect({condition}).to.be.true;"
    return f"pm.test({quoted(sentence)}, () => {{ {expectation} }});"


def equals(field: str, value: object) -> str:
    expectation = f"pm.expect(pm.response.json().{field}).to.eql({quoted(value)})"
    return f"pm.test({quoted(f'{field} is {value}')}, () => {expectation});"


def has_header(name: str, value: str = "") -> str:
    expected = f", {quoted(value)}" if value else ""
    return f"pm.test('{name} tells it', () => pm.response.to.have.header({quoted(name)}{expected}));"


def refused(status: int, rule: str) -> tuple[str, ...]:
    """Returns JavaScript tests of an error answer (a problem document). `rule` is "" if no rule refused the request."""
    document = "pm.expect(pm.response.headers.get('Content-Type')).to.include('application/problem+json')"
    is_problem = f"pm.test('It is a problem document', () => {document});"
    return (is_problem, equals("rule", rule)) if rule else (is_problem, equals("status", status))
