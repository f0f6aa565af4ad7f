"""Builds the Postman collection and its environments (the variables for a server)."""

import json
from pathlib import Path
from typing import Any

import reference
from document import Document
from folders import Folder
from items import SCHEMA, folder_item, identifier, script, uses
from stories.management import MANAGEMENT
from stories.rate_limit import RATE_LIMIT
from stories.readers import AUDITOR, PARTNER
from stories.refusals import REFUSALS
from stories.sales import SALES
from stories.support import SUPPORT
from stories.workflow import WORKFLOW
from variables import ACCOUNTS

NAME = "Epic Events CRM"
COLLECTION = "epic-events.postman_collection.json"
LOCAL_ENVIRONMENT = "scripts-run.postman_environment.json"
PRODUCTION_ENVIRONMENT = "production.postman_environment.json"
STORIES = (WORKFLOW, SALES, SUPPORT, MANAGEMENT, AUDITOR, PARTNER, REFUSALS)
PASSWORD = "Epic-Events-2026!"  # password of all demo accounts, which scripts/run prints
_HERE = Path(__file__).parent
_ABOUT = """\
What people do with Epic Events' CRM, folder by folder. Choose an environment at the top right: *scripts/run* has the
demo's accounts; *production* is to be filled in with your own address and account, which stay on your machine.

You needn't log in: each request does it by itself, as whom its folder says, and refreshes its token before it is over.
Start with **The workflow**. **Refusals and their rules** shows why one is refused, and **Every operation** is for
looking up. A request that lacks the row of another one isn't sent: its test says which one to send first. A run of the
whole collection leaves out **The rate limit**, which has an account refused for a minute: run that folder by itself.

This file is written by `scripts/postman` from the OpenAPI document. Version {version}."""


def folders(document: Document) -> tuple[Folder, ...]:
    return (*STORIES, reference.folder(document), RATE_LIMIT)


def _for_scripts(folder: Folder, document: Document) -> dict[str, Any]:
    """Returns the facts about a folder that the script before.js needs, such as the variables of each request."""
    made: set[str] = set()
    needed: dict[str, list[str]] = {}
    for request in folder.all_requests:
        if request.name in needed:
            raise ValueError(f"Two requests of {folder.name} have the name {request.name}.")
        needed[request.name] = folder.variables.needed_by(uses(request, document))
        if unmade := set(needed[request.name]) - made:
            raise ValueError(f"No request before {request.name} in {folder.name} keeps {', '.join(sorted(unmade))}.")
        made |= {folder.variables.name(variable) for variable in request.keeps}
    return {
        "role": folder.role,
        "makers": folder.variables.makers(),
        "needs": {name: variables for name, variables in needed.items() if variables},
        "isLeftOut": folder.is_left_out,
    }


def collection(document: Document) -> dict[str, Any]:
    tree = folders(document)
    facts = json.dumps({folder.name: _for_scripts(folder, document) for folder in tree}, ensure_ascii=False, indent=1)
    before = (_HERE / "before.js").read_text("utf-8").replace("FOLDERS = {}", f"FOLDERS = {facts}")
    after = (_HERE / "after.js").read_text("utf-8")
    return {
        "info": {
            "_postman_id": identifier(),
            "name": NAME,
            "description": _ABOUT.format(version=document.version),
            "schema": SCHEMA,
        },
        "item": [folder_item(folder, document, folder) for folder in tree],
        "event": [script("prerequest", before), script("test", after)],
        # The tests of the collection's requests set these variables.
        "variable": [{"key": name, "value": ""} for folder in tree for name in folder.variables.names()],
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
    """Maps the name of each file in postman/ to its text."""
    contents = {
        COLLECTION: collection(document),
        LOCAL_ENVIRONMENT: environment(f"{NAME}: scripts/run", "http://127.0.0.1:8000/api/v1", ACCOUNTS, PASSWORD),
        PRODUCTION_ENVIRONMENT: environment(f"{NAME}: production", "", {}, ""),
    }
    return {name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in contents.items()}
