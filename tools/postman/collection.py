"""Builds the collection and its environments."""

import json
from pathlib import Path
from typing import Any

import reference
from document import Document
from items import SCHEMA, authorization, folder_item, identifier, script
from stories.management import MANAGEMENT
from stories.readers import AUDITOR, PARTNER
from stories.refusals import REFUSALS
from stories.sales import SALES
from stories.support import SUPPORT
from stories.workflow import WORKFLOW

NAME = "Epic Events CRM"
COLLECTION = "epic-events.postman_collection.json"
LOCAL_ENVIRONMENT = "scripts-run.postman_environment.json"
FOLDERS = (WORKFLOW, SALES, SUPPORT, MANAGEMENT, AUDITOR, PARTNER, REFUSALS)
PASSWORD = "Epic-Events-2026!"  # The password of the demo accounts; scripts/run prints it.
ACCOUNTS = {
    "sales": "oc-salesman",
    "support": "oc-supporttech",
    "management": "oc-manager",
    "auditor": "oc-auditor",
    "partner": "oc-partner",
}
_HERE = Path(__file__).parent
_ABOUT = """\
What people do with Epic Events' CRM, folder by folder. Choose an environment at the top right: *scripts/run* has the
demo's accounts; *production* is to be filled in with your own address and account, which stay on your machine.

You needn't log in: each request does it by itself, as whom its folder says, and refreshes its token before it is over.
Start with **The workflow**. **Refusals and their rules** shows why one is refused, and **Every operation** is for
looking up.

This file is written by `scripts/postman` from the OpenAPI document. Version {version}."""


def collection(document: Document) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "name": reference.NAME,
        "id": identifier(reference.NAME),
        "description": reference.ABOUT,
        "auth": authorization("auditor"),
        "item": [folder_item(folder, document) for folder in reference.folders(document)],
    }
    roles = {folder.name: folder.role for folder in FOLDERS if folder.role} | {reference.NAME: "auditor"}
    login = (_HERE / "login.js").read_text("utf-8").replace("FOLDERS", json.dumps(roles))
    return {
        "info": {
            "_postman_id": identifier(),
            "name": NAME,
            "description": _ABOUT.format(version=document.version),
            "schema": SCHEMA,
        },
        "item": [*(folder_item(folder, document) for folder in FOLDERS), tree],
        "event": [script("prerequest", login), script("test", (_HERE / "after.js").read_text("utf-8"))],
        # The tests of the requests set these variables.
        "variable": [{"key": f"{noun}_id", "value": ""} for noun in ("client", "contract", "event", "support_contact")],
    }


def environment(name: str, address: str, accounts: dict[str, str], password: str) -> dict[str, Any]:
    values = [{"key": "base_url", "value": address, "type": "default", "enabled": True}]
    for role in ACCOUNTS:
        values += [
            {"key": f"{role}_username", "value": accounts.get(role, ""), "type": "default", "enabled": True},
            {"key": f"{role}_password", "value": password, "type": "secret", "enabled": True},
        ]
    return {
        "id": identifier("environment", name),
        "name": name,
        "values": values,
        "_postman_variable_scope": "environment",
    }


def files(document: Document) -> dict[str, str]:
    """File name -> text, for all files of postman/."""
    contents = {
        COLLECTION: collection(document),
        LOCAL_ENVIRONMENT: environment(f"{NAME}: scripts/run", "http://127.0.0.1:8000/api/v1", ACCOUNTS, PASSWORD),
        "production.postman_environment.json": environment(f"{NAME}: production", "", {}, ""),
    }
    return {name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in contents.items()}
