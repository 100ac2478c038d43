"""A page as a browser would take it apart."""

import json
from html.parser import HTMLParser

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what stands on a page, and checks that tags close in order.

    Attributes
    ----------
    tags : list of str
    text : str
        What is shown.
    pictures : list of dict
        Attributes of pictures.
    charts : list of str
        Names of charts.
    specs : list of dict
        Their specifications.
    scripts : list of (dict, str)
        Attributes and text of scripts; specifications are no scripts that run.
    links : list of str
    policy : dict of str to str
        What a browser may load, by kind.
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.pictures = [], [], "", []
        self.charts, self.specs, self.scripts, self.links, self.policy = [], [], [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        if tag == "img":
            self.pictures.append(values)
        if tag == "div" and values.get("class") == "chart":
            self.charts.append(values["aria-label"])
        if tag == "script":
            self.scripts.append((values, ""))
        if tag == "a":
            self.links.append(values["href"])
        if values.get("http-equiv") == "Content-Security-Policy":
            rules = (rule.split(maxsplit=1) for rule in values["content"].split(";"))
            self.policy = dict(rules)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "script" and self.open[-1] == "div":
            self.specs.append(json.loads(self.scripts[-1][1]))

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif "style" not in self.open:
            self.text += data
