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
    "st": "saint", "fr": "father", "pvt": "private", "brig": "brigadier", "sgts": "sergeants", "drs": "doctors",
    "det": "detective", "insp": "inspector", "atty": "attorney", "amb": "ambassador", "sens": "senators",
    "reps": "representatives", "profs": "professors",
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
    "ln": "lane", "rte": "route",
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
    "apt": "apartment",
    "bldg": "building",
    "rm": "room",
    "eq": "equation",
    "vols": "volumes",
    "ver": "version",
    "art": "article",
    "par": "paragraph",
    "ll": "lines",
    "ex": "example",
    "tab": "table",
}
"""Abbreviations that are words of their own elsewhere: only with a full stop and a number behind them."""
DOTTED = {"e.g.": "for example", "i.e.": "that is", "ph.d.": "p h d", "a.k.a.": "also known as", "w/o": "without", "w/": "with"}
WHOLE = {"gov't": "government", "int'l": "international", "ok": "okay", "phd": "p h d", "vs": "versus", "etc": "et cetera"}

UTTERED = {"SHH", "SHHH", "HMM", "HMMM", "MM", "MMM", "PSST", "PST", "BRR", "BRRR", "GRR", "GRRR", "TSK", "NTH", "ZZZ"}
"""Words in capitals without a vowel that are no initialisms."""
INITIALISMS = set(
    """AAA AARP ABC AC ACLU AD ADHD AFC AFL AFP AI AIG AOC AOL AP API APR ATM ATV BA BAE BCE BIA BMI BOE CE CEO CFO CIA CIO CMO
    COD COO COPD CPI CPU CTO DEA DIY DNA DOB DOJ DOT DUI EDT EEG EKG ECB ECG EMI EMT EPA EPS ESL ESP ESPN EST ETA ETF EU EV FAA
    FAQ FBI FDA FIA GOP GPA GPU GUI HBO HIV HOA IAEA IBM ICC ICU ID IDF IED IMF INS IOC IOU IP IPA IPCC IPO IQ IRA IRS ISBN
    ISP ISS ITV IUD IV IVF LED LGBTQ LA LAPD MBA MIA MIT MLA MOU MRI MVP NAACP NBA NEA NGO NIH NRA NSA NYC NYPD NYSE NYU OBE
    OCD OECD OEM OS OTC PA PDA PE PO PLO POW PPE PTA QA QE RAF RIAA RIP RNA ROI ROTC SAT SEC SEO SOS SUV TBA UAE UAV UAW
    UBS UC UCLA UCSD UEFA UFC UFO UHF UI UK UN UNC UPC UPI UPS URL US USA USAF USB USC USDA USMC USN USPS USSR UTC UTI UV
    UX VA VAT VIP VOA WTO XO YMCA YTD YWCA""".split()
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
    "mpg": "mile per gallon", "fps": "frame per second", "rpm": "revolution per minute",
    "dpi": "dot per inch", "cal": "calorie", "kcal": "kilocalorie", "ppm": "parts per million", "ppb": "parts per billion",
    "sqcm": "square centimeter", "sqmm": "square millimeter", "sqmi": "square mile", "sqin": "square inch",
    "sqyd": "square yard", "cucm": "cubic centimeter", "cumm": "cubic millimeter", "cukm": "cubic kilometer",
    "cuft": "cubic foot", "cuin": "cubic inch", "cuyd": "cubic yard", "kmh": "kilometer per hour", "mwh": "megawatt hour",
    "gw": "gigawatt", "kj": "kilojoule", "kpa": "kilopascal", "hpa": "hectopascal", "μm": "micrometer", "μg": "microgram",
    "gbps": "gigabit per second", "gbit": "gigabit", "mbit": "megabit", "ha": "hectare", "bpm": "beat per minute",
    "kn": "knot", "mpa": "megapascal", "mah": "milliampere hour", "bbl": "barrel", "tbsp": "tablespoon", "tsp": "teaspoon",
    "ev": "electron volt", "kev": "kiloelectron volt", "mev": "megaelectron volt", "mol": "mole", "dl": "deciliter", "yr": "year",
    "yrs": "year", "wk": "week", "wks": "week", "kgs": "kilogram", "kms": "kilometer", "cc": "cubic centimeter",
    "nmi": "nautical mile",
    "cl": "centiliter", "mj": "megajoule", "ma": "milliampere", "mv": "millivolt", "kv": "kilovolt",
    "μs": "microsecond", "μl": "microliter", "ns": "nanosecond", "pb": "petabyte",
}  # fmt: skip
UNCOUNTED = {"hertz", "kilohertz", "megahertz", "gigahertz", "parts per million", "parts per billion"}
EACH = {
    "h": "hour", "hour": "hour", "s": "second", "second": "second", "day": "day", "week": "week", "wk": "week", "month": "month",
    "mo": "month", "year": "year", "yr": "year", "minute": "minute", "person": "person", "night": "night", "share": "share",
    "barrel": "barrel", "unit": "unit", "piece": "piece", "dl": "deciliter", "ton": "ton", "acre": "acre", "mile": "mile",
    "gallon": "gallon", "pound": "pound", "ounce": "ounce", "liter": "liter", "item": "item", "user": "user",
}  # fmt: skip
"""What may stand behind a slash after a quantity, besides units."""
PER = "min sec s hr h day week month year wk mo yr".split()
"""The same behind a word: `beats/min`."""
CROWDS = """people|barrels|users|followers|customers|jobs|homes|households|voters|workers|views|viewers|copies|tonnes|tons|
    subscribers|children|passengers|visitors|acres|members|fans|shares|residents|students|patients|doses|cars|vehicles|euros|pounds|dollars|
    refugees|adults|families""".replace("\n", "").replace(" ", "")
