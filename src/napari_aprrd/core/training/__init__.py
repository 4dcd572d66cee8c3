"""Training a teacher, distilling a student; automatic settings, time budgets, checkpoints."""
