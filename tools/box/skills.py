"""What the help desk can do besides telling facts about Hekla: sums, counting, the calendar, units, small talk, names,
and saying that it does not know. Every skill is a function of a random generator that gives one exchange."""
import hashlib
import random
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """One question and its answer. must: strings of which every one has to be in a right answer ("a|b": one of them)."""
    group: str
    ask: str
    say: str
    must: list
    held_out: bool = False
    wrong: list = field(default_factory=list)  # answers that look right and are not, for the reward model
    then: list = field(default_factory=list)   # exchanges that refer back to this one
    topic: str = ""


def hashed(text, buckets):
    """A bucket that depends on the text alone: the same split in every run and on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % buckets


# ---- sums ----------------------------------------------------------------------------------------------------------

ADD = ["what is {a} + {b}?", "{a} + {b}", "{a}+{b}", "{a} + {b} = ?", "what is {a} plus {b}?", "{a} plus {b}", "add {a} and {b}",
       "how much is {a} + {b}?", "how much is {a} plus {b}?", "what does {a} + {b} make?", "the sum of {a} and {b}?",
       "what is the sum of {a} and {b}?", "please add {b} to {a}", "calculate {a} + {b}", "compute {a} plus {b}",
       "can you add {a} and {b}?", "i have {a} files and get {b} more, how many are there?", "{a} and {b} together?",
       "what do you get when you add {a} and {b}?", "solve {a} + {b}"]
SUB = ["what is {a} - {b}?", "{a} - {b}", "{a}-{b}", "{a} - {b} = ?", "what is {a} minus {b}?", "{a} minus {b}", "subtract {b} from {a}",
       "how much is {a} - {b}?", "how much is {a} minus {b}?", "take {b} away from {a}", "the difference of {a} and {b}?",
       "what is the difference between {a} and {b}?", "calculate {a} - {b}", "compute {a} minus {b}",
       "can you subtract {b} from {a}?", "i had {a} files and deleted {b}, how many are left?", "what is left of {a} without {b}?",
       "solve {a} - {b}"]


def sum_held_out(op, a, b):
    """A tenth of all pairs is never trained on, whichever way round it is asked."""
    pair = (min(a, b), max(a, b)) if op == "+" else (a, b)
    return hashed(f"{pair[0]} {op} {pair[1]}", 10) == 0


# The sum is said again first, so that every digit that a step needs stands at a fixed distance before it: copying a question's
# numbers is easy for a small model, picking the last digit out of one that stands anywhere is not.

def add_steps(a, b, slip=(0, 0, 0)):
    """slip: what the tens' sum, the ones' and the result are wrong by; what follows goes on from the mistake."""
    parts = [n // 10 * 10 for n in (a, b) if n >= 10]
    if not parts:
        return f"{a} + {b} = {a + b + slip[2]}."
    split = " + ".join(map(str, parts + [a % 10, b % 10]))
    tens, ones = sum(parts) + slip[0], a % 10 + b % 10 + slip[1]
    return f"{a} + {b} = {split} = {tens} + {ones} = {tens + ones + slip[2]}."


def sub_steps(a, b, slip=(0, 0, 0)):
    """slip: what the difference without the ones, the ones taken from it and the result are wrong by."""
    if a >= b and (b < 10 or b % 10 == 0):
        return f"{a} - {b} = {a - b + slip[2]}."
    if a >= b:
        middle, ones = a - b // 10 * 10 + slip[0], b % 10 + slip[1]
        return f"{a} - {b} = {a} - {b // 10 * 10} - {b % 10} = {middle} - {ones} = {middle - ones + slip[2]}."
    if a < 10 or a % 10 == 0:
        return f"{a} - {b} = -({b} - {a}) = {a - b - slip[2]}."
    middle, ones = b - a // 10 * 10 + slip[0], a % 10 + slip[1]
    return f"{a} - {b} = -({b} - {a}) = -({b} - {a // 10 * 10} - {a % 10}) = -({middle} - {ones}) = {ones - middle - slip[2]}."


def slipped_sums(rng, op, a, b):
    """Sums that go wrong on the way, as a model's do: in a step, in what is split, in what is copied from the question. Without them
    a reward model looks at the last step alone, and prefers a sum that is wrong but goes on well from its mistake."""
    steps, out = add_steps if op == "+" else sub_steps, []
    for place in (0, 1, 2):
        slip = [0, 0, 0]
        slip[place] = rng.choice([-10, 10] if place == 0 else [-1, 1, -2, 2] if place == 1 else [-10, 10, -1, 1, -2, 2])
        out.append(steps(a, b, slip))
    other = {n: max(0, n + rng.choice([-10, 10, -1, 1, -2, 2])) for n in (a, b)}
    for x, y in ((other[a], b), (a, other[b])):
        out += [steps(x, y), steps(x, y).replace(f"{x} {op} {y}", f"{a} {op} {b}", 1)]
    return out


def sums(rng, held_out=False, op=None):
    op = op or rng.choice("+--")
    while True:
        low, high = (10, 99), (10, 99)
        if not held_out and rng.random() < 0.3:  # questions with one digit, of which there are fewer
            low, high = rng.choice([((0, 9), (0, 9)), ((0, 9), (10, 99)), ((10, 99), (0, 9)), ((0, 20), (0, 20))])
        a, b = rng.randint(*low), rng.randint(*high)
        if op == "-" and a < b and rng.random() < (0.9 if held_out else 0.75):  # below nought is what fails: more of it in training
            a, b = b, a
        if sum_held_out(op, a, b) == held_out:
            break
    result = a + b if op == "+" else a - b
    ask = rng.choice(ADD if op == "+" else SUB)
    if "difference" in ask and a < b:
        ask = "{a} - {b}"
    steps = add_steps if op == "+" else sub_steps
    x = Exchange("addition" if op == "+" else "subtraction", ask.format(a=a, b=b), steps(a, b), [f"= {result}."], held_out)
    for off in rng.sample([-10, 10, -1, 1, 2, -2, 9, -9, 11], 3):
        text, end = x.say, f"= {result}."
        if text.endswith(end):
            x.wrong.append(text[:-len(end)] + f"= {result + off}.")
    if result < 0:
        x.wrong.append(x.say.replace(f"= {result}.", f"= {-result}."))
    x.wrong += slipped_sums(random.Random(f"{a} {op} {b}"), op, a, b)  # a generator of its own: what is asked next does not depend on it
    c = rng.randint(2, 9)
    if 0 < result <= 90 and not held_out and rng.random() < 0.3:
        if rng.random() < 0.6:
            more = rng.choice(["and plus {c}?", "and {c} more?", "now add {c}", "plus {c}", "add {c} to that"])
            x.then.append(Exchange("follow-up", more.format(c=c), add_steps(result, c), [f"= {result + c}."]))
        else:
            less = rng.choice(["and minus {c}?", "and {c} less?", "now subtract {c}", "minus {c}", "take {c} from that"])
            x.then.append(Exchange("follow-up", less.format(c=c), sub_steps(result, c), [f"= {result - c}."]))
    return x


# ---- counting ------------------------------------------------------------------------------------------------------

COUNT = ["count from {a} to {b}", "can you count from {a} to {b}?", "please count {a} to {b}", "count up from {a} to {b}",
         "say the numbers from {a} to {b}", "list the numbers between {a} and {b}", "write the numbers {a} to {b}", "numbers from {a} to {b} please"]
COUNT_DOWN = ["count down from {a} to {b}", "count backwards from {a} to {b}", "can you count down from {a} to {b}?",
              "from {a} down to {b}, please count", "write the numbers from {a} down to {b}"]
COUNT_NEXT = ["what number comes after {a}?", "which number follows {a}?", "what is the next number after {a}?", "the number after {a}?"]
COUNT_BEFORE = ["what number comes before {a}?", "which number is before {a}?", "the number just before {a}?"]


def counting(rng, held_out=False):
    while True:
        kind = rng.choice(["up", "up", "down", "next", "before"])
        a, n = rng.randint(1, 90), rng.randint(3, 9)
        if (hashed(f"count {kind} {a} {n if kind in ('up', 'down') else ''}", 10) == 0) == held_out:
            break
    def said(numbers):
        return ", ".join(map(str, numbers)) + "."
    if kind == "up":
        numbers = list(range(a, a + n + 1))
        return Exchange("counting", rng.choice(COUNT).format(a=a, b=a + n), said(numbers), [said(numbers)[:-1]], held_out,
                        [said(numbers[:-1]), said(numbers[1:]), said(numbers[:2] + numbers[3:])])
    if kind == "down":
        numbers = list(range(a + n, a - 1, -1))
        return Exchange("counting", rng.choice(COUNT_DOWN).format(a=a + n, b=a), said(numbers), [said(numbers)[:-1]], held_out,
                        [said(numbers[:-1]), said(numbers[1:]), said(numbers[:2] + numbers[3:])])
    if kind == "next":
        return Exchange("counting", rng.choice(COUNT_NEXT).format(a=a), f"After {a} comes {a + 1}.", [str(a + 1)], held_out,
                        [f"After {a} comes {a + 2}.", f"After {a} comes {a - 1}."])
    return Exchange("counting", rng.choice(COUNT_BEFORE).format(a=a), f"Before {a} comes {a - 1}.", [str(a - 1)], held_out,
                    [f"Before {a} comes {a + 1}.", f"Before {a} comes {a - 2}."])


# ---- the calendar --------------------------------------------------------------------------------------------------

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
LENGTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
ORDINAL = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]
AFTER = ["what {u} comes after {x}?", "which {u} follows {x}?", "what is the {u} after {x}?", "the {u} after {x}?", "what comes after {x}?",
         "next {u} after {x}?", "if it is {x}, what is the next {u}?", "name the {u} that follows {x}"]
BEFORE = ["what {u} comes before {x}?", "which {u} is before {x}?", "what is the {u} before {x}?", "the {u} before {x}?",
          "what comes before {x}?", "name the {u} before {x}", "if it is {x}, what was the {u} before?"]
IN_DAYS = ["what day is {n} days after {x}?", "today is {x}, what day is it in {n} days?", "{n} days after {x} is what day?",
           "if today is {x}, which day comes {n} days later?", "which day is {n} days from {x}?"]
MONTH_LENGTH = ["how many days does {x} have?", "how many days are in {x}?", "days in {x}?", "how long is {x}?", "number of days in {x}"]
MONTH_NUMBER = ["which month is {x}, as a number?", "what number is {x} among the months?", "is {x} the first or second month, or which?",
                "which number has the month {x}?", "what is the number of the month {x}?"]
NTH_MONTH = ["what is the {o} month?", "which month is the {o} of the year?", "name the {o} month of the year", "the {o} month?"]
FIXED_DATES = [
    ("how many days are in a week?|how many days does a week have?|days in a week|a week has how many days?", "A week has 7 days.", "7"),
    ("how many months are in a year?|how many months does a year have?|months in a year|number of months per year", "A year has 12 months.", "12"),
    ("how many days are in a year?|how many days does a year have?|days in a year|number of days per year",
     "A year has 365 days, and a leap year 366.", "365"),
    ("how many weeks are in a year?|how many weeks does a year have?|weeks in a year", "A year has about 52 weeks.", "52"),
    ("name the days of the week|what are the days of the week?|list the weekdays|which days does a week have, by name?",
     "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.", "Monday, Tuesday, Wednesday, Thursday, Friday"),
    ("name the months of the year|what are the months?|list all months|which months does a year have, by name?",
     ", ".join(MONTHS) + ".", "January, February, March, April, May, June"),
]


def calendar(rng, held_out=False):
    while True:
        kind = rng.choice(["day+", "day-", "days", "days", "month+", "month-", "length", "number", "nth", "fixed"])
        i, n = rng.randrange(12), rng.randint(2, 6)
        patterns = {"day+": AFTER, "day-": BEFORE, "days": IN_DAYS, "month+": AFTER, "month-": BEFORE, "length": MONTH_LENGTH,
                    "number": MONTH_NUMBER, "nth": NTH_MONTH}
        if kind == "fixed":
            row = rng.choice(FIXED_DATES)
            ask = rng.choice(row[0].split("|"))
            key = ask
        else:
            w = rng.randrange(len(patterns[kind]))
            i = i % 7 if kind.startswith("day") else i
            key = f"{kind} {w} {i} {n if kind == 'days' else ''}"
        # which wording meets which day is split: every day and every wording is trained on, not every pair
        if (hashed("calendar " + key, 6) == 0) == held_out:
            break
    if kind == "fixed":
        return Exchange("calendar", ask, row[1], [row[2]], held_out)
    ask = patterns[kind][w]
    names, unit = (DAYS, "day") if kind.startswith("day") else (MONTHS, "month")
    x, size = names[i], len(names)
    if kind == "days":
        def said(first, last):
            steps = [names[(i + k) % 7] for k in range(first, last + 1)]
            return f"From {x} on: {', '.join(steps)}. So it is {steps[-1]}."
        return Exchange("calendar", ask.format(x=x, n=n), said(1, n), [f"it is {names[(i + n) % 7]}"], held_out,
                        [f"It is {names[(i + n + 1) % 7]}.", f"It is {names[(i + n - 1) % 7]}.", said(1, n - 1), said(1, n + 1), said(1, n + 2), said(0, n - 1)])
    if kind in ("day+", "month+"):
        y = names[(i + 1) % size]
        e = Exchange("calendar", ask.format(u=unit, x=x), f"After {x} comes {y}.", [y], held_out, [f"After {x} comes {names[(i + 2) % size]}."])
        if not held_out and rng.random() < 0.3:
            z = names[(i + 2) % size]
            e.then.append(Exchange("follow-up", rng.choice(["and after that?", "and the next one?", "and then?", f"and the {unit} after that?"]),
                                   f"After {y} comes {z}.", [z]))
        return e
    if kind in ("day-", "month-"):
        y = names[(i - 1) % size]
        return Exchange("calendar", ask.format(u=unit, x=x), f"Before {x} comes {y}.", [y], held_out, [f"Before {x} comes {names[(i - 2) % size]}."])
    if kind == "length":
        say = f"{x} has {LENGTH[i]} days" + (", and 29 in a leap year." if i == 1 else ".")
        return Exchange("calendar", ask.format(x=x), say, [str(LENGTH[i])], held_out, [f"{x} has {n} days." for n in (28, 30, 31) if n != LENGTH[i]])
    def said(name, number):
        return f"{MONTHS[name % 12]} is the {ORDINAL[number % 12]} month of the year, number {number % 12 + 1}."
    must = [x, f"number {i + 1}"]
    return Exchange("calendar", ask.format(x=x, o=ORDINAL[i]), said(i, i), must, held_out,
                    [said(i + k, i + k) for k in (-2, -1, 1, 2)] + [said(i + k, i) for k in (-1, 1)] + [said(i, i + k) for k in (-1, 1)])


# ---- units ---------------------------------------------------------------------------------------------------------

UNITS = [("kilometers", "meters", 1000, "km", "m"), ("meters", "centimeters", 100, "m", "cm"), ("centimeters", "millimeters", 10, "cm", "mm"),
         ("kilograms", "grams", 1000, "kg", "g"), ("tons", "kilograms", 1000, "t", "kg"), ("liters", "milliliters", 1000, "l", "ml"),
         ("minutes", "seconds", 60, "min", "s"), ("hours", "minutes", 60, "h", "min"), ("days", "hours", 24, None, None),
         ("weeks", "days", 7, None, None), ("years", "months", 12, None, None), ("gibibytes", "mebibytes", 1024, "GiB", "MiB"),
         ("mebibytes", "kibibytes", 1024, "MiB", "KiB"), ("bytes", "bits", 8, None, None), ("gigabytes", "megabytes", 1000, "GB", "MB")]
CONVERT = ["how many {to} are {n} {frm}?", "convert {n} {frm} to {to}", "{n} {frm} in {to}", "what is {n} {frm} in {to}?",
           "how many {to} are in {n} {frm}?", "{n} {frm} are how many {to}?", "how much is {n} {frm} in {to}?", "express {n} {frm} in {to}",
           "turn {n} {frm} into {to}"]


def units(rng, held_out=False):
    while True:
        frm, to, factor, short, short_to = rng.choice(UNITS)
        top = 99 if factor in (10, 100, 1000) else 12
        n = rng.randint(1, top)
        w = rng.randrange(len(CONVERT))
        if (hashed(f"units {frm} {n} {w}", 6) == 0) == held_out:
            break
    if short and rng.random() < 0.3:
        frm, to = short, short_to
    say = f"{n} {frm} are {n * factor} {to}."
    wrong = [f"{n} {frm} are {n * factor * 10} {to}.", f"{n} {frm} are {n * factor + factor} {to}."]
    return Exchange("units", CONVERT[w].format(frm=frm, to=to, n=n), say, [str(n * factor)], held_out, wrong)


# ---- names ---------------------------------------------------------------------------------------------------------

NAMES = ("Anna Ben Carla David Emma Felix Grace Hugo Ida Jonas Kira Liam Mia Noah Olga Paul Rosa Sam Tara Uwe Vera Will Yara Zoe Alex Bob "
         "Chris Diana Erik Freya Gustav Helga Ivan Julia Karl Lena Marco Nina Otto Petra Quinn Rita Stefan Tom Ursula Viktor Wanda Xenia "
         "Maria John Peter Sarah Leo Max Eva Jack Lucy Oscar Ella Finn Nora Ravi Mei Yuki Omar Aisha Kofi Sven Lars Inga Jon").split()
SAY_NAME = ["my name is {n}", "i am {n}", "hi, i'm {n}", "call me {n}", "hello, my name is {n}", "you can call me {n}", "i am called {n}"]
ASK_NAME = ["what is my name?", "do you remember my name?", "who am i?", "what was my name?", "say my name", "tell me my name", "what am i called?"]


SYLLABLES = "ba be bi bo da de di do fa fi ga go ha he hi jo ka ke ki ko la le li lo lu ma me mi mo na ne ni no ra re ri ro sa se si so ta te ti to va vi wa ya yo za zo".split()


def some_name(rng):
    """One that exists, or one that hardly does: a name is to be copied, not known."""
    if rng.random() < 0.4:
        return rng.choice(NAMES)
    return ("".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))) + rng.choice(["", "", "n", "s", "l", "r"])).capitalize()


def names(rng, held_out=False):
    while True:
        n = some_name(rng)
        if (hashed("name " + n, 8) == 0) == held_out:
            break
    x = Exchange("names", rng.choice(SAY_NAME).format(n=n), f"Hello {n}, nice to meet you. What would you like to know about Hekla?", [n], held_out)
    other = next(m for m in iter(lambda: some_name(rng), None) if m != n)
    x.then.append(Exchange("names", rng.choice(ASK_NAME), f"Your name is {n}.", [n], held_out, [f"Your name is {other}."]))
    return x


# ---- what it does not know -------------------------------------------------------------------------------------------

PLACES = ("France Japan Brazil Egypt Canada Norway Kenya India Chile Poland Spain Peru Turkey Vietnam Iceland Cuba Nepal Greece London Paris Tokyo "
          "Berlin Rome Madrid Sydney Boston Oslo Cairo Lima Dublin").split()
PEOPLE = ("Einstein Newton Shakespeare Mozart Napoleon Cleopatra Darwin Picasso Beethoven Plato Galileo Gandhi Columbus Lincoln Caesar Tesla "
          "Curie Bach Homer Dante").split()
THINGS = ("a cat|a dog|an elephant|a volcano|a rainbow|an airplane|a guitar|the moon|the sun|a black hole|a tree|a shark|gravity|democracy|"
          "photosynthesis|inflation|a bicycle|a computer virus|love|music|football|chess|an atom|a dinosaur|evolution|the ocean").split("|")
FOODS = "pizza|pasta|a cake|bread|soup|pancakes|rice|sushi|an omelette|cookies|a salad|curry".split("|")
THEMES = "love|the sea|autumn|a robot|my mother|the stars|winter|a lost dog|friendship|the city at night|war and peace|a dragon".split("|")
TITLES = "the last world cup|the election|the oscars|the chess championship|the tennis final|the super bowl|the marathon".split("|")
LANGUAGES = "French|German|Spanish|Italian|Japanese|Latin|Polish|Greek|Russian|Swedish".split("|")
PHRASES = "good morning|thank you|i love you|where is the station|goodbye|how are you|my house".split("|")
UNKNOWN = [("what is the capital of {place}?", 1), ("how many people live in {place}?", 1), ("tell me about {place}", 1), ("what is the weather in {place}?", 1),
           ("how far is {place} from {place2}?", 1), ("who is the president of {place}?", 1), ("what should i see in {place}?", 1),
           ("will it rain tomorrow in {place}?", 1), ("which language do they speak in {place}?", 1), ("what time is it in {place}?", 1),
           ("who was {person}?", 1), ("when was {person} born?", 1), ("what did {person} do?", 1), ("tell me about the life of {person}", 1),
           ("when did {person} die?", 1), ("what is {person} famous for?", 1), ("how does {thing} work?", 1), ("what is {thing}?", 1),
           ("explain {thing} to me", 1), ("why is {thing} important?", 1), ("tell me something about {thing}", 1), ("where does {thing} come from?", 1),
           ("how do i cook {food}?", 1), ("give me a recipe for {food}", 1), ("how long does {food} take in the oven?", 1), ("is {food} healthy?", 1),
           ("write a poem about {theme}", 1), ("write me a story about {theme}", 1), ("sing a song about {theme}", 1), ("write an essay about {theme}", 1),
           ("who won {title}?", 1), ("when is {title}?", 1), ("translate {phrase} into {language}", 1), ("how do you say {phrase} in {language}?", 1),
           ("what is the stock price of apple?", .3), ("which stocks should i buy?", .3), ("what is the meaning of life?", .3), ("i have a headache, what should i take?", .3),
           ("is there a god?", .3), ("who will win the election?", .3), ("write a python program that sorts a list", .3), ("fix the bug in my java code", .3),
           ("what is the square root of 2?", .3), ("solve x squared equals 9", .3), ("what is 12 times 34?", .3), ("what is 144 divided by 12?", .3),
           ("what is 7 times 8?", .3), ("multiply 23 by 4", .3), ("divide 90 by 3", .3), ("what is in the news today?", .3), ("book me a flight to {place}", .5), ("order {food} for me", .5),
           ("what movie should i watch?", .3), ("recommend a good book", .3), ("how tall is mount everest?", .3), ("how old is the universe?", .3),
           ("what is the speed of light?", .3), ("who painted the mona lisa?", .3), ("what is the best phone?", .3), ("do my homework", .3),
           ("draw a picture of {thing}", .5), ("open my email", .3), ("search the web for {thing}", .5), ("what is the date today?", .3), ("what time is it?", .3)]
I_DO_NOT_KNOW = ["I am a very small model and I do not know that. I can help with Hekla, sums, days and units.",
                 "I do not know: I am a very small model. Ask me about Hekla, or for a sum, a day or a unit."]


def unknown(rng, held_out=False):
    while True:
        i = rng.choices(range(len(UNKNOWN)), [w for _, w in UNKNOWN])[0]
        place, place2 = rng.sample(PLACES, 2)
        slots = {"place": place, "place2": place2, "person": rng.choice(PEOPLE), "thing": rng.choice(THINGS), "food": rng.choice(FOODS),
                 "theme": rng.choice(THEMES), "title": rng.choice(TITLES), "phrase": rng.choice(PHRASES), "language": rng.choice(LANGUAGES)}
        ask = UNKNOWN[i][0].format(**slots)
        if (hashed("unknown " + ask, 6) == 0 or hashed(f"unknown pattern {i}", 9) == 0) == held_out:
            break
    return Exchange("not known", ask, rng.choice(I_DO_NOT_KNOW), ["do not know"], held_out,
                    ["Of course! It is 42.", "Yes, that is right.", f"The answer is {rng.choice(PLACES)}.", "Use `hekla generate` for that."])


SKILLS = {"sums": sums, "counting": counting, "calendar": calendar, "units": units, "names": names, "unknown": unknown}
