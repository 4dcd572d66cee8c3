"""What a user is told: one sentence that says what is wrong and what to do."""


class UserError(ValueError):
    """Wrong input or usage. The message is shown to the user as it is."""
