"""The alarm that stops a run whose codebook has collapsed."""

from ctaplib.errors import CollapseError
from ctaplib.nn.codebook_use import CodebookUse


def check_collapse(use: CodebookUse, *, step: int, min_usage_pct: float = 5.0, min_perplexity_pct: float = 1.0) -> None:
    """Stop a run whose codebook has collapsed.

    Args:
        use: Counts over an epoch or a validation set. A codebook with more codes than frames is measured against the
            number of frames.
        step: Training step, for the message.
        min_usage_pct: Least percentage of the codes that must occur.
        min_perplexity_pct: Least perplexity, percent of the number of codes.

    Raises:
        CollapseError: Either is below its limit; says what to change.
    """
    if use.frames == 0:
        return
    codes = len(use.counts)
    reachable = min(codes, use.frames)
    usage_pct = use.usage_pct * codes / reachable
    perplexity_pct = 100.0 * use.perplexity / reachable
    if usage_pct >= min_usage_pct and perplexity_pct >= min_perplexity_pct:
        return
    raise CollapseError(
        f"the codebook has collapsed at step {step}: {use.usage_pct:.1f} % of {codes} codes are used, perplexity "
        f"{use.perplexity:.1f} over {use.frames} frames",
        expected=f"at least {min_usage_pct:g} % of the codes used, and a perplexity of at least {min_perplexity_pct:g} % of "
        "their number",
        fix="lower the learning rate or the weight of the vq term, raise restart_threshold or lower restart_every_steps, "
        "set a smaller code_dim, or choose another quantizer (fsq has no codebook to lose, normalized keeps more codes "
        "in use than ema)",
    )
