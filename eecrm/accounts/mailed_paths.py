"""Mends the paths of mailed links, whose ends mail programs change."""

import re

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve

_MAILED = {"choose-password", "confirm-address", "forgotten"}  # names of the routes that mails link to
# Characters at the end of a path that belong to the text around the link, or to an encoding of the mail (=3D, %20,
# &gt;). No path of a link has one of these, because tokens consist of letters, digits, -, _ and ~.
# The number of characters is bounded, because the search takes quadratic time.
_FOREIGN_END = re.compile(r"(?:[=%][0-9A-F]{2}|&(?:gt|lt|quot|amp|nbsp|#\d+);?|[^A-Za-z0-9_~-]){1,20}\Z", re.IGNORECASE)


def redirect_mended(request: HttpRequest) -> HttpResponse | None:
    """Redirects to the path of the link that the mail had, without the foreign end and with the final slash.

    Returns None if the path can't be mended, or needs no mending.
    """
    mended = _FOREIGN_END.sub("", request.path_info) + "/"
    try:
        is_link = resolve(mended).url_name in _MAILED
    except Resolver404:
        is_link = False
    return HttpResponseRedirect(mended) if is_link and mended != request.path_info else None
