"""The report on a table of labels, and its first section: what to do, and what was found."""

from __future__ import annotations

from collections import Counter

import numpy as np

from metarouter._version import __version__
from metarouter.inference import CertifiedThreshold, CurveBand, Verdict
from metarouter.reporting._document import (
    GOLD,
    PREFERENCE,
    Document,
    Estimate,
    Finding,
    Findings,
    Paragraph,
    Parts,
    Unanswered,
    counted,
    estimates,
    has_limits,
    percent,
    section,
)
from metarouter.reporting._report_bias import bias_section
from metarouter.reporting._report_labels import checks_section, judges_section, labels_section
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
from metarouter.reporting._routing_analysis import RoutingAnalysis
from metarouter.utils.arguments import validated
from metarouter.utils.style import router_label

_EXAMPLE_USAGE = 0.3
_PAYS = "Does routing pay?"
_ANSWERS = {Verdict.PASS: "Yes.", Verdict.FAIL: "No.", Verdict.INCONCLUSIVE: "Open."}


@section("Summary")
def summary_section(analysis: RoutingAnalysis) -> Parts:
    """Say what to do, then what was found, each finding with its verdict, and draw the curve."""
    queries, routing = analysis.queries, analysis.routing
    held_out = ""
    if not isinstance(routing, Unanswered):
        held_out = (
            f" Routers were tested on {routing.n_gold} of the {queries.n_gold} gold labels, which "
            "they had not seen."
        )
    yield Paragraph(
        f"{queries.name}: {queries.n_queries} queries, {queries.n_gold} with a gold label, "
        f"{queries.n_preference} with a preference label, {queries.n_paired} with both. Should a "
        f"query go to {_models(analysis)}? All intervals are at "
        f"{percent(analysis.settings.level)}.{held_out}"
    )
    findings = [_action(analysis), _checks(analysis), _bias(analysis), _where(analysis)]
    if isinstance(routing, Unanswered):
        findings.append(_open(_PAYS, routing))
    else:
        best = Finding(f"Which router is best? {routing.pairs.reason}", routing.pairs.verdict)
        findings += [_gain(analysis, routing.gain), best, _threshold(routing.threshold)]
    yield Findings((*findings, _plan(analysis)))
    if not isinstance(routing, Unanswered) and has_limits(routing.gain):
        yield curve_figure("efficiency_gain", routing.gain, analysis.settings.router)


def _action(analysis: RoutingAnalysis) -> Finding:
    """Say what to do: deploy a threshold, label more, or leave the routing be."""
    found = analysis.routing
    if isinstance(found, Unanswered):
        return Finding(f"What to do? Label more queries. {found.reason}", Verdict.INCONCLUSIVE)
    band, threshold = found.gain, found.threshold
    name = router_label(analysis.settings.router)
    certified = not isinstance(threshold, Unanswered) and threshold.is_certified
    if band.verdict is Verdict.FAIL:
        return Finding(
            f"What to do? Do not route by the {name} router. {band.reason}", band.verdict
        )
    if band.verdict is Verdict.INCONCLUSIVE:
        kept = " The threshold below keeps what was demanded meanwhile." * certified
        advice = f"Label more queries before relying on the {name} router. {band.reason}{kept}"
        return Finding(f"What to do? {advice}", band.verdict)
    if isinstance(threshold, Unanswered) or not threshold.is_certified:
        advice = f"The {name} router gains, but no threshold is certified. {threshold.reason}"
        return Finding(f"What to do? {advice}", Verdict.INCONCLUSIVE)
    share = next(kept for kept in threshold.estimates if kept.name == "max_share")
    return Finding(
        f"What to do? Deploy the {name} router with the threshold w = {threshold.w:.4g}: it sends "
        f"{share.value:.0%} of queries to {analysis.settings.models[1]}, and routing is shown to "
        "pay.",
        band.verdict,
    )


def _models(analysis: RoutingAnalysis) -> str:
    """Name the models, with their roles where the names do not say them."""
    alternative, primary = analysis.settings.models
    if (alternative, primary) == ("alternative", "primary"):
        return "the primary model, which costs more, or to the alternative"
    return f"{primary} (the primary, costlier model) or to {alternative} (the alternative)"


def _answered(question: str, verdict: Verdict, caution: str = "In part.") -> str:
    """Put the answer after a question: PASS beside one may else be read as either."""
    return f"{question} {_ANSWERS.get(verdict, caution)}"


def _open(question: str, why: Unanswered) -> Finding:
    verdict = Verdict.INCONCLUSIVE
    return Finding(f"{_answered(question, verdict)} {why.reason}", verdict)


