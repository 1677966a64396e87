"""The report on a table of labels, and its first section: what to do, and what was found."""

from __future__ import annotations

from collections import Counter

import numpy as np

from metarouter._version import __version__
from metarouter.inference import CertifiedThreshold, CurveBand, Verdict
from metarouter.reporting._analyse import RoutingAnalysis
from metarouter.reporting._document import (
    GOLD,
    PREFERENCE,
    Document,
    Finding,
    Findings,
    Paragraph,
    Parts,
    Unanswered,
    cells,
    counted,
    has_limits,
    percent,
    section,
)
from metarouter.reporting._report_labels import (
    bias_section,
    checks_section,
    judges_section,
    labels_section,
)
from metarouter.reporting._report_method import glossary_section, method_section
from metarouter.reporting._report_routing import (
    comparison_section,
    curve_figure,
    gains_section,
    plan_finding,
    planning_section,
    threshold_section,
    threshold_text,
)
from metarouter.utils.arguments import validated
from metarouter.utils.style import router_label

_EXAMPLE_USAGE = 0.3


@section("Summary")
def summary_section(analysis: RoutingAnalysis) -> Parts:
    """Say what to do, then what was found, each finding with its verdict, and draw the curve."""
    queries, routing = analysis.queries, analysis.routing
    tested = ""
    if not isinstance(routing, Unanswered):
        tested = (
            f" Routers were tested on {routing.n_gold} of the {queries.n_gold} gold labels, which "
            "they had not seen."
        )
    yield Paragraph(
        f"{queries.name}: {queries.n_queries} queries, {queries.n_gold} with a gold label, "
        f"{queries.n_preference} with a preference label, {queries.n_paired} with both. Should a "
        f"query go to {_models(analysis)}? All intervals are at "
        f"{percent(analysis.settings.level)}.{tested}"
    )
    findings = [_action(analysis), _checks(analysis), _bias(analysis), _where(analysis)]
    if isinstance(routing, Unanswered):
        findings.append(_answer("Does routing pay?", routing.verdict, routing.reason))
    else:
        best = Finding(f"Which router is best? {routing.pairs.reason}", routing.pairs.verdict)
        findings += [_gain(analysis, routing.gain), best, _threshold(routing.threshold)]
    labels = "How many labels find a mean shift of a tenth of a standard deviation?"
    findings.append(plan_finding(analysis.shift_plan, labels))
    yield Findings(tuple(findings))
    if not isinstance(routing, Unanswered) and has_limits(routing.gain):
        yield curve_figure("efficiency_gain", routing.gain, analysis.settings.router)


def _models(analysis: RoutingAnalysis) -> str:
    """Name the models, with their roles where the names do not say them."""
    alternative, primary = analysis.settings.models
    if (alternative, primary) == ("alternative", "primary"):
        return "the primary model, which costs more, or to the alternative"
    return f"{primary} (the primary, costlier model) or to {alternative} (the alternative)"


def _action(analysis: RoutingAnalysis) -> Finding:
    """Say what to do: deploy a threshold, label more, or leave the routing be."""
    found, settings = analysis.routing, analysis.settings
    if isinstance(found, Unanswered):
        return Finding(f"What to do? Label more queries. {found.reason}", found.verdict)
    name, verdict, reason = router_label(settings.router), found.gain.verdict, found.gain.reason
    threshold = found.threshold
    certified = isinstance(threshold, CertifiedThreshold) and threshold.is_certified
    if verdict is Verdict.FAIL:
        advice = f"Do not route by the {name} router. {reason}"
    elif verdict is Verdict.INCONCLUSIVE:
        kept = " The threshold below keeps what was demanded meanwhile." * certified
        advice = f"Label more queries before relying on the {name} router. {reason}{kept}"
    elif isinstance(threshold, Unanswered) or not certified:
        advice = f"The {name} router gains, but no threshold is certified. {threshold.reason}"
        verdict = Verdict.INCONCLUSIVE
    else:
        share = next(kept.value for kept in threshold.estimates if kept.name == "max_share")
        advice = (
            f"Deploy the {name} router with the threshold w = {threshold.w:.4g}: it sends "
            f"{share:.0%} of queries to {settings.models[1]}, and routing is shown to pay."
        )
    return Finding(f"What to do? {advice}", verdict)


def _answer(question: str, verdict: Verdict, *says: str, caution: str = "In part.") -> Finding:
    """Answer in words, then say why: PASS beside a question may else be read as either."""
    answers = {Verdict.PASS: "Yes.", Verdict.FAIL: "No.", Verdict.INCONCLUSIVE: "Open."}
    sentences = (question, answers.get(verdict, caution), *says)
    return Finding(" ".join(filter(None, sentences)), verdict)


