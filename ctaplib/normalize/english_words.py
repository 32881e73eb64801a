"""Words of written English and their spoken forms, from `english_words.tsv` (columns: table, written, spoken)."""

from pathlib import Path

from ctaplib.normalize.tables import read_tables

_TABLES = read_tables(Path(__file__).with_suffix(".tsv"))

MONTHS = list(_TABLES["month"])
SHORT_MONTHS = _TABLES["short_month"]
DAYS = _TABLES["day"]
"""Abbreviated days; `sat` and `sun` are words of their own."""

TITLES = _TABLES["title"]
"""Expanded before a full stop; without one only before a name (`Mr Brown`)."""
BARE_TITLES = _TABLES["bare_title"].keys()
"""Titles that also occur without a full stop."""
PLAIN_TITLES = _TABLES["plain_title"].keys()
"""Titles that are expanded before a full stop even where no name follows."""
ABBREVIATIONS = _TABLES["abbreviation"]
"""Expanded before a full stop, in any case."""
BEFORE_NUMBERS = _TABLES["before_number"]
"""Abbreviations that are also words: expanded only before a full stop and a number."""
DOTTED = _TABLES["dotted"]
WHOLE_WORDS = _TABLES["whole_word"]
INTERJECTIONS = _TABLES["interjection"].keys()
"""Words in capitals without a vowel that are no initialisms."""
INITIALISMS = _TABLES["initialism"].keys()
"""Spelled although they have a vowel; initialisms without a vowel need no list."""

UNITS = _TABLES["unit"]
UNCOUNTED_UNITS = _TABLES["uncounted_unit"].keys()
PER_UNIT = _TABLES["per_unit"]
"""May follow a slash after a quantity, besides units."""
PER_AFTER_WORD = _TABLES["per_after_word"]
"""May follow a slash after a word: `beats/min`."""
CROWDS = _TABLES["crowd"]
"""Counted in millions: `2m barrels`."""
GREEK = _TABLES["greek"]
"""Letters of formulas; Greek words are no English text."""
COUNTRIES = _TABLES["country"]
"""Abbreviated countries before a currency sign: `US$5`."""
STATES = _TABLES["state"]
"""States of the USA as newspapers abbreviate them; expanded after a comma or a hyphen."""
MONEY = {sign: tuple(names.split()) for sign, names in _TABLES["money"].items()}
"""Names of a currency: singular, plural, and where it has them those of its hundredth."""
SCALES = _TABLES["scale"]
SIGNS = _TABLES["sign"]
SILENT = _TABLES["silent"].keys()
"""Punctuation that is not spoken. Other marks (`/ * _ | ~ ^ # \\`) are spoken by a rule or are an error."""
LETTERS = str.maketrans(_TABLES["letter"])
"""Letters without a Unicode decomposition."""
APOSTROPHES = str.maketrans(_TABLES["apostrophe"])
ELISIONS = _TABLES["elision"].keys()
"""Words that start or end with an apostrophe of their own."""

ONE_LETTER_NUMERAL = _TABLES["one_letter_numeral"]
"""Words that a Roman numeral of one letter may follow."""
NUMBERED = _TABLES["numbered"]
"""Words that a longer Roman numeral may follow."""
RULERS = _TABLES["ruler"]
"""Names that a Roman numeral may follow as an ordinal: `Henry VIII`."""
DOMAINS = _TABLES["domain"]
SPELLED_DOMAINS = _TABLES["spelled_domain"]
WEB_SIGNS = _TABLES["web_sign"]
ONSETS = _TABLES["onset"].keys()
"""Clusters of consonants that English words start with."""
CODAS = _TABLES["coda"].keys()
"""Clusters of consonants that English words end with."""
