"""Tables of written English: what abbreviations, units, signs and foreign letters are called."""

from __future__ import annotations

MONTHS = "January February March April May June July August September October November December".split()
SHORT_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
DAYS = {
    "mon": "monday", "tue": "tuesday", "tues": "tuesday", "wed": "wednesday", "thu": "thursday", "thur": "thursday",
    "thurs": "thursday", "fri": "friday",
}  # fmt: skip

TITLES = {
    "mr": "mister", "mrs": "missus", "ms": "ms", "dr": "doctor", "prof": "professor", "gen": "general", "col": "colonel",
    "capt": "captain", "sgt": "sergeant", "rev": "reverend", "sen": "senator", "rep": "representative", "lt": "lieutenant",
    "maj": "major", "gov": "governor", "pres": "president", "messrs": "messieurs", "hon": "honorable", "cpl": "corporal",
    "cmdr": "commander", "adm": "admiral", "supt": "superintendent", "jr": "junior", "sr": "senior", "mt": "mount", "ft": "fort",
    "st": "saint",
}  # fmt: skip
"""Said so with a full stop behind them; without one only before a name (`Mr Brown`)."""
BARE_TITLES = {"mr", "mrs", "ms", "dr", "prof", "sgt", "capt", "st", "mt", "rev"}
"""Titles that also stand without a full stop."""
ALWAYS_TITLES = {"mr", "mrs", "ms", "dr", "prof", "messrs", "jr", "sr", "st"}
"""Titles that need no name behind them, where they have a full stop."""
ABBREVIATIONS = {
    "etc": "et cetera", "vs": "versus", "inc": "incorporated", "corp": "corporation", "dept": "department", "ave": "avenue",
    "blvd": "boulevard", "rd": "road", "hwy": "highway", "approx": "approximately", "vol": "volume", "bros": "brothers",
    "co": "company", "ltd": "limited", "univ": "university", "assn": "association", "intl": "international",
}  # fmt: skip
"""Said so with a full stop behind them, in any case."""
BEFORE_NUMBERS = {
    "no": "number",
    "nos": "numbers",
    "p": "page",
    "pp": "pages",
    "sec": "section",
    "chap": "chapter",
    "ch": "chapter",
    "fig": "figure",
    "figs": "figures",
    "ext": "extension",
}
"""Abbreviations that are words of their own elsewhere: only with a full stop and a number behind them."""
DOTTED = {"e.g.": "for example", "i.e.": "that is", "ph.d.": "p h d", "a.k.a.": "also known as", "w/o": "without", "w/": "with"}
WHOLE = {"gov't": "government", "int'l": "international", "ok": "okay", "phd": "p h d", "vs": "versus", "etc": "et cetera"}

UTTERED = {"SHH", "SHHH", "HMM", "HMMM", "MM", "MMM", "PSST", "PST", "BRR", "BRRR", "GRR", "GRRR", "TSK", "NTH", "ZZZ"}
"""Words in capitals without a vowel that are no initialisms."""
INITIALISMS = set(
    """ABC AD AI AIG AOL AP API ATM BA CEO CFO CIA COO DEA DIY DNA EKG EMI EPA ESP EU FAQ FBI FDA FIA GOP IBM ICU ID IOC IOU IP
    IPO IQ IRA IRS ISP MBA MIA MIT MRI NBA NEA NGO NIH NYU OEM OS PDA RIAA RNA SEO SOS SUV UAE UAW UCLA UFO UI UK UN UPI UPS URL
    USA USB USC USDA USSR UV UX VIP""".split()
)
"""Written in capitals and said letter by letter although they have a vowel; those without a vowel need no list."""

