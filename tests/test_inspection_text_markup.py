"""Markup: everything that a browser would run, in every disguise; and texts that only look like it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection.text import HTA, HTML, MHTML, SVG, XHTML, XML, markup_kind
from tests.together import together

KINDS: dict[str, tuple[str, str]] = {
    "doctype": ("<!DOCTYPE html>", HTML),
    "doctype in small letters": ("<!doctype HTML PUBLIC 'x'>", HTML),
    "doctype with entities": ("<!DOCTYPE note [<!ENTITY a 'b'>]><note/>", XML),
    "blanks before": ("\n \t<html>", HTML),
    "a mark and blanks": ("\ufeff \ufeff<html>"[:2] + "<html>", HTML),
    "comments before": ("<!-- a --><!---->\n<html>", HTML),
    "a declaration before": ("<?xml version='1.0'?><html>", HTML),
    "a script": ("<script>", HTML),
    "a script with a slash": ("<script/x>", HTML),
    "an event": ("<img src=x onerror=alert(1)>", HTML),
    "a link": ("<a href='javascript:x'>", HTML),
    "a heading": ("<H1>", HTML),
    "a base": ("<base href=x>", HTML),
    "svg": ("<svg onload=alert(1)>", SVG),
    "svg with a prefix": ("<x:svg>", SVG),
    "svg behind a doctype": ("<!DOCTYPE svg PUBLIC 'a' 'b'><svg>", SVG),
    "svg within": ("<a1><svg></a1>", SVG),
    "xhtml with a prefix": ("<x:y xmlns:x='http://www.w3.org/1999/xhtml'>", XHTML),
    "xslt": ("<x:y xmlns:x='http://www.w3.org/1999/XSL/Transform'>", XHTML),
    "an unknown element": ("<note>", XML),
    "an unknown element with attributes": ("<rss version='2.0'>", XML),
    "a comment alone": ("<!-- x", XML),
    "an end tag": ("</p>", XML),
    "a processing instruction": ("<?xml-stylesheet href='x'?>", XML),
    "a section": ("<![CDATA[x]]>", XML),
    "hta": ("<html><hta:application>", HTA),
    "mhtml": ("MIME-Version: 1.0\nContent-Type: multipart/related", MHTML),
    "mhtml behind headers": ("From: <Saved>\nSubject: a\n b\nMIME-Version: 1.0\n", MHTML),
    "mhtml behind blanks": ("\n\nContent-Type: multipart/related\n", MHTML),
}


@together(("text", "kind"), KINDS.values(), ids=KINDS)
def test_markup_is_told_by_its_beginning(text: str, kind: str) -> None:
    assert markup_kind(text) == kind


TEXTS = {
    "nothing": "",
    "words": "Hello.",
    "an address": "<ann@example.com> wrote:",
    "a link": "<http://example.com/>",
    "less than": "< 2",
    "a heart": "<3",
    "an arrow": "<- here",
    "an arrow of two": "<-- here",
    "half an element": "<html",
    "tags later": "Use <b> for bold.",
    "a line of a header": "Note: come on Monday\nBring: cake\n",
    "a header later": "Hello.\nMIME-Version: 1.0\n",
}


@together("text", TEXTS.values(), ids=TEXTS)
def test_text_is_none(text: str) -> None:
    assert markup_kind(text) is None


@given(st.sampled_from([text for text, kind in KINDS.values() if kind == HTML]), st.text(" \t\r\n", max_size=40))
def test_blanks_hide_no_page(text: str, blanks: str) -> None:
    assert markup_kind(blanks + text.lstrip("\ufeff")) == HTML


@given(st.text(max_size=200), st.text("<>!-[]?/: \nhtmlsvg", max_size=200))
def test_any_text_is_told(text: str, tags: str) -> None:
    markup_kind(text)
    markup_kind(tags)
