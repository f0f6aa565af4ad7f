"""Why somebody does something: one line of text, which the trail keeps beside what was done."""

DEMANDED = "_needs_reason"  # how the rules end that let something be done with a reason only
LONGEST = 500  # characters
UNFIT = f"A reason is a line of text in UTF-8 of at most {LONGEST} characters."


def is_fit(text: str) -> bool:
    return text.isprintable() and len(text) <= LONGEST
