"""Tells capitals that can be said as a word (`NASA`) from those that cannot (`HDMI`), by their first and last consonants."""

from __future__ import annotations

import re

_ONSETS = set(
    """bl br ch cl cr dr dw fl fr gh gl gn gr kn kr ph pl pr qu rh sc sch scr sh shr sk sl sm sn sp sph spl spr squ st str sw th
    thr tr tw wh wr""".split()
)
_CODAS = set(
    """bs ck cks ct cts dd ds ff ft fts gg gh ght ghts gs ks lb lbs ld lds lf lk lks ll lls lm lms ln lp lps ls lt lth lts mb mbs
    mn mp mps mpt ms nch nd nds ng ngs ngth nk nks nn ns nt nth nts ps pt pts rb rbs rc rch rd rds rf rg rk rks rl rls rm rms
    rn rns rp rps rs rsh rst rt rth rts sc sh sk sks sm sms sp sps ss st sts tch th ths ts tt tts wk wl wls wn wns ws xt
    xts zz""".split()
)


def sounds(word: str) -> bool:
    """Tell whether a word in small letters can be said: it has a vowel, and English has its first and last consonants."""
    match = re.fullmatch(r"([^aeiouy]*|y)(?:[aeiouy].*?)??[aeiouy]([^aeiouy]*)", word)
    if not match:
        return False
    onset, coda = match.groups()
    return (len(onset) < 2 or onset in _ONSETS) and (len(coda) < 2 or coda in _CODAS)
