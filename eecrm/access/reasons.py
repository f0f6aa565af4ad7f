"""Change reasons: one line of text that the audit trail keeps with a change."""

MAX_REASON_CHARS = 500
UNFIT = f"A reason is a line of text in UTF-8 of at most {MAX_REASON_CHARS} characters."


def is_fit(text: str) -> bool:
    return text.isprintable() and len(text) <= MAX_REASON_CHARS
