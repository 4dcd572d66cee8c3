"""Who gets which share of a time budget, and why: all of these numbers, in one table.

The shares are chosen for the reasons that are given, not measured one by one.
"""

from __future__ import annotations

# --- Training a teacher and distilling it in one go, as `napari-aprrd denoise --minutes` does ---

# A teacher's step costs several of a student's, and a student cannot be better than its targets.
TEACHER, TEACHER_STEP = 0.65, 4
# The student gets what the teacher left over, but at least this, so that it is of some use. Where
# it would then end later than a job may, on a machine that other programs keep busy, the teacher
# has to do.
STUDENT_AT_LEAST = (1 - TEACHER) / 2
# A student that is stopped after fewer steps is dropped for its teacher. On simulated cells it was
# 1.5 dB worse after 1 step and 0.1 dB after 120; without starting weights 33 dB and 1.7 dB.
STUDENT_STEPS = 100

# --- Within one job, in the order in which the shares are spent -----------------------------------

# Computing the targets of distillation, from its start on. What is left is for learning from
# them: a student of fewer planes that has learnt is better than one of all that has not.
TARGETS = 0.25
# The training loop ends here, as choosing targets and the calibration still follow: earlier where
# these take longer, but not before the second share.
LEARNING, EARLIEST_END = 0.94, 0.75
# Pixels of steps that cost about as much as the fewest windows of that ending: the small ones of a
# short budget, and the usual ones.
ENDING_PIXELS, LONG_ENDING_PIXELS = 250_000, 700_000
# Minutes of a job below which choosing targets and calibration look at small windows. With 1.0, a
# minute for both steps lost 0.09 dB on a wide-field image.
SHORT = 0.4
# Fewer steps teach nothing, since the first ones only warm up. Where starting has taken a short
# budget on a busy machine, learning may still take so many seconds to get to them: at most, and
# where the job would end later than it may.
FEWEST_STEPS, OVERTIME, LEAST_OVERTIME = 10, 2.0, 0.5
# Seconds, or if that is more a share of the budget, that a job may end late: less than what users
# are promised, since the job can only end when a step or a window is done.
LATE_SECONDS, LATE = 2.0, 0.05
# From here on no more windows are looked at to choose the teacher's shifts.
SHIFTS = 0.97
# From here on calibration makes do with the fewest windows, and with a single one where the job is
# half as late as it may be. A job ends a little late rather than without a calibration.
CALIBRATION = 1.0

# --- The demo: minutes, not shares, so that it takes about a minute on any machine ---------------

DEMO_TEACHER, DEMO_STUDENT = 0.55, 0.35


def is_short(minutes: float | None) -> bool:
    """Whether a time budget is too small for anything but a quick ending."""
    return minutes is not None and minutes < SHORT


def late(minutes: float) -> float:
    """Seconds that a job may end after its time budget."""
    return max(LATE_SECONDS, LATE * 60 * minutes)


def ending_pixels(minutes: float) -> int:
    """Pixels of steps that cost about as much as what follows the training loop."""
    return ENDING_PIXELS if is_short(minutes) else LONG_ENDING_PIXELS
