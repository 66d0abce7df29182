"""Where media links and templates stand in a message: a table of paths, and its reader, which others use for theirs.

A path says how to get there from `message`, step by step:
    media_message       this field of an object, in either of its spellings (document.py)
    image|video         one of these fields
    cards[]             each value of the array in the field
    <channel>           each member of a map of channels; <WHATSAPP> that one alone, <other> each but WHATSAPP
    (any)               each member of a map; (link) those whose key calls them a file's link: `header[1]image.link`
    :                   the JSON object that is written into the string; for WhatsApp it must be one, for others what is
                        none holds nothing

Sources: the message models of Sinch's SDK and OpenAPI document; Sinch's pages on templates and on explicit channel
messages; for what is inside those Meta's Cloud API and Messenger Platform.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway.outbound.document import Node
from gateway.outbound.refusals import Refused
from gateway.outbound.syntax import is_name


class Holds(StrEnum):
    """What a field holds."""

    MEDIA = "media"  # a link: a string
    TEXT = "text"  # a string
    TEMPLATE = "template"  # an object
    PARTS = "parts"  # an array, or an object


@dataclass(frozen=True, kw_only=True)
class MessageField:
    """One row. `ours_only`: a string there may be anything, and is media only if it is a link of ours.

    `file_name`: the field beside it that holds the name under which the file shall arrive.
    """

    path: str
    holds: Holds = Holds.MEDIA
    ours_only: bool = False
    file_name: str = ""


class Found(NamedTuple):
    """What stands in such a field of a message."""

    row: MessageField
    node: Node
    around: Node  # the object that it is a field of
    channel: str  # "" where the path leads through none
    is_nameless: bool  # the field for its file's name is there to be filled

    @property
    def field(self) -> str:
        return self.node.path

    @property
    def text(self) -> str:
        return self.node.string or ""


# What Sinch calls media properties: objects of url, thumbnail_url and filename_override.
_MEDIA_PROPERTIES = (
    "media_message",
    "card_message.media_message",
    "carousel_message.cards[].media_message",
    "list_message.media",
    "list_message.sections[].items[].choice.media",
)
# What a message says for all channels, or in `explicit_channel_omni_message` for one.
_GENERIC = (
    *(MessageField(path=f"{path}.url", file_name="filename_override") for path in _MEDIA_PROPERTIES),
    *(MessageField(path=f"{path}.thumbnail_url") for path in _MEDIA_PROPERTIES),
    MessageField(path="template_message.channel_template.<channel>.parameters.(link)"),
    MessageField(path="template_message.omni_template.parameters.(any)", ours_only=True),
    MessageField(path="template_message", holds=Holds.TEMPLATE),
)
OMNI = "explicit_channel_omni_message.<channel>."
META = "explicit_channel_message.<WHATSAPP>:"
_OTHER = "explicit_channel_message.<other>:"
SPECIFIC = "channel_specific_message.<channel>.message."

FIELDS = (
    *_GENERIC,
    MessageField(path="agent.picture_url"),
    *(
        MessageField(path=OMNI + row.path, holds=row.holds, ours_only=row.ours_only, file_name=row.file_name)
        for row in _GENERIC
    ),
    MessageField(path=OMNI + "template_reference", holds=Holds.TEMPLATE),
    MessageField(path=OMNI + "template_reference.parameters.(any)", ours_only=True),
    MessageField(path=SPECIFIC + "header.image|video|document.link"),
    MessageField(path=SPECIFIC + "image.image_url"),
    MessageField(path=SPECIFIC + "carousel.head.image_url"),
    MessageField(path=SPECIFIC + "carousel.list[].image.image_url"),
    MessageField(path=META + "image|video|audio|document|sticker.link"),
    MessageField(path=META + "interactive.header.image|video|document.link"),
    MessageField(path=META + "interactive.action.cards[].header.image|video.link"),
    MessageField(path=META + "template.components[].parameters[].image|video|document|gif.link"),
    MessageField(path=META + "template.components[].cards[].components[].parameters[].image|video|document|gif.link"),
    MessageField(path=META + "template", holds=Holds.TEMPLATE),
    MessageField(path=_OTHER + "attachment.payload.url"),
    MessageField(path=_OTHER + "message.attachment.payload.url"),
)

WHATSAPP = "WHATSAPP"
_STEPS = re.compile(r"[a-z_|]+|\[\]|<[A-Za-z]+>|\([a-z]+\)|:")
_LINK = re.compile(r"(?:image|video|document|gif)[^A-Za-z]*link\Z")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,63}")


@dataclass
class Branch:
    """The paths as a tree, so that each part of a message is looked at once."""

    rows: list[MessageField] = field(default_factory=list)
    branches: dict[str, Branch] = field(default_factory=dict)

    def grow(self, row: MessageField) -> None:
        for steps in itertools.product(*(step.split("|") for step in _STEPS.findall(row.path))):
            branch = self
            for step in steps:
                branch = branch.branches.setdefault(step, Branch())
            branch.rows.append(row)


def tree(rows: Iterable[MessageField]) -> Branch:
    """Make a tree of the paths of a table."""
    root = Branch()
    for row in rows:
        root.grow(row)
    return root


_TREE = tree(FIELDS)
_IS_HELD: dict[Holds, Callable[[Node], bool]] = {
    Holds.MEDIA: lambda node: bool(node.string),
    Holds.TEXT: lambda node: bool(node.string),
    Holds.TEMPLATE: lambda node: node.is_object,
    Holds.PARTS: lambda node: node.is_object or node.is_array,
}


def find(message: Node, table: Branch = _TREE) -> Iterator[Found]:
    """Find all that stands in the fields of a table. Raises Refused where a field goes by two spellings at once."""
    return _find(message, table, "")


def _find(node: Node, tree: Branch, channel: str) -> Iterator[Found]:
    for step, branch in tree.branches.items():
        for child, its_channel in _followed(step, node, channel):
            for row in branch.rows:
                if _IS_HELD[row.holds](child):
                    is_nameless = bool(row.file_name) and node.says_nothing(row.file_name)
                    yield Found(row, child, node, its_channel, is_nameless)
            if branch.branches:
                yield from _find(child, branch, its_channel)


def _followed(step: str, node: Node, channel: str) -> Iterator[tuple[Node, str]]:
    """Where a step leads, and for which channel."""
    if step[0] == "<":
        for key, member in node.members():
            name = key.upper() if is_name(key) else ""
            if {"<channel>": True, "<WHATSAPP>": name == WHATSAPP, "<other>": name != WHATSAPP}[step]:
                yield member, name
    elif step[0] == "(":
        yield from (
            (member, channel) for key, member in node.members(_parameter) if step == "(any)" or _LINK.search(key)
        )
    elif step == "[]":
        yield from ((item, channel) for item in node.items())
    else:
        child = node.inside() if step == ":" else node.get(step)
        if child is not None:
            yield child, channel
        elif step == ":" and channel == WHATSAPP and node.string:
            # Meta's API is JSON. What only some read as such might hold a link that we would not see.
            raise Refused("BODY_NOT_JSON", field=node.path, why="the text in this field is none")


def _parameter(key: str, number: int) -> str:
    return key if _PARAMETER.fullmatch(key) else f"#{number}"
