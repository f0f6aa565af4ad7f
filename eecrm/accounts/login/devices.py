"""Names of devices, from the `User-Agent` that the device sent at its login."""

import re

from api.spelling import without_signs

# The first pattern that fits counts, because a browser also names the browsers that it resembles.
_BROWSERS = {
    r"Edg(e|A|iOS)?/": "Edge",
    r"OPR/|OPT/": "Opera",
    r"SamsungBrowser/": "Samsung Internet",
    r"Firefox/|FxiOS/": "Firefox",
    r"Chrome/|CriOS/": "Chrome",
    r"Version/.+Safari/": "Safari",
}
_SYSTEMS = {
    r"iPhone": "iPhone",
    r"iPad": "iPad",
    r"Android": "Android",
    r"Windows": "Windows",
    r"CrOS": "ChromeOS",
    r"Macintosh|macOS|Mac OS X": "macOS",
    r"Linux|X11": "Linux",
}
# Any other app names itself first, as in EpicEvents/2.1 or okhttp/4.12 (RFC 9110, section 10.1.5).
_APP = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,29}(?=[/ ]|$)")


def device_name(user_agent: str) -> str:
    """Returns a short name such as "Firefox on Windows" or "EpicEvents on Android"; "" if the text names nothing.

    The name proves nothing, because each caller chooses its `User-Agent`.
    """
    text = without_signs(user_agent).strip()
    app = _first(_BROWSERS, text) or ((match := _APP.match(text)) and match[0]) or ""
    if app == "Mozilla":  # each browser begins with this word, and says nothing by it
        app = ""
    return " on ".join(filter(None, [app, _first(_SYSTEMS, text)]))


def _first(names: dict[str, str], text: str) -> str:
    return next((name for pattern, name in names.items() if re.search(pattern, text)), "")