"""What millions are counted of: `2m barrels`."""
GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho
    sigma tau upsilon phi chi psi omega""".split(),
    )
)
"""Letters of formulas; words in Greek are no English text."""
NATIONS = {"US": "u s", "C": "canadian", "CA": "canadian", "A": "australian", "AU": "australian", "HK": "hong kong",
           "NZ": "new zealand", "S": "singapore"}  # fmt: skip
STATES = {
    "Ala": "alabama", "Ariz": "arizona", "Ark": "arkansas", "Calif": "california", "Colo": "colorado", "Conn": "connecticut",
    "Del": "delaware", "Fla": "florida", "Ga": "georgia", "Ill": "illinois", "Ind": "indiana", "Kan": "kansas",
    "Ky": "kentucky", "La": "louisiana", "Mass": "massachusetts", "Md": "maryland", "Mich": "michigan", "Minn": "minnesota",
    "Mo": "missouri", "Mont": "montana", "Neb": "nebraska", "Nev": "nevada", "Okla": "oklahoma",
    "Ore": "oregon", "Pa": "pennsylvania", "Tenn": "tennessee", "Tex": "texas", "Va": "virginia", "Vt": "vermont",
    "Wash": "washington", "Wis": "wisconsin", "Wyo": "wyoming",
}  # fmt: skip
"""States of the USA as newspapers shorten them; read behind a comma or a hyphen."""
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
    "≈": "about", "≤": "at most", "≥": "at least", "√": "root", "§": "section", "©": "copyright", "®": "registered",
    "∞": "infinity", "¶": "paragraph", "№": "number",
}  # fmt: skip
SILENT = set('.,;:!?"()[]{}-…—–·•“”„«»‹›¡¿')
"""Punctuation: what is written and never said. Other marks (`/ * _ | ~ ^ # \\`) are said by a rule, or are an error."""
LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ŋ": "ng", "ħ": "h", "ə": "e"}
)
"""Letters that have no decomposition; what people type for them."""
APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "ʻ": "'", "′": "'", "″": '"', "‛": "'"})
ELISIONS = {"'tis", "'twas", "'twere", "'twill", "'em", "'cause", "'til", "'bout", "'n'", "'n", "'round", "'neath", "'gainst"}
"""Words that start with an apostrophe of their own."""

ALONE = "chapter|act|scene|part|volume|book|article|section|amendment|type|phase|class|stage|level|title|appendix|division|tier"
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
