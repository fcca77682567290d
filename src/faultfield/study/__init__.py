"""One study, one directory: the loop's state on disk, which resumes where it stopped."""

from faultfield.study.config import StudyConfig
from faultfield.study.diagnose import run_all
from faultfield.study.directory import Study
from faultfield.study.progress import Progress, Silent

__all__ = ["Progress", "Silent", "Study", "StudyConfig", "run_all"]
