"""Settings for the connection to PostgreSQL: its hosts, ports and TLS.

PG_HOST names one server, or several servers of which one accepts writes (libpq's host lists).
"""

from pathlib import Path

from config.environment import IS_PRODUCTION, env
from config.environment import require as _require
from config.hosts import is_host, is_port

_hosts, _ports = (
    [name.strip() for name in text.split(",")] for text in (env("PG_HOST"), env("PG_PORT", default="5432"))
)
HOSTS, PORTS = ",".join(_hosts), ",".join(_ports)  # trimmed, because libpq would take a space as part of the name
_require(
    all(is_host(name) or name.startswith("/") for name in _hosts),
    "PG_HOST names a host (or the directory of a socket), or several with commas between.",
)
_require(
    all(is_port(port) for port in _ports) and len(_ports) in (1, len(_hosts)),
    "PG_PORT is a number from 1 to 65535, or one for each host, with commas between.",
)

# If PG_HOST names several hosts, libpq connects to the one that accepts writes.
# If PG_HOST names one host, libpq connects to it even if it accepts no writes, so that reads still work.
TARGET_SESSION_ATTRS = env("PG_TARGET_SESSION_ATTRS", default="read-write" if len(_hosts) > 1 else "any")
_require(
    TARGET_SESSION_ATTRS in ("any", "read-write", "primary"), "PG_TARGET_SESSION_ATTRS is any, read-write or primary."
)

# In production the server must prove its identity, because encryption alone doesn't show which server answers.
SSLMODE = env("PG_SSLMODE", default="verify-full" if IS_PRODUCTION else "prefer")
_VERIFYING = ("verify-ca", "verify-full")
_require(
    SSLMODE in ("disable", "allow", "prefer", "require", *_VERIFYING),
    "PG_SSLMODE is verify-full, verify-ca, require, prefer, allow or disable.",
)
SSLROOTCERT = env("PG_SSLROOTCERT", **({} if SSLMODE in _VERIFYING else {"default": ""}))
_require(
    SSLMODE not in _VERIFYING or SSLROOTCERT == "system" or Path(SSLROOTCERT).is_file(),
    "PG_SSLROOTCERT must name the file with the certificates that sign PostgreSQL's, or be system: PG_SSLMODE asks for "
    "it.",
)
if IS_PRODUCTION:
    _is_local = all(name.startswith("/") or name in ("127.0.0.1", "::1", "localhost") for name in _hosts)
    _require(
        SSLMODE in ("require", *_VERIFYING) or _is_local,
        "PG_SSLMODE must be verify-full (or verify-ca, require) in production, unless the server is on this machine.",
    )

# Connection parameters under libpq's names. Django passes host and port separately.
OPTIONS = {"sslmode": SSLMODE, "target_session_attrs": TARGET_SESSION_ATTRS} | (
    {"sslrootcert": SSLROOTCERT} if SSLROOTCERT else {}
)
