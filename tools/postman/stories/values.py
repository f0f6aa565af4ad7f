"""Example values for the collection's requests. The domain names are reserved for examples (RFC 2606)."""

from typing import Any

CLIENT = {
    "company_name": "Maison Lumen",
    "first_name": "Inès",
    "last_name": "Garnier",
    "email": "ines.{{$guid}}@lumen.example",
    "phone": "+33199004117",
}
TAG = "pm.response.headers.get('ETag')"
CONTRACT = {"name": "Centenary gala", "amount": "48000.00", "payment_due": "2027-09-30"}
EVENT: dict[str, Any] = {
    "name": "Centenary gala",
    "starts_at": "2027-10-09T18:00:00Z",
    "ends_at": "2027-10-10T01:00:00Z",
    "attendees": 240,
    "location": "Orangerie, Lyon",
    "notes": "Two stages; the caterer comes at noon.",
}
