"""Texts for the demo's contracts and events: occasions, venues and notes."""

from typing import NamedTuple


class Occasion(NamedTuple):
    """A kind of celebration in the demo data: the name of its contract, and the names of the contract's two events."""

    contract: str
    events: tuple[str, str]


OCCASIONS = (
    Occasion("Annual gala", ("Gala dinner", "Dress rehearsal of the gala")),
    Occasion("Product launch", ("Launch night", "Press breakfast")),
    Occasion("Family day", ("Family day", "Treasure hunt for the children")),
    Occasion("Company anniversary", ("Anniversary ball", "Open day")),
    Occasion("Staff party", ("Staff party", "Curling tournament")),
    Occasion("Partner conference", ("Conference day", "Evening reception")),
    Occasion("Wine tasting", ("Tasting for partners", "Tour of the cellars")),
    Occasion("Opening of the new house", ("Ribbon cutting", "Neighbours' evening")),
    Occasion("Charity auction", ("Auction night", "Preview of the lots")),
    Occasion("Founders' day", ("Founders' dinner", "Concert for the staff")),
    Occasion("Awards evening", ("Award ceremony", "Jury lunch")),
    Occasion("Customer cruise", ("Cruise", "Captain's dinner")),
    Occasion("Masked ball", ("Masked ball", "Mask workshop")),
    Occasion("Team retreat", ("Retreat", "Campfire evening")),
    Occasion("Jubilee concert", ("Concert", "Meeting with the artists")),
    Occasion("Mayor's reception", ("Reception", "Fireworks on the river")),
)

VENUES = (
    "Old Harbour Hall", "Botanical Garden", "Town Hall", "Riverside Pavilion", "Grand Hotel", "Railway Museum",
    "Opera Foyer", "Rooftop Terrace", "Castle Orangery", "Market Hall", "Glass Factory", "Lighthouse Inn",
)  # fmt: skip

NOTES = (
    "",
    "Twelve guests eat vegetarian, two can't have nuts.",
    "The band needs the stage from 15:00 on.",
    "Guests arrive by boat: keep the landing stage free.",
    "The speech is in two languages; two interpreters are booked.",
    "Step-free access for three guests.",
    "Music ends at 23:00, the neighbours have been told.",
    "Photographs only after the host's welcome.",
)