def _checks(analysis: RoutingAnalysis) -> Finding:
    found = analysis.diagnostics
    counts = Counter(str(check.verdict) for check in found.checks)
    said = counted(
        f"{counts[verdict]} {verdict}" for verdict in map(str, Verdict) if counts[verdict]
    )
    question = _answered("Can the labels bear a correction?", found.verdict, "With caution.")
    return Finding(
        f"{question} Of {len(found.checks)} checks: {said}. The verdict is "
        "the worst of the checks, without the one on bias, which is the next line.",
        found.verdict,
    )


def _bias(analysis: RoutingAnalysis) -> Finding:
    test = analysis.diagnostics.mean_shift
    question = _answered("Are cheap labels unbiased on average?", test.verdict, "Not quite.")
    words = Estimate(test.value, test.lower, test.upper, signed=True)
    if not words.is_known:
        return Finding(f"{question} {test.reason}", test.verdict)
    if test.lower > 0:
        says = "they understate the primary model"
    elif test.upper < 0:
        says = "they overstate the primary model"
    else:
        says = "no direction is shown"
    return Finding(
        f"{question} The mean shift is {words} {PREFERENCE}: {says}. {test.reason}",
        test.verdict,
    )


def _where(analysis: RoutingAnalysis) -> Finding:
    """Weigh all that the section on bias tests, with Holm's correction for their number."""
    groups, p_values = analysis.sorted_groups, _tests_of_differences(analysis)
    question = "Does the bias differ between queries in a way that can be predicted?"
    smallest = min(p_values.values(), default=1.0) * len(p_values)
    if p_values and smallest < 1 - analysis.settings.level:
        said = counted(f"{name} (p = {p:.2g})" for name, p in p_values.items())
        return Finding(
            f"{question} Yes: it is shown by {min(p_values, key=lambda name: p_values[name])}. "
            f"Tested were {said}; the smallest p value, times their number, is {smallest:.2g}.",
            Verdict.PASS,
        )
    if isinstance(groups, Unanswered):
        return _open(question, groups)
    backwards = Verdict.FAIL if groups.verdict is Verdict.FAIL else Verdict.INCONCLUSIVE
    if p_values:
        said = counted(f"{name} (p = {p:.2g})" for name, p in p_values.items())
        return Finding(
            f"{_answered(question, backwards)} Tested were {said}; none shows it once their number "
            f"is allowed for. {groups.reason}",
            backwards,
        )
    question = _answered(question, groups.verdict)
    contrast = Estimate(groups.contrast, groups.contrast_lower, groups.contrast_upper, signed=True)
    if not contrast.is_known:
        return Finding(f"{question} {groups.reason}", groups.verdict)
    return Finding(
        f"{question} Between the fifths with the highest and the lowest predicted shift the mean "
        f"shift differs by {contrast} {PREFERENCE}. {groups.reason}",
        groups.verdict,
    )


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
    return {name: p for name, p in found.items() if p == p}


def _gain(analysis: RoutingAnalysis, band: CurveBand) -> Finding:
    question = _answered(_PAYS, band.verdict, "Not at every share.")
    # The usage nearest to the example's; one at which the band answers, if it does.
    distance, shown = np.abs(band.usage - _EXAMPLE_USAGE), band.band_lower > 0
    k = int(np.argmin(np.where(shown, distance, np.inf) if shown.any() else distance))
    (words,) = estimates(band, "value, lower, upper", [k], signed=True)
    if not words.is_known:
        return Finding(f"{question} {band.reason}", band.verdict)
    return Finding(
        f"{question} Where the {router_label(analysis.settings.router)} router sends "
        f"{band.usage[k]:.0%} of the queries to the primary model it gains {words} {GOLD} over "
        f"sending the same share at random. {band.reason}",
        band.verdict,
    )


def _threshold(threshold: CertifiedThreshold | Unanswered) -> Finding:
    question = "Which threshold is safe?"
    if isinstance(threshold, Unanswered):
        return Finding(f"{question} {threshold.reason}", Verdict.INCONCLUSIVE)
    said = threshold_text(threshold) if threshold.is_certified else threshold.reason
    return Finding(f"{question} {said}", threshold.verdict)


def _plan(analysis: RoutingAnalysis) -> Finding:
    plan = analysis.shift_plan
    question = "How many labels find a mean shift of a tenth of a standard deviation?"
    if isinstance(plan, Unanswered):
        return Finding(f"{question} {plan.reason}", Verdict.INCONCLUSIVE)
    return plan_finding(plan, question)


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
