"""State rules of accounts: each rule refuses a change because of the present state of a row.

Triggers enforce the rules (`access.state_rules`).
"""

from access.state_rules import StateRule

RULES = (
    StateRule(
        "address_own",
        "You change your own address with your password: on its page in the admin site, or at users/me/email/.",
        when="a user is made or changed",
    ),
    StateRule(
        "address_of_claimed",
        "An account in use keeps an address: type another one, or deactivate it.",
        when="a user is made or changed",
    ),
    StateRule(
        "user_password_elsewhere",
        "This account logs in with its identity provider: it has no password here.",
        when="a user is changed",
    ),
    StateRule(
        "user_superuser_guarded",
        "Only a superuser makes, changes or deletes a superuser, with its groups, its identity and its second factor.",
        when="a user, its groups, its identity or its second factor is made, changed or deleted",
    ),
    StateRule(
        "user_not_oneself",
        "Nobody changes their own role, status, activity or groups, or deletes their own account.",
        when="a user or its groups are changed or deleted",
    ),
    StateRule(
        "user_last_manager",
        "The last active manager stays: make somebody else a manager first.",
        when="a user is made, changed or deleted",
    ),
    StateRule(
        "address_asked_too_often",
        "This address was sent several links within a day: try again tomorrow.",
        when="an address change is made or changed",
    ),
    StateRule(
        "address_told_too_often",
        "The owner of this account was told of three other addresses within a day: try again tomorrow.",
        when="an address change is made or changed",
    ),
    StateRule(
        "address_change_expired",
        "An address is confirmed within 7 days: ask for it again.",
        when="an address change is made or changed",
    ),
    StateRule(
        "address_second_manager",
        "Another manager than the one who asked for it confirms an address.",
        when="an address change is made or changed",
    ),
    StateRule(
        "address_rests",
        "A manager confirms an address a day after it was asked for, so that its owner can object.",
        when="an address change is made or changed",
    ),
    StateRule(
        "address_new_manager",
        "Only a manager of seven days, or a superuser, confirms an address that another one asked for.",
        when="an address change is made or changed",
    ),
    StateRule(
        "address_made_by_asker",
        "One of these two managers made the account of the other, or a third one made both: ask another.",
        when="an address change is made or changed",
    ),
    StateRule(
        "second_factor_not_oneself",
        "Nobody resets their own second factor.",
        when="an authenticator app or a set of recovery codes is deleted",
    ),
    StateRule(
        "cover_only_ends_early",
        "A cover can only be ended early: make another one instead.",
        when="a cover is made or changed",
    ),
    StateRule("cover_past_stays", "A cover that is over can't be changed.", when="a cover is made or changed"),
    StateRule("cover_ends_in_future", "A cover ends in the future.", when="a cover is made or changed"),
    StateRule("cover_ends_after_start", "A cover ends after it starts.", when="a cover is made or changed"),
    StateRule(
        "cover_between_contacts",
        "Cover is between two active people who are contacts: sales or support.",
        when="a cover is made or changed",
    ),
    StateRule(
        "cover_same_role", "Somebody covers for a colleague of the same role.", when="a cover is made or changed"
    ),
    StateRule(
        "cover_once",
        "There is a cover of these two for that time already: end it first.",
        when="a cover is made or changed",
    ),
    StateRule(
        "group_name_plain",
        "The name of a group has one spelling (NFKC), single spaces, and no characters that nobody sees.",
        when="a group is made or changed",
    ),
    StateRule(
        "group_is_managed",
        "This group is made by the code: it can't be changed or deleted here.",
        when="a group is changed or deleted",
    ),
    StateRule(
        "identity_stays",
        "An identity stays as it is: take it away and bind another one.",
        when="an external identity is made, changed or deleted",
    ),
    StateRule(
        "identity_of_claimed",
        "This account is in use: a superuser binds it to an identity, or the command bind_identity on the server does.",
        when="an external identity is made",
    ),
    StateRule(
        "links_too_often", "This account was sent five links within a day: try again tomorrow.", when="a mail is made"
    ),
    StateRule("mail_to_its_account", "A link goes to the address of its account.", when="a mail is made or changed"),
    StateRule(
        "group_follows_role",
        "An account is in the group of its role: change the role instead.",
        when="a user-group relationship is made, changed or deleted",
    ),
    StateRule(
        "user_password_by_link", "Nobody sets another person's password: send a link instead.", when="a user is made"
    ),
    StateRule(
        "username_was_anothers",
        "Another account had this username before: choose one that nobody has had.",
        when="a user is made or changed",
    ),
    StateRule(
        "address_before_activity",
        "An account that was in use has an address before it is active again: another manager confirms one.",
        when="a user is changed",
    ),
    StateRule(
        "manager_told_first",
        "Deactivate the account of a manager or auditor before you delete it, and wait until its owner was told: a minute or so.",
        when="a user is deleted",
    ),
)