def _checks(analysis: RoutingAnalysis) -> Finding:
    found = analysis.diagnostics
    counts = Counter(check.verdict for check in found.checks)
    said = counted(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    reason = (
        f"Of {len(found.checks)} checks: {said}. The verdict is the worst of the checks, without "
        "the one on bias, which is the next line."
    )
    question = "Can the labels bear a correction?"
    return _answer(question, found.verdict, reason, caution="With caution.")


def _bias(analysis: RoutingAnalysis) -> Finding:
    test = analysis.diagnostics.mean_shift
    says = "no direction is shown"
    if test.lower > 0 or test.upper < 0:
        says = f"they {'understate' if test.lower > 0 else 'overstate'} the primary model"
    (mean,) = cells(test, "value, lower, upper", signed=True)
    shown = f"The mean shift is {mean} {PREFERENCE}: {says}." if mean.is_known else ""
    question = "Are cheap labels unbiased on average?"
    return _answer(question, test.verdict, shown, test.reason, caution="Not quite.")


def _where(analysis: RoutingAnalysis) -> Finding:
    """Weigh all that the section on bias tests, with Holm's correction for their number."""
    from statsmodels.stats.multitest import multipletests

    question = "Does the bias differ between queries in a way that can be predicted?"
    groups, p_values = analysis.sorted_groups, _tests_of_differences(analysis)
    if not p_values:
        return _answer(question, groups.verdict, groups.reason)
    said = counted(f"{name} (p = {p:.2g})" for name, p in p_values.items())
    smallest = multipletests([*p_values.values()], method="holm")[1].min()
    if smallest < 1 - analysis.settings.level:
        reason = (
            f"It is shown by {min(p_values, key=lambda name: p_values[name])}. Tested were {said}; "
            f"the smallest p value, corrected for their number, is {smallest:.2g}."
        )
        return _answer(question, Verdict.PASS, reason)
    backwards = Verdict.FAIL if groups.verdict is Verdict.FAIL else Verdict.INCONCLUSIVE
    none = f"Tested were {said}; none shows it once their number is allowed for."
    return _answer(question, backwards, none, groups.reason)


def _tests_of_differences(analysis: RoutingAnalysis) -> dict[str, float]:
    """Return the p values of all tests of whether the bias differs, those that could be made."""
    groups, projection = analysis.sorted_groups, analysis.projection
    found = {}
    if not isinstance(groups, Unanswered):
        found["the fifths of highest and lowest predicted shift"] = groups.contrast_p_value
    calibration = analysis.calibrations.get("shift")
    if calibration is not None:
        found["the calibration of predicted differences"] = float(calibration.p_value[1])
    if not isinstance(projection, Unanswered):
        found["its projection on features"] = projection.joint.p_value
    return {name: p for name, p in found.items() if np.isfinite(p)}


def _gain(analysis: RoutingAnalysis, band: CurveBand) -> Finding:
    # The usage nearest to the example's; one at which the band answers, if it does.
    distance, shown = np.abs(band.usage - _EXAMPLE_USAGE), band.band_lower > 0
    k = int(np.argmin(np.where(shown, distance, np.inf) if shown.any() else distance))
    (gain,) = cells(band, "value, lower, upper", [k], signed=True)
    example = (
        f"Where the {router_label(analysis.settings.router)} router sends {band.usage[k]:.0%} of "
        f"the queries to the primary model it gains {gain} {GOLD} over sending the same share at "
        "random."
    )
    says = (example * gain.is_known, band.reason)
    return _answer("Does routing pay?", band.verdict, *says, caution="Not at every share.")


def _threshold(found: CertifiedThreshold | Unanswered) -> Finding:
    said = found.reason
    if isinstance(found, CertifiedThreshold) and found.is_certified:
        said = threshold_text(found)
    return Finding(f"Which threshold is safe? {said}", found.verdict)


@validated()
def routing_report(analysis: RoutingAnalysis, *, title: str | None = None) -> Document:
    """Write an analysis as a document.

    Parameters
    ----------
    analysis : RoutingAnalysis
    title : str, optional
        By default one that names the data.

    Examples
    --------
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.reporting import analyse
    >>> few = make_judged_queries(60, 6, gold_share=0.2, random_state=0)
    >>> document = routing_report(analyse(few))
    >>> [section.title for section in document.sections][:3]
    ['Summary', 'The labels', 'Can the data bear it?']
    >>> print(document.sections[0].blocks[1].items[-2].verdict)
    INCONCLUSIVE
    """
    settings, routing = analysis.settings, analysis.routing
    certified = routing if isinstance(routing, Unanswered) else routing.certified
    return Document(
        title=title or f"Routing report: {analysis.queries.name}",
        subtitle=f"Made by metarouter {__version__}, seed {settings.seed}.",
        sections=(
            summary_section(analysis),
            labels_section(analysis.queries),
            checks_section(analysis.diagnostics, analysis.overlap_region),
            bias_section(analysis),
            *([judges_section(analysis.judges)] if analysis.judges else []),
            gains_section(routing, analysis),
            comparison_section(routing, settings.router),
            threshold_section(certified, settings),
            planning_section(analysis),
            method_section(analysis),
            glossary_section(),
        ),
    )
