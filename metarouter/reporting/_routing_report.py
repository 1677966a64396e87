"""The report on a table of labels, as a document."""

from __future__ import annotations

from metarouter._version import __version__
from metarouter.reporting._document import Document
from metarouter.reporting._report_bias import bias_section
from metarouter.reporting._report_checks import checks_section, labels_section
from metarouter.reporting._report_judges import judges_sections
from metarouter.reporting._report_method import glossary_section, method_section
from metarouter.reporting._report_routing import comparison_section, gains_section
from metarouter.reporting._report_summary import summary_section
from metarouter.reporting._report_threshold import planning_section, threshold_section
from metarouter.reporting._routing_analysis import RoutingAnalysis


def routing_report(analysis: RoutingAnalysis, *, title: str | None = None) -> Document:
    """Write an analysis as a document.

    Parameters
    ----------
    analysis : RoutingAnalysis
    title : str, optional
        By default one that names the data.

    Returns
    -------
    Document

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
    return Document(
        title=title or f"Routing report: {analysis.queries.name}",
        subtitle=f"Made by metarouter {__version__}, seed {analysis.settings.seed}.",
        sections=(
            summary_section(analysis),
            labels_section(analysis),
            checks_section(analysis),
            bias_section(analysis),
            *judges_sections(analysis),
            gains_section(analysis),
            comparison_section(analysis),
            threshold_section(analysis),
            planning_section(analysis),
            method_section(analysis),
            glossary_section(),
        ),
    )
