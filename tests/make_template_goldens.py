#!/usr/bin/env python3
"""Writes tests/golden/templates.json, and from it the fuzz target's seeds (tests/fuzz/seeds/fuzz_template/): what Python's jinja2, set up as Hugging Face transformers does for chat
templates, makes of many small templates, and of the chat templates in the shared material with many message
lists.

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

# One expression a line; each is rendered as {{ ... }}.
EXPRESSIONS = r"""
i
neg
f
whole
tiny
huge
big
t
n
missing
missing.x
missing['x']
missing()
missing + 1
missing ~ 'x'
missing == missing
missing == other_missing
missing is defined
missing or 'default'
not missing
missing|length
missing|list
missing in [1]
'x' in missing
missing < 1
-missing
xs.missing
xs.missing.more
xs[10]
xs[10] is defined
nest.missing is undefined
nest.a.b[1].c
nest['a']['b'][0]
nest.a.b.1.c
nest['items']
nest.get('items')
nest.a.b[-1]['c']
s.missing is defined
1 + 2 * 3 - 4
(1 + 2) * 3
7 // 2
-7 // 2
7 // -2
7 % 3
-7 % 3
7 % -3
7.5 // 2
-7.5 // 2
7.5 % 2
-7.5 % 2
5.0 % -3
0.0 // 5
7 / 2
6 / 2
1 / 3
1 / 0
1 // 0
1 % 0
1.0 / 0
2 ** 10
2 ** -1
2 ** 0.5
2.0 ** 3
-2 ** 2
2 ** 3 ** 2
0 ** 0
(-8) ** 3
0.0 ** -1
10 ** 18
1e3
1E3
1.5e-3
1_000
0x1F
0b101
0o17
1_0.5_0
.5
1.
1.0
100000000000000000.0
123456789012345680.0
1e16
1e15
9999999999999998.0
0.0001
0.00001
0.1 + 0.2
1e308 * 10
-(1e308 * 10)
(1e308 * 10) - (1e308 * 10)
5e-324
1.7976931348623157e308
2.675
1/7
100/3
3.0
-0.0
+i
-i
--i
+t
-t
not i
not not i
t + t
t * 3
i + f
i - f
'a' + 'b'
'a' 'b' "c"
'a' * 3
3 * 'a'
'a' * -1
[1] + [2]
[1] * 2
(1,) + (2,)
(1, 2) * 2
[1] + (2,)
'a' + 1
1 + 'a'
'a' - 'b'
n + 1
[1] - [1]
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1]
1 ~ 2
1 == 1.0
1 == true
0 == false
1 == '1'
'a' == 'a'
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1} == {'a': 1.0}
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
none == none
none == false
1 != 2
1 < 2
1 < 2 < 3
1 < 3 < 2
1 < 2 == true
3 > 2 >= 2
'a' < 'b'
'Z' < 'a'
'é' > 'z'
'a' < 1
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 'a') < (1, 'b')
none < 1
1 < 1.5
9007199254740993 > 9007199254740992.0
{'a': 1} < {'a': 2}
1 in [1, 2]
1 not in [1, 2]
not 1 in [1, 2]
'a' in 'abc'
'' in 'abc'
'd' in 'abc'
1 in 'abc'
none in [none]
'a' in {'a': 1}
'b' not in {'a': 1}
1.0 in [1]
[1] in [[1]]
[1] in {'a': 1}
1 in none
1 in 5
2 in range(3)
5 in range(0, 10, 2)
'x' in users[0].tags
1 and 2
0 and 2
1 or 2
0 or 2
'' or none or []
1 if true else 2
1 if false else 2
1 if false
(1 if false) is defined
(1 if false) ~ 'x'
'a' if 0 else 'b' if 0 else 'c'
1 if 1 if 0 else 1 else 2
1 or 2 and 0
not 1 == 2
[]
[1, 2,]
[1, [2, [3]]]
()
(1,)
(1, 2)
1, 2
(1)
{}
{'a': 1}
{'a': 1, }
{1: 'x', 2.5: 'y', none: 'z', true: 'w'}
{'a': 1, 'a': 2}
{(1, 2): 'x'}
{[1]: 2}
{'a': {'b': [1, (2,), {'c': none}]}}
[1, 2][0]
'abc'[0]
'abc'[-1]
'abc'[5]
'abc'[1.0]
'abc'['x']
u[7]
u[9]
u|length
xs[0]
xs[-1]
xs['0']
xs[true]
xs[1.0]
d['b']
d['nope']
d.b
d[none]
d.keys()
d.values()
d.items()
d.keys()|list
d.items()|list
d.get('a')
d.get('zz')
d.get('zz', 5)
d.get('zz', default=5)
d.get()
d.copy()
d.pop('a')
d.update({'x': 1})
d.clear()
d.setdefault('q', 1)
d.pop is defined
xs.append(4)
xs.append
xs.pop()
xs.sort()
xs.count(1)
xs.index(1)
xs.index(9)
xs.copy()
[1,2,1].index(1, 1)
(1,2,1).count(1)
'abc'[1:]
'abc'[:1]
'abc'[:-1]
'abc'[::-1]
'abc'[1:2]
'abc'[5:]
'abc'[-2:]
'abc'[::2]
'abc'[2:0:-1]
'abc'[::0]
u[2:8]
u[::-1]
u[-3:]
u[:2] ~ '|' ~ u[2:]
xs[1:]
xs[:-1]
xs[::-1]
xs[5:9]
(1,2,3)[1:]
range(10)[2:8:3]
range(5)[::-1]
d[1:]
missing[1:]
i[0]
i[0] is defined
i.x is defined
n[1:]
(none|items) is defined
none|items|list
n.x is defined
range(3)
range(1, 4)
range(0, 10, 3)
range(5, 0, -2)
range(3)|list
range(1, 10, 4)|list
range(5, 0, -2)|list
range(0)|list
range(3)[1]
range(3)[5] is defined
range(3)|length
range(100000)|length
range(100001)
range(1.5)
range()
range(1, 2, 0)
range('a')
range(3) == range(0, 3)
dict(a=1, b='x')
dict({'a': 1}, b=2)
dict([('a', 1), ['b', 2]])
dict()
namespace(a=1)
namespace(a=1).a
namespace({'a': 1}, b=2).b
namespace(a=1).b is defined
namespace(a=1)['a']
raise_exception('no')
raise_exception()
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y, %H:%M:%S')
strftime_now('%A %a %B %b %j %U %W %w %u %V %G %y %m %I %p %M %S %% %e %F %T %D %R %c %x %X')
strftime_now('%-d %-m %-H %_d %k %l %C %h %n%t|%Z|%z|')
strftime_now('plain')
s.upper()
s.lower()
s.title()
s.capitalize()
s.swapcase()
u.upper()
u.lower()
u.title()
'ß ŉ ﬁ ǰ'.upper()
'ß ﬁ ΐ'.title()
'ßfoo'.capitalize()
'ΑΣ ΑΣΑ Σ'.lower()
'İI'.lower()
'Straße'.casefold()
'ᾳ ᾼ ᾀ'.upper()
'ᾳ ᾀx'.title()
"they're bill's 3rd x2y".title()
"they're bill's friends-from the (uk) [x]".title()
"they're bill's friends-from the (uk) [x] {y} <z>"|title
'hello wORLD'|title
'ﬁ ß x'|title
s|capitalize
'éa'|capitalize
'éÀ'|upper
'ÀÉ'|lower
sp.strip()
sp.lstrip()
sp.rstrip()
'xxaxx'.strip('x')
'xyaxy'.strip('xy')
'xyaxy'.lstrip('yx')
'éaé'.strip('é')
sp.strip(none)
sp.strip(1)
'\u00a0\u2003x\u3000'.strip()
'\x1cx\x1d'.strip()
'\u200bx'.strip()
'a b  c'.split()
'a b  c'.split(' ')
' a  b '.split()
csv.split(',')
csv.split(',', 1)
csv.split(',', maxsplit=2)
csv.split(sep=',')
csv.rsplit(',', 1)
csv.rsplit(',')
'  a b  c  '.rsplit(none, 1)
'  a b  c  '.split(none, 1)
'  a b  c  '.split(none, 0)
'a  b'.rsplit()
''.split()
''.split(',')
'abc'.split('')
'abc'.split(1)
'a<sep>b<sep>c'.split('<sep>')[-1]
'aXbXc'.split('X')[1:]
lines.splitlines()
lines.splitlines(true)
lines.splitlines(keepends=true)
'a\x0bb\x0cc\x1cd\x85e\u2028f'.splitlines()
''.splitlines()
'a\n'.splitlines()
'-'.join(['a', 'b'])
'-'.join('abc')
'-'.join([1])
'-'.join([])
'-'.join(d)
', '.join(d.keys())
s.replace('l', 'L')
s.replace('l', 'L', 1)
s.replace('', '-')
'ab'.replace('', '-', 2)
s.replace('zz', 'y')
'aaa'.replace('aa', 'b')
s.replace('l')
s.startswith('Hello')
s.startswith(('x', 'He'))
s.startswith('World', 6)
s.startswith('W', 6, 7)
s.startswith(['He'])
s.startswith('')
s.endswith('ld')
s.endswith(('x', 'ld'))
s.endswith('Hello', 0, 5)
u.startswith('Gr')
s.find('o')
s.find('o', 5)
s.find('zz')
s.rfind('o')
s.index('W')
s.index('zz')
s.rindex('o')
u.find('本')
u.rfind('!')
'abc'.find('', 3)
'abc'.find('', 4)
'abc'.find('c', -1)
'abcabc'.find('c', 0, 2)
s.count('l')
s.count('')
'aaaa'.count('aa')
'aaaa'.count('a', 1, 3)
'abc'.isalpha()
'ab1'.isalpha()
''.isalpha()
'12'.isdigit()
'1²'.isdigit()
'1²'.isdecimal()
'½'.isnumeric()
'½'.isdigit()
'a1'.isalnum()
' \t'.isspace()
'ABC'.isupper()
'AbC'.isupper()
'1'.isupper()
'abc1'.islower()
'Hello World'.istitle()
'Hello world'.istitle()
'abc'.isascii()
'é'.isascii()
'a_1'.isidentifier()
'1a'.isidentifier()
'a b'.isidentifier()
'ab\n'.isprintable()
'7'.zfill(3)
'-7'.zfill(4)
'+7'.zfill(4)
'abc'.zfill(2)
'ab'.center(7)
'abc'.center(6)
'abc'.center(7, '*')
'ab'.ljust(5) ~ '|'
'ab'.rjust(5, '.')
'日本'.rjust(4, '.')
'ab'.center(3, 'xx')
'a\tb'.expandtabs()
'a\tb\n\tc'.expandtabs(4)
'TestHook'.removeprefix('Test')
'TestHook'.removesuffix('Hook')
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('-')
'abc'.rpartition('-')
'{} {}'.format(1, 'x')
'{0} {1} {0}'.format('a', 'b')
'{a} {b}'.format(a=1, b=[1])
'{0.a} {0[a]}'.format({'a': 5})
'{x[0]}'.format(x=[7])
'{{}} {}'.format(1)
'{:>5}|{:<5}|{:^5}|'.format('a', 'b', 'c')
'{:*^7}'.format('ab')
'{:5}|{:5}'.format('a', 1)
'{:05d} {:+d} {: d} {:x} {:X} {:o} {:b} {:#x} {:#b}'.format(42, 42, 42, 255, 255, 8, 5, 255, 5)
'{:,} {:_} {:,}'.format(1234567, 1234567, 1234.5)
'{:.2f} {:.0f} {:8.3f}|{:<8.1f}|'.format(3.14159, 2.5, 1.5, 2.25)
'{:e} {:.2e} {:g} {:.3g} {:%} {:.1%}'.format(12345.678, 0.00012, 1e10, 1234.5, 0.5, 0.123)
'{:010.2f}'.format(-3.14159)
'{:08,}'.format(1234)
'{} {:.3} {:.10} {:.2}'.format(1.5, 1234.5, 0.1, 100.0)
'{:n} {:c}'.format(5, 65)
'{!r} {!s}'.format('a', 'b')
'{:{}}|'.format('a', 5)
'{:{w}.{p}f}|'.format(2.5, w=8, p=2)
'{} {0}'.format(1)
'{a}'.format()
'{}'.format()
'{'.format()
'}'.format()
'{:d}'.format('x')
'{:q}'.format(1)
'{:>5}'.format(none)
'{}'.format(none)
'{}'.format(missing) ~ '|'
'{:5}|'.format(true)
'{:d}'.format(true)
'{:.1f}'.format(3)
'{:s}'.format('abc')
'{:.2}'.format('abc')
'{a}'.format_map({'a': 1})
'%s' % 'x'
'%s %s' % ('a', 1)
'%d' % 3.9
'%d' % 'x'
'%s' % [1]
'%s' % (1, 2)
'%5d|%-5d|%05d|%+d|% d' % (1, 2, 3, 4, 5)
'%.2f %5.1f %e %g %G' % (3.14159, 2.25, 1234.5, 0.0001, 1e-10)
'%x %X %o %#x %#o' % (255, 255, 8, 255, 8)
'%c%c' % (65, 'z')
'%r %s' % ('a', none)
'%(a)s %(b)d' % {'a': 1, 'b': 2}
'%(c)s' % {'a': 1}
'100%%' % ()
'%' % ()
'%s'|format('x')
'%s-%s'|format(1, 2)
'%(a)s'|format(a=3)
'%*d' % (5, 1)
'%.3s' % 'abcdef'
'%10.2s|' % 'abc'
'abc' % 1
'%s' % ()
'%.3d' % 5
'%i %u' % (1, 2)
'%z' % 1
s|upper
s|lower
s|length
s|count
xs|length
d|length
5|length
none|length
s|trim
sp|trim
'xax'|trim('x')
5|trim
s|replace('l', 'L')
s|replace('o', '0', 1)
5|replace('5', 'x')
s|replace('l')
xs|join
xs|join(',')
xs|join(', ')
mixed|join('|')
users|join(', ', attribute='name')
'abc'|join('-')
d|join(',')
none|join
5|join
xs|first
xs|last
es|first
es|first is defined
es|last ~ 'x'
'abc'|first
u|last
d|first
d|last
range(5)|last
xs|sum
[1.5, 2]|sum
es|sum
users|sum(attribute='age')
[[1], [2]]|sum(start=[])
['a']|sum
xs|min
xs|max
es|max is defined
words|min
words|max
words|max(case_sensitive=true)
users|max(attribute='age')
[1, 'a']|max
xs|sort
xs|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
words|sort(true)
users|sort(attribute='age')|map(attribute='name')|list
users|sort(attribute='age,name')|map(attribute='name')|list
users|sort(attribute='age', reverse=true)|map(attribute='name')|list
[1, 'a']|sort
'hello'|sort
d|sort
d|dictsort
d|dictsort(true)
d|dictsort(by='value')
d|dictsort(false, 'value', true)
d|dictsort(by='x')
xs|dictsort
words|unique|list
words|unique(true)|list
[1, 1.0, true, 2]|unique|list
users|unique(attribute='age')|map(attribute='name')|list
[[1], [1]]|unique|list
xs|reverse|list
'abc'|reverse
d|reverse|list
range(3)|reverse|list
xs|list
'abc'|list
d|list
5|list
none|list
'42'|int
'42.7'|int
' 42 '|int
'x'|int
'x'|int(5)
'x'|int(default=-1)
'0x1f'|int(0, 16)
'ff'|int(base=16)
'1_000'|int
'-5'|int
'1e3'|int
''|int
none|int
3.99|int
-3.99|int
true|int
[1]|int
'inf'|int
'nan'|int
(1e308 * 10)|int
'12'|int(0, 3)
'0b11'|int(0, 0)
'3.5'|float
'x'|float
'x'|float(1.5)
' 1e3 '|float
'inf'|float
'-Infinity'|float
'nan'|float
'1_0.5'|float
5|float
none|float
true|float
missing|int
42.55|round
42.55|round(1)
2.5|round
3.5|round
-2.5|round
2.675|round(2)
1234.567|round(-2)
150.0|round(-2)
250.0|round(-2)
60.0|round(-2)
42|round
1250|round(-2)
1350|round(-2)
42.1|round(0, 'ceil')
42.9|round(0, 'floor')
42.123|round(2, 'ceil')
42.129|round(method='floor', precision=2)
-1.5|round(0, 'floor')
5|round(0, 'ceil')
1.5|round(1, 'x')
'x'|round
1e300|round(2)
-5|abs
5.5|abs
-0.0|abs
'x'|abs
i|string
i|string ~ 1
none|string
5|string|length
d|items|list
missing|items|list
xs|items|list
xs|batch(2)|list
xs|batch(2, 'x')|list
range(7)|batch(3)|list
range(7)|slice(3)|list
range(7)|slice(3, 'x')|list
range(2)|slice(3)|list
xs|slice(0)|list
users|groupby('age')|list
users|groupby('age')|map(attribute='grouper')|list
(users|groupby('age'))[1].list|length
words|groupby(0)|map('first')|list
users|groupby('tags.0', default='-')|map(attribute='grouper')|list
xs|map('string')|list
xs|map('string')|join('-')
words|map('upper')|list
words|map('replace', 'a', 'A')|list
words|map('nope')|list
es|map('nope')|list
none|map('upper')|list
xs|map|list
users|map(attribute='name')|list
users|map(attribute='nope')|list
users|map(attribute='nope', default='?')|list
users|map(attribute='tags.0')|list
users|map(attribute='tags.0', default=0)|list
users|map(attribute='name', x=1)|list
[[1, 2], [3]]|map('first')|list
[[1, 2], [3]]|map('sum')|list
[[1, 2], [3]]|map(attribute=0)|list
[d]|map('tojson')|list
xs|select('odd')|list
xs|select('gt', 1)|list
xs|select('greaterthan', 1)|list
xs|select('>', 1)|list
xs|select('in', [1, 2])|list
mixed|select('string')|list
mixed|select|list
[0, 1, '', 'a', none]|select|list
xs|reject('odd')|list
mixed|reject('none')|list
mixed|reject|list
xs|select('nope')|list
users|selectattr('tags')|map(attribute='name')|list
users|selectattr('age', 'equalto', 30)|map(attribute='name')|list
users|selectattr('age', '==', 30)|list|length
users|selectattr('nope', 'defined')|list
users|rejectattr('tags')|map(attribute='name')|list
users|rejectattr('age', 'ge', 30)|map(attribute='name')|list
users|selectattr|list
users|selectattr('age', 'gt', 26)|first
users|selectattr('name', 'in', ['bob', 'carol'])|map(attribute='age')|sum
(users|selectattr('age'))|length
missing|default('x')
missing|d('x')
missing|default ~ '|'
''|default('x')
''|default('x', true)
none|default('x')
none|default('x', boolean=true)
nest.zz|default('y')
nest.zz.yy|default('y')
html|escape
html|e
html|safe
html|escape|escape
html|forceescape
(html|escape) + '<'
'<' + (html|safe)
(html|safe) ~ '<'
['<', html|safe]|join
html|escape|upper
(html|escape)|length
html|safe is escaped
html is escaped
[html|safe]
'a b/c?d=é&'|urlencode
{'a b': 'x/y', 'c': 1}|urlencode
[('a', 'b')]|urlencode
5|urlencode
{'class': 'a', 'id': 5, 'x': none, 'q': '"'}|xmlattr
{'class': 'a'}|xmlattr(false)
lines|indent
lines|indent(2)
lines|indent(2, true)
lines|indent(2, first=true, blank=true)
lines|indent('> ')
''|indent(first=true)
5|indent
'ab'|center(7)
long|truncate(15)
long|truncate(15, true)
long|truncate(15, false, '!', 0)
long|truncate(43)
long|truncate(39)
long|truncate(2)
long|wordcount
u|wordcount
''|wordcount
1000|filesizeformat
1|filesizeformat
999|filesizeformat
1500000|filesizeformat
1500000|filesizeformat(true)
1024|filesizeformat(true)
1e30|filesizeformat
d|attr('keys') is callable
d|attr('b') is defined
namespace(a=1)|attr('a')
d|tojson
d|tojson(indent=2)
mixed|tojson
mixed|tojson(indent=1)
nest|tojson(indent=4)
nest|tojson(sort_keys=true)
d|tojson(sort_keys=true)
d|tojson(separators=(',', ':'))
d|tojson(indent=2, separators=(',', ': '))
mixed|tojson(true)
u|tojson
u|tojson(ensure_ascii=true)
'\u007f\u0080\u2028'|tojson
'\u007f\u0080\U0001f30b'|tojson(true)
'a"b\\c/d\n\t\r\x08\x0c\x01'|tojson
1.0|tojson
1e22|tojson
1e-7|tojson
big|tojson
none|tojson
true|tojson
[]|tojson(indent=2)
{}|tojson(indent=2)
[[], {}]|tojson(indent=2)
[1, [2, {'a': []}]]|tojson(indent=0)
[1]|tojson(indent='--')
(1, 2)|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1,): 2}|tojson
missing|tojson
[missing]|tojson
d.keys()|tojson
range(3)|tojson
(1e308 * 10)|tojson
(html|safe)|tojson
html|tojson
xs|map('string')|tojson
s is string
i is string
i is number
f is number
t is number
t is integer
i is integer
whole is integer
whole is float
n is none
i is none
d is mapping
xs is mapping
xs is sequence
s is sequence
d is sequence
i is sequence
d.keys() is sequence
xs is iterable
s is iterable
i is iterable
n is iterable
missing is iterable
range(2) is iterable
range is callable
s.upper is callable
s is callable
t is boolean
i is boolean
t is true
t is false
1 is true
zero is false
3 is odd
3 is even
2.0 is even
'x' is odd
10 is divisibleby 5
10 is divisibleby(3)
3 is eq 3
3 is eq(3)
3 is equalto 3
3 is ne 4
3 is lt 4
3 is le 3
3 is gt 4
3 is ge 3
3 is greaterthan 2
3 is lessthan 2
3 is in [1, 3]
3 is in(xs)
'a' is in 'abc'
3 is not in [1]
none is sameas none
true is sameas(true)
1 is sameas true
1.0 is sameas 1
'ABC' is upper
'abc' is lower
'aBc' is lower
1 is lower
'upper' is filter
'nope' is filter
'odd' is test
'nope' is test
3 is not none
3 is not string
not 3 is string
3 is nope
3 is string or 3 is number
3 is string and true
[1] is eq [1]
3 is odd is true
none is not none or 1
3|nope
1 if true else 3|nope
0 if true else 3 is nope
[none, true, 1.5, 'a\'b', "a\"b", 'a\'b"c', '\n\t\\', 'é\u00ad\u200b', {1: (2,)}]
['\x00\x1f\x7f\x80\xff', '\ud7ff\ue000', '\U0001f600\U000e0001\u0378']
"a\nb"
'a\\nb'
'\x41\u00e9\101\0|'
'\q\é\日'
'\ud83c\udf0b'
'\u12'
'unclosed
"tab	in"
"line \
joined"
q
[q]
{'k': q}
sp ~ '|'
(1, missing)
[missing]
{'a': missing}
users[0]
'a.b'.c is defined
1 if
* 2
1 +
(1
[1
{1
1)
a b
a.
a.1
a['x'
'x'|
'x' is
1 = 2
f(a=1, 2)
f(*xs, 1)
dict(**d)
dict(**d, b=5)
dict(*[[('a', 1)]])
'{} {} {}'.format(*xs)
'{a}'.format(**{'a': 9})
range(*[1, 3])|list
[x for x in xs]
lambda: 1
1 if 1 else
{{}}
xs.__class__
s.__len__
''.__class__.__mro__
xs._private is defined
s.format.__globals__
loop
loop is defined
true and
True and False
None
TRUE
1;2
a!b
$
1 @ 2
f.is_integer()
whole.is_integer()
"é"|length
"日本語"[1]
"日本語"[::-1]
"日本語".center(7, '-')
"e\u0301"|length
'🌋'|length
'🌋🌋'[1:]
9223372036854775807
-9223372036854775808
9223372036854775807 - 1
2 ** 62
"%s" % missing ~ '|'
xs ~ d
(xs, d, s)
joiner()() ~ 'x'
cycler('a', 'b').next()
cycler()
cycler(1, 2).current
"a" < "b" < "c"
1 < 2 > 1 != 3
"x" if missing is defined else "y"
missing.x is defined
nest.a is defined and nest.a.b is defined
nest.zz is defined and nest.zz.b is defined
"a,b"|replace(",", ";")|upper|length
-1|abs
-xs|length
(-1)|abs
2 * 3|string
"a" ~ "b"|upper
not true|string
1 + 1|string|int
s[0]|lower ~ s[1:]|upper
(s|lower)[0]
xs|sort|first + 1
s.split(' ')|last|upper
(users|first).name
users[0]['name'].upper()
users[-1].tags[-1]
s.split()[0].lower().replace('h', 'j')
"%d%%" % 50
"a" "b" ~ "c"
"abc" in ["abc", "d"]
[1, 2, 3][-2:][0]
{"a": [1, 2]}.a[1]
{"a": 1}["a"]
{"items": 1}["items"]
(1, 2)[0]
"x".join(["1", "2"])|int
"".join(xs|map("string"))
xs|map("multiply", 2)|list
["a", "b"]|join(", ") ~ "."
xs == xs|list
"A" ~ ("B" if true) ~ ("C" if false)
"a\tb".split("\t")
"1,2,3".split(",")|map("int")|sum
"ab" * 2 + "c"
1.5 // 0.5
5 % 2.5
1e400
0.1 * 3
1e2 == 100
"b" > "a" and "c" or "d"
""|length == 0
[[1, 2], [3, 4]]|sum(start=[])|list
xs|map("float")|list
[3.0, 1.5]|sort
[true, false]|sort
[none]|sort
[none, 1]|sort
[[2], [1]]|sort
[{}, {}]|sort
[(1, "b"), (1, "a")]|sort
"b,a"|sort(reverse=true)
"""

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
    expressions = ["{{ %s }}" % e for e in EXPRESSIONS.strip("\n").split("\n")]
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
