"""How good routers are that learn from partial feedback, with the uncertainty of the answer."""

from __future__ import annotations

from bandits.evaluation._report import BanditStudyReport, write_bandit_report
from bandits.evaluation._scenario_report import write_scenario_report
from bandits.evaluation._study_data import STUDY_TABLES, StudyTable, study_table
from bandits.evaluation._user_outcomes import OutcomeColumns, read_outcomes
from bandits.evaluation.dominated_area import dominated_area
from bandits.evaluation.router_table import RouterTable, router_table
from bandits.evaluation.scenario_result import ScenarioResult
from bandits.evaluation.scenario_study import ScenarioStudy
from bandits.evaluation.study import BanditStudy
from bandits.evaluation.study_result import BanditStudyResult

__all__ = [
    "STUDY_TABLES",
    "BanditStudy",
    "BanditStudyReport",
    "BanditStudyResult",
    "OutcomeColumns",
    "RouterTable",
    "ScenarioResult",
    "ScenarioStudy",
    "StudyTable",
    "dominated_area",
    "read_outcomes",
    "router_table",
    "study_table",
    "write_bandit_report",
    "write_scenario_report",
]
