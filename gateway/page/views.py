"""The table of the page's views, in the order of the navigation: one row each.

Reading it loads nothing: a view's module is imported when somebody asks for it first. Most days nobody does, and lists
cost the ops door's process what it otherwise spares.
"""

from __future__ import annotations

from gateway.page import Right, View

AGAIN = "It is to be delivered again: the courier takes it up at once, if Motion is up."
EVENT, FILE = "/events/<event_id>", "/files/<attachment_id>"
VIEWS = (
    View(path="/", answer="overview:look", entry="Overview"),
    View(
        path="/doctor",
        answer="overview:look_now",
        right=Right.CHANGE,
        posted=True,
        said="Doctor has been asked to look.",
    ),
    View(path="/events", answer="lists:events", entry="Events"),
    View(path="/sends", answer="lists:sends", entry="Sends"),
    View(path="/files", answer="lists:files", entry="Files"),
    View(path="/turned-away", answer="lists:turned", entry="Turned away"),
    View(path="/audit", answer="lists:deeds", entry="Audit"),
    View(path="/search", answer="lists:search", entry="Search"),
    View(path="/search", answer="lists:story", posted=True),
    View(path="/search/reveal", answer="lists:whole_story", right=Right.REVEAL, posted=True),
    View(path=EVENT, answer="things:event"),
    View(path=f"{EVENT}/reveal", answer="things:reveal", right=Right.REVEAL, posted=True),
    View(path=f"{EVENT}/replay", answer="things:replay", right=Right.CHANGE, posted=True, said=AGAIN),
    View(
        path=f"{EVENT}/park",
        answer="things:park",
        right=Right.CHANGE,
        posted=True,
        said="It is parked: Motion does not get it unless it is delivered again. Its contact goes on.",
    ),
    View(
        path=f"{EVENT}/files/<number>/release",
        answer="things:release",
        right=Right.CHANGE,
        posted=True,
        said="It is released: Motion's link to it serves it from now on. If Motion has kept the note, deliver again.",
    ),
    View(path="/events/parked", answer="things:parked", right=Right.CHANGE),
    View(
        path="/events/parked/replay",
        answer="things:replay_parked",
        right=Right.CHANGE,
        posted=True,
        said="They are to be delivered again, in the order of their acceptance.",
    ),
    View(path="/sends/<send_id>", answer="things:send"),
    View(path=FILE, answer="things:file"),
    View(
        path=f"{FILE}/evict",
        answer="things:evict",
        right=Right.CHANGE,
        posted=True,
        said="The file is deleted from the vault. Whoever has a link that lives makes the gateway fetch it anew.",
    ),
    View(
        path=f"{FILE}/revoke",
        answer="things:revoke",
        right=Right.CHANGE,
        posted=True,
        said="All links to it that there were open nothing any more. Who sends the file again makes a new one.",
    ),
    View(path="/sign-in", answer="sign_in:form", right=Right.NONE),
    View(path="/sign-in", answer="sign_in:enter", right=Right.NONE, posted=True),
    View(path="/sign-out", answer="sign_in:leave", posted=True, said="You have signed out."),
    View(path="/you", answer="sign_in:you"),
    View(path="/you/sign-out", answer="sign_in:leave_everywhere", posted=True, said="You have signed out everywhere."),
    View(path="/page.css", answer="routes:stylesheet", right=Right.NONE),
    View(path="/icon.svg", answer="routes:icon", right=Right.NONE),
)
