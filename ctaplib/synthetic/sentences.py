"""Write English sentences for synthetic corpora from a small grammar and our own word lists.

The words are chosen so that every English phoneme is frequent, and they are dealt out like cards: each
list is shuffled and used up before it is shuffled again, so that no word (and hence no phoneme) is rare.
The same seed gives the same sentences on every machine; no two sentences are equal.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LISTS: dict[str, str] = {
    "name": """Joyce Keith Shirley Hugh Yolanda Vivian George Ethel Thea Zoe Jacques Beth Floyd Maeve Owen Oscar Faye Judge
        Gavin Wanda Theo Ingrid Roy Asia Paula Cheryl Julian Noah Ruth Louise Doyle Beverly Ursula Howard Leah Giles""",
    "person": """teacher farmer sailor nurse uncle cousin painter driver doctor child baker neighbour thief youth
        musician mother father brother judge officer singer vicar shepherd royal guard woman boy girl visitor lawyer
        treasurer tailor fisher goalkeeper coach pilot chef author soldier voyager hiker cowboy engineer usher wife""",
    "animal": """fox badger goose mouse tiger oyster horse sheep thrush hedgehog rabbit giraffe zebra leopard donkey
        puppy kitten pigeon vulture moth whale shark bear deer cow owl hawk wolf yak oxen turkey lizard cheetah""",
    "thing": """basket bottle jewel kettle ladder jacket shovel feather clock mirror coin toy vase trophy chair
        watch bridge measure garage treasure voice thumb leather ring boat coat fire wire tower flower choice shoe
        book pudding cushion bush hook wool yarn yolk engine cabbage onion sausage orange lemon cherry beige rug
        television pleasure mirage camouflage oil soil coil poison noise path bath cloth thread wreath anchor
        finger tongue string bell shell pearl shirt skirt purse church earth world bird fur pure cure tour
        spear beard pier chair square bear share prayer stair thought sword chalk fork door sauce ball cart
        palm calf heart scarf glass lamp map hat jam fan valve badge patch match axe cake plate gate wave grape
        maze page sail rain pie kite knife pipe prize light bike stone bone phone rose road cloud mouth house
        couch crown towel trousers juice fruit spoon moon glove duck cup brush jug plug judge lunch trunk""",
    "place": """garden village kitchen harbour forest valley station library museum bathroom theatre orchard meadow
        temple hospital office castle cottage cathedral factory island shore cave field yard pasture southern coast
        northern hills river mouth vineyard junction college zoo playground bazaar engine room""",
    "adj": """yellow quiet heavy smooth gentle curious bitter huge tiny thirsty healthy royal annoying gorgeous
        casual usual unusual vague rough tough thick thin cheap shiny jolly noisy joyful youthful average foggy
        shallow wooden woollen golden purple orange beige azure silver dusty thorny northern foolish cruel cool
        brown loud round proud sour dark sharp hard calm early thirty dirty perfect pure secure fair rare square
        weird clear dear near icy bright wide kind lively fresh red dead yellowish fuzzy lovely muddy good full
        short warm tall small broad boiled spoiled moist strange brave pale lazy grey""",
    "past": """watched measured carried pushed followed enjoyed noticed covered polished borrowed destroyed avoided chose
        chewed joined bought caught found threw shook took pulled cooked judged changed charged gathered washed
        wished fetched reached searched heard turned burned learned served shared repaired compared cared feared
        cleared steered painted traded saved raised chased guided climbed liked hired fired tied showed owned
        closed stole froze drove wrote loved cut shut touched rubbed hugged filled hid kissed lit missed kept
        met sent guessed tested weighed played praised hated described devised recognised treasured envisioned
        guarded marked started parked passed danced hatched packed grabbed attacked attached drew viewed used""",
    "verb": """watch measure carry push follow enjoy notice cover polish borrow destroy avoid choose chew join buy catch
        find throw shake take pull cook judge change gather wash fetch reach search hear turn learn serve share
        repair compare fear clear steer paint save raise chase guide hire show own close love cut touch hug fill
        hide miss keep send guess test weigh praise describe recognise treasure guard mark pack grab draw view use""",
    "adverb": """slowly quietly usually suddenly gently carefully rarely proudly loudly warmly briefly cheerfully
        nervously vaguely roughly calmly early together casually boldly thoroughly silently anxiously joyfully
        happily eagerly badly gladly firmly surely perfectly fairly hourly yearly daily""",
    "when": """yesterday today tonight tomorrow on Thursday on Tuesday in July in January in August last year
        before noon after lunch at midnight during the voyage each month this evening every morning on Wednesday
        in the autumn for an hour without a pause at the usual time once again with great pleasure by chance
        after the storm since February until four over the weekend in June long ago just now""",
    "number": """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen twenty thirty forty fifty sixty ninety a hundred a thousand""",
    "plural": """bridges watches judges horses houses churches voices oranges matches garages bushes wishes cabbages
        sausages boxes foxes roses glasses thieves knives leaves shelves gloves clothes paths months moths
        toys boys coins jewels flowers towers fires wires chairs stairs bears beards years ears cures tours birds
        girls shirts nurses books hooks cooks spoons shoes fruits cups brothers lamps hats maps hearts cards carts
        walls doors forks thoughts ships fish rings kings lips beds pens shells eggs trees sheep keys bees cakes
        planes waves kites pies tigers phones boats stones clouds towels mice yaks youths jugs measures""",
    "prep": "near behind beyond under above across beside through around against below towards past inside outside",
    "dem": "this that the the a another each every our their his her your my",
    "be": "was seems looked felt became sounded is appeared remained",
    "aux": "should could would might will must can may didn't wouldn't couldn't",
    "pron": "he she they we you I",
    "conj": "but and while because though so although",
}

FRAMES: tuple[str, ...] = (
    "the adj person past dem thing .",
    "name past number adj plural when .",
    "pron aux verb dem adj thing prep the place .",
    "the animal prep the place be adj .",
    "name adverb past the adj animal .",
    "when , the person past dem thing .",
    "do you verb the adj plural ?",
    "why aux name verb dem thing ?",
    "the plural of the place be adj and adj .",
    "name and name past dem thing adverb .",
    "pron past the thing , conj pron aux verb dem animal .",
    "number plural be prep the adj place .",
    "please verb dem adj thing when .",
    "dem person with the adj thing past name .",
    "adj plural and adj plural be adj .",
    "where aux the person verb number plural ?",
    "if the thing be adj , pron aux verb it .",
    "there were number plural prep the thing .",
    "name aux verb the animal , the thing and the plural .",
    "pron aux adverb verb the person prep the place .",
)


@dataclass(frozen=True)
class Sentence:
    """One sentence as spoken and as scored."""

    spoken: str
    """With capitals and punctuation, for the speech engine."""
    text: str
    """Lower-case words and apostrophes only, single spaces."""


class _Deck:
    """Deal words without repetition until the list is used up, then shuffle again."""

    def __init__(self, words: list[str], rng: random.Random) -> None:
        self._words, self._rng = sorted(set(words)), rng
        self._left: list[str] = []

    def draw(self) -> str:
        if not self._left:
            self._left = list(self._words)
            self._rng.shuffle(self._left)
        return self._left.pop()


_PHRASE_STARTS = {
    "on",
    "in",
    "last",
    "before",
    "after",
    "at",
    "during",
    "each",
    "this",
    "every",
    "for",
    "without",
    "once",
    "with",
    "by",
    "since",
    "until",
    "over",
    "long",
    "just",
    "yesterday",
    "today",
    "tonight",
    "tomorrow",
}


def _entries(name: str) -> list[str]:
    """Split one word list; `when` and `number` hold phrases of several words."""
    words = LISTS[name].split()
    if name not in {"when", "number", "place"}:
        return words
    starts = _PHRASE_STARTS if name == "when" else None
    phrases: list[str] = []
    for word in words:
        follows = bool(phrases) and (
            (starts is not None and word not in starts)
            or (name == "number" and phrases[-1] == "a")
            or (name == "place" and phrases[-1] in {"southern", "northern", "river", "engine"})
        )
        if follows:
            phrases[-1] += " " + word
        else:
            phrases.append(word)
    return phrases


def _article(words: list[str]) -> list[str]:
    """Turn `a` into `an` before a vowel sound."""
    silent_h, y_sound = {"hour", "hourly"}, ("eu", "uni", "usu", "use", "you")
    out = list(words)
    for i, (word, following) in enumerate(zip(words, words[1:], strict=False)):
        after = following.lower()
        vowel = after in silent_h or (after[:1] in "aeiou" and not after.startswith(y_sound)) or after.startswith("unusual")
        if word == "a" and vowel:
            out[i] = "an"
    return out


def deal(lists: Mapping[str, list[str]], frames: Sequence[str], seed: int) -> Iterator[list[str]]:
    """Fill the slots of one frame after the other with words from the lists.

    Args:
        lists: words (or phrases) by slot name.
        frames: sentences of slot names and literal words, separated by spaces.
        seed: seed of every draw.
    """
    rng = random.Random(seed)
    decks = {name: _Deck(words, rng) for name, words in lists.items()}
    order = _Deck(list(frames), rng)
    while True:
        yield [word for slot in order.draw().split() for word in (decks[slot].draw().split() if slot in decks else [slot])]


def sentence_stream(seed: int) -> Iterator[Sentence]:
    """Yield sentences without end, no two alike.

    Args:
        seed: the seed of every draw; equal seeds give equal streams.

    Yields:
        Sentences of 4 to 15 words, about 1.5 to 6 seconds when spoken.
    """
    seen: set[str] = set()
    for dealt in deal({name: _entries(name) for name in LISTS}, FRAMES, seed):
        words = _article(dealt)
        text = " ".join(w.lower() for w in words if w[0].isalpha())
        if text in seen:
            continue
        seen.add(text)
        spoken = " ".join(words).replace(" ,", ",").replace(" .", ".").replace(" ?", "?")
        yield Sentence(spoken[0].upper() + spoken[1:], text)
