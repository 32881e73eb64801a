"""No front end: phones come with the corpus (`text.phn`), and new text has none."""

from ctaplib.errors import DataError
from ctaplib.text.frontends import Pronunciation, TextConfig


class Given:
    """Front end that refuses every text."""

    def __init__(self, config: TextConfig) -> None:
        pass

    def __call__(self, text: str) -> Pronunciation:
        raise DataError(
            f"there are no phones for {text!r}, and the front end `given` finds none",
            fix="put them into text.phn, or name a front end in conf/text.yaml",
        )


FRONTEND = Given