UNITS = {
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "m": "meter", "nm": "nanometer", "mi": "mile", "yd": "yard",
    "yds": "yard", "ft": "foot", "kg": "kilogram", "g": "gram", "mg": "milligram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "l": "liter", "ml": "milliliter", "gal": "gallon", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz",
    "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "w": "watt", "kw": "kilowatt", "mw": "megawatt",
    "kwh": "kilowatt hour", "v": "volt", "db": "decibel", "ms": "millisecond", "sec": "second", "secs": "second", "min": "minute",
    "mins": "minute", "hr": "hour", "hrs": "hour", "mph": "mile per hour", "kph": "kilometer per hour",
    "km/h": "kilometer per hour",
    "m/s": "meter per second", "sqm": "square meter", "sqkm": "square kilometer", "sqft": "square foot", "cum": "cubic meter",
    "°c": "degree celsius", "°f": "degree fahrenheit", "°": "degree", "kbps": "kilobit per second", "mbps": "megabit per second",
    "mpg": "mile per gallon", "inch": "inch", "fps": "frame per second", "rpm": "revolution per minute",
    "dpi": "dot per inch", "cal": "calorie", "kcal": "kilocalorie",
}  # fmt: skip
UNCOUNTED = {"hertz", "kilohertz", "megahertz", "gigahertz"}
MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"), "¥": ("yen", "yen", "", ""), "¢": ("cent", "cents", "", ""),
}  # fmt: skip
SCALES = {
    "k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion", "thousand": "thousand",
    "million": "million", "billion": "billion", "trillion": "trillion",
}  # fmt: skip
SIGNS = {
    "&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "×": "times", "÷": "divided by", "±": "plus or minus",
    "<": "less than", ">": "greater than", "°": "degrees", "$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "¢": "cents",
    "≈": "about", "≤": "at most", "≥": "at least", "√": "root",
}  # fmt: skip
SILENT = set('.,;:!?"()[]{}-/\\…—–·“”„«»‹›*_|•~^#¡¿')
LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ŋ": "ng", "ħ": "h", "ə": "e"}
)
"""Letters that have no decomposition; what people type for them."""
APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "ʻ": "'", "′": "'", "″": '"', "‛": "'"})
ELISIONS = {"'tis", "'twas", "'twere", "'twill", "'em", "'cause", "'til", "'bout", "'n'", "'n", "'round", "'neath", "'gainst"}
"""Words that start with an apostrophe of their own."""

ALONE = "chapter|act|scene|part|volume|book|article|section|amendment"
"""What a Roman numeral of one letter may number."""
NUMBERED = """war|chapter|part|volume|vol\\.|book|act|scene|section|phase|type|bowl|article|appendix|class|mark|stage|level|title|
    episode|symphony|apollo|saturn|amendment""".replace("\n", "").replace(" ", "")
RULERS = """alexander|alfonso|anne|benedict|catherine|charles|christian|clement|constantine|edward|elizabeth|ferdinand|francis|
    frederick|george|gregory|harald|haakon|henry|innocent|isabella|ivan|james|john|joseph|juan|julius|karl|leo|leopold|louis|
    margaret|mary|maximilian|napoleon|nicholas|olav|otto|paul|peter|philip|pius|ptolemy|ramses|richard|robert|rudolf|sixtus|
    umberto|urban|victor|vittorio|wilhelm|william|xerxes""".replace("\n", "").replace(" ", "")
SPELLED_DOMAINS = {"edu": "e d u", "uk": "u k", "us": "u s", "cn": "c n", "jp": "j p", "de": "d e", "fr": "f r", "io": "i o",
                   "ai": "a i", "js": "j s", "eu": "e u", "tv": "t v", "www": "w w w", "html": "h t m l",
                   "php": "p h p"}  # fmt: skip
DOMAINS = "com|org|net|edu|gov|info|io|ai|uk|us|cn|jp|de|fr|eu|tv|co|js|int"
WEB_SIGNS = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "?": "question mark",
             "=": "equals", "&": "and", "%": "percent", "#": "hash", "+": "plus", "~": "tilde"}  # fmt: skip
