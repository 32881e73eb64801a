"""Import a folder of audio without text, for training on speech alone."""

from pathlib import Path

from ctaplib.corpus.importing import Found, Importer, ImportOptions, Item, audio_below


def _read(source: Path, options: ImportOptions) -> Found:
    found = Found(has_text=False)
    for path in audio_below(source, found.left_out):
        found.items.append(Item(path.stem, str(path.absolute()), str(path)))
    return found


# Never guessed: audio whose text is lost is more likely than audio that never had any.
IMPORTER = Importer("a folder of audio alone (only with --kind audio)", lambda source: False, _read)
