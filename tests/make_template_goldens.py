#!/usr/bin/env python3
"""Writes tests/golden/templates.json, and from it the fuzz target's seeds (tests/fuzz/seeds/fuzz_template/): what Python's
jinja2, set up as Hugging Face transformers does for chat templates, makes of many small templates (those below, and each line
of template_expressions.txt as {{ ... }}), and of the chat templates in the shared material with many message lists.

Made with Jinja2 3.1.6 and MarkupSafe 3.0.4 on Python 3.11 (Unicode 14). transformers itself is not needed: its
set-up is the function environment() below. Run from the repository, with HEKLA_SHARED naming the shared material
or ../shared beside it: python3 tests/make_template_goldens.py

The file: {"groups": [{"vars": JSON text, "cases": [[template, rendering or null], ...]}, ...],
           "messages": [JSON text, ...], "shared": {file: [rendering or null, ...]}}
where null means that rendering must fail, and renderings of a shared file are in the order of "messages"."""
import datetime
import json
import os

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("HEKLA_SHARED", os.path.join(HERE, "..", "..", "shared"))


class Generation(jinja2.ext.Extension):
    """{% generation %}: transformers marks its text as the assistant's; the text itself is the same."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    @jinja2.pass_eval_context
    def _text(self, context, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(format):
    return datetime.datetime(2025, 7, 26, 12, 0, 0).strftime(format)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


ENV = environment()


def render(template, variables):
    """The text, or None where it fails. A text with half a surrogate pair cannot be written and fails too."""
    try:
        text = ENV.from_string(template).render(**variables)
        text.encode()
        return text
    except Exception:
        return None


VARS = {
    "i": 7, "neg": -3, "zero": 0, "f": 2.5, "whole": 4.0, "tiny": 1e-7, "huge": 1e22, "t": True, "n": None,
    "s": "Hello World", "u": "Grüße 日本 🌋!", "sp": "  padded\t\n", "e": "", "q": "it's \"q\"", "csv": "a,b,,c",
    "xs": [3, 1, 2], "mixed": [1, "a", None, True, 2.0, [1], {"k": 1}], "es": [], "d": {"b": 1, "a": 2, "C": 3},
    "ed": {}, "nest": {"a": {"b": [10, {"c": "deep"}]}, "items": "shadow"},
    "users": [{"name": "bob", "age": 30, "tags": ["x"]}, {"name": "Alice", "age": 25, "tags": []},
              {"name": "carol", "age": 30, "tags": ["y", "z"]}],
    "html": "<a href='x'>&\"</a>", "big": 2**63 - 1, "words": ["Beta", "alpha", "Gamma", "beta"],
    "lines": "one\n\ntwo\r\nthree", "long": "the quick brown fox jumps over the lazy dog",
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
}

# Whole templates; each is rendered with VARS.
TEMPLATES = [
    "", "plain", "a\n", "a\n\n", "a\r\nb\rc\r\n", "\n", "{{ '' }}\n", "x{# c #}y", "x {#- c -#} y", "x\n{# c #}\ny",
    "{#\nmany\nlines\n#}x", "{# a {{ b }} {% c %} #}x", "{##}x", "{#-#}x", "{#--#} x", "{# unclosed", "{{ 1 ", "{% if", "{%",
    "{{", "}} %} #}", "{ { % # }", "{{'}}'}}", "{{ '{{' }}", "{{ {'a': {'b': 1}}.a.b }}", "{{ {'a':{}}}}", "{{-1}}", "{{+1}}",
    "  {{- 1 -}}  x", "a {{- 1 }} b", "a {{ 1 -}} b", "a\n\n  {{- 1 -}}  \n\n b", "  {% if true %}\n  x\n  {% endif %}\n  y\n",
    "  {%- if true -%}  \n x \n {%- endif -%}  \n y", "  {%+ if true %}x{%+ endif %}\ny", "{% if true +%}\nx{% endif +%}\ny",
    "a{% if true %}\nb\n{% endif %}\nc", "a\n  {% if true %}b{% endif %}  \n c", "\t{% set x = 1 %}\n{{ x }}\n", "a {% set x = 1 %} b",
    "a\n {# c #} \nb", "a\n {# c #}\nb", "a\n {#+ c #}\nb", "a\n {#- c +#}\nb", "\u00a0{% if true %}x{% endif %}",
    "x \u2003\n{%- if true %}y{% endif %}", "{% raw %}{{ x }}{% endraw %}", "a {% raw %} {% if %} {% endraw %} b",
    "a\n  {% raw %}\n x \n  {% endraw %}\nb", "a {%- raw -%} \n x \n {%- endraw -%} b", "{% raw %}unclosed", "{% raw -%}\n\n x{% endraw %}",
    "{%- raw %}{{{% endraw +%}\nz", "{% raw %}{% raw %}{% endraw %}", "{%raw%}x{%endraw%}",
    "{% if i %}a{% endif %}", "{% if zero %}a{% else %}b{% endif %}", "{% if zero %}a{% elif i %}b{% else %}c{% endif %}",
    "{% if 0 %}a{% elif 0 %}b{% elif 1 %}c{% else %}d{% endif %}", "{% if 1: %}x{% endif %}", "{% if %}x{% endif %}",
    "{% if 1 %}x", "{% if 1 %}x{% endfor %}", "{% endif %}", "{% else %}", "{% nope %}", "{% if 1 %}{% if 0 %}a{% else %}b{% endif %}{% endif %}",
    "{% if 1, %}t{% endif %}", "{% if missing.x is defined %}x{% endif %}", "{% if 1 if 0 else 1 %}x{% endif %}",
    "{% for x in xs %}{{ x }},{% endfor %}", "{% for x in es %}{{ x }}{% else %}none{% endfor %}", "{% for x in xs %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in missing %}x{% else %}e{% endfor %}", "{% for x in none %}x{% endfor %}", "{% for x in 5 %}x{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}", "{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }}|{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [(1,)] %}x{% endfor %}", "{% for a, b in [(1, 2, 3)] %}x{% endfor %}",
    "{% for a, b in [1] %}x{% endfor %}", "{% for a, in [(1,)] %}{{ a }}{% endfor %}", "{% for (a, b) in [(1, 2)] %}{{ a }}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}", "{% for x in (1, 2) if x > 1 %}{{ x }}{% endfor %}",
    "{% for x in xs %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ ' first' if loop.first }}{{ ' last' if loop.last }};{% endfor %}",
    "{% for x in xs %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.nope is defined }} {% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in xs %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in [1, 1] %}{{ loop.changed(x, 2) }}{{ loop.changed() }}{% endfor %}", "{% for x in xs %}{{ loop }}{% endfor %}",
    "{% for x in xs|reverse %}{{ loop.length }}{{ x }}{% endfor %}", "{% for x in xs|map('string') %}{{ loop.index }}/{{ loop.length }}{{ x }} {% endfor %}",
    "{% for x in xs|select('odd') %}{{ loop.last }}{{ loop.revindex }} {% endfor %}", "{% for x in xs if x != 1 %}{{ loop.index }}{{ loop.length }}{{ loop.last }}{{ x }} {% endfor %}",
    "{% for x in xs if x > 5 %}{{ x }}{% else %}none{% endfor %}", "{% for k, v in d.items() if v > 1 %}{{ k }}{{ loop.previtem }}{% endfor %}",
    "{% for a, b in [[1, 2], [3, 4]] if a %}{{ loop.nextitem }}{% endfor %}",
    "{% for x in xs %}{% for y in xs %}{{ loop.index }}{% endfor %}{{ loop.index }}|{% endfor %}",
    "{% for x in xs %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in xs %}{{ x }}{% if x == 1 %}{% break %}{% endif %}{% endfor %}!", "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1] %}{% break %}{% else %}else{% endfor %}", "{% for x in [1] %}{% continue %}{% else %}else{% endfor %}",
    "{% for x in [1, 2] %}{% if x == 2 %}{% break %}{% endif %}{% else %}else{% endfor %}", "{% break %}", "{% continue %}",
    "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% for x in xs %}{% for y in xs %}{% break %}{% endfor %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% set z %}{% break %}{% endset %}{% endfor %}{{ z }}", "{% for x in xs %}a{% filter upper %}b{% continue %}{% endfilter %}c{% endfor %}",
    "{% for n in tree recursive %}{{ n.v }}{% if n.c %}({{ loop(n.c) }}){% endif %}{% endfor %}",
    "{% for n in tree recursive %}{{ loop.depth }}{{ n.v }}{{ loop(n.c) }}{% else %}.{% endfor %}", "{% for x in xs %}{{ loop(xs) }}{% endfor %}",
    "{% for n in tree recursive %}{{ loop.index }}/{{ loop.length }} {% set z = loop(n.c) %}[{{ z }}]{% endfor %}",
    "{% for x in xs %}{% set loop = 1 %}{% endfor %}", "{% for loop in xs %}{% endfor %}", "{% for x in xs %}{{ loop.index }}{% endfor %}{{ loop }}",
    "{% for x.y in xs %}{% endfor %}", "{% for 1 in xs %}{% endfor %}", "{% for x xs %}{% endfor %}", "{% for x in xs %}", "{% for x in %}{% endfor %}",
    "{% for true in xs %}{% endfor %}", "{% for x in xs if x recursive %}{{ x }}{% endfor %}", "{% for x in xs recursive if x %}{{ x }}{% endfor %}",
    "{% set a = 1 %}{{ a }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1, 2] %}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set a = (1) %}{{ a }}",
    "{% set (a, b) = 'xy' %}{{ b }}{{ a }}", "{% set a, b = 1 %}", "{% set a, b = missing %}", "{% set a %}", "{% set 1 = 2 %}", "{% set a.b = 1 %}", "{% set true = 1 %}",
    "{% set x %}block {{ i }}{% endset %}[{{ x }}]", "{% set x | upper %}block{% endset %}{{ x }}", "{% set x | upper | replace('B', 'x') %}bab{% endset %}{{ x }}",
    "{% set x %}<{% endset %}{{ x is string }}{{ x is escaped }}{{ x|length }}", "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{% set ns.b = 'x' %}{{ ns.a }}{{ ns.b }}{{ ns }}",
    "{% set ns = namespace() %}{% for x in xs %}{% set ns.sum = (ns.sum or 0) + x %}{% endfor %}{{ ns.sum }}", "{% set ns = {} %}{% set ns.a = 1 %}",
    "{% set ns = namespace() %}{% set ns.x %}body{% endset %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a + ns.b }}",
    "{% set ns = namespace() %}{% set ns['a'] = 1 %}", "{% set ns = namespace(d={}) %}{% set ns.d.x = 1 %}", "{% set missing.x = 1 %}",
    "{% set m = dict(range(2000)|batch(2)|list) %}{{ m|length }} {{ m[0] }} {{ m[500.0] }} {{ m[999] is defined }}{% for k in range(0, 2000, 2) if m[k] != k + 1 %}bad{% endfor %}",
    "{% set m = dict(range(2000)|map('string')|batch(2)|list) %}{{ m['0'] }} {{ m['998'] }} {{ m['999'] is defined }} {{ m.keys()|list|length }} {{ (m|tojson|length) }}", "{% for x in xs %}{% set nope.x = x %}{% endfor %}{{ nope }}",
    "{% for x in xs %}{% for y in xs %}{% set d.x = x %}{% endfor %}{% endfor %}{{ d }}",
    "{% set ns = namespace(n=0) %}{% for x in xs %}{% for y in xs if y > x %}{% with z = y %}{% set ns.n = ns.n + z %}{% endwith %}{% endfor %}{% endfor %}{{ ns.n }}",
    "{% set x = 1 %}{% for y in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}", "{% for y in [1, 2] %}{{ x }}{% set x = y %}{{ x }}{% endfor %}",
    "{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "{% if false %}{% set i = 1 %}{% endif %}{{ i }}", "{% if false %}{% set i = 1 %}{% else %}{% set z = 2 %}{% endif %}{{ i }}{{ z }}",
    "{% set i = i + 1 %}{{ i }}", "{% for x in xs %}{% set i = i + x %}{{ i }} {% endfor %}{{ i }}", "{% for x in xs %}{% if x == 3 %}{% set i = x %}{% endif %}{{ i }} {% endfor %}{{ i }}",
    "{{ i }}{% set i = 0 %}{{ i }}", "{% for x in xs %}{{ i }}{% set i = x %}{% endfor %}{{ i }}", "{% set xs = xs[1:] %}{% for x in xs %}{{ x }}{% endfor %}",
    "{% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ y }}", "{% with %}{% set x = 1 %}{% endwith %}{{ x }}",
    "{% with a = 1, b = i %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with i = 1, b = i %}{{ i }}{{ b }}{% endwith %}{{ i }}", "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}",
    "{% with a = 1 %}{% with a = 2 %}{{ a }}{% endwith %}{{ a }}{% endwith %}", "{% with a %}{% endwith %}",
    "{% macro m() %}x{% endmacro %}{{ m() }}{{ m() }}", "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}", "{% macro m(a=b, b=1) %}[{{ a }}]{% endmacro %}{{ m() }}", "{% macro m(i=i) %}[{{ i }}]{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(none) }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}x{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}x{% endmacro %}{{ m(z=2) }}", "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}{{ m() }}",
    "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a, a) %}{{ a }}{% endmacro %}", "{% macro m(1) %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m() %}",
    "{% macro m() %}{{ i }}{% set i = 9 %}{{ i }}{% endmacro %}{{ m() }}{{ i }}", "{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 1 %}{{ m() }}",
    "{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% set i = 1 %}{{ m() }}", "{% macro m(n) %}{{ n }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{{ m() }}{% macro m() %}x{% endmacro %}", "{% if true %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m.caller }}", "{% macro m(a, b=1) %}{{ caller }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}",
    "{% macro m() %} a {% endmacro %}{{ m()|trim }}|{{ m()|length }}", "{% macro m() %}{{ '<' }}{% endmacro %}{{ m() is escaped }}{{ m() + '<' }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{{ i }}{% endcall %}", "{% macro m() %}[{{ caller(1, 2) }}]{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro m(x) %}{% for y in xs %}{{ caller(y) }}{{ x }}{% endfor %}{% endmacro %}{% call(v) m('-') %}<{{ v }}>{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m(caller=5) %}{{ caller }}{% endmacro %}{{ m() }}",
    "{% macro m(caller) %}{{ caller() }}{% endmacro %}", "{% call m %}{% endcall %}", "{% call 5() %}{% endcall %}", "{% for x in xs %}{% call(y) w(x) %}{{ y }}{% endcall %}{% endfor %}",
    "{% macro o() %}({{ caller() }}){% endmacro %}{% macro p() %}<{{ caller() }}>{% endmacro %}{% call o() %}a{% call p() %}b{% endcall %}c{% endcall %}",
    "{% for x in xs %}{% macro m() %}{{ x }}{{ loop.index }}{% endmacro %}{{ m() }} {% endfor %}", "{% macro m() %}{% set x = 1 %}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro t(s) %}{% if s is string %}s{% elif s is mapping %}{% for k, v in s|items %}{{ k }}:{{ t(v) }} {% endfor %}{% elif s is iterable %}{% for v in s %}{{ t(v) }}{% endfor %}{% else %}{{ s }}{% endif %}{% endmacro %}{{ t(nest) }}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aba{% endfilter %}", "{% filter nope %}x{% endfilter %}", "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% filter upper %}{% set x = 1 %}{% endfilter %}{{ x }}", "{% block a %}A{{ i }}{% endblock %}", "{% block a %}x{% endblock a %}", "{% block a %}x{% endblock %}{% block a %}y{% endblock %}",
    "{% set x = 1 %}{% block a %}{{ x }}{% endblock %}", "{% for x in xs %}{% block a %}{{ x }}{% endblock %}{% endfor %}", "{% for x in xs %}{% block a scoped %}{{ x }}{% endblock %}{% endfor %}",
    "{% block a %}{% set q = 5 %}{{ q }}{% endblock %}{{ q }}", "{% generation %}text {{ i }}{% endgeneration %}", "{% generation %}{% set i = 1 %}{{ i }}{% endgeneration %}{{ i }}",
    "{% for x in xs %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}", "  {% generation %}\n  a\n  {% endgeneration %}\n", "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% generation %}", "{% print 1, 2 %}", "{% print xs %}", "{% do 1 %}", "{% trans %}x{% endtrans %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}", "{% set j = joiner() %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}",
    "{% set g = xs|map('string') %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% endfor %}|", "{% set g = xs|reverse %}{{ g|list }}{{ g|list }}", "{% set g = xs|select('odd') %}{{ g|first }}{{ g|list }}",
    "{% set r = d|items %}{{ r|list }}{{ r|list }}", "{% set m = d.items() %}{{ m|list }}{{ m|length }}", "{% for x in xs|sort %}{{ x }}{% endfor %}", "{% for x in xs|batch(2) %}{{ x }}{{ loop.length }}{% endfor %}",
    "{% for g in users|groupby('age') %}{{ g.grouper }}:{{ g.list|map(attribute='name')|join(',') }};{% endfor %}", "{% for age, us in users|groupby('age') %}{{ age }}{{ us|length }}{% endfor %}",
    "{% if x is defined %}a{% else %}b{% endif %}{% set x = none %}{% if x is defined %}c{% endif %}", "{% set x = missing %}{{ x is defined }}{{ x }}", "{% set x = missing.y %}",
    "{{ raise_exception('a' ~ i) }}", "{% if false %}{{ raise_exception('x') }}{% endif %}ok", "{% if false %}{{ 1|nope }}{% endif %}ok", "{% if true %}{{ 1|nope }}{% endif %}", "{% if false %}{% for x in xs %}{{ 1|nope }}{% endfor %}{% endif %}",
    "{% if false %}{{ 1 is nope }}{% endif %}ok", "{{ 1|nope if false else 'x' }}", "{% for x in es %}{{ x|nope }}{% endfor %}", "{% macro m() %}{{ 1|nope }}{% endmacro %}",
    "{%- for m in users %}\n    {%- if loop.first %}\n        {{- 'F' }}\n    {%- endif %}\n    {{- m.name + '\\n' }}\n{%- endfor %}\n", "{% for x in xs -%}\n {{ x }}\n{%- endfor %}\n",
    "{% for x in xs %}\n{{ x }}\n{% endfor %}\n", "{% for x in xs %}\n  {{ x }}\n  {% if x == 1 %}\n    one\n  {% endif %}\n{% endfor %}\n", "line1\n{% if true %}\nline2\n{% endif %}\nline3\n",
    "{{ xs\n  |join(\n ',') }}", "{%\nif true\n%}x{%\nendif\n%}", "{{ 'multi\nline' }}", "é{{ 'é' }}日本{% if true %}🌋{% endif %}", "{{ 1 }}{{ 2 }}\n{{ 3 }}", "a{{ '\\n' }}{% if true %}\nb{% endif %}",
    "{% set 日本 = 1 %}{{ 日本 }}", "{% set _x = 1 %}{{ _x }}", "{% set x1y = 1 %}{{ x1y }}", "{% if not missing is defined %}{% set missing = false %}{% endif %}{{ missing }}",
    "{% set ns = namespace(found=false) %}{% for x in xs %}{% if x == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}", "{% set a = [] %}{% set a = a + [1] %}{{ a }}",
    "{% set a = [] %}{% for x in xs %}{% set a = a + [x] %}{% endfor %}{{ a }}", "{% set f = s.upper %}{{ f() }}", "{% set m = 'x'.join %}{{ m(['a', 'b']) }}", "{{ caller }}{{ varargs }}", "{% set x = range %}{{ x(2)|list }}",
    "{% set range = 5 %}{{ range }}", "{% set dict = {'a': 1} %}{{ dict.a }}", "{% macro range() %}r{% endmacro %}{{ range() }}", "{% set join = 1 %}{{ xs|join(',') }}", "{% set if = 1 %}", "{% set in = 1 %}{{ in }}",
    "{% set not = 1 %}", "{{ if }}", "{% for x in xs %}{{ loop.index is odd }}{% endfor %}", "{% for x in xs %}{{ 'a' if loop.index is divisibleby 2 else 'b' }}{% endfor %}",
    "{% for i in range(3) %}{{ i }}{% endfor %}{{ i }}", "{% for i in range(3, 0, -1) %}{{ i }}{% endfor %}", "{% for x in xs[::-1] %}{{ x }}{% endfor %}", "{% for x in xs[1:] %}{{ loop.index }}{{ x }}{% endfor %}",
    "{% set x = 'a' %}{% set y = x + 'b' %}{% set z = x + 'c' %}{{ x }}{{ y }}{{ z }}{{ y + 'd' }}{{ y + 'e' }}{{ x ~ 'f' }}{{ x ~ 'g' }}",
    "{% set x = 'ab' * 40 %}{% set y = x + 'b' %}{% set z = y[:80] + 'c' %}{{ y }}{{ z }}{{ (y + 'p')[-3:] }}{{ (y + 'q')[-3:] }}",
    "{% set ns = namespace(s='') %}{% for x in range(50) %}{% set ns.t = ns.s ~ '!' %}{% set ns.s = ns.s + (x|string) + ',' %}{% endfor %}{{ ns.s }}{{ ns.t[-3:] }}",
    "{% set x %}{% for y in xs %}{{ y }}{% endfor %}{% endset %}{{ x }}{{ x|int + 1 }}", "{% set a = 1 %}{% macro m() %}{% set a = 2 %}{% set b %}{{ a }}{% set a = 3 %}{{ a }}{% endset %}{{ b }}{{ a }}{% endmacro %}{{ m() }}{{ a }}",
    "{% for x in xs %}{% if loop.first %}{% set p = x %}{% endif %}{{ p }}{% endfor %}", "{% for x in xs %}{% with y = x %}{% set x = 9 %}{{ x }}{{ y }}{% endwith %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% if x > 1 %}{% set y = x %}{% elif x == 1 %}{% set y = 'one' %}{% endif %}{{ y }}{% endfor %}{{ y }}", "{% set y = 0 %}{% for x in xs %}{% if x > 2 %}{% set y = x %}{% endif %}{{ y }}{% endfor %}{{ y }}",
]

# Message lists for the shared templates: bos and eos are given with each.
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather, \"now\"", "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "  A city's name "}, "days": {"type": "integer", "minimum": 0, "maximum": 1e3},
        "unit": {"type": ["string", "null"], "enum": ["C", "F"], "default": None}, "where": {"type": "object"},
        "list": {"type": "array", "items": {"type": "number"}}}, "required": ["city"]},
    "return": {"type": "object", "description": "What it is like"}}}
CALL = {"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "x": 1.5, "l": [1, None, True]}}}
TEXT_CALL = {"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Bern\"}"}}


def message_lists():
    user, system = {"role": "user", "content": "Hi there"}, {"role": "system", "content": " Be brief.\n"}
    answer, unicode = {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "Grüße, 日本 🌋 \"<&>'\t\\n"}
    thinking = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}
    called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call12345", "name": "get_weather", "content": "{\"temp\": 7.0}"}
    lists = [[], [user], [system, user], [system], [user, answer], [user, answer, user], [system, user, answer, unicode], [unicode],
             [user, thinking, user], [answer], [user, user], [system, system, user], [user, called, result],
             [user, called, result, answer], [user, dict(called, content="Wait."), result, answer, user],
             [user, dict(called, tool_calls=[TEXT_CALL]), result], [user, dict(called, tool_calls=[CALL, TEXT_CALL]), result, result],
             [user, dict(called, tool_calls=[dict(CALL, id="short")])], [user, dict(result, content={"temp": 7})],
             [user, dict(result, content=[1, "x"])], [{"role": "user", "content": ""}], [{"role": "user", "content": None}],
             [{"role": "user", "content": [{"type": "text", "text": "part"}]}], [{"role": "other", "content": "x"}], [{"content": "x"}],
             [{"role": "user"}], ["text"], [user, {"role": "ipython", "content": "3"}, answer]]
    out = []
    for messages in lists:
        for extra in ({"add_generation_prompt": True}, {"tools": [WEATHER], "add_generation_prompt": True}, {"add_generation_prompt": False}):
            out.append(dict(messages=messages, bos_token="<s>", eos_token="</s>", **extra))
    out += [{}, {"messages": None}, {"messages": [user]}, {"messages": [user], "tools": [], "bos_token": "<s>"},
            {"messages": [user], "tools": None, "bos_token": "<s>"}, {"messages": [user], "custom_tools": [WEATHER], "bos_token": "<s>"},
            {"messages": [user], "builtin_tools": ["brave_search", "code_interpreter"], "date_string": "1 May 2025", "bos_token": "<s>"},
            {"messages": [system, user], "tools": [WEATHER, WEATHER], "tools_in_user_message": False, "bos_token": "<s>"},
            {"messages": [user, dict(called, tool_calls=[{"function": {"name": "brave_search", "arguments": {"q": "x"}}}])],
             "builtin_tools": ["brave_search"], "bos_token": "<s>"}]
    return out


def write_seeds(cases):
    """Templates that work, a hundred in a file while they work together, and behind a NUL their variables."""
    folder = os.path.join(HERE, "fuzz", "seeds", "fuzz_template")
    os.makedirs(folder, exist_ok=True)
    files = [[]]
    for template, text in cases:
        if text is None:
            continue
        if len(files[-1]) == 100 or render("".join(files[-1] + [template]), VARS) is None:
            files.append([])
        files[-1].append(template)
    for i, templates in enumerate(f for f in files if len(f) > 10):
        with open(os.path.join(folder, f"{i:02}.jinja"), "wb") as f:
            f.write("".join(templates).encode() + b"\0" + json.dumps(VARS, ensure_ascii=False).encode())


def main():
    with open(os.path.join(HERE, "template_expressions.txt"), encoding="utf-8", newline="") as f:
        expressions = ["{{ %s }}" % e for e in f.read().strip("\n").split("\n")]
    cases = [[t, render(t, VARS)] for t in expressions + TEMPLATES]
    text = json.dumps(VARS, ensure_ascii=False)
    lists = [json.dumps(m, ensure_ascii=False) for m in message_lists()]
    shared, folder = {}, os.path.join(SHARED, "templates")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".jinja"):
            with open(os.path.join(folder, name), encoding="utf-8", newline="") as f:
                template = f.read()
            shared[name] = [render(template, json.loads(m)) for m in lists]
    golden = {"groups": [{"vars": text, "cases": cases}], "messages": lists, "shared": shared}
    with open(os.path.join(HERE, "golden", "templates.json"), "w", encoding="utf-8") as f:
        json.dump(golden, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    write_seeds(cases)
    failing = sum(c[1] is None for c in cases)
    print(f"{len(cases)} templates, {failing} of which fail; {len(shared)} files with {len(lists)} message lists")


if __name__ == "__main__":
    main()
